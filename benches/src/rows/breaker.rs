//! Circuit breakers that admit every call, and such that refuse every call.

use super::peers::{HOUR, failsafe, recloser};
use super::{Row, bare, by_hand, future, sync};
use crate::op::{CallError, FAILS, call};
use failsafe::futures::CircuitBreaker as _;
use recloser::{AsyncRecloser, Recloser};
use resilience::{CircuitBreaker, circuit_breaker};

/// Rows whose breaker is closed.
pub(super) fn closed() -> Vec<Row> {
    static PLAIN: CircuitBreaker = CircuitBreaker::new("plain");
    vec![
        by_hand::failures_in_a_row(),
        Row::new("`#[circuit_breaker(threshold = 5)]`")
            .sync(sync!(|x| guarded(x)))
            .future(future!(|x| guarded_async(x)))
            .at_most(Some(42), Some(67)),
        by_hand::begins_and_ends(),
        by_hand::successes_per_thread(),
        Row::new("`#[circuit_breaker(rate = 50%)]`, the last 100 calls")
            .sync(sync!(|x| by_rate(x)))
            .future(future!(|x| by_rate_async(x)))
            .at_most(Some(55), Some(80)),
        by_hand::successes_in_time(),
        Row::new("`#[circuit_breaker(rate = 50%, window = 60s)]`")
            .sync(sync!(|x| by_rate_in_time(x)))
            .at_most(Some(55), None),
        Row::new("`#[circuit_breaker(slow = 1s)]`, which reads the clock twice")
            .sync(sync!(|x| by_slowness(x)))
            .future(future!(|x| by_slowness_async(x))),
        Row::new("`CircuitBreaker::call`")
            .sync(sync!(|x| PLAIN.call(|| call(x))))
            .future(future!(|x| PLAIN.call_async(async || call(x)))),
        Row::new("`acquire` and `success` by hand").sync(sync!(|x| acquired(&PLAIN, x))),
        Row::new("failsafe, failures in a row")
            .sync(sync!(let breaker = failsafe(); |x| failsafe::CircuitBreaker::call(&breaker, || call(x))))
            .future(future!(let breaker = failsafe(); |x| breaker.call(bare(x)))),
        Row::new("failsafe, rate (its default)")
            .sync(sync!(
                let breaker = failsafe::Config::new().build();
                |x| failsafe::CircuitBreaker::call(&breaker, || call(x))
            ))
            .future(future!(let breaker = failsafe::Config::new().build(); |x| breaker.call(bare(x)))),
        Row::new("recloser, rate over 100 calls")
            .sync(sync!(let breaker = recloser(); |x| breaker.call(|| call(x))))
            .future(future!(let breaker = AsyncRecloser::from(recloser()); |x| breaker.call(bare(x)))),
        Row::new("tower-resilience, failures in a row").future(super::tower::resilience_breaker()),
    ]
}

/// Rows whose breaker is open.
pub(super) fn open() -> Vec<Row> {
    static PLAIN: CircuitBreaker = CircuitBreaker::new("open").threshold(5).recovery(HOUR).cap(HOUR);
    vec![
        by_hand::open(),
        Row::new("`#[circuit_breaker(threshold = 5)]`, open")
            .sync(sync!(let () = fail(refused); |x| refused(x)))
            .future(
                future!(let () = fail(|x| super::runtime().block_on(refused_async(x))); |x| refused_async(x)),
            )
            .at_most(Some(150), Some(180)),
        Row::new("`CircuitBreaker::call`, open")
            .sync(sync!(let () = fail(|x| PLAIN.call(|| call(x))); |x| PLAIN.call(|| call(x)))),
        Row::new("failsafe, open")
            .sync(sync!(
                let breaker = failsafe();
                let () = fail(|x| failsafe::CircuitBreaker::call(&breaker, || call(x)));
                |x| failsafe::CircuitBreaker::call(&breaker, || call(x))
            ))
            .future(future!(
                let breaker = failsafe();
                let () = fail(|x| failsafe::CircuitBreaker::call(&breaker, || call(x)));
                |x| breaker.call(bare(x))
            )),
        Row::new("recloser, open")
            .sync(sync!(let breaker = recloser_open(); |x| breaker.call(|| call(x))))
            .future(future!(let breaker = AsyncRecloser::from(recloser_open()); |x| breaker.call(bare(x)))),
        Row::new("tower-resilience, open").future(super::tower::resilience_breaker_open()),
    ]
}

#[circuit_breaker(rate = 50%)]
fn by_rate(x: u64) -> Result<u64, CallError> {
    call(x)
}

#[circuit_breaker(rate = 50%)]
async fn by_rate_async(x: u64) -> Result<u64, CallError> {
    call(x)
}

#[circuit_breaker(slow = 1s)]
fn by_slowness(x: u64) -> Result<u64, CallError> {
    call(x)
}

#[circuit_breaker(slow = 1s)]
async fn by_slowness_async(x: u64) -> Result<u64, CallError> {
    call(x)
}

#[circuit_breaker(rate = 50%, window = 60s)]
fn by_rate_in_time(x: u64) -> Result<u64, CallError> {
    call(x)
}

#[circuit_breaker(threshold = 5)]
fn guarded(x: u64) -> Result<u64, CallError> {
    call(x)
}

#[circuit_breaker(threshold = 5)]
async fn guarded_async(x: u64) -> Result<u64, CallError> {
    call(x)
}

#[circuit_breaker(threshold = 5, recovery = 1h, cap = 1h)]
fn refused(x: u64) -> Result<u64, CallError> {
    call(x)
}

#[circuit_breaker(threshold = 5, recovery = 1h, cap = 1h)]
async fn refused_async(x: u64) -> Result<u64, CallError> {
    call(x)
}

fn acquired(breaker: &CircuitBreaker, x: u64) -> Result<u64, CallError> {
    let permit = breaker.acquire()?;
    let outcome = call(x);
    match &outcome {
        Ok(_) => permit.success(),
        Err(error) => permit.failure(error),
    }
    outcome
}

/// Fails often enough to open any of these breakers.
fn fail<T>(call: impl Fn(u64) -> T) {
    for _ in 0..200 {
        call(FAILS);
    }
}

fn recloser_open() -> Recloser {
    let breaker = recloser();
    fail(|x| breaker.call(|| call(x)));
    breaker
}
