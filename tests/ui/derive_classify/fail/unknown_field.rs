use resilience::Classify;

#[derive(Classify)]
enum Error {
    #[classify(rate_limited, retry_after = .afer)]
    Busy { after: std::time::Duration },
    #[classify(status = .1)]
    Http(u16),
    #[classify(status = .0)]
    Bare,
}

fn main() {}
