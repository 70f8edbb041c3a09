use resilience::*;
use std::io;
use std::time::Duration;

#[bulkhead(SLOTS)]
fn none(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[bulkhead(4, wait = WAIT, queue = 3)]
fn queue_without_wait(id: u32) -> io::Result<u32> {
    Ok(id)
}

const SLOTS: u32 = 0;
const WAIT: Duration = Duration::ZERO;

fn main() {}
