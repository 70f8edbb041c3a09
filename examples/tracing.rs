//! The log of the policies with `tracing-subscriber`: what happens to calls, and nothing for those that succeed at once.
//!
//! `RUST_LOG=resilience::breaker=info` shows only breakers, `resilience=trace` every attempt. JSON lines of the same
//! events, without a subscriber, are in `examples/events.rs`.
//!
//! Run it: `cargo run --example tracing`

use resilience::{Rejected, circuit_breaker, timeout, with_fallback, with_retry};
use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tracing_subscriber::EnvFilter;

static CALLS: AtomicU32 = AtomicU32::new(0);

#[with_retry(max = 3, base = 1ms, jitter = none, name = "quotes::latest")]
async fn latest() -> io::Result<u32> {
    match CALLS.fetch_add(1, Ordering::Relaxed) {
        0 | 1 => Err(ErrorKind::ConnectionReset.into()),
        _ => Ok(42),
    }
}

#[derive(Debug, thiserror::Error, resilience::Classify)]
enum SearchError {
    #[error("the index does not answer")]
    #[classify(unavailable)]
    Down,
    #[error(transparent)]
    #[classify(transparent)]
    Rejected(#[from] Rejected),
}

#[with_fallback(value = 0, name = "search::hits")]
#[circuit_breaker(threshold = 2)]
fn hits(_: &str) -> Result<u32, SearchError> {
    Err(SearchError::Down)
}

#[timeout(5ms, name = "images::resize")]
async fn resize() -> Result<(), Rejected> {
    tokio::time::sleep(Duration::from_secs(60)).await;
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("resilience=debug"));
    let format = tracing_subscriber::fmt().with_env_filter(filter).with_ansi(false).without_time();
    format.with_writer(io::stdout).compact().init();

    println!("quote: {:?}", latest().await);
    println!("hits: {:?}", (0..3).map(|_| hits("rust").unwrap_or(0)).collect::<Vec<_>>());
    println!("resized: {:?}", resize().await.map_err(|error| error.to_string()));
}
