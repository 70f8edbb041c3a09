use resilience::Classify;

#[derive(Classify)]
enum Error {
    #[classify(timeout, severity = 3)]
    Slow,
}

fn main() {}
