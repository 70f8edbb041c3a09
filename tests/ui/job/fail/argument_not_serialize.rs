use resilience::*;

struct Rows(Vec<u32>);

#[job("import:{id}")]
fn load(id: u32, rows: Rows) -> Result<u32, Rejected> {
    Ok(id + rows.0.len() as u32)
}

fn main() {}
