use resilience::*;

struct Id(u32);

#[checkpoint("page:{id}")]
fn load(id: Id) -> Result<u32, Rejected> {
    Ok(id.0)
}

fn main() {}
