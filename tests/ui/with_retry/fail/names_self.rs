use resilience::with_retry;

struct Rows;

impl Rows {
    const TIMES: u32 = 3;

    #[with_retry(max = Self::TIMES)]
    fn count(&self) -> Option<u32> {
        Some(Self::TIMES)
    }
}

fn main() {}
