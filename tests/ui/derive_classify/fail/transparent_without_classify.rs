use resilience::Classify;

/// As from another crate.
#[derive(Debug)]
pub struct Foreign;

#[derive(Classify)]
enum Error {
    #[classify(transparent)]
    Foreign(Foreign),
    #[classify(transparent)]
    Boxed { source: Box<Foreign> },
    #[classify(transparent)]
    Io(std::io::Error),
}

fn main() {}
