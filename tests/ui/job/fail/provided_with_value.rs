use resilience::*;

#[job("import:{id}", provided = client)]
fn load(id: u32, client: &String) -> Result<u32, Rejected> {
    let _ = client;
    Ok(id)
}

fn main() {}
