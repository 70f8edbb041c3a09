use resilience::Classify;

#[derive(Classify)]
struct Error;

fn main() {}
