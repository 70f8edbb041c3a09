use resilience::*;
use std::io;
use std::time::Duration;

const NEVER: Duration = Duration::ZERO;

#[hedge(after = NEVER, idempotent)]
async fn at_once(id: u32) -> io::Result<u32> {
    Ok(id)
}

const MANY: u32 = 11;

#[hedge(after = 50ms, max = MANY, idempotent)]
async fn many(id: u32) -> io::Result<u32> {
    Ok(id)
}

const TOTAL: Duration = Duration::from_millis(100);

#[timeout(TOTAL)]
#[hedge(after = 50ms, idempotent)]
async fn too_late(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[hedge(after = 50ms, idempotent)]
#[timeout(50ms)]
async fn ended(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
