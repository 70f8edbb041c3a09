use resilience::Classify;

#[derive(Classify)]
enum Error {
    #[classify(status = .0)]
    Http(String),
}

fn main() {}
