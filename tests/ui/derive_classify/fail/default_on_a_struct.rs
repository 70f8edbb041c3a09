use resilience::Classify;

#[derive(Classify)]
#[classify(default = timeout)]
struct Error;

fn main() {}
