use resilience::Classify;
use resilience::classify::{Category, Classification};
use std::time::Duration;

fn judge(_: &Error) -> Classification {
    Category::Auth.into()
}

#[derive(Debug, Classify)]
enum Error {
    #[classify(timeout)]
    Slow,
    #[classify(rate_limited, retry_after = .after)]
    Busy { after: Duration },
    #[classify(status = .0)]
    Http(u16),
    #[classify(status = 503)]
    Gone,
    #[classify(transparent)]
    Io(std::io::Error),
    #[classify(with = judge)]
    Path,
    #[classify(with = |_| Category::Invalid)]
    Closure,
    #[classify(text, retry = never, severity = high, delivered = yes, action = "look")]
    Text(String),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("error")
    }
}

fn main() {}
