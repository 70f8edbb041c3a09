use resilience::*;
use std::io;

#[with_retry(base = 11s)]
fn base(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[with_retry(cap = 99ms)]
fn cap(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[with_retry(on(timeout, base = 11s), on(unavailable, cap = 99ms))]
fn rules(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[with_retry(cap = 5s, on(timeout, base = 6s))]
fn rule_over_cap(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
