use resilience::Classify;

#[derive(Classify)]
enum Error {
    First,
    #[classify(timeout)]
    Second,
    Third(u16),
    #[classify(severity = high)]
    Fourth,
}

fn main() {}
