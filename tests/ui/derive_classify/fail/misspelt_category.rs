use resilience::Classify;

#[derive(Classify)]
enum Error {
    #[classify(tiemout)]
    Slow,
    #[classify(RateLimited)]
    Busy,
}

fn main() {}
