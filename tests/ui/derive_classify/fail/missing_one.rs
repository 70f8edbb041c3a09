use resilience::Classify;

#[derive(Classify)]
enum Error {
    #[classify(timeout)]
    Slow,
    New,
}

fn main() {}
