use resilience::*;
use std::io;

struct Page(String);

#[cached(ttl = 60s)]
fn load(id: u32) -> io::Result<Page> {
    Ok(Page(id.to_string()))
}

fn main() {}
