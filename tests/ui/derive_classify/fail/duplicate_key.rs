use resilience::Classify;

#[derive(Classify)]
enum Error {
    #[classify(timeout, severity = low, severity = high)]
    Slow,
}

fn main() {}
