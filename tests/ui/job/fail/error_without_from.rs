use resilience::*;

#[derive(Debug)]
struct Failed;

#[job("import:{id}")]
async fn load(id: u32) -> Result<u32, Failed> {
    if id == 0 { Err(Failed) } else { Ok(id) }
}

fn main() {}
