//! A limit for each attempt and one for the whole call, one that follows the latency, and a sync function on a helper
//! thread.

use resilience::{Rejected, point, remaining, timeout, with_retry};
use std::time::Duration;

#[timeout(400ms)]
#[with_retry(max = 5, base = 5ms)]
#[timeout(50ms, growth = 2.0, cap = 150ms)]
async fn slow(takes: Duration) -> Result<Duration, Rejected> {
    println!("  an attempt, at most {:?} left", remaining().unwrap_or_default());
    tokio::time::sleep(takes).await;
    Ok(takes)
}

#[timeout(adaptive, floor = 20ms, cap = 2s, name = "quote")]
async fn quote(takes: Duration) -> Result<u32, Rejected> {
    tokio::time::sleep(takes).await;
    Ok(42)
}

// The limit includes what the body does before its first `.await`.
#[timeout(100ms, strict)]
async fn parse(text: &str) -> Result<usize, Rejected> {
    let words = text.split_whitespace().count();
    tokio::task::yield_now().await;
    Ok(words)
}

#[timeout(50ms, thread)]
fn count(to: u64) -> Result<u64, Rejected> {
    Ok((0..to).filter(|n| n.is_multiple_of(3)).map(std::hint::black_box).count() as u64)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    println!("{:?}", slow(Duration::from_millis(120)).await);
    println!("{:?}", slow(Duration::from_secs(60)).await);
    for _ in 0..120 {
        quote(Duration::from_millis(1)).await.unwrap_or_default();
    }
    let learnt = point("quote").and_then(|point| point.adaptive_timeout());
    println!("{}", learnt.map(|timeout| timeout.snapshot().to_string()).unwrap_or_default());
    println!("{:?}", quote(Duration::from_secs(1)).await);
    println!("{:?}", parse("to be or not").await);
    println!("{:?}", count(1_000));
}
