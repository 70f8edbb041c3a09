use resilience::*;
use std::io;

struct Payload;

#[with_retry(max = 3, clone(payload))]
fn send(payload: Payload) -> io::Result<()> {
    let _ = payload;
    Ok(())
}

#[with_retry(max = 3, clone(payload))]
async fn send_async(id: u32, payload: Payload) -> io::Result<u32> {
    let _ = payload;
    Ok(id)
}

fn main() {}
