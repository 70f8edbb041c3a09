use resilience::*;
use std::io;

#[tracing::instrument]
#[with_retry(max = 2)]
fn sync(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[tracing::instrument]
#[with_retry(max = 2)]
async fn asynchronous(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[with_retry(max = 2)]
#[tracing::instrument]
async fn below(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
