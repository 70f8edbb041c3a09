use resilience::*;

#[job("import:{id}")]
fn load<T: std::fmt::Display>(id: T) -> Result<u32, Rejected> {
    let _ = id;
    Ok(1)
}

fn main() {}
