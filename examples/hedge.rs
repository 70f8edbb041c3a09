//! Every tenth call of a service is slow. An extra call after 20 ms cuts off the slow ones, for 10 % more requests.

use resilience::{hedge, point};
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

static REQUESTS: AtomicU32 = AtomicU32::new(0);

/// The service: 2 ms, and every tenth request 2 s.
async fn ask(id: u32) -> io::Result<u32> {
    let number = REQUESTS.fetch_add(1, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(if number % 10 == 9 { 2_000 } else { 2 })).await;
    Ok(id)
}

#[hedge(after = 20ms, idempotent, name = "load")]
async fn load(id: u32) -> io::Result<u32> {
    ask(id).await
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let start = Instant::now();
    let mut slowest = Duration::ZERO;
    for id in 0..30 {
        let call = Instant::now();
        load(id).await?;
        slowest = slowest.max(call.elapsed());
    }
    let is_fast = slowest < Duration::from_secs(1) && start.elapsed() < Duration::from_secs(2);
    println!("30 calls, {} requests, none slow: {is_fast}", REQUESTS.load(Ordering::Relaxed));
    let hedge = point("load").and_then(|point| point.hedge());
    println!("{}", hedge.map(|hedge| hedge.snapshot().to_string()).unwrap_or_default());
    Ok(())
}
