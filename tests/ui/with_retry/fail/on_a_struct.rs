use resilience::*;
use std::io;

#[with_retry(max = 3)]
struct Loader;

fn main() {}
