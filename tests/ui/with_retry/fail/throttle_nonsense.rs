use resilience::*;

const FACTOR: f64 = 0.5;

#[with_retry(throttle = FACTOR)]
fn load(id: u32) -> Option<u32> {
    Some(id)
}

static SEARCH: Budget = Budget::new().throttle(f64::NAN);

fn main() {
    let _ = SEARCH.tokens();
}
