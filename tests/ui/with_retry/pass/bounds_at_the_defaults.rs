use resilience::{Retry, defaults, presets, with_retry};
use std::io;

// What the attribute takes for the defaults where one bound is not written.
const _: () = assert!(defaults::with_retry::BASE.as_nanos() == 100_000_000);
const _: () = assert!(defaults::with_retry::CAP.as_nanos() == 10_000_000_000);

const SLOW: Retry = presets::SLOW;

#[with_retry(base = 10s)]
fn base(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[with_retry(cap = 100ms)]
fn cap(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[with_retry(policy = SLOW, base = 11s, on(timeout, base = 12s))]
fn over_the_default_within_a_policy(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[with_retry(cap = 60s, on(timeout, base = 11s))]
fn rule_within_the_cap(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
