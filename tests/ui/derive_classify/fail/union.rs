use resilience::Classify;

#[derive(Classify)]
union Error {
    code: u16,
    raw: [u8; 2],
}

fn main() {}
