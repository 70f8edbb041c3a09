use resilience::*;

struct Rows;

#[with_retry(max = 3)]
impl Rows {}

fn main() {}
