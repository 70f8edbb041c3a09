//! Nothing is in scope here but what is written out.

#![no_implicit_prelude]

pub enum Failure {
    Own,
    Rejected,
}

impl ::core::convert::From<::resilience::Rejected> for Failure {
    fn from(_: ::resilience::Rejected) -> Self {
        Failure::Rejected
    }
}

#[::resilience::with_fallback(value = 99)]
#[::resilience::with_retry(max = 3, base = 0s, when = |_| true)]
#[::resilience::circuit_breaker(threshold = 100, key = id)]
pub fn sync(id: u32, calls: &::core::cell::Cell<u32>) -> ::core::result::Result<u32, Failure> {
    let _ = id;
    calls.set(calls.get() + 1);
    if calls.get() < 3 { ::core::result::Result::Err(Failure::Own) } else { ::core::result::Result::Ok(3) }
}

#[::resilience::with_fallback(instead(id, error))]
#[::resilience::timeout(60s)]
#[::resilience::with_retry(max = 3, base = 0s, on(rate_limited, max = 2), clone(text))]
#[::resilience::circuit_breaker(threshold = 100)]
#[::resilience::timeout(30s)]
pub async fn later(
    id: u32,
    mut text: ::std::string::String,
    calls: &::core::cell::Cell<u32>,
) -> ::core::result::Result<u32, Failure> {
    let _ = id;
    text.push('x');
    calls.set(calls.get() + 1);
    if calls.get() < 3 {
        return ::core::result::Result::Err(Failure::Own);
    }
    ::core::result::Result::Ok(3)
}

fn instead(id: u32, _: &Failure) -> ::core::option::Option<u32> {
    ::core::option::Option::Some(id)
}

#[::resilience::checkpoint("step:{id}", rollback = undo)]
pub fn step(id: u32) -> ::core::result::Result<u32, Failure> {
    ::core::result::Result::Ok(id)
}

fn undo(_: u32) {}

#[::resilience::checkpoint("step:{id}:{text}", inputs(id), version = 2)]
pub async fn step_later(id: u32, text: &::core::primitive::str) -> ::core::option::Option<u32> {
    let _ = text;
    ::core::option::Option::Some(id)
}

#[::resilience::with_recovery(on(corrupt, rollback), on(not_found, skip), rollback = undone(id))]
#[::resilience::job("job:{id}", provided(lent))]
pub fn job(id: u32, text: &::core::primitive::str, lent: &u64) -> ::core::result::Result<u32, Failure> {
    let _ = (text, lent);
    step(id)
}

fn undone(_: u32) {}

#[::resilience::with_recovery(on(severity >= high, manual), otherwise = escalate)]
#[::resilience::job("later:{id}")]
pub async fn job_later(id: u32, texts: &[::std::string::String]) -> ::core::option::Option<u32> {
    let _ = texts;
    step_later(id, "a").await
}

#[::resilience::cached(ttl = 60s, stale_if_error = 1h, key = id, when_ok = |n: &u32| *n > 0)]
#[::resilience::degrade(work, max = 2)]
#[::resilience::bulkhead(4, wait = 1s, queue = 8)]
#[::resilience::rate_limit(100, per = 1s, burst = 10, wait = 1s)]
#[::resilience::hedge(after = 50ms, idempotent)]
pub async fn loaded(id: u32, work: &Work) -> ::core::result::Result<u32, ::resilience::Rejected> {
    let _ = work;
    ::core::result::Result::Ok(id)
}

pub struct Work;

impl ::resilience::Simplify for Work {
    fn simplify(&self, level: u32) -> ::core::option::Option<Self> {
        let _ = level;
        ::core::option::Option::None
    }
}

#[::resilience::cached(key = id)]
#[::resilience::bulkhead(adaptive, floor = 2, cap = 8)]
#[::resilience::rate_limit(100, per = 1s)]
pub fn loaded_now(id: u32) -> ::core::option::Option<u32> {
    ::core::option::Option::Some(id)
}

#[::resilience::with_retry]
pub fn bare() -> ::core::option::Option<()> {
    ::core::option::Option::Some(())
}

#[::resilience::circuit_breaker]
pub async fn option() -> ::core::option::Option<()> {
    ::core::option::Option::Some(())
}
