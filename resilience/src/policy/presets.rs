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
//!
//! A preset is a start: the builder changes it, and an attribute uses it with `instance = presets::NETWORK`.
//!
//! # Examples
//!
//! ```
//! use resilience::{Retry, presets};
//! use std::time::Duration;
//!
//! const CALLS: Retry = presets::NETWORK.max(2).give_up_after(Duration::from_secs(5)).checked();
//! assert_eq!(CALLS.max_attempts(), 3);
//! ```

use super::with_retry::Retry;
use std::time::Duration;

const fn preset(max: u32, base_ms: u64, cap_s: u64) -> Retry {
    Retry::new().max(max).base(Duration::from_millis(base_ms)).cap(Duration::from_secs(cap_s)).checked()
}

/// Retries short calls that a person waits for: 3 times, from 500 ms up to 5 s.
///
/// # Examples
///
/// ```
/// use resilience::presets;
/// use std::time::Duration;
///
/// assert_eq!(presets::QUICK.max_attempts(), 4);
/// assert_eq!(presets::QUICK.mean_waits(), Duration::from_millis((500 + 1_000 + 2_000) / 2));
/// ```
pub const QUICK: Retry = preset(3, 500, 5);
/// Retries something on the same machine: 2 times, from 100 ms up to 1 s.
///
/// # Examples
///
/// ```
/// use resilience::presets;
/// use std::time::Duration;
///
/// assert!(presets::LOCAL.mean_waits() < Duration::from_millis(200));
/// ```
pub const LOCAL: Retry = preset(2, 100, 1);
/// Retries calls over your own network: 4 times, from 500 ms up to 10 s.
pub const NETWORK: Retry = preset(4, 500, 10);
/// Retries queries of a database: 3 times, from 500 ms up to 5 s. Deadlocks and serialization failures
/// are retried.
///
/// Other errors of a query are not retried: a syntax error is `Invalid`, a unique key that exists is a `Conflict`,
/// which has one retry.
pub const DATABASE: Retry = preset(3, 500, 5);
/// Retries calls of third-party services, which have rate limits and outages: 5 times, from 2 s up to 120 s.
pub const EXTERNAL_API: Retry = preset(5, 2_000, 120);
/// Retries calls that take long: 3 times, from 2 s up to 60 s.
pub const SLOW: Retry = preset(3, 2_000, 60);
/// Retries large transfers: 5 times, from 5 s up to 300 s.
pub const DOWNLOAD: Retry = preset(5, 5_000, 300);
