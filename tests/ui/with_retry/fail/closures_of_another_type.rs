//! A closure that takes or gives something else is told at the closure.

use resilience::with_retry;
use std::time::Duration;

#[derive(Debug)]
pub struct Failed;

#[with_retry(max = 3, when = |error| 3)]
fn asks_for_a_number() -> Result<u32, Failed> {
    Err(Failed)
}

#[with_retry(max = 3, unless = |error: &String| error.is_empty())]
fn asks_of_a_string() -> Result<u32, Failed> {
    Err(Failed)
}

#[with_retry(max = 3, when_ok = |page: &String| page.is_empty())]
fn looks_at_a_string() -> Result<u32, Failed> {
    Err(Failed)
}

#[with_retry(max = 3, classify = |error| true)]
fn gives_no_class() -> Result<u32, Failed> {
    Err(Failed)
}

fn waits(_: u64) -> Duration {
    Duration::ZERO
}

#[with_retry(max = 3, backoff = waits)]
fn counts_in_u64() -> Result<u32, Failed> {
    Err(Failed)
}

fn main() {}
