use resilience::*;

#[checkpoint("page:{id}", compensate = undo, retries = 3, on_busy = fail, heartbeat = 1s)]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

fn main() {}
