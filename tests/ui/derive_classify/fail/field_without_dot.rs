use resilience::Classify;

#[derive(Classify)]
enum Error {
    #[classify(status = code)]
    Http { code: u16 },
    #[classify(timeout, retry_after = 5s)]
    Slow,
}

fn main() {}
