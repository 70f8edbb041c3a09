use resilience::Classify;

#[derive(Classify)]
enum Error {
    #[classify(timeout, auth)]
    Slow,
}

fn main() {}
