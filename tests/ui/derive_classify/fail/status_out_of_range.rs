use resilience::Classify;

#[derive(Classify)]
enum Error {
    #[classify(status = 200)]
    Fine,
    #[classify(status = 0)]
    Zeroth(u16),
    #[classify(status = 70000)]
    Huge,
}

fn main() {}
