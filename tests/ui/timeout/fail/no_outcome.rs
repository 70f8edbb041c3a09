use resilience::*;

#[timeout(2s)]
async fn load(id: u32) -> u32 {
    id
}

fn main() {}
