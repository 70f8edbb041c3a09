// edition: 2018

use resilience::{circuit_breaker, Rejected};

struct Client {
    rows: Vec<u32>,
}

impl Client {
    #[circuit_breaker(threshold = 5)]
    fn lend(&mut self) -> Result<&mut Vec<u32>, Rejected> {
        Ok(&mut self.rows)
    }
}

fn main() {}
