use resilience::Classify;

#[derive(Classify)]
enum Error {
    #[classify(default = timeout)]
    Slow,
}

fn main() {}
