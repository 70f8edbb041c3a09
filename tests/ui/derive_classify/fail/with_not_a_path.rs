use resilience::Classify;

#[derive(Classify)]
enum Error {
    #[classify(with = 1 + 1)]
    Sum,
}

fn main() {}
