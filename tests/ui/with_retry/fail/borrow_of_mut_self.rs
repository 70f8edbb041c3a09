use resilience::*;
use std::io;

struct Rows(Vec<u32>);

impl Rows {
    #[with_retry(max = 3)]
    fn first(&mut self) -> io::Result<&u32> {
        Ok(&self.0[0])
    }
}

fn main() {}
