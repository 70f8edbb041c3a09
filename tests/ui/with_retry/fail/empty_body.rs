use resilience::with_retry;

#[with_retry]
async fn nothing_yet(id: u32) -> Result<u32, std::io::Error> {}

#[with_retry]
fn nothing_either(id: u32) -> Result<u32, std::io::Error> {}

#[with_retry]
async fn a_semicolon_too_many(id: u32) -> Result<u32, std::io::Error> {
    Ok(id);
}

fn main() {}
