use resilience::Classify;

fn local() -> bool {
    #[derive(Debug, Classify)]
    #[classify(permanent)]
    struct Local;
    resilience::classify::of(&Local).is_retryable()
}

fn main() {
    assert!(!local());
}
