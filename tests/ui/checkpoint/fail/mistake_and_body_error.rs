use resilience::*;

#[checkpoint("page:{idd}")]
fn load(id: u32) -> Result<u32, Rejected> {
    let size: u32 = "text";
    Ok(size + id)
}

fn main() {}
