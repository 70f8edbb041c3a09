use resilience::*;
use std::io;

#[derive(Clone)]
struct Endpoint(u16);

const ENDPOINTS: &[Endpoint] = &[Endpoint(1), Endpoint(2)];

#[failover(endpoint = ENDPOINTS)]
fn ask(endpoint: &Endpoint) -> io::Result<u16> {
    Ok(endpoint.0)
}

fn main() {}
