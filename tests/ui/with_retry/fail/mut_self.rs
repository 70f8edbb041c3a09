use resilience::*;
use std::io;

#[derive(Clone, Copy)]
struct Rows {
    read: u32,
}

impl Rows {
    #[with_retry(max = 3)]
    fn count(mut self) -> io::Result<u32> {
        self.read += 1;
        Ok(self.read)
    }
}

fn main() {}
