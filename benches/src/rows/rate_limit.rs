//! Rate limits that admit every call.

use super::{Row, future, sync};
use crate::op::{CallError, Failed, call};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use resilience::{RateLimit, rate_limit};
use std::num::NonZero;
use std::time::Duration;

/// Rows with a limit that is never reached.
pub(super) fn rows() -> Vec<Row> {
    static PLAIN: RateLimit = RateLimit::new("plain", 1_000_000_000, Duration::from_secs(1));
    vec![
        Row::new("`#[rate_limit(..)]`")
            .sync(sync!(|x| limited(x)))
            .future(future!(|x| limited_async(x)))
            .at_most(Some(110), Some(140)),
        Row::new("`#[rate_limit(.., wait = 1s)]`").future(future!(|x| waiting(x))),
        Row::new("`RateLimit::call`")
            .sync(sync!(|x| PLAIN.call(|| call(x))))
            .future(future!(|x| PLAIN.call_async(async || call(x)))),
        Row::new("governor")
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

fn governor() -> DefaultDirectRateLimiter {
    RateLimiter::direct(Quota::per_second(NonZero::new(1_000_000_000).unwrap_or(NonZero::<u32>::MIN)))
}

fn governed(limiter: &DefaultDirectRateLimiter, x: u64) -> Result<u64, CallError> {
    limiter.check().map_err(|_| Failed(0))?;
    call(x)
}

async fn governed_async(limiter: &DefaultDirectRateLimiter, x: u64) -> Result<u64, CallError> {
    limiter.until_ready().await;
    call(x)
}
