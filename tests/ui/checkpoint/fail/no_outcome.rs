use resilience::*;

#[checkpoint("page:{id}")]
fn load(id: u32) -> u32 {
    id
}

fn main() {}
