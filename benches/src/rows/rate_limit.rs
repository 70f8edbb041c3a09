//! Rate limits that admit every call.

use super::{Row, by_hand, future, sync};
use crate::op::{CallError, Failed, call};
use governor::clock::MonotonicClock;
use governor::middleware::NoOpMiddleware;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use resilience::{RateLimit, rate_limit};
use std::num::NonZero;
use std::time::{Duration, Instant};

/// Rows with a limit that is never reached.
pub(super) fn rows() -> Vec<Row> {
    static PLAIN: RateLimit = RateLimit::new("plain", 1_000_000_000, Duration::from_secs(1));
    vec![
        by_hand::rate_limit(),
        Row::new("`#[rate_limit(..)]`")
            .sync(sync!(|x| limited(x)))
            .future(future!(|x| limited_async(x)))
            .at_most(Some(110), Some(140)),
        Row::new("`#[rate_limit(.., wait = 1s)]`").future(future!(|x| waiting(x))),
        Row::new("`RateLimit::call`")
            .sync(sync!(|x| PLAIN.call(|| call(x))))
            .future(future!(|x| PLAIN.call_async(async || call(x)))),
        Row::new("governor, with the clock of std")
            .sync(sync!(let limiter = governor(); |x| governed(&limiter, x)))
            .future(future!(let limiter = governor(); |x| governed_async(&limiter, x))),
    ]
}

#[rate_limit(1_000_000_000, per = 1s)]
fn limited(x: u64) -> Result<u64, CallError> {
    call(x)
}

#[rate_limit(1_000_000_000, per = 1s)]
async fn limited_async(x: u64) -> Result<u64, CallError> {
    call(x)
}

#[rate_limit(1_000_000_000, per = 1s, wait = 1s)]
async fn waiting(x: u64) -> Result<u64, CallError> {
    call(x)
}

/// With the clock of std, as ours: governor's own one spins at its start for a time that differs from run to run.
type Governor = RateLimiter<NotKeyed, InMemoryState, MonotonicClock, NoOpMiddleware<Instant>>;

fn governor() -> Governor {
    let rate = NonZero::new(1_000_000_000).unwrap_or(NonZero::<u32>::MIN);
    RateLimiter::direct_with_clock(Quota::per_second(rate), MonotonicClock)
}

fn governed(limiter: &Governor, x: u64) -> Result<u64, CallError> {
    limiter.check().map_err(|_| Failed(0))?;
    call(x)
}

async fn governed_async(limiter: &Governor, x: u64) -> Result<u64, CallError> {
    limiter.until_ready().await;
    call(x)
}
