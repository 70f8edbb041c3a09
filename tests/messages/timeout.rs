// adaptive_and_limit

#[timeout(adaptive, 2s, floor = 100ms, cap = 10s)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// adaptive_and_growth

#[with_retry(max = 1)]
#[timeout(adaptive, floor = 100ms, cap = 10s, growth = 2.0)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// adaptive_cap_below_floor

#[timeout(adaptive, floor = 2s, cap = 1s)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// adaptive_in_sync_function

#[timeout(adaptive, floor = 100ms, cap = 10s)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// adaptive_settings_beside_instance

#[timeout(adaptive, instance = LIMIT, floor = 100ms, key = id, strict)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// adaptive_settings_of_a_fixed_limit

#[timeout(2s, adaptive = false, floor = 100ms, key = id, max_keys = 10)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// adaptive_threads_without_thread

#[timeout(adaptive, floor = 100ms, cap = 10s, threads = 4, max_keys = 10)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// adaptive_without_bounds

#[timeout(adaptive)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// adaptive_words_of_others

#[timeout(adaptive, min = 50ms, max = 10s, percentile = 99)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// adaptive_zero

#[timeout(adaptive, floor = 0s, cap = 10s)]
async fn floor(id: u32) -> io::Result<u32> {
    Ok(id)
}

#[timeout(adaptive, floor = 1s, cap = 0s)]
async fn cap(id: u32) -> io::Result<u32> {
    Ok(id)
}

// cap_without_growth

#[timeout(2s, cap = 30s)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// growth_below_one

#[with_retry(max = 1)]
#[timeout(2s, growth = 0.5)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// growth_without_retry

#[timeout(2s, growth = 2.0)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// key_twice

#[timeout(2s, growth = 2.0, growth = 3.0)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// limit_as_key

#[timeout(duration = 2s)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// limit_at_run_time

static LIMIT: LazyLock<Timeout> = LazyLock::new(|| Timeout::new(Duration::from_secs(2)));

#[timeout(*LIMIT)]
async fn dereferenced() -> Result<(), Rejected> {
    Ok(())
}

#[timeout(2s, instance = LIMIT, strict)]
async fn twice() -> Result<(), Rejected> {
    Ok(())
}

// limit_is_an_argument

#[timeout(limit)]
async fn load(limit: Duration) -> io::Result<u32> {
    Ok(limit.subsec_nanos())
}

struct Client {
    limit: Duration,
}

impl Client {
    #[timeout(self.limit)]
    async fn load(&self) -> io::Result<u32> {
        Ok(1)
    }
}

// no_limit

#[timeout()]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// no_unit

#[timeout(2)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// on_a_module

#[timeout(2s)]
mod inner {}

// sync_function

#[timeout(2s)]
fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// thread_on_async

#[timeout(2s, thread)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// thread_with_borrow

#[timeout(2s, thread)]
fn load(name: &str) -> io::Result<usize> {
    Ok(name.len())
}

// two_limits

#[timeout(2s, 3s)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// unknown_key

#[timeout(2s, stict)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// unknown_unit

#[timeout(2sec)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// zero

#[timeout(0s)]
async fn load(id: u32) -> io::Result<u32> {
    Ok(id)
}

// names_a_parameter

#[timeout(L::LIMIT)]
async fn load<L: Limits>(id: u32) -> io::Result<u32> {
    Ok(id)
}
