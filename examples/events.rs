//! Writes what the policies do as lines of JSON, without `tracing`.
//!
//! `cargo run --example events`

use resilience::events::{self, Kind};
use resilience::{circuit_breaker, with_fallback, with_retry};
use std::io::{self, Write};

/// The feed of prices is down.
#[with_fallback(value = 0)]
#[with_retry(max = 2, base = 1ms, name = "price")]
#[circuit_breaker(threshold = 3, recovery = 60s)]
fn price(symbol: &str) -> Result<u32, io::Error> {
    let _ = symbol;
    Err(io::ErrorKind::ConnectionRefused.into())
}

fn main() {
    // Some events are lost where nothing reads them in time; no call waits for it.
    let mut all = events::subscribe();

    // The handler has a thread of its own, and its state needs no lock. The call that raised the event waits for it.
    let (mut out, mut lines) = (io::stdout(), 0);
    let handler = events::on([Kind::AttemptFailed, Kind::Opened, Kind::Rejected], move |record| {
        lines += 1;
        if let Ok(line) = serde_json::to_string(record) {
            let _ = writeln!(out, "{lines} {line}");
        }
    });

    for symbol in ["ACME", "INIT"] {
        println!("{symbol}: {:?}", price(symbol).ok());
    }
    handler.remove();

    let received = std::iter::from_fn(|| all.try_recv()).count();
    println!("{received} events received, {} lost", all.dropped());
    for record in events::recent("price") {
        println!("{}", record.event);
    }
}
