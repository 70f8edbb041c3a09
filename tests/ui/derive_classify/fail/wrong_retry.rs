use resilience::Classify;

#[derive(Classify)]
enum Error {
    #[classify(timeout, retry = nevr)]
    Slow,
}

fn main() {}
