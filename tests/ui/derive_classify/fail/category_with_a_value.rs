use resilience::Classify;

#[derive(Classify)]
enum Error {
    #[classify(timeout = 5)]
    Slow,
}

fn main() {}
