use resilience::*;

#[timeout(2s)]
mod inner {}

fn main() {}
