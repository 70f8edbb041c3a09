//! A trait of the user's gives every type methods with the names of those that an expansion calls.

use resilience::durable::MemoryStore;
use resilience::{
    CircuitBreaker, Classify, Rejected, Retry, Simplify, bulkhead, cached, chaos, checkpoint,
    circuit_breaker, degrade, failover, health_check, hedge, job, rate_limit, testing, timeout,
    with_fallback, with_lock, with_recovery, with_retry,
};
use std::sync::{Arc, LazyLock};

macro_rules! blanket {
    ($($name:ident)*) => {
        #[allow(dead_code, clippy::new_ret_no_self, clippy::wrong_self_convention, reason = "here only to be in scope")]
        trait ByValue: Sized { $(fn $name(self) {})* }
        impl<T> ByValue for T {}
    };
}
blanket! {
    settle admit acquire clone call judge probe value or_else await_it attempt elsewhere is_last next of
    pause sleep start start_timed timed paid_by settle_with settle_unpaid settle_by_settings budget budget_or
    own_budget applies answered failed begin begin_blocking end end_blocking enter scope decide undone
    wanted take get argument input earlier text finish map_err named checked strict thread per_key
    on on_fallback otherwise with_job with_undo max_keys success failure carried on_thread grown new
    into from fmt drop poll deref as_ref borrow to_owned to_string into_store into_future skipped worked
    returned started refused key_label max base cap threshold window recovery
    within listed continues start_keyed sharing is_error is_lost_answer delay delay_async injected ended
    simplified lead lead_blocking leading keeping_degraded end_weighed enter_in hold hedging measure measured
    enter_attempt await_attempt pass_attempt await_pass acquire_async acquire_lease acquire_lease_async leased
    constant timed_call given again in_code handles ask ask_named unthrottled share pinned class
    is_some is_none or and_then map find_in retry severity delivered action retry_after is_outermost added_to
    ended_with passes passed succeeded counted rejected
}

#[with_fallback(instead, Some(1), value = 3, when_ok = |found| *found == 7)]
#[timeout(60s, strict)]
#[with_retry(max = 1, base = 1ms, when = |_e| true, unless = |_e| false, clone(text), give_up_after = 1s)]
#[circuit_breaker(key = id)]
#[timeout(30s, growth = 2.0)]
async fn later(id: &str, mut text: String) -> Result<u32, Rejected> {
    text.push('x');
    drop(text);
    Ok(id.len() as u32)
}

fn instead(_: &str, _: String) -> Option<u32> {
    None
}

static BREAKER: CircuitBreaker = CircuitBreaker::new("hygiene");

#[with_fallback(value = 9)]
#[with_retry(max = 1, base = 0s, on(timeout, max = 2))]
#[circuit_breaker(instance = BREAKER)]
fn sync(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

const OWNED: Retry = Retry::new().max(1);

#[with_retry(instance = OWNED)]
fn owned(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

#[with_retry(instance = OWNED)]
async fn owned_later(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

#[with_retry(max = 1)]
async fn retried_later(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

#[circuit_breaker(threshold = 5)]
async fn guarded_later(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

#[circuit_breaker(rate = 50%)]
async fn rated_later(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

#[bulkhead(1)]
async fn alone_later(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

#[timeout(60s)]
async fn in_time(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

#[with_fallback(value = 9)]
async fn answered_later(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

#[with_retry(max = 1, base = 0s, clone(text))]
#[timeout(60s, thread)]
fn on_a_thread(text: String) -> Result<String, Rejected> {
    Ok(text)
}

#[checkpoint("step:{id}", inputs(id), rollback = |_: u32| ())]
async fn step(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

#[with_recovery(on(corrupt, rollback), on(not_found, skip), otherwise = escalate, rollback = |_, _, _| ())]
#[job("job:{id}", provided(client))]
async fn recorded(id: u32, name: &str, client: &u64) -> Result<u32, Rejected> {
    let _ = (client, name);
    step(id).await
}

#[job("sync:{id}")]
fn recorded_sync(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

#[derive(Debug)]
struct Plan(u32);

impl Simplify for Plan {
    fn simplify(&self, level: u32) -> Option<Self> {
        Some(Self(self.0 - level))
    }
}

#[derive(Debug, PartialEq, Classify)]
enum Failure {
    #[classify(timeout)]
    Late,
    #[classify(transparent)]
    Rejected(Rejected),
}

impl From<Rejected> for Failure {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

#[bulkhead(3, wait = 1s, key = id)]
#[rate_limit(9, per = 1s, wait = 1s, key = id)]
#[hedge(after = 500ms, idempotent, key = id)]
#[circuit_breaker(slow = 1s, window = 10s, key = id)]
#[timeout(adaptive, floor = 1s, cap = 2s, key = id)]
#[chaos(rate = 1%, fault = Failure::Late, lost = Failure::Late, latency = 1ms, panic, seed = 7)]
async fn limited(id: &str) -> Result<u32, Failure> {
    Ok(id.len() as u32)
}

#[bulkhead(adaptive, wait = 1s)]
#[rate_limit(9, per = 1s)]
#[circuit_breaker(slow = 1s, window = 10s)]
#[chaos(rate = 1%, fault = Failure::Late, lost = Failure::Late, latency = 1ms)]
fn limited_sync(id: u32) -> Result<u32, Failure> {
    Ok(id)
}

#[bulkhead(adaptive, wait = 1s)]
#[with_lock("hygiene:thread:{id}")]
#[timeout(adaptive, floor = 1s, cap = 2s, thread)]
fn adaptive_on_a_thread(id: u32) -> Result<u32, Failure> {
    Ok(id)
}

#[cached(ttl = 1s, weight = |_: &u32| 1_u32)]
#[failover(name = ["a", "b"], sticky = 1s)]
#[with_retry(max = 1, base = 0s, throttle = 2.0)]
#[timeout(adaptive, floor = 1s, cap = 2s)]
async fn elsewhere(name: &str) -> Result<u32, Failure> {
    if name == "a" { Err(Failure::Late) } else { Ok(2) }
}

#[cached(ttl = 1s, degraded, key = (id, name))]
#[failover(name = ["a", "b"], sticky = 1s)]
#[circuit_breaker(key = id)]
fn elsewhere_sync(id: u32, name: &str) -> Result<u32, Failure> {
    if name == "a" { Err(Failure::Late) } else { Ok(id) }
}

#[degrade(plan)]
#[with_lock("hygiene:{id}")]
fn simpler(id: u32, plan: &Plan) -> Result<u32, Failure> {
    if plan.0 > 1 { Err(Failure::Late) } else { Ok(id) }
}

#[degrade(plan)]
#[with_lock("hygiene:later:{id}")]
async fn simpler_later(id: u32, plan: Plan) -> Result<u32, Failure> {
    if plan.0 > 1 { Err(Failure::Late) } else { Ok(id) }
}

static STORE: LazyLock<Arc<MemoryStore>> = LazyLock::new(|| Arc::new(MemoryStore::new()));

#[with_lock("hygiene:lease:{id}", store = &*STORE)]
fn leased_sync(id: u32) -> Result<u32, Failure> {
    Ok(id)
}

#[with_lock("hygiene:lease:{id}", store = &*STORE)]
async fn leased_later(id: u32) -> Result<u32, Failure> {
    Ok(id)
}

#[health_check("blanket:{id}", each = [1_u32])]
#[timeout(1s)]
async fn healthy(id: u32) -> Result<(), Rejected> {
    let _ = id;
    Ok(())
}

#[test]
fn an_expansion_of_a_load_policy_calls_its_own_methods() {
    let _world = testing::isolate();
    assert_eq!(futures::executor::block_on(limited("ab")), Ok(2));
    assert_eq!((limited_sync(3), adaptive_on_a_thread(4)), (Ok(3), Ok(4)));
    assert_eq!(futures::executor::block_on(elsewhere("a")), Ok(2));
    assert_eq!((elsewhere_sync(5, "a"), simpler(6, &Plan(2))), (Ok(5), Ok(6)));
    assert_eq!(futures::executor::block_on(simpler_later(7, Plan(2))), Ok(7));
    assert_eq!((leased_sync(8), futures::executor::block_on(leased_later(9))), (Ok(8), Ok(9)));
    assert_eq!(futures::executor::block_on(healthy(1)), Ok(()));
}

#[test]
fn an_expansion_calls_its_own_methods() {
    let _world = testing::isolate();
    assert_eq!(futures::executor::block_on(later("ab", String::new())), Ok(2));
    assert_eq!(futures::executor::block_on(later("seven__", String::new())), Ok(1));
    assert_eq!(sync(4), Ok(4));
    assert_eq!((owned(5), futures::executor::block_on(owned_later(6))), (Ok(5), Ok(6)));
    assert_eq!(futures::executor::block_on(retried_later(7)), Ok(7));
    assert_eq!(futures::executor::block_on(guarded_later(8)), Ok(8));
    assert_eq!(futures::executor::block_on(rated_later(9)), Ok(9));
    assert_eq!(futures::executor::block_on(alone_later(10)), Ok(10));
    assert_eq!(futures::executor::block_on(in_time(11)), Ok(11));
    assert_eq!(futures::executor::block_on(answered_later(12)), Ok(12));
    let text = || "a".chars().collect::<String>();
    assert_eq!(on_a_thread(text()), Ok(text()));
    assert_eq!(futures::executor::block_on(recorded(1, "a", &1)), Ok(1));
    assert_eq!(recorded_sync(3), Ok(3));
}
