use resilience::*;
use std::io;
use std::time::Duration;

#[timeout(limit)]
async fn load(limit: Duration) -> io::Result<u32> {
    Ok(limit.subsec_nanos())
}

struct Client {
    limit: Duration,
}

impl Client {
    #[timeout(self.limit)]
    async fn load(&self) -> io::Result<u32> {
        Ok(1)
    }
}

fn main() {}
