use resilience::Classify;

#[derive(Classify)]
enum Error {
    #[classify(text)]
    Said(String),
}

fn main() {}
