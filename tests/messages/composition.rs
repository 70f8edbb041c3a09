// checkpoint_above_fallback

#[checkpoint("page:{id}")]
#[with_fallback(value = 0)]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// checkpoint_and_job

#[job("page:{id}")]
#[checkpoint("page:{id}")]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// checkpoint_below_breaker

#[circuit_breaker]
#[checkpoint("page:{id}")]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// checkpoint_below_retry

#[with_retry]
#[checkpoint("page:{id}")]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// clone_without_use

#[circuit_breaker(clone(name))]
fn load(name: String) -> io::Result<usize> {
    Ok(name.len())
}

// fallback_below_breaker

#[circuit_breaker(threshold = 3)]
#[with_fallback(value = 1)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// fallback_in_the_middle

#[timeout(10s)]
#[with_retry(max = 3)]
#[with_fallback(value = 1)]
#[timeout(2s)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// job_above_fallback

#[job("import:{id}")]
#[with_fallback(value = 0)]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// job_below_retry

#[with_retry]
#[job("import:{id}")]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// mistakes_in_two_attributes

#[with_retry(maks = 3)]
#[circuit_breaker(treshold = 3)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// more_than_a_value

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

// recovery_above_fallback

#[with_recovery(on(corrupt, skip))]
#[with_fallback(value = 0)]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// recovery_below_retry

#[with_retry]
#[with_recovery(on(corrupt, skip))]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// shared_key_twice

#[with_retry(name = "a")]
#[circuit_breaker(name = "b")]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// thread_timeout_below_checkpoint

#[checkpoint("page:{id}")]
#[timeout(2s, thread)]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// thread_timeout_below_job

#[job("import:{id}")]
#[timeout(2s, thread)]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// two_checkpoints

#[checkpoint("page:{id}")]
#[checkpoint("row:{id}")]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// two_fallbacks

#[with_fallback(value = 1)]
#[with_fallback(value = 2)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// two_recoveries

#[with_recovery(on(corrupt, skip))]
#[with_recovery(on(invalid, skip))]
fn load(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

// two_retries

#[with_retry(max = 3)]
#[with_retry(max = 4)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// values_that_mean_something_else

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
