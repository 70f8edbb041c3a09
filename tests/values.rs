//! Policies as plain values: the same verbs on each of them, with closures that capture.

use resilience::{Category, CircuitBreaker, Fallback, Rejected, Retry, State, testing};
use std::cell::Cell;
use std::fmt;
use std::future::Future;
use std::time::Duration;

#[path = "values/send.rs"]
mod send;

/// An error of a crate that knows nothing of this one.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Status(u16);

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {}", self.0)
    }
}

/// One that has room for the rejections of a breaker.
#[derive(Clone, Debug, PartialEq)]
enum Failure {
    Status(u16),
    Open(Rejected),
}

impl From<Rejected> for Failure {
    fn from(rejected: Rejected) -> Self {
        Self::Open(rejected)
    }
}

fn block_on<F: Future>(future: F) -> F::Output {
    futures::executor::block_on(future)
}

const FAST: Retry = Retry::new().max(3).base(Duration::ZERO);

/// How often a function ran that always fails with `status`, by `call` and by `call_async`.
macro_rules! runs {
    ($retry:expr, $status:expr) => {{
        let _world = testing::isolate();
        let (retry, sync_runs, async_runs) = ($retry, Cell::new(0), Cell::new(0));
        let outcome: Result<(), Status> = retry.call(|| {
            sync_runs.set(sync_runs.get() + 1);
            Err(Status($status))
        });
        assert_eq!(outcome, Err(Status($status)));
        let outcome: Result<(), Status> = block_on(retry.call_async(async || {
            async_runs.set(async_runs.get() + 1);
            Err(Status($status))
        }));
        assert_eq!(outcome, Err(Status($status)));
        assert_eq!(sync_runs.get(), async_runs.get());
        sync_runs.get()
    }};
}

fn category(status: &Status) -> Category {
    Category::from_status(status.0)
}

#[test]
fn a_retry_classifies_foreign_errors() {
    assert_eq!(runs!(FAST.classify(category), 503), 4);
    assert_eq!(runs!(FAST.classify(category), 404), 1);
    assert_eq!(runs!(FAST.classify(|status: &Status| category(status)), 409), 2);
}

#[test]
fn when_replaces_the_category_and_unless_overrides_both() {
    let only_404 = |status: &Status| status.0 == 404;
    assert_eq!(runs!(FAST.classify(category).when(only_404), 404), 4);
    assert_eq!(runs!(FAST.when(only_404).classify(category), 503), 1);
    assert_eq!(runs!(FAST.unless(only_404).when(|_: &Status| true).classify(category), 404), 1);
    assert_eq!(runs!(FAST.classify(category).unless(only_404).when(|_: &Status| true), 400), 4);
}

#[test]
fn a_judge_closure_needs_no_type_annotation() {
    let _world = testing::isolate();
    let mut calls = 0;
    let outcome = FAST.call_judged(
        || {
            calls += 1;
            if calls < 3 { Err(Status(503)) } else { Ok(calls) }
        },
        |outcome| outcome.as_ref().err().map(|status| Category::from_status(status.0).into()),
    );
    assert_eq!(outcome, Ok(3));

    let calls = Cell::new(0);
    let outcome = block_on(FAST.call_async_judged(
        async || {
            calls.set(calls.get() + 1);
            if calls.get() < 3 { Err(Status(503)) } else { Ok(calls.get()) }
        },
        |outcome| outcome.is_err().then(|| Category::Connection.into()),
    ));
    assert_eq!(outcome, Ok(3));

    let breaker = CircuitBreaker::new("judged").threshold(2);
    for _ in 0..2 {
        let _ = breaker.call_judged(
            || Err::<u32, _>(Failure::Status(404)),
            |outcome| outcome.is_err().then(|| Category::Unavailable.into()),
        );
    }
    assert_eq!(breaker.state(), State::Open);
    let breaker = CircuitBreaker::new("judged").threshold(1);
    let _ = block_on(breaker.call_async_judged(
        async || Err::<u32, _>(Failure::Status(404)),
        |outcome| outcome.is_err().then(|| Category::Unavailable.into()),
    ));
    assert_eq!(breaker.state(), State::Open);
}

#[test]
fn a_judge_accepts_values_that_are_no_outcomes() {
    let _world = testing::isolate();
    let mut calls = 0;
    let answer = FAST.call_judged(
        || {
            calls += 1;
            calls
        },
        |answer| (*answer < 2).then(|| Category::Transient.into()),
    );
    assert_eq!(answer, 2);
}

fn class(failure: &Failure) -> Category {
    match failure {
        Failure::Status(status) => Category::from_status(*status),
        Failure::Open(_) => Category::Rejected,
    }
}

fn fails(status: u16) -> Result<u32, Failure> {
    Err(Failure::Status(status))
}

#[test]
fn a_breaker_classifies_foreign_errors() {
    let breaker = CircuitBreaker::new("classified").threshold(1);
    let guarded = breaker.classify(class);
    assert_eq!(guarded.call(|| fails(404)), fails(404));
    assert_eq!(breaker.state(), State::Closed);
    assert_eq!(block_on(guarded.call_async(async || fails(503))), fails(503));
    assert_eq!(breaker.state(), State::Open);
    assert!(matches!(guarded.call(|| fails(404)), Err(Failure::Open(Rejected::CircuitOpen { .. }))));
}

#[test]
fn a_breaker_counts_by_when_and_exempts_unless() {
    let breaker = CircuitBreaker::new("ruled").threshold(2);
    let only_404 = |failure: &Failure| *failure == Failure::Status(404);
    let fails_by_404 = breaker.classify(class).when(only_404);
    let _ = fails_by_404.call(|| fails(404));
    assert_eq!(breaker.snapshot().failures, 1);
    let _ = breaker.unless(|_: &Failure| true).classify(class).call(|| fails(503));
    assert_eq!(breaker.snapshot().failures, 1, "as if there had been no call");
    let _ = fails_by_404.call(|| fails(503));
    assert_eq!(breaker.snapshot().failures, 0, "all others are successes");
}

#[test]
fn a_fallback_answers_by_when_unless_and_category() {
    const CACHED: Fallback = Fallback::new("cached");
    let status = |outcome: Result<u32, Status>| outcome.map_err(|status| status.0);
    let answer = |code| CACHED.classify(category).call(|| Err(Status(code)), |_: &Status| Some(7));
    assert_eq!(status(answer(503)), Ok(7));
    let on = CACHED.on(&[Category::Unavailable]).classify(category);
    assert_eq!(status(on.call(|| Err(Status(404)), |_| Some(7))), Err(404));
    let when = on.when(|status: &Status| status.0 == 404);
    assert_eq!(status(when.call(|| Err(Status(404)), |_| Some(7))), Ok(7));
    assert_eq!(status(when.call(|| Err(Status(503)), |_| Some(7))), Err(503));
    let unless = CACHED.classify(category).unless(|status: &Status| status.0 == 404);
    assert_eq!(status(unless.or_else(Err(Status(404)), |_| Some(7))), Err(404));
    let later = block_on(unless.call_async(async || Err(Status(503)), async |_| Some(7)));
    assert_eq!(status(later), Ok(7));
    let plain: Result<u32, Rejected> = CACHED.call(|| Ok(1), |_| Some(7));
    assert_eq!(plain, Ok(1));
}

#[test]
fn a_value_with_rules_can_be_copied_and_reused() {
    let _world = testing::isolate();
    let retry = FAST.name("kept").classify(category).unless(|status: &Status| status.0 == 500);
    let copy = retry;
    for retry in [retry, copy] {
        let mut calls = 0;
        let _: Result<(), Status> = retry.call(|| {
            calls += 1;
            Err(Status(500))
        });
        assert_eq!(calls, 1);
    }
    assert!(format!("{retry:?}").contains("kept"));
}

#[test]
fn events_of_a_value_have_its_name() {
    let world = testing::isolate();
    let _: Result<(), Status> = FAST.name("quotes").classify(category).call(|| Err(Status(503)));
    let events = world.events();
    assert_eq!(events.len(), 3 * 2 + 2);
    assert!(events.iter().all(|event| event.point() == "quotes"), "{events:?}");
}

#[test]
fn retry_and_fallback_values_enter_the_recovery_statistics() {
    use resilience::durable::recovery_stats;
    use std::io;

    let _world = testing::isolate();
    let down = || io::Error::from(io::ErrorKind::ConnectionRefused);
    let fails = |times: u32| {
        let mut calls = 0;
        move || {
            calls += 1;
            if calls > times { Ok(()) } else { Err(down()) }
        }
    };
    let quotes = FAST.name("quotes");
    quotes.call(fails(0)).expect("nothing to recover from");
    quotes.call(fails(1)).expect("saved");
    quotes.classify(|_: &io::Error| Category::NotFound).call(fails(1)).expect_err("not retried");
    block_on(quotes.call_async(|| std::future::ready(Err::<(), _>(down())))).expect_err("down");
    FAST.call(fails(1)).expect("saved");
    let fallback = Fallback::new("cached");
    let outcome: Result<u32, io::Error> = fallback.call(|| Err(down()), |_| Some(1));
    outcome.expect("saved");
    let outcome: Result<u32, io::Error> = block_on(fallback.call_async(async || Err(down()), async |_| None));
    outcome.expect_err("no value");
    let stats = recovery_stats();
    let of = |word: &str| {
        let found = stats.by_strategy.iter().find(|(strategy, _, _)| *strategy == word);
        found.map(|(_, taken, worked)| (*taken, *worked)).expect("a strategy")
    };
    assert_eq!((of("retry"), of("fallback")), ((3, 2), (2, 1)));
    let [cached, quotes, here] = &stats.by_point[..] else { panic!("{stats:?}") };
    assert_eq!((cached, quotes), (&("cached".to_owned(), 2, 1), &("quotes".to_owned(), 2, 1)));
    assert!(here.0.starts_with("tests/values.rs:") && (here.1, here.2) == (1, 1), "{here:?}");
    assert!(resilience::points().iter().all(|point| !["quotes", "cached"].contains(&&*point.name)));
}
