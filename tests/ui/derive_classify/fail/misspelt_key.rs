use resilience::Classify;

#[derive(Classify)]
enum Error {
    #[classify(rate_limited, retry_afer = .0)]
    Busy(std::time::Duration),
}

fn main() {}
