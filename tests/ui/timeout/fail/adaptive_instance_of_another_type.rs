use resilience::{Timeout, timeout};
use std::io;
use std::time::Duration;

static LIMIT: Timeout = Timeout::new(Duration::from_secs(2));

#[timeout(adaptive, instance = LIMIT)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
