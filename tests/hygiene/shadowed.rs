//! Items with the names that an expansion may be tempted to use.

pub struct Ok;
pub struct Err;
pub struct Some;
pub struct None;
pub struct Result;
pub struct Option;
pub struct Box;
pub struct Future;
pub struct Duration;
pub trait From {}
pub trait Into {}
pub trait Clone {}
pub trait Send {}
pub trait Sync {}
pub trait Sized {}
pub trait Fn {}
pub trait FnOnce {}
pub trait Default {}
pub trait Drop {}
pub type u32 = i64;
pub type bool = i8;
pub type f64 = u8;
pub type str = u8;
pub type usize = u8;
pub mod std {}
pub mod core {}
pub mod alloc {}
pub mod resilience {}
pub mod linkme {}
pub fn drop() {}
macro_rules! line {
    () => {
        compile_error!("a macro of the user's")
    };
}
macro_rules! file {
    () => {
        compile_error!("a macro of the user's")
    };
}
macro_rules! module_path {
    () => {
        compile_error!("a macro of the user's")
    };
}

#[::resilience::with_fallback(value = 99)]
#[::resilience::timeout(60s)]
#[::resilience::with_retry(max = 3, base = 0s, clone(text), unless = |_| false)]
#[::resilience::circuit_breaker(threshold = 100, growth = 2.0)]
pub async fn later(
    mut count: i32,
    text: ::std::string::String,
    calls: &::core::cell::Cell<i32>,
) -> ::core::option::Option<i32> {
    count += 1;
    ::core::mem::drop(text);
    calls.set(calls.get() + 1);
    if calls.get() < 3 { ::core::option::Option::None } else { ::core::option::Option::Some(count) }
}

#[::resilience::checkpoint("step:{id}", rollback = |_: i32| ())]
pub async fn step(id: i32) -> ::core::result::Result<i32, ::resilience::Rejected> {
    ::core::result::Result::Ok(id)
}

#[::resilience::with_recovery(on(corrupt, rollback), on(not_found, skip), otherwise = escalate)]
#[::resilience::job("job:{id}", provided(lent))]
pub async fn job(
    id: i32,
    text: ::std::string::String,
    lent: &i64,
) -> ::core::result::Result<i32, ::resilience::Rejected> {
    let _ = (text, lent);
    step(id).await
}

#[::resilience::with_recovery(on(corrupt, rollback), rollback = |_| ())]
#[::resilience::job("sync:{id}")]
pub fn job_sync(id: i32) -> ::core::result::Result<i32, ::resilience::Rejected> {
    ::core::result::Result::Ok(id)
}

pub struct Work;

impl ::resilience::Simplify for Work {
    fn simplify(&self, level: ::core::primitive::u32) -> ::core::option::Option<Self> {
        if level == 0 { ::core::option::Option::Some(Work) } else { ::core::option::Option::None }
    }
}

#[::resilience::cached(ttl = 60s, key = id)]
#[::resilience::degrade(work)]
#[::resilience::bulkhead(4, wait = 1s, key = id)]
#[::resilience::rate_limit(100, per = 1s, wait = 1s, key = id)]
#[::resilience::hedge(after = p95, max = 2, idempotent, key = id)]
pub async fn loaded(id: i32, work: Work) -> ::core::result::Result<i32, ::resilience::Rejected> {
    let _ = &work;
    ::core::result::Result::Ok(id)
}

#[::resilience::bulkhead(adaptive)]
#[::resilience::rate_limit(100, per = 1s)]
pub fn loaded_now(id: i32) -> ::core::option::Option<i32> {
    ::core::option::Option::Some(id)
}

#[::resilience::with_retry(max = 3, base = 0s)]
#[::resilience::circuit_breaker(threshold = 100)]
pub fn sync(calls: &::core::cell::Cell<i32>) -> ::core::result::Result<i32, ::resilience::Rejected> {
    calls.set(calls.get() + 1);
    ::core::result::Result::Ok(calls.get())
}
