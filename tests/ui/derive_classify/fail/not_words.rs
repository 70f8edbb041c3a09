use resilience::Classify;

#[derive(Classify)]
enum Error {
    #[classify("timeout")]
    Slow,
    #[classify(timeout connection)]
    Busy,
}

fn main() {}
