//! How every call ended, as the inventory counts it; needs the feature `ops`.

#![cfg(feature = "ops")]

use resilience::testing::{World, isolate};
use resilience::{
    CallCounts, Category, Classification, Classify, Rejected, Simplify, bulkhead, cached, carry_fn,
    circuit_breaker, degrade, failover, hedge, point, rate_limit, timeout, with_fallback, with_retry,
};
use std::future::{Future, pending, ready};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Oops {
    Failed(Category),
    Rejected,
    TimedOut,
}

impl Classify for Oops {
    fn classify(&self) -> Classification {
        Classification::new(match self {
            Self::Failed(category) => *category,
            Self::Rejected => Category::Rejected,
            Self::TimedOut => Category::Timeout,
        })
    }
}

impl From<Rejected> for Oops {
    fn from(rejected: Rejected) -> Self {
        if rejected.classify().category == Category::Timeout { Self::TimedOut } else { Self::Rejected }
    }
}

const DOWN: Oops = Oops::Failed(Category::Connection);

#[track_caller]
fn counts(name: &str) -> CallCounts {
    point(name).expect("a point of this name").snapshot().calls.expect("a build that counts")
}

#[track_caller]
fn text(name: &str) -> String {
    counts(name).to_string()
}

#[track_caller]
fn is_degraded(name: &str) -> bool {
    point(name).expect("a point of this name").snapshot().degraded
}

/// Polls `future` once and drops it.
fn cancel(future: impl Future) {
    let future = pin!(future);
    assert!(future.poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

/// The future of a call that is over at its first poll.
fn finish<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        std::task::Poll::Ready(value) => value,
        std::task::Poll::Pending => panic!("the call waits"),
    }
}

#[with_retry(max = 2, base = 0s, name = "calls::sync")]
fn sync(answer: impl Fn() -> Result<u32, Oops>) -> Result<u32, Oops> {
    answer()
}

#[with_retry(max = 2, base = 0s, name = "calls::later")]
async fn later(answer: impl Future<Output = Result<u32, Oops>> + Clone) -> Result<u32, Oops> {
    answer.clone().await
}

#[test]
fn every_outcome_is_counted_once() {
    let _world = isolate();
    assert_eq!(counts("calls::sync"), CallCounts::default());
    sync(|| Ok(1)).unwrap();
    sync(|| Err(Oops::Failed(Category::Invalid))).unwrap_err();
    assert_eq!(text("calls::sync"), "calls 2: succeeded 1, invalid 1; 1.00 attempts a call");
    sync(|| Err(DOWN)).unwrap_err();
    catch_unwind(|| sync(|| resume_unwind(Box::new("on purpose")))).unwrap_err();
    assert_eq!(
        text("calls::sync"),
        "calls 4: succeeded 1, connection 1, invalid 1, panicked 1; 1.50 attempts a call"
    );
    finish(later(ready(Ok(1)))).unwrap();
    cancel(later(pending()));
    drop(later(ready(Ok(1))));
    assert_eq!(text("calls::later"), "calls 2: succeeded 1, cancelled 1; 1.00 attempts a call");
    assert_eq!(counts("calls::later").in_flight, 0);
}

#[test]
fn a_running_call_is_in_flight() {
    let _world = isolate();
    let mut call = Box::pin(later(pending()));
    assert_eq!(counts("calls::later").in_flight, 0, "it has not begun");
    assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    assert_eq!((counts("calls::later").total, counts("calls::later").in_flight), (0, 1));
    drop(call);
    assert_eq!((counts("calls::later").total, counts("calls::later").in_flight), (1, 0));
}

/// A future that panics when it is polled in a call that is already running counts with the call that it is in.
#[test]
fn a_panic_in_an_async_body_is_not_a_cancellation() {
    let _world = isolate();
    let call = AssertUnwindSafe(|| finish(later(PanicsWhenPolled)));
    catch_unwind(call).unwrap_err();
    assert_eq!(text("calls::later"), "calls 1: succeeded 0, panicked 1; 1.00 attempts a call");
}

#[derive(Clone)]
struct PanicsWhenPolled;

impl Future for PanicsWhenPolled {
    type Output = Result<u32, Oops>;

    fn poll(self: std::pin::Pin<&mut Self>, _: &mut Context<'_>) -> std::task::Poll<Self::Output> {
        resume_unwind(Box::new("on purpose"))
    }
}

#[circuit_breaker(threshold = 1, name = "calls::breaker")]
fn guarded(answer: Result<u32, Oops>) -> Result<u32, Oops> {
    answer
}

#[rate_limit(1, per = 1s, name = "calls::limited")]
fn limited() -> Result<u32, Oops> {
    Ok(1)
}

#[timeout(1s, name = "calls::limited in time")]
async fn in_time() -> Result<u32, Oops> {
    tokio::time::sleep(Duration::from_secs(2)).await;
    Ok(1)
}

#[test]
fn rejections_are_counted_and_a_reset_keeps_the_counts() {
    let _world = isolate();
    guarded(Err(DOWN)).unwrap_err();
    assert_eq!(guarded(Ok(1)), Err(Oops::Rejected));
    let breaker = point("calls::breaker").unwrap().breaker().unwrap();
    breaker.reset();
    guarded(Ok(1)).unwrap();
    assert_eq!(
        text("calls::breaker"),
        "calls 3: succeeded 1, connection 1, rejected 1; 1.00 attempts a call"
    );
    let _ = (limited(), limited());
    assert_eq!(text("calls::limited"), "calls 2: succeeded 1, rejected 1; 1.00 attempts a call");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_runs_out_of_time_is_a_timeout() {
    let _world = isolate();
    assert_eq!(in_time().await, Err(Oops::TimedOut));
    assert_eq!(text("calls::limited in time"), "calls 1: succeeded 0, timeout 1; 1.00 attempts a call");
}

type Answer = Result<u32, Oops>;

#[with_retry(max = 0, name = "calls::early retry")]
async fn early_retry(answer: Answer) -> Answer {
    answer
}

#[circuit_breaker(threshold = 10, name = "calls::early breaker")]
async fn early_breaker(answer: Answer) -> Answer {
    answer
}

#[circuit_breaker(rate = 50%, name = "calls::early rate")]
async fn early_rate(answer: Answer) -> Answer {
    answer
}

#[circuit_breaker(threshold = 10, key = answer.is_ok(), name = "calls::early key")]
fn early_key(answer: Answer) -> Answer {
    answer
}

#[bulkhead(1, name = "calls::early bulkhead")]
async fn early_bulkhead(answer: Answer) -> Answer {
    answer
}

#[rate_limit(1_000, per = 1s, name = "calls::early limit")]
async fn early_limit(answer: Answer) -> Answer {
    answer
}

#[timeout(1h, name = "calls::early timeout")]
async fn early_timeout(answer: Answer) -> Answer {
    answer
}

#[timeout(1h, timed, name = "calls::early timed")]
async fn early_timed(answer: Answer) -> Answer {
    answer
}

#[with_fallback(never, name = "calls::early fallback")]
async fn early_fallback(answer: Answer) -> Answer {
    answer
}

fn never(_: Answer) -> Option<u32> {
    None
}

#[with_fallback(never, name = "calls::early four")]
#[with_retry(max = 0)]
#[circuit_breaker(threshold = 10)]
#[timeout(1h)]
async fn early_four(answer: Answer) -> Answer {
    answer
}

/// Outside of a test world a success may end the call before it is judged.
#[test]
fn a_success_that_ends_early_is_counted_once() {
    let calls: [(&str, &dyn Fn(Answer) -> Answer); 10] = [
        ("retry", &|answer| finish(early_retry(answer))),
        ("breaker", &|answer| finish(early_breaker(answer))),
        ("rate", &|answer| finish(early_rate(answer))),
        ("key", &early_key),
        ("bulkhead", &|answer| finish(early_bulkhead(answer))),
        ("limit", &|answer| finish(early_limit(answer))),
        ("timeout", &|answer| finish(early_timeout(answer))),
        ("timed", &|answer| finish(early_timed(answer))),
        ("fallback", &|answer| finish(early_fallback(answer))),
        ("four", &|answer| finish(early_four(answer))),
    ];
    for (name, call) in calls {
        for n in 0..100 {
            assert_eq!(call(Ok(n)), Ok(n), "{name}");
        }
        assert_eq!(call(Err(DOWN)), Err(DOWN), "{name}");
        for n in 0..100 {
            assert_eq!(call(Ok(n)), Ok(n), "{name}");
        }
        let name = format!("calls::early {name}");
        assert_eq!(text(&name), "calls 201: succeeded 200, connection 1; 1.00 attempts a call", "{name}");
        assert_eq!(counts(&name).in_flight, 0, "{name}");
    }
}

// What is counted is what the caller gets, and `degraded` that it was less than it should be.

#[with_fallback(value = 0, name = "calls::fallback")]
#[with_retry(max = 1, base = 0s)]
fn falls_back(answer: Result<u32, Oops>) -> Result<u32, Oops> {
    answer
}

#[failover(model = ["b"], name = "calls::failover")]
fn fails_over(model: &str) -> Result<u32, Oops> {
    if model == "a" { Err(DOWN) } else { Ok(1) }
}

#[derive(Clone)]
struct Plan(u32);

impl Simplify for Plan {
    fn simplify(&self, level: u32) -> Option<Self> {
        self.0.checked_sub(level).map(Self)
    }
}

#[degrade(plan, name = "calls::simplified")]
fn simplified(plan: &Plan) -> Result<u32, Oops> {
    if plan.0 > 1 { Err(Oops::Failed(Category::Resource)) } else { Ok(plan.0) }
}

#[cached(ttl = 1s, stale_if_error = 1h, name = "calls::cached")]
fn cached_value(fails: &Switch) -> Result<u32, Oops> {
    if fails.0.load(std::sync::atomic::Ordering::Relaxed) { Err(DOWN) } else { Ok(1) }
}

/// Two are one key.
#[derive(Clone, Default)]
struct Switch(Arc<std::sync::atomic::AtomicBool>);

impl PartialEq for Switch {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Switch {}

impl std::hash::Hash for Switch {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}

#[track_caller]
fn is_degraded_for_a_minute(world: &World, name: &str) {
    assert!(is_degraded(name), "{name}");
    world.advance(Duration::from_millis(59_999));
    assert!(is_degraded(name), "{name}");
    world.advance(Duration::from_millis(1));
    assert!(!is_degraded(name), "{name}");
}

#[test]
fn a_degraded_answer_marks_the_point_for_a_minute() {
    let world = isolate();
    falls_back(Ok(1)).unwrap();
    assert!(!is_degraded("calls::fallback"));
    assert_eq!(falls_back(Err(DOWN)), Ok(0));
    assert_eq!(text("calls::fallback"), "calls 2: succeeded 2; 1.50 attempts a call");
    is_degraded_for_a_minute(&world, "calls::fallback");

    fails_over("b").unwrap();
    assert!(!is_degraded("calls::failover"), "its own value answered");
    fails_over("a").unwrap();
    is_degraded_for_a_minute(&world, "calls::failover");

    assert_eq!(simplified(&Plan(1)), Ok(1));
    assert!(!is_degraded("calls::simplified"));
    assert_eq!(simplified(&Plan(2)), Ok(1));
    is_degraded_for_a_minute(&world, "calls::simplified");

    let fails = Switch::default();
    cached_value(&fails).unwrap();
    fails.0.store(true, std::sync::atomic::Ordering::Relaxed);
    cached_value(&fails).unwrap();
    assert!(!is_degraded("calls::cached"), "the value is fresh");
    world.advance(Duration::from_secs(2));
    assert_eq!(cached_value(&fails), Ok(1));
    is_degraded_for_a_minute(&world, "calls::cached");
    assert_eq!(text("calls::cached"), "calls 3: succeeded 3; 1.00 attempts a call");
}

#[hedge(after = 1s, idempotent, name = "calls::hedged")]
async fn hedged(first: &std::sync::atomic::AtomicBool) -> Result<u32, Oops> {
    if first.swap(false, std::sync::atomic::Ordering::Relaxed) {
        tokio::time::sleep(Duration::from_secs(60)).await;
    }
    Ok(1)
}

#[tokio::test(start_paused = true)]
async fn a_hedged_call_is_one_call() {
    let _world = isolate();
    hedged(&true.into()).await.unwrap();
    assert_eq!(text("calls::hedged"), "calls 1: succeeded 1; 1.00 attempts a call");
}

/// Several layers, so that each outcome passes some of them.
#[with_retry(max = 2, base = 0s, budget = none, name = "calls::load")]
#[circuit_breaker(threshold = 1_000_000)]
#[timeout(10s)]
async fn under_load(n: u64) -> Result<u64, Oops> {
    if n.is_multiple_of(4) {
        tokio::task::yield_now().await;
    }
    match n % 16 {
        0 | 1 => Err(DOWN),
        2 => Err(Oops::Failed(Category::Invalid)),
        // A panic that prints nothing.
        3 => resume_unwind(Box::new("on purpose")),
        4 => pending().await,
        _ => Ok(n),
    }
}

fn make_calls(calls: u64) {
    for n in 0..calls {
        match n % 16 {
            3 => drop(catch_unwind(AssertUnwindSafe(|| finish(under_load(n))))),
            4 => {
                let mut call = Box::pin(under_load(n));
                // Its first poll yields, its second waits for ever.
                for _ in 0..2 {
                    assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
                }
            }
            _ => drop(futures::executor::block_on(under_load(n))),
        }
    }
}

/// Calls of eight tasks add up exactly, and every snapshot on the way is a whole; `CALLS=1000000` is the long form.
#[test]
fn calls_of_eight_tasks_add_up() {
    let calls: u64 = std::env::var("CALLS").map_or(20_000, |calls| calls.parse().expect("a number"));
    let calls = calls / (8 * 16) * 16;
    let _world = isolate();
    let threads: Vec<_> = (0..8).map(|_| std::thread::spawn(carry_fn(move || make_calls(calls)))).collect();
    let mut last = CallCounts::default();
    while !threads.iter().all(std::thread::JoinHandle::is_finished) {
        let now = counts("calls::load");
        let failed: u64 = now.failed.iter().map(|(_, count)| count).sum();
        assert_eq!(
            now.total,
            now.succeeded + failed + now.rejected + now.cancelled + now.panicked,
            "{now:?}"
        );
        assert!(now.attempts >= now.total && now.total >= last.total && now.succeeded >= last.succeeded);
        last = now;
    }
    for thread in threads {
        thread.join().expect("a task that ends");
    }
    let (sum, each) = (counts("calls::load"), 8 * calls / 16);
    assert_eq!(sum.total, 16 * each);
    assert_eq!((sum.succeeded, sum.cancelled, sum.panicked, sum.in_flight), (11 * each, each, each, 0));
    assert_eq!(sum.failed, [("connection", 2 * each), ("invalid", each)]);
    assert_eq!(sum.attempts, 16 * each + 2 * 2 * each, "two retries of each call that was refused");
}
