use resilience::*;
use std::io;

#[with_retry(max_attempts = 3, initial_wait_ms = 250, max_wait_ms = 5000, jitter_range = 0.5, timeout_seconds = 30)]
fn values_are_taken_over(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[with_retry(max_retires = 3, use_circuit_breaker = true, wait_exponential = 2, jitter = true)]
fn retry(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[circuit_breaker(failure_threshold = 3, reset_timeout = 30s, half_open_max = 2)]
fn breaker(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[circuit_breaker(rate = 50%, window = 100)]
fn rate(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[timeout(timeout_seconds = 30)]
async fn limit(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[checkpoint(checkpoint_key = "page:{id}")]
fn step(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

fn main() {}
