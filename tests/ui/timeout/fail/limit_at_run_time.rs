use resilience::{Rejected, Timeout, timeout};
use std::sync::LazyLock;
use std::time::Duration;

static LIMIT: LazyLock<Timeout> = LazyLock::new(|| Timeout::new(Duration::from_secs(2)));

#[timeout(*LIMIT)]
async fn dereferenced() -> Result<(), Rejected> {
    Ok(())
}

#[timeout(2s, instance = LIMIT, strict)]
async fn twice() -> Result<(), Rejected> {
    Ok(())
}

fn main() {}
