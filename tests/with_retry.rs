//! `#[with_retry]`: a failure that may pass is tried again.

#![allow(clippy::type_complexity, reason = "a list of two calls is plainer than a name for it")]

#[macro_use]
mod twins;
#[path = "with_retry/arguments.rs"]
mod arguments;
#[path = "with_retry/budget.rs"]
mod budget;
#[path = "with_retry/errors.rs"]
mod errors;
#[path = "with_retry/hooks.rs"]
mod hooks;
#[path = "with_retry/instances.rs"]
mod instances;
#[path = "with_retry/nested.rs"]
mod nested;
#[path = "with_retry/retry_after.rs"]
mod retry_after;
#[path = "with_retry/rules.rs"]
mod rules;
#[path = "with_retry/schedule.rs"]
mod schedule;
#[path = "with_retry/shapes.rs"]
mod shapes;
#[path = "with_retry/sharing.rs"]
mod sharing;
#[path = "with_retry/throttle.rs"]
mod throttle;

use resilience::classify::Retryable;
use resilience::{Category, Classification, Event, with_retry};
use std::cell::Cell;
use twins::{always, fails, millis};

twins!(as_it_comes: with_retry());
twins!(three: with_retry(max = 3));

#[test]
fn three_retries_make_four_calls() {
    let seen = three(&always(Category::Transient));
    assert_eq!((seen.calls, seen.waits.len()), (4, 3));
}

#[test]
fn three_retries_are_the_default() {
    assert_eq!(as_it_comes(&always(Category::Transient)).calls, 4);
    #[with_retry]
    fn bare(calls: &Cell<u32>) -> Option<()> {
        calls.set(calls.get() + 1);
        None
    }
    let _world = resilience::testing::isolate();
    let calls = Cell::new(0);
    assert_eq!(bare(&calls), None);
    assert_eq!(calls.get(), 4);
}

#[test]
fn a_success_makes_one_call_without_wait_or_event() {
    let seen = three(&fails(0, Category::Transient));
    assert_eq!(seen.outcome, Ok(1));
    assert_eq!((seen.calls, seen.waits, seen.events), (1, vec![], vec![]));
}

#[test]
fn the_first_success_is_returned() {
    let seen = three(&fails(2, Category::Unavailable));
    assert_eq!(seen.outcome, Ok(3));
    assert_eq!(seen.calls, 3);
}

#[test]
fn the_last_error_of_the_function_is_returned() {
    let error = three(&always(Category::Transient)).outcome.unwrap_err();
    assert_eq!((error.call, error.class.category), (4, Category::Transient));
}

#[test]
fn zero_retries_make_one_call() {
    twins!(none: with_retry(max = 0));
    let seen = none(&always(Category::Transient));
    assert_eq!((seen.calls, seen.waits), (1, vec![]));
}

#[test]
fn a_count_may_be_a_const_expression() {
    const MOST: u32 = 4;
    twins!(five: with_retry(max = MOST + 1));
    assert_eq!(five(&always(Category::Transient)).calls, 6);
}

#[test]
fn the_category_decides_how_often_to_retry() {
    let calls = |category| three(&always(category)).calls;
    for again in [
        Category::Timeout,
        Category::RateLimited,
        Category::Connection,
        Category::Unavailable,
        Category::Transient,
        Category::Unknown,
    ] {
        assert_eq!(calls(again), 4, "{again:?}");
    }
    for never in [
        Category::Resource,
        Category::Corrupt,
        Category::Auth,
        Category::NotFound,
        Category::Invalid,
        Category::Permanent,
        Category::Cancelled,
        Category::Rejected,
    ] {
        assert_eq!(calls(never), 1, "{never:?}");
    }
    assert_eq!(calls(Category::Conflict), 2);
}

#[test]
fn an_error_may_override_its_category() {
    let calls = |category, retry| three(&always(Classification::new(category).retry(retry))).calls;
    assert_eq!(calls(Category::Transient, Retryable::Never), 1);
    assert_eq!(calls(Category::Transient, Retryable::Once), 2);
    assert_eq!(calls(Category::Permanent, Retryable::Backoff), 4);
}

#[test]
fn return_and_question_mark_end_only_the_attempt() {
    #[with_retry(max = 3, jitter = none)]
    fn now(calls: &Cell<u32>) -> Result<u32, std::num::ParseIntError> {
        calls.set(calls.get() + 1);
        if calls.get() == 2 {
            return "by return".parse();
        }
        let text = if calls.get() == 1 { "by question mark" } else { "7" };
        let parsed = text.parse::<u32>()?;
        Ok(parsed)
    }
    #[with_retry(max = 3, jitter = none, when = |_| true)]
    async fn later(calls: &Cell<u32>) -> Result<u32, std::num::ParseIntError> {
        calls.set(calls.get() + 1);
        tokio::task::yield_now().await;
        if calls.get() == 2 {
            return "by return".parse();
        }
        let text = if calls.get() == 1 { "by question mark" } else { "7" };
        let parsed = text.parse::<u32>()?;
        Ok(parsed)
    }
    let world = resilience::testing::isolate();
    let calls = Cell::new(0);
    assert!(now(&calls).is_err(), "a text that is no number is Invalid");
    assert_eq!(calls.get(), 1);
    calls.set(0);
    assert_eq!(futures::executor::block_on(later(&calls)), Ok(7));
    assert_eq!(world.waits(), millis([100, 200]));
}

#[test]
fn events_are_emitted_in_order() {
    let seen = three(&fails(2, Category::Unavailable));
    let told: Vec<_> = seen
        .events
        .iter()
        .map(|event| match event {
            Event::AttemptFailed { attempt, attempts_max, class, .. } => {
                assert_eq!(class.category, Category::Unavailable);
                ("failed", *attempt, *attempts_max)
            }
            Event::Retrying { attempt, attempts_max, .. } => ("waits", *attempt, *attempts_max),
            Event::Recovered { attempt, attempts_max, .. } => ("recovered", *attempt, *attempts_max),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(
        told,
        [("failed", 1, 4), ("waits", 1, 4), ("failed", 2, 4), ("waits", 2, 4), ("recovered", 3, 4)]
    );
}

#[test]
fn giving_up_is_the_last_event() {
    let seen = three(&always(Category::Transient));
    let Some(Event::GaveUp { attempt, attempts_max, class, reason, .. }) = seen.events.last() else {
        panic!("{:?}", seen.events)
    };
    assert_eq!((*attempt, *attempts_max, class.category), (4, 4, Category::Transient));
    assert_eq!(*reason, "no retry is left");
}

/// The reasons of the failed attempts after which nothing followed, and whether the call gave up.
fn ending(events: &[Event]) -> (Vec<&'static str>, bool) {
    let reasons = events.iter().filter_map(|event| match event {
        Event::AttemptFailed { reason, delay, .. } => {
            assert_eq!(reason.is_none(), delay.is_some(), "{event:?}");
            *reason
        }
        _ => None,
    });
    (reasons.collect(), events.iter().any(|event| matches!(event, Event::GaveUp { .. })))
}

#[test]
fn a_first_error_that_is_not_retried_is_only_a_failed_attempt() {
    twins!(cautious: with_retry(max = 3, idempotent = false));
    twins!(never: with_retry(max = 3, when = |_| false));
    twins!(exempt: with_retry(max = 3, unless = |_| true));
    twins!(none: with_retry(max = 0));
    twins!(ruled_out: with_retry(max = 3, on(timeout, max = 0)));
    let calls = [
        (three(&always(Category::NotFound)), "the error is not retryable"),
        (
            cautious(&always(Category::Timeout)),
            "the request may have been carried out, and is not idempotent",
        ),
        (never(&always(Category::Timeout)), "`when` returned false"),
        (exempt(&always(Category::Timeout)), "`unless` returned true"),
        (none(&always(Category::Timeout)), "no retry is left"),
        (ruled_out(&always(Category::Timeout)), "no retry is left"),
    ];
    for (seen, reason) in calls {
        assert_eq!((seen.calls, seen.events.len()), (1, 1), "{:?}", seen.events);
        assert_eq!(ending(&seen.events), (vec![reason], false));
    }
}

#[test]
fn a_denied_retry_gives_up() {
    twins!(hurried: with_retry(max = 3, jitter = none, give_up_after = 150ms));
    twins!(limited: with_retry(max = 3, retry_after_cap = 1s));
    let slow = always(Category::Timeout).taking(std::time::Duration::from_millis(100));
    let asks = Classification::new(Category::RateLimited).retry_after(std::time::Duration::from_secs(9));
    let calls = [
        (hurried(&slow), "the wait would pass `give_up_after`"),
        (limited(&always(asks)), "the server asks for a longer wait than `retry_after_cap`"),
    ];
    for (seen, reason) in calls {
        assert_eq!(seen.calls, 1);
        assert_eq!(ending(&seen.events), (vec![reason], true));
    }
}

#[test]
fn a_permanent_error_after_a_retry_gives_up() {
    let classes = [Some(Category::Timeout.into()), Some(Category::NotFound.into())];
    let seen = three(&twins::steps(classes));
    assert_eq!(seen.calls, 2);
    assert_eq!(ending(&seen.events), (vec!["the error is not retryable"], true));
}

#[test]
fn errors_that_are_not_retried_have_their_own_counter() {
    #[with_retry(max = 1, base = 0s, name = "counted apart")]
    fn call(category: Category) -> Result<(), twins::Failure> {
        Err(twins::Failure { class: category.into(), call: 1 })
    }
    let _world = resilience::testing::isolate();
    for category in [Category::NotFound, Category::Auth, Category::Timeout] {
        assert!(call(category).is_err());
    }
    let snapshot = resilience::snapshot();
    let point = snapshot.points.iter().find(|point| &*point.name == "counted apart").unwrap();
    assert_eq!(
        point.policies[0].counters,
        [
            ("retries", 1),
            ("recovered", 0),
            ("not_retryable", 2),
            ("gave_up", 1),
            ("exhausted", 1),
            ("out_of_time", 0),
            ("server_wait", 0),
            ("denied", 0),
            ("nested", 0)
        ]
    );
}

#[test]
fn events_carry_the_wait_and_the_name_of_the_point() {
    twins!(exact: with_retry(max = 2, jitter = none));
    let seen = exact(&always(Category::Transient));
    let delays: Vec<_> = seen
        .events
        .iter()
        .filter_map(|event| if let Event::Retrying { delay, .. } = event { Some(*delay) } else { None })
        .collect();
    assert_eq!(delays, seen.waits);
    assert!(seen.events.iter().all(|event| event.point().starts_with("with_retry::")));
}
