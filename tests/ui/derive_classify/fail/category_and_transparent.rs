use resilience::Classify;

#[derive(Classify)]
enum Error {
    #[classify(transparent)]
    #[classify(connection)]
    Io(std::io::Error),
}

fn main() {}
