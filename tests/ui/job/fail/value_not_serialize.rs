use resilience::*;

struct Report(u32);

#[job("import:{id}")]
fn load(id: u32) -> Result<Report, Rejected> {
    Ok(Report(id))
}

fn main() {}
