use resilience::Classify;

#[derive(Classify)]
#[classify(default = permanant)]
enum Error {
    First,
    Second,
}

fn main() {}
