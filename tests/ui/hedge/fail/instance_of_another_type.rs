use resilience::*;
use std::io;

static SLOTS: Bulkhead = Bulkhead::new("slots", 4);

#[hedge(instance = SLOTS, idempotent)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
