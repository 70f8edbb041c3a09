use resilience::Classify;

fn judge(_: &Error) -> u32 {
    1
}

#[derive(Classify)]
enum Error {
    #[classify(with = judge)]
    Asked,
}

fn main() {}
