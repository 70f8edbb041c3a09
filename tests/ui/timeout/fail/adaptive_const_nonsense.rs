use resilience::*;
use std::io;
use std::time::Duration;

const FLOOR: Duration = Duration::from_secs(2);
const CAP: Duration = Duration::from_secs(1);

#[timeout(adaptive, floor = FLOOR, cap = CAP)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[timeout(1s)]
#[timeout(adaptive, floor = 100ms, cap = CAP)]
async fn within_a_total_limit(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
