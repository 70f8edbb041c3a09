use resilience::*;

#[with_retry(max = 3)]
fn load() {}

fn main() {}
