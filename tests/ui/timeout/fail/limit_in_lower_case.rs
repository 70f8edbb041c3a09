use resilience::*;
use std::io;
use std::time::Duration;

#[allow(non_upper_case_globals, reason = "as this mistake is made")]
const lim: Duration = Duration::from_secs(2);

#[timeout(lim, strict)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[timeout(self::lim)]
async fn by_its_path(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
