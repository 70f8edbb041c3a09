use resilience::with_retry;
use std::io;
use std::time::Duration;

#[with_retry(base = 100ms, jitter = none, give_up_after = 1ms)]
fn never() -> io::Result<u32> {
    Ok(1)
}

#[with_retry(on(timeout, base = 2ms, max = 5), give_up_after = 1ms)]
fn never_with_a_rule() -> io::Result<u32> {
    Ok(1)
}

#[with_retry(base = 0s, on(timeout, base = 20ms, max = 5), give_up_after = 9ms)]
fn never_for_timeouts() -> io::Result<u32> {
    Ok(1)
}

const LIMIT: Duration = Duration::from_millis(1);

#[with_retry(give_up_after = LIMIT)]
async fn never_by_a_constant() -> io::Result<u32> {
    Ok(1)
}

#[with_retry(max = 0, give_up_after = 1ms)]
fn makes_no_retry() -> io::Result<u32> {
    Ok(1)
}

fn main() {
    let _ = (never(), never_with_a_rule(), never_for_timeouts(), never_by_a_constant(), makes_no_retry());
}
