use resilience::Classify;

#[derive(Classify)]
enum Error {
    #[classify(rate_limited, retry_after = .0)]
    Busy(u64),
}

fn main() {}
