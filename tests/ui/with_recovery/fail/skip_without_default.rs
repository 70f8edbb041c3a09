use resilience::*;

struct Page(u32);

#[with_recovery(on(corrupt, skip))]
fn load(id: u32) -> Result<Page, Rejected> {
    Ok(Page(id))
}

fn main() {}
