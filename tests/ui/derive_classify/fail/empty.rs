use resilience::Classify;

#[derive(Classify)]
enum Error {
    #[classify()]
    Slow,
    #[classify]
    Busy,
    #[classify = "timeout"]
    Late,
}

fn main() {}
