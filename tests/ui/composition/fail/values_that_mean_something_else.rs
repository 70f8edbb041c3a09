use resilience::*;
use std::io;
use std::sync::LazyLock;
use std::time::Duration;

static LIMIT: LazyLock<Duration> = LazyLock::new(|| Duration::from_secs(2));

#[with_retry(on(auth, never), on(timeout, once), on(invalid, unknown))]
fn rules(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[with_retry(backoff = 100ms, max = forever)]
fn factor(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[with_retry(backoff = exponential(2), on(timeout, backoff = fixed(1s)), on(auth, backoff = random(3)))]
fn calls(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[timeout("2s", growth = 3s)]
async fn quotes(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[timeout(*LIMIT)]
async fn lazy(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[with_retry(max = std::env::var("MAX").unwrap().parse().unwrap(), base = self.base, cap = LIMIT.load(Relaxed))]
fn settings_of_the_run(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[with_retry(base = 20s, cap = 10s)]
fn bounds(id: u32) -> io::Result<u32> {
    Ok(id)
}

fn main() {}
