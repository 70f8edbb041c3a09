use resilience::*;
use std::io;
use std::time::Duration;

#[rate_limit(NONE, per = 1s)]
fn none(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[rate_limit(1000, per = SHORT)]
fn more_than_one_a_nanosecond(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[rate_limit(1, per = 365d, burst = 1000)]
fn longer_than_can_be_counted(id: u32) -> io::Result<u32> {
    Ok(id)
}

const NONE: u32 = 0;
const SHORT: Duration = Duration::from_nanos(999);

fn main() {}
