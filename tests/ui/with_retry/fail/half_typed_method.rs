use resilience::*;
use std::io;

#[with_retry(max = 3)]
fn load(text: &str) -> io::Result<usize> {
    text.
}

fn caller() -> io::Result<usize> {
    load("a")
}

fn main() {}
