use resilience::{Retry, presets, with_retry};
use std::io;

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
