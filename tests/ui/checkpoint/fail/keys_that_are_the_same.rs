use resilience::*;

struct Args {
    id: u32,
}

#[checkpoint("page")]
fn structure(args: Args, _rows: Vec<u32>) -> Result<u32, Rejected> {
    Ok(args.id)
}

#[checkpoint("page")]
fn later(args: Args, _name: &str) -> Result<u32, Rejected> {
    Ok(args.id)
}

#[checkpoint(version)]
fn called_like_a_setting(version: u32) -> Result<u32, Rejected> {
    Ok(version)
}

#[checkpoint(name, ttl = 7d)]
fn called_like_a_shared_setting(name: &str) -> Result<u32, Rejected> {
    let _ = name;
    Ok(1)
}

#[with_fallback(value)]
fn with_fallback_called_like_a_setting(id: u32) -> Option<u32> {
    Some(id)
}

fn main() {}
