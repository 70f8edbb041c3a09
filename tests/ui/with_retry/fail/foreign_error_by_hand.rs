use resilience::*;

struct Foreign;

impl From<Rejected> for Foreign {
    fn from(_: Rejected) -> Self {
        Foreign
    }
}

fn load() -> Result<u32, Foreign> {
    Ok(1)
}

static RETRY: Retry = Retry::new();
static BREAKER: CircuitBreaker = CircuitBreaker::new("search");

fn main() {
    let _ = RETRY.call(load);
    let _ = BREAKER.call(load);
    let _ = RETRY.call_async(async || load());
    let _ = BREAKER.call_async(async || load());
}
