use resilience::*;
use std::io;

#[with_retry(max = 3)]
fn load(mut names: Vec<String>) -> io::Result<usize> {
    names.push(String::new());
    Ok(names.len())
}

fn main() {}
