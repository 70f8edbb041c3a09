use resilience::*;

struct Client;

#[job("import:{id}")]
async fn import(id: u32, client: &Client) -> Result<u32, Rejected> {
    let _ = client;
    Ok(id)
}

fn main() {}
