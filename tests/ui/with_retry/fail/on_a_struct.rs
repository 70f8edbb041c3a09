use resilience::*;

#[with_retry(max = 3)]
struct Loader;

fn main() {}
