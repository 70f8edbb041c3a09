//! Whole calls, by value and by site, on a manual clock.

use super::*;
use crate::classify::{Category, Classification, Classify, Delivered};
use crate::event::Event;
use crate::outcome::Outcome;
use crate::point::{Layer, PointSite};
use crate::policy::{InvalidPolicy, Ruling};
use crate::settings::Value;
use crate::testing::isolate;
use std::cell::Cell;
use std::future::Future;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

#[derive(Clone, Copy, Debug, PartialEq)]
struct Failed(Classification);

impl Classify for Failed {
    fn classify(&self) -> Classification {
        self.0
    }
}

fn failure<T>(category: Category) -> Result<T, Failed> {
    Err(Failed(category.into()))
}

const STEADY: Retry = Retry::new().jitter(Jitter::None).checked();

/// Calls a function that fails `failures` times; returns how often it ran and its result.
fn calls(retry: &Retry, failures: u32, category: Category) -> (u32, Result<u32, Failed>) {
    let mut calls = 0;
    let outcome = retry.call(|| {
        calls += 1;
        if calls <= failures { failure(category) } else { Ok(calls) }
    });
    (calls, outcome)
}

#[test]
fn a_success_makes_one_call() {
    let world = isolate();
    assert_eq!(calls(&STEADY, 0, Category::Timeout), (1, Ok(1)));
    assert!(world.waits().is_empty() && world.events().is_empty());
}

#[test]
fn max_counts_retries_and_the_last_error_is_returned() {
    let world = isolate();
    assert_eq!(calls(&STEADY, 3, Category::Timeout), (4, Ok(4)));
    assert_eq!(world.waits(), [100 * MS, 200 * MS, 400 * MS]);
    assert_eq!(calls(&STEADY, 4, Category::Unavailable), (4, failure(Category::Unavailable)));
    assert_eq!(calls(&STEADY.max(0), 1, Category::Timeout).0, 1);
}

#[test]
fn permanent_errors_are_not_retried() {
    let world = isolate();
    assert_eq!(calls(&STEADY, 9, Category::Invalid).0, 1);
    assert_eq!(calls(&STEADY, 9, Category::Conflict).0, 2);
    assert_eq!(world.waits().len(), 1);
}

#[test]
fn events_are_emitted_in_order() {
    let world = isolate();
    let retry = STEADY.max(1).name("quotes");
    let _ = calls(&retry, 1, Category::Timeout);
    let _ = calls(&retry, 2, Category::Timeout);
    let class = Category::Timeout.into();
    let point = || "quotes".into();
    let failed = |attempt, delay, reason| Event::AttemptFailed {
        point: point(),
        key: None,
        attempt,
        attempts_max: 2,
        class,
        delay,
        reason,
        inside: Vec::new(),
    };
    let first = failed(1, Some(100 * MS), None);
    let inside = Vec::new;
    let waited = Event::Retrying {
        point: point(),
        key: None,
        attempt: 1,
        attempts_max: 2,
        class,
        delay: 100 * MS,
        inside: inside(),
    };
    let reason = "no retry is left";
    assert_eq!(
        world.events(),
        [
            first.clone(),
            waited.clone(),
            Event::Recovered { point: point(), key: None, attempt: 2, attempts_max: 2, inside: inside() },
            first,
            waited,
            failed(2, None, Some(reason)),
            Event::GaveUp {
                point: point(),
                key: None,
                attempt: 2,
                attempts_max: 2,
                class,
                reason,
                inside: inside()
            },
        ]
    );
}

#[test]
fn a_value_without_a_name_is_named_after_its_call() {
    let world = isolate();
    let _ = calls(&STEADY, 1, Category::Timeout);
    let point = world.events()[0].point().to_owned();
    assert!(point.contains("tests.rs:"), "{point}");
}

#[test]
fn hooks_are_called_and_may_panic() {
    static RETRIES: AtomicU32 = AtomicU32::new(0);
    let _world = isolate();
    let retry = STEADY.on_retry(|event| {
        assert!(matches!(event, Event::Retrying { .. }));
        RETRIES.fetch_add(1, Ordering::Relaxed);
    });
    let retry = retry.on_give_up(|_| unreachable!("broken on purpose"));
    let before = crate::event::hook_panics();
    assert_eq!(calls(&retry, 9, Category::Timeout).0, 4);
    assert_eq!(RETRIES.load(Ordering::Relaxed), 3);
    assert!(crate::event::hook_panics() > before);
}

#[test]
fn give_up_after_includes_the_time_of_attempts() {
    let world = isolate();
    let retry = STEADY.max(99).give_up_after(30 * SECOND);
    let mut calls = 0;
    let outcome: Result<(), _> = retry.call(|| {
        calls += 1;
        world.advance(9 * SECOND);
        failure(Category::Timeout)
    });
    // 9.0, 18.1, 27.3, then 36.7 s: the fourth attempt was begun in time and is not cut.
    assert_eq!((calls, outcome), (4, failure(Category::Timeout)));
}

#[test]
fn no_wait_outlasts_an_outer_timeout() {
    let world = isolate();
    let _within = crate::base::scope::within_whole(300_000_000);
    assert_eq!(calls(&STEADY, 9, Category::Timeout).0, 3);
    assert_eq!(world.waits(), [100 * MS, 200 * MS]);
}

#[test]
fn retry_after_sets_the_wait() {
    let world = isolate();
    let busy = |wait| Failed(Classification::new(Category::RateLimited).retry_after(wait));
    let outcome: Result<(), _> = STEADY.call(|| Err(busy(20 * SECOND)));
    assert!(outcome.is_err());
    assert_eq!(world.waits(), [20 * SECOND; 3]);
    let refused: Result<(), _> = STEADY.call(|| Err(busy(Duration::MAX)));
    assert_eq!((refused, world.waits().len()), (Err(busy(Duration::MAX)), 3));
}

#[test]
fn a_plain_value_has_no_budget_by_default() {
    static BUDGET: Budget = Budget::new();
    let _world = isolate();
    let retry = STEADY.max(1_000).base(Duration::ZERO);
    assert_eq!(calls(&retry, u32::MAX, Category::Unavailable).0, 1_001);
    assert_eq!(calls(&retry.budget_of(BudgetOf::None), u32::MAX, Category::Unavailable).0, 1_001);
    assert_eq!(calls(&retry.budget(&BUDGET), u32::MAX, Category::Unavailable).0, 101);
}

#[test]
fn a_budget_allows_a_hundred_retries_then_one_a_second() {
    static BUDGET: Budget = Budget::new();
    let world = isolate();
    let retry = STEADY.base(Duration::ZERO).budget(&BUDGET);
    let storm = |times| (0..times).map(|_| calls(&retry, u32::MAX, Category::Unavailable).0).sum::<u32>();
    assert_eq!(storm(1_000), 1_000 + 100);
    for _ in 0..10 {
        world.advance(SECOND);
        assert_eq!(storm(100), 100 + 1);
    }
}

#[test]
fn a_shared_budget_starts_full_in_each_world() {
    static SHARED: Budget = Budget::new().capacity(10).refill(0);
    for _ in 0..2 {
        let world = isolate();
        let retry = STEADY.base(Duration::ZERO).budget(&SHARED);
        assert_eq!(calls(&retry, 9, Category::Unavailable).0, 3);
        assert_eq!(calls(&retry.max(1), 9, Category::Unavailable).0, 1);
        assert_eq!((SHARED.tokens(), SHARED.denied()), (0, 2));
        let last = world.events().pop();
        assert!(matches!(last, Some(Event::GaveUp { reason: "the retry budget is used up", .. })));
        for _ in 0..5 {
            let _ = calls(&retry, 0, Category::Unavailable);
        }
        assert_eq!((SHARED.tokens(), calls(&retry, 1, Category::Unavailable).0), (5, 2));
    }
}

#[test]
fn a_panic_in_the_body_keeps_the_budget_consistent() {
    static SHARED: Budget = Budget::new().capacity(100).refill(0);
    let _world = isolate();
    let retry = STEADY.budget(&SHARED);
    let first = Cell::new(true);
    let broken = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        retry.call(|| if first.replace(false) { failure::<()>(Category::Timeout) } else { panic!("body") })
    }));
    assert!(broken.is_err());
    assert_eq!(SHARED.tokens(), 90);
    assert_eq!(calls(&retry, 1, Category::Unavailable), (2, Ok(2)));
    assert_eq!(SHARED.tokens(), 86);
}

fn poll<F: Future>(future: std::pin::Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn an_async_call_waits_without_a_runtime() {
    let world = isolate();
    let mut calls = 0;
    let mut call = std::pin::pin!(STEADY.call_async(|| {
        calls += 1;
        async move { if calls < 3 { failure(Category::Timeout) } else { Ok(calls) } }
    }));
    assert_eq!(poll(call.as_mut()), Poll::Ready(Ok(3)));
    assert_eq!(world.waits(), [100 * MS, 200 * MS]);
}

#[cfg(feature = "tokio")]
#[tokio::test(start_paused = true)]
async fn an_async_call_waits_on_the_clock_of_the_runtime() {
    let start = tokio::time::Instant::now();
    let calls = Cell::new(0);
    let outcome: Result<(), _> = STEADY
        .budget_of(BudgetOf::None)
        .call_async(async || {
            calls.set(calls.get() + 1);
            failure(Category::Connection)
        })
        .await;
    assert_eq!((calls.get(), outcome), (4, failure(Category::Connection)));
    assert!((700..720).contains(&start.elapsed().as_millis()));
}

#[cfg(feature = "tokio")]
#[tokio::test(start_paused = true)]
async fn a_future_dropped_in_its_wait_returns_its_tokens() {
    static SHARED: Budget = Budget::new().capacity(100).refill(0);
    let _world = isolate();
    let retry = STEADY.budget(&SHARED);
    let calls = Cell::new(0);
    {
        let mut call = Box::pin(retry.call_async(async || {
            calls.set(calls.get() + 1);
            failure::<()>(Category::Unavailable)
        }));
        assert!(poll(call.as_mut()).is_pending());
        assert_eq!(SHARED.tokens(), 95);
    }
    tokio::time::sleep(10 * SECOND).await;
    assert_eq!((calls.get(), SHARED.tokens()), (1, 100));
}

#[tokio::test]
async fn an_async_call_can_be_spawned() {
    let call = crate::presets::QUICK.call_async(async || Ok::<_, Failed>(String::from("there")));
    assert_eq!(tokio::spawn(call).await.unwrap().unwrap(), "there");
}

#[test]
fn a_judge_decides_what_is_a_failure() {
    let _world = isolate();
    let mut n = 0;
    let mut next = || {
        n += 1;
        n
    };
    let answer = STEADY.call_judged(&mut next, |answer| (*answer < 3).then(|| Category::Transient.into()));
    assert_eq!(answer, 3);
}

// The code that the attribute emits, written out.

static POINT: PointSite = PointSite::new("here", "quote", &[&SITE]);
static SITE: RetrySite = RetrySite::new(
    &POINT,
    STEADY.max(1).give_up_after(SECOND).on(&[Rule::new(Category::Invalid).max(1).base(MS)]),
);

fn quote(outcomes: &[Result<u32, Failed>]) -> (Result<u32, Failed>, Vec<bool>) {
    let (mut outcomes, mut last) = (outcomes.iter(), Vec::new());
    let (mut call, retry) = (SITE.in_code().start_timed(), SITE.in_code());
    loop {
        last.push(retry.is_last(&call));
        assert_eq!(call.attempt() as usize, last.len());
        let outcome = outcomes.next().copied().unwrap_or_else(|| failure(Category::Timeout));
        let verdict = outcome.judge().err().map(Classify::classify);
        match retry.settle(call, verdict) {
            Ok(_) => return (outcome, last),
            Err(retrying) => call = retry.sleep(retrying),
        }
    }
}

#[test]
fn a_site_counts_retries_and_recoveries() {
    let world = isolate();
    let (invalid, timeout) = (failure(Category::Invalid), failure(Category::Timeout));
    assert_eq!(quote(&[Ok(7)]), (Ok(7), vec![false]));
    assert_eq!(quote(&[timeout, invalid, Ok(7)]), (Ok(7), vec![false, false, true]));
    assert_eq!(quote(&[timeout, timeout]), (timeout, vec![false, false]));
    assert_eq!(world.waits(), [100 * MS, MS, 100 * MS]);
    assert_eq!(
        SITE.counters(),
        [
            ("retries", 3),
            ("recovered", 1),
            ("not_retryable", 0),
            ("gave_up", 1),
            ("exhausted", 1),
            ("out_of_time", 0),
            ("server_wait", 0),
            ("denied", 0),
            ("nested", 0)
        ]
    );
    assert!(world.events().iter().all(|event| event.point() == "here::quote"));
    // Nearly one token has flown back in the 201 ms since the first retry.
    assert_eq!(SITE.own_budget().map(Budget::tokens), Some(500 - 10 - 5 + 1 - 10 + 1));
}

#[test]
fn a_site_counts_denied_retries() {
    static DENIED: RetrySite = RetrySite::new(&POINT, STEADY.budget(&EMPTY));
    static EMPTY: Budget = Budget::new().capacity(1).refill(0);
    let _world = isolate();
    let down = Some(Category::Unavailable.into());
    let retry = DENIED.in_code();
    let first = retry.start();
    let settle = |call, verdict| retry.settle_with(call, verdict, Ruling::ByCategory, retry.budget());
    let retrying = settle(first, down).unwrap_err();
    assert_eq!(retrying.wait.delay, 100 * MS);
    let first = retry.sleep(retrying);
    assert_eq!(settle(retry.start(), down).unwrap(), down);
    let counted = [
        ("retries", 1),
        ("recovered", 0),
        ("not_retryable", 0),
        ("gave_up", 1),
        ("exhausted", 0),
        ("out_of_time", 0),
        ("server_wait", 0),
        ("denied", 1),
        ("nested", 0),
    ];
    assert_eq!(DENIED.counters(), counted);
    assert_eq!(settle(first, None).unwrap(), None);
    assert_eq!(retry.budget().map(Budget::tokens), Some(1));
}

#[test]
fn a_site_shows_its_settings_as_the_attribute_spells_them() {
    assert_eq!(SITE.kind(), "with_retry");
    assert_eq!(SITE.calls(), 3);
    let settings: Vec<_> = SITE.settings().iter().map(ToString::to_string).collect();
    assert_eq!(
        settings.join(", "),
        "max = 1, backoff = 2.0, base = 100ms, cap = 10s, jitter = none, \
        give_up_after = 1s, retry_after_cap = 60s, idempotent = true, budget = default, \
        on = (invalid, max = 1, base = 1ms)"
    );
}

#[test]
fn the_worst_case_includes_retry_after_and_give_up_after() {
    let site = |retry| RetrySite::new(&POINT, retry);
    assert_eq!(SITE.worst(None), None);
    assert_eq!(SITE.worst(Some(2 * SECOND)), Some(3 * SECOND));
    let plain = site(Retry::new().retry_after_cap(Duration::ZERO));
    assert_eq!(plain.worst(Some(2 * SECOND)), Some(8 * SECOND + 700 * MS));
    assert_eq!(site(Retry::new()).worst(Some(2 * SECOND)), Some((8 + 3 * 66) * SECOND));
    assert_eq!(
        site(Retry::new().max(u32::MAX).cap(Duration::MAX)).worst(Some(Duration::MAX)),
        Some(Duration::MAX)
    );
}

fn refused(build: fn() -> Retry) -> String {
    let panic = std::panic::catch_unwind(build).expect_err("must be refused");
    panic.downcast_ref::<String>().cloned().unwrap_or_default()
}

#[test]
fn setters_reject_invalid_values_with_a_reason() {
    type Case = (fn() -> Retry, &'static str);
    let cases: [Case; 13] = [
        (|| Retry::new().backoff(Backoff::Exponential(f64::NAN)), "not a number"),
        (|| Retry::new().backoff(Backoff::Exponential(0.99)), "below 1"),
        (|| Retry::new().backoff(Backoff::Exponential(f64::NEG_INFINITY)), "below 1"),
        (|| Retry::new().backoff(Backoff::Exponential(f64::INFINITY)), "infinite"),
        (|| Retry::new().jitter(Jitter::Range(1.2, 0.8)), "reversed"),
        (|| Retry::new().jitter(Jitter::Range(-0.1, 0.8)), "below 0"),
        (|| Retry::new().jitter(Jitter::Range(0.1, f64::NAN)), "not a number"),
        (|| Retry::new().jitter(Jitter::Range(0.1, 10.1)), "above 10"),
        (|| Retry::new().base(2 * SECOND).cap(SECOND), "longer than `cap`"),
        (|| Retry::new().cap(SECOND).base(2 * SECOND), "longer than `cap`"),
        (|| Retry::new().give_up_after(Duration::ZERO), "`give_up_after` must be longer than 0s"),
        (|| Retry::new().jitter(Jitter::Full).backoff(Backoff::Decorrelated), "its own jitter"),
        (|| Retry::new().backoff(Backoff::Decorrelated).jitter(Jitter::Full), "its own jitter"),
    ];
    for (build, words) in cases {
        let text = refused(build);
        assert!(text.contains(words), "{text}");
    }
}

#[test]
fn checked_validates_defaults_and_rules_together() {
    assert!(refused(|| Retry::new().base(20 * SECOND).checked()).contains("longer than `cap`"));
    assert!(refused(|| Retry::new().cap(Duration::ZERO).checked()).contains("longer than `cap`"));
    let _allowed = Retry::new().base(Duration::ZERO).cap(Duration::ZERO).checked();
    let _allowed = Retry::new().base(20 * SECOND).cap(60 * SECOND).checked();
    assert!(
        refused(|| Retry::new().on(const { &[Rule::new(Category::Auth), Rule::new(Category::Auth)] }))
            .contains("two")
    );
    assert!(
        refused(|| Retry::new().on(const { &[Rule::new(Category::Auth).cap(MS)] }).checked())
            .contains("`cap`")
    );
    let both = || {
        let _ = Rule::new(Category::Auth).backoff(Backoff::Decorrelated).jitter(Jitter::Full);
        Retry::new()
    };
    assert!(refused(both).contains("its own jitter"));
    let one = || {
        let rule = const { &[Rule::new(Category::Auth).jitter(Jitter::Full)] };
        Retry::new().backoff(Backoff::Decorrelated).on(rule).checked()
    };
    assert!(refused(one).contains("its own jitter"));
}

const QUICK_RULE: &[Rule] = &[Rule::new(Category::Timeout).max(5).base(Duration::from_millis(2))];

#[test]
fn a_first_wait_that_never_fits_into_give_up_after_is_refused() {
    let never = "no retry could ever be made";
    assert!(refused(|| STEADY.give_up_after(MS).checked()).contains(never));
    assert!(refused(|| Retry::new().give_up_after(49 * MS).checked()).contains(never));
    assert!(refused(|| STEADY.give_up_after(MS).max(0).on(QUICK_RULE).checked()).contains("of an `on(..)`"));
    assert!(refused(|| Retry::new().give_up_after(MS).on(QUICK_RULE).checked()).contains(never));
    let decorrelated = || Retry::new().backoff(Backoff::Decorrelated).give_up_after(100 * MS).checked();
    assert!(refused(decorrelated).contains(never));
    let _mean = Retry::new().give_up_after(50 * MS).checked();
    let _exact = STEADY.give_up_after(100 * MS).checked();
    let _no_retry = STEADY.give_up_after(MS).max(0).checked();
    let _rule = STEADY.give_up_after(2 * MS).max(0).on(QUICK_RULE).checked();
    let config = RetryConfig { give_up_after: Some(MS), ..RetryConfig::default() };
    assert!(Retry::try_new(config).unwrap_err().message().contains(never));
    let config = RetryConfig { max: 0, on: QUICK_RULE, jitter: Some(Jitter::None), ..config };
    assert!(Retry::try_new(config).unwrap_err().message().contains("of an `on(..)`"));
}

#[test]
fn settings_are_read_and_written_by_name() {
    let mut config = RetryConfig::default();
    for (name, value) in [
        ("backoff", Value::Word("linear".into())),
        ("backoff", Value::Factor(3.0)),
        ("jitter", Value::Range(0.5, 1.5)),
        ("jitter", Value::Word("none".into())),
        ("give_up_after", Value::Time(SECOND)),
        ("idempotent", Value::Switch(false)),
    ] {
        config.set(name, value.clone()).unwrap();
        assert_eq!(config.get(name), Some(value), "{name}");
    }
    config.set("jitter", Value::Off).unwrap();
    config.set("give_up_after", Value::Off).unwrap();
    let defaults = [Some(Value::Word("full".into())), Some(Value::Off)];
    assert_eq!([config.get("jitter"), config.get("give_up_after")], defaults);
    for (name, value) in [
        ("backoff", Value::Factor(0.5)),
        ("backoff", Value::Word("full".into())),
        ("jitter", Value::Range(2.0, 1.0)),
        ("max", Value::Count(u64::MAX)),
        ("base", Value::Off),
        ("on", Value::Off),
    ] {
        assert!(config.set(name, value).is_err(), "{name}");
    }
    assert!(Retry::try_new(config).is_ok());
}

#[test]
fn run_time_settings_get_the_same_errors_as_constants() {
    let complaint = |config| Retry::try_new(config).err().as_ref().map(InvalidPolicy::message);
    assert_eq!(complaint(RetryConfig::default()), None);
    let config = RetryConfig { base: 60 * SECOND, ..RetryConfig::default() };
    assert!(complaint(config).is_some_and(|text| text.contains("longer than `cap`")));
    let config = RetryConfig { jitter: Some(Jitter::Range(2.0, 1.0)), ..RetryConfig::default() };
    assert!(complaint(config).is_some_and(|text| text.contains("reversed")));
    let config = RetryConfig { give_up_after: Some(Duration::ZERO), ..RetryConfig::default() };
    assert!(complaint(config).is_some());
}

#[test]
fn a_non_idempotent_call_is_retried_only_if_not_delivered() {
    let _world = isolate();
    let retry = STEADY.idempotent(false);
    assert_eq!(calls(&retry, 9, Category::Timeout).0, 1);
    assert_eq!(calls(&retry, 9, Category::RateLimited).0, 4);
    let refused = Failed(Classification::new(Category::Connection).delivered(Delivered::No));
    let mut calls = 0;
    let outcome = retry.call(|| {
        calls += 1;
        if calls == 1 { Err(refused) } else { Ok(()) }
    });
    assert_eq!((calls, outcome), (2, Ok(())));
}
