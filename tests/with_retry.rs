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
#[path = "with_retry/retry_after.rs"]
mod retry_after;
#[path = "with_retry/rules.rs"]
mod rules;
#[path = "with_retry/schedule.rs"]
mod schedule;
#[path = "with_retry/shapes.rs"]
mod shapes;

use resilience::classify::Retry;
use resilience::{Category, Classification, Event, with_retry};
use std::cell::Cell;
use twins::{always, fails, millis};

twins!(as_it_comes: with_retry());
twins!(three: with_retry(max = 3));

#[test]
fn three_retries_are_four_calls() {
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
fn a_success_is_one_call_without_wait_or_event() {
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
fn the_error_is_the_functions_own_last_one() {
    let error = three(&always(Category::Transient)).outcome.unwrap_err();
    assert_eq!((error.call, error.class.category), (4, Category::Transient));
}

#[test]
fn no_retries_are_one_call() {
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
fn the_category_decides_whether_and_how_often() {
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
fn an_error_may_say_otherwise_than_its_category() {
    let calls = |category, retry| three(&always(Classification::new(category).retry(retry))).calls;
    assert_eq!(calls(Category::Transient, Retry::Never), 1);
    assert_eq!(calls(Category::Transient, Retry::Once), 2);
    assert_eq!(calls(Category::Permanent, Retry::Backoff), 4);
}

#[test]
fn question_mark_and_return_end_the_attempt_not_the_call() {
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
fn events_tell_the_story() {
    let seen = three(&fails(2, Category::Unavailable));
    let told: Vec<_> = seen
        .events
        .iter()
        .map(|event| match event {
            Event::Attempt { attempt, max, class, .. } => {
                assert_eq!(class.category, Category::Unavailable);
                ("failed", *attempt, *max)
            }
            Event::Retry { attempt, max, .. } => ("waits", *attempt, *max),
            Event::Recovered { attempt, max, .. } => ("recovered", *attempt, *max),
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
    for (category, attempts) in [(Category::Transient, 4), (Category::NotFound, 1)] {
        let seen = three(&always(category));
        let Some(Event::GaveUp { attempt, max, class, reason, .. }) = seen.events.last() else {
            panic!("{:?}", seen.events)
        };
        assert_eq!((*attempt, *max, class.category), (attempts, 4, category));
        assert!(!reason.is_empty());
    }
}

#[test]
fn events_carry_the_wait_and_the_name_of_the_point() {
    twins!(exact: with_retry(max = 2, jitter = none));
    let seen = exact(&always(Category::Transient));
    let delays: Vec<_> = seen
        .events
        .iter()
        .filter_map(|event| if let Event::Retry { delay, .. } = event { Some(*delay) } else { None })
        .collect();
    assert_eq!(delays, seen.waits);
    assert!(seen.events.iter().all(|event| event.point().starts_with("with_retry::")));
}
