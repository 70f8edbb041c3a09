use resilience::Classify;

/// As from another crate: an `Error` whose own meaning is not known.
#[derive(Debug)]
pub struct Foreign(std::io::Error);

impl std::fmt::Display for Foreign {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("foreign")
    }
}

impl std::error::Error for Foreign {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

#[derive(Classify)]
#[classify(transparent)]
struct Error {
    source: Foreign,
}

fn main() {}
