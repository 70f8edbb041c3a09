use resilience::Classify;

#[derive(Classify)]
#[classify(timeout)]
enum Error {
    #[classify(connection)]
    Io,
}

fn main() {}
