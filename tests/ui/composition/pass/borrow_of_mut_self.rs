// edition: 2021

use resilience::{circuit_breaker, Rejected};

struct Client {
    rows: Vec<u32>,
}

impl Client {
    #[circuit_breaker(threshold = 5)]
    fn lend(&mut self) -> Result<&mut Vec<u32>, Rejected> {
        Ok(&mut self.rows)
    }

    #[circuit_breaker(threshold = 5)]
    async fn lend_async(&mut self, id: u32) -> Result<&mut Vec<u32>, Rejected> {
        self.rows.push(id);
        Ok(&mut self.rows)
    }
}

fn main() {}
