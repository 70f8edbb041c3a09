//! A cap below the first limit would never be kept, written out or computed.

use resilience::{Rejected, timeout, with_retry};
use std::time::Duration;

const CAP: Duration = Duration::from_secs(5);

#[with_retry]
#[timeout(20s, growth = 2.0, cap = 5s)]
async fn written() -> Result<(), Rejected> {
    Ok(())
}

#[with_retry]
#[timeout(20s, growth = 2.0, cap = CAP)]
async fn computed() -> Result<(), Rejected> {
    Ok(())
}

fn main() {
    drop((written(), computed()));
}
