//! Exchange rates that are kept for a minute, and for an hour where the service is down; one request for all that
//! ask at once.

use resilience::{cached, point};
use std::io::{Error, ErrorKind};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

static IS_DOWN: AtomicBool = AtomicBool::new(false);
static REQUESTS: AtomicU32 = AtomicU32::new(0);

#[cached(ttl = 30ms, stale_if_error = 1h, name = "rate")]
async fn rate(currency: &str) -> Result<u32, Error> {
    REQUESTS.fetch_add(1, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(10)).await;
    if IS_DOWN.load(Ordering::Relaxed) {
        return Err(ErrorKind::ConnectionRefused.into());
    }
    Ok(100 + currency.len() as u32)
}

fn requests() -> u32 {
    REQUESTS.swap(0, Ordering::Relaxed)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let (one, two, three) = tokio::join!(rate("EUR"), rate("EUR"), rate("EUR"));
    println!("{}, {}, {} with {} request", one?, two?, three?, requests());

    IS_DOWN.store(true, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_millis(40)).await;
    println!("{} with {} request that failed", rate("EUR").await?, requests());
    println!("{} with {} requests, for the service is known to be down", rate("EUR").await?, requests());
    println!(
        "{:?} for a currency that nobody has asked for",
        rate("CHF").await.map_err(|error| error.kind())
    );

    let cache = point("rate").and_then(|point| point.cache()).expect("a function with a cache");
    cache.put("CHF", 95_u32);
    println!("{} put by hand", rate("CHF").await?);
    println!("{}", cache.snapshot());
    Ok(())
}
