use resilience::Classify;

#[derive(Classify)]
enum Error {
    #[classify(timeout, action = wait)]
    Slow,
}

fn main() {}
