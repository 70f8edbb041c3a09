//! A limit for each attempt and one for the whole call; and a sync function on a helper thread.

use resilience::{Rejected, remaining, timeout, with_retry};
use std::time::Duration;

#[timeout(400ms)]
#[with_retry(max = 5, base = 5ms)]
#[timeout(50ms, growth = 2.0, cap = 150ms)]
async fn slow(takes: Duration) -> Result<Duration, Rejected> {
    println!("  an attempt, at most {:?} left", remaining().unwrap_or_default());
    tokio::time::sleep(takes).await;
    Ok(takes)
}

#[timeout(50ms, thread)]
fn count(to: u64) -> Result<u64, Rejected> {
    Ok((0..to).filter(|n| n.is_multiple_of(3)).map(std::hint::black_box).count() as u64)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    println!("{:?}", slow(Duration::from_millis(120)).await);
    println!("{:?}", slow(Duration::from_secs(60)).await);
    println!("{:?}", count(1_000));
}
