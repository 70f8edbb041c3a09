//! Retries for common jobs, to start from.
//!
//! | preset | retries | first wait | longest wait |
//! |---|---|---|---|
//! | [`QUICK`] | 3 | 500 ms | 5 s |
//! | [`LOCAL`] | 2 | 100 ms | 1 s |
//! | [`NETWORK`] | 4 | 500 ms | 10 s |
//! | [`DATABASE`] | 3 | 500 ms | 5 s |
//! | [`EXTERNAL_API`] | 5 | 2 s | 120 s |
//! | [`SLOW`] | 3 | 2 s | 60 s |
//! | [`DOWNLOAD`] | 5 | 5 s | 300 s |
//!
//! The waits double and are fully jittered; everything else is as in [`Retry::new`].

use super::with_retry::Retry;
use std::time::Duration;

const fn preset(max: u32, base_ms: u64, cap_s: u64) -> Retry {
    Retry::new().max(max).base(Duration::from_millis(base_ms)).cap(Duration::from_secs(cap_s)).checked()
}

/// Short calls that a person waits for.
pub const QUICK: Retry = preset(3, 500, 5);
/// Something on the same machine.
pub const LOCAL: Retry = preset(2, 100, 1);
/// Calls over a network of one's own.
pub const NETWORK: Retry = preset(4, 500, 10);
/// Queries of a database.
pub const DATABASE: Retry = preset(3, 500, 5);
/// Services of others, with rate limits and outages.
pub const EXTERNAL_API: Retry = preset(5, 2_000, 120);
/// Calls that take long themselves.
pub const SLOW: Retry = preset(3, 2_000, 60);
/// Large transfers.
pub const DOWNLOAD: Retry = preset(5, 5_000, 300);
