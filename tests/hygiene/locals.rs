//! The locals of an expansion do not collide with names of the function.

use resilience::{
    Rejected, bulkhead, cached, checkpoint, circuit_breaker, degrade, hedge, job, rate_limit, testing,
    timeout, with_fallback, with_recovery, with_retry,
};
use std::cell::Cell;

#[with_recovery(on(not_found, skip), otherwise = escalate)]
#[job("job:{running}", provided(provided))]
async fn recorded(
    running: u32,
    args: u32,
    kept: &str,
    entered: Vec<u32>,
    rejected: u32,
    provided: &u64,
) -> Result<u32, Rejected> {
    let (scope, bytes, settled, strategy, this) = (1, 2, 3, 4, 5);
    let all = scope + bytes + settled + strategy + this + entered.len() as u32 + rejected;
    step(running + args + kept.len() as u32, all, "key", provided)
}

#[checkpoint("step:{running}:{key}", inputs(outcome), rollback = |value: u32| assert_eq!(value, 0))]
fn step(running: u32, outcome: u32, key: &str, store: &u64) -> Result<u32, Rejected> {
    let (value, label) = (running + outcome, key.len() as u32 + *store as u32);
    Ok(value + label)
}

#[test]
fn arguments_may_have_the_names_used_by_recordings() {
    let _world = testing::isolate();
    let job = recorded(1, 2, "ab", vec![0], 6, &7);
    assert_eq!(futures::executor::block_on(job), Ok(5 + 22 + 10));
}

#[with_fallback(value = 0)]
#[timeout(60s)]
#[with_retry(max = 2, base = 0s, jitter = none)]
#[circuit_breaker(threshold = 100)]
#[timeout(30s)]
#[allow(clippy::too_many_arguments)]
async fn later(
    r: u32,
    verdict: u32,
    class: u32,
    wait: u32,
    error: u32,
    permit: u32,
    retry: u32,
    attempt: u32,
    calls: &Cell<u32>,
) -> Result<u32, Rejected> {
    let (e, point, rejected, state, site, rt) = (1, 2, 3, 4, 5, 6);
    calls.set(calls.get() + 1);
    Ok(r + verdict
        + class
        + wait
        + error
        + permit
        + retry
        + attempt
        + e
        + point
        + rejected
        + state
        + site
        + rt)
}

#[with_fallback(value = r + class)]
#[with_retry(max = 2, base = 0s, when = |error| *error < class + wait)]
#[circuit_breaker(threshold = 100, key = permit, rejected = |_| 0, unless = |verdict| *verdict == wait)]
fn sync(r: u32, class: u32, wait: u32, permit: u32, attempt: &Cell<u32>) -> Result<u32, u32> {
    let retry = attempt.get() + 1;
    attempt.set(retry);
    let error = r + permit;
    let verdict: Result<u32, u32> = Err(error);
    let _unused = verdict?;
    Ok(0)
}

#[cached(key = slot, ttl = 60s, when_ok = |level: &u32| *level > original)]
#[degrade(simpler)]
#[bulkhead(4, wait = 1s, key = held)]
#[rate_limit(100, per = 1s, wait = 1s, key = pass)]
#[hedge(after = 50ms, idempotent, key = copies)]
async fn loaded(
    slot: u32,
    held: u32,
    pass: u32,
    copies: u32,
    original: u32,
    simpler: &Simpler,
) -> Result<u32, Rejected> {
    let (level, first, holding, outcome, label) = (1, 2, 3, 4, 5);
    Ok(slot + held + pass + copies + original + level + first + holding + outcome + label + simpler.0)
}

struct Simpler(u32);

impl resilience::Simplify for Simpler {
    fn simplify(&self, level: u32) -> Option<Self> {
        (level < self.0).then_some(Self(level))
    }
}

#[test]
fn arguments_may_have_the_names_used_by_load_policies() {
    let _world = testing::isolate();
    assert_eq!(futures::executor::block_on(loaded(1, 2, 3, 4, 5, &Simpler(6))), Ok(36));
}

#[test]
fn arguments_may_have_the_names_used_by_expansions() {
    let _world = testing::isolate();
    let calls = Cell::new(0);
    assert_eq!(futures::executor::block_on(later(1, 2, 3, 4, 5, 6, 7, 8, &calls)), Ok(57));
    let attempts = Cell::new(0);
    assert_eq!(sync(1, 2, 10, 3, &attempts), Ok(3));
    assert_eq!(attempts.get(), 3, "4 < 2 + 10: tried again");
}

#[test]
fn a_setting_sees_the_arguments_and_not_the_expansion() {
    #[with_fallback(value = attempt)]
    #[with_retry(max = 1, base = 0s)]
    fn call(attempt: &str) -> Option<&str> {
        let _ = attempt;
        None
    }
    let _world = testing::isolate();
    assert_eq!(call("mine"), Some("mine"));
}
