#![no_implicit_prelude]

struct Option;
struct Result;
struct Classification;
mod resilience {}
mod core {}

#[derive(::resilience::Classify)]
enum Error {
    #[classify(timeout, retry_after = .0)]
    Slow(::std::time::Duration),
    #[classify(transparent)]
    Io(::std::io::Error),
    #[classify(status = .0, severity = high)]
    Http(u16),
}

fn main() {
    let _ = (Option, Result, Classification);
}
