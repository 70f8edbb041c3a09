use resilience::*;

struct Rows(u32);

impl Rows {
    #[with_retry(max = 3)]
    fn count(mut self) -> Option<u32> {
        self.0 += 1;
        Some(self.0)
    }
}

fn main() {}
