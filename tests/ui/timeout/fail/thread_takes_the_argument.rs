//! Each attempt runs on a thread of its own, and takes what it is given with it.

use resilience::{Rejected, timeout, with_retry};

#[with_retry(max = 2)]
#[timeout(1s, thread)]
fn read(name: String, count: usize) -> Result<usize, Rejected> {
    Ok(name.len() + count)
}

#[with_retry(max = 2, clone(name))]
#[timeout(1s, thread)]
fn cloned(name: String, count: usize) -> Result<usize, Rejected> {
    Ok(name.len() + count)
}

#[timeout(1s, thread)]
fn once(name: String) -> Result<usize, Rejected> {
    Ok(name.len())
}

fn main() {}
