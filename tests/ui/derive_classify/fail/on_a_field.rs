use resilience::Classify;

#[derive(Classify)]
enum Error {
    #[classify(timeout)]
    Slow {
        #[classify(retry_after)]
        after: std::time::Duration,
    },
}

fn main() {}
