use resilience::Classify;

#[derive(Classify)]
enum Error {
    #[classify(with = judge(.cuase))]
    Misspelt { cause: u16 },
    #[classify(with = judge(.1))]
    OutOfRange(u16),
    #[classify(with = judge(cause))]
    WithoutDot { cause: u16 },
    #[classify(with = judge())]
    Nothing { cause: u16 },
    #[classify(with = |cause| judge(cause)(.cause))]
    Closure { cause: u16 },
}

fn main() {}
