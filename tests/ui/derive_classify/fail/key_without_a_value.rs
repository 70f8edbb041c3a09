use resilience::Classify;

#[derive(Classify)]
enum Error {
    #[classify(timeout, retry)]
    Slow,
    #[classify(status)]
    Http(u16),
    #[classify(with =)]
    Asked,
}

fn main() {}
