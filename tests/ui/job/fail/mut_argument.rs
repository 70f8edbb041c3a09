use resilience::*;

#[job("import:{id}")]
fn load(id: u32, rows: &mut Vec<u32>) -> Result<u32, Rejected> {
    rows.push(id);
    Ok(id)
}

fn main() {}
