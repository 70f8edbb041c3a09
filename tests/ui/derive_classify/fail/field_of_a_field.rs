use resilience::Classify;

#[derive(Classify)]
enum Error {
    #[classify(status = .0.1)]
    Http((u8, u16)),
}

fn main() {}
