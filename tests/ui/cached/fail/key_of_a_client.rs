use resilience::*;
use std::io;

struct Client;

#[cached(ttl = 60s)]
fn load(client: &Client, id: u32) -> io::Result<u32> {
    let _ = client;
    Ok(id)
}

fn main() {}
