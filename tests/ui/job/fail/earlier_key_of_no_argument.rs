//! An earlier key is rendered from the arguments of today.

use resilience::{Rejected, job};

#[job("import:{id}", was = "imp:{number}")]
fn import(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

fn main() {}
