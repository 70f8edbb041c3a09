use resilience::Classify;

#[derive(Classify)]
enum Error {
    #[classify(transparent)]
    Bare,
    #[classify(transparent)]
    Two(std::io::Error, std::io::Error),
}

fn main() {}
