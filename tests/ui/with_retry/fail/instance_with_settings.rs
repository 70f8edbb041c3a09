use resilience::{Retry, with_retry};

static RETRY: Retry = Retry::new();

#[with_retry(instance = RETRY, max = 3, on(auth, max = 1))]
fn call() -> Option<u32> {
    None
}

fn main() {}
