use resilience::*;

#[checkpoint("page:{id}", on_mismatch = ignore, on_corrupt = skip, on_store_error = rerun)]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

fn main() {}
