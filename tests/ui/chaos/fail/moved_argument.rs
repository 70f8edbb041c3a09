use resilience::*;

#[chaos(rate = 2%, lost = name)]
fn run(name: String) -> Result<usize, String> {
    drop(name);
    Ok(1)
}

fn main() {}
