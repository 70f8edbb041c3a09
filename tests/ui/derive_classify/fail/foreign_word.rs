use resilience::Classify;

#[derive(Classify)]
enum Error {
    #[classify(banana)]
    Fruit,
}

fn main() {}
