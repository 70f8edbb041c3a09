use resilience::*;

struct Page(u32);

#[checkpoint("page:{id}")]
fn load(id: u32) -> Result<Page, Rejected> {
    Ok(Page(id))
}

fn main() {}
