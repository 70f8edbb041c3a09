use resilience::*;

#[circuit_breaker(threshold = 3)]
trait Load {}

fn main() {}
