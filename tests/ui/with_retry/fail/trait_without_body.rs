use resilience::*;
use std::io;

trait Load {
    #[with_retry(max = 3)]
    fn load(&self) -> io::Result<u32>;
}

fn main() {}
