use resilience::*;

#[checkpoint("page:{idd}")]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok("text")
}

fn main() {}
