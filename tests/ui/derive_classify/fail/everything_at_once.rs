use resilience::Classify;
use resilience::classify::of;

#[derive(Classify)]
enum Error {
    Silent,
    #[classify(tiemout)]
    Slow,
    #[classify(status = .code)]
    Http(u16),
}

fn judged(error: &Error) -> bool {
    of(error).is_retryable()
}

fn main() {}
