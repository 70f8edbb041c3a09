use resilience::{timeout, with_retry};
use std::io;

#[tracing::instrument]
#[with_retry(max = 2)]
fn sync(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[tracing::instrument(skip_all)]
#[timeout(1s)]
#[with_retry(max = 2)]
async fn later(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[with_retry(max = 2)]
#[track_caller]
fn tracked(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {
    let _ = (sync(1), later(1), tracked(1));
}
