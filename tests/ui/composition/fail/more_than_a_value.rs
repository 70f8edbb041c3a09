use resilience::{circuit_breaker, timeout, with_fallback, with_retry};

#[with_fallback(value = 0 1)]
#[timeout(2 s)]
#[with_retry(max = 3 4, base = 100 ms, backoff = 2.0 times, when = |_| true false)]
#[circuit_breaker(threshold = 50%, recovery = 60 seconds, key = host host)]
async fn fetch(host: &str) -> Option<u32> {
    host.parse().ok()
}

#[with_retry(max = 3; backoff = 2.0)]
fn semicolon() -> Option<u32> {
    Some(1)
}

#[with_retry(jitter = 0.8..=1.2)]
fn both_ends() -> Option<u32> {
    Some(1)
}

#[with_retry(on(Category::Timeout, max = 3))]
fn a_path_for_a_category() -> Option<u32> {
    Some(1)
}

fn main() {}
