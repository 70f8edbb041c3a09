use resilience::*;

#[with_lock("task:{id}")]
fn sync(id: Option<u32>) -> std::io::Result<()> {
    let _ = id;
    Ok(())
}

#[checkpoint("page:{row.bytes}:{row.id}")]
async fn later(row: Row) -> Result<u32, Rejected> {
    Ok(row.id)
}

struct Row {
    id: u32,
    bytes: Vec<u8>,
}

fn main() {}
