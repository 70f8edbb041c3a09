//! Which failures are tried again: categories, `when`, `unless`, `when_ok`, `classify`, `idempotent`.

use crate::twins::{Failure, always, fails, millis, steps};
use futures::executor::block_on;
use resilience::{Category, Classification, Delivered, testing, with_retry};
use std::cell::Cell;

fn class(category: Category) -> Option<Classification> {
    Some(category.into())
}

#[test]
fn a_category_may_have_its_own_count() {
    twins!(split: with_retry(max = 1, on(rate_limited, max = 5)));
    assert_eq!(split(&always(Category::RateLimited)).calls, 6);
    assert_eq!(split(&always(Category::Transient)).calls, 2);
}

#[test]
fn a_permanent_category_can_be_retried_by_a_rule() {
    twins!(invalid_once: with_retry(max = 3, on(invalid, max = 1)));
    twins!(not_found_twice: with_retry(max = 0, on(not_found, max = 2)));
    twins!(as_the_others: with_retry(max = 2, on(permanent)));
    assert_eq!(invalid_once(&always(Category::Invalid)).calls, 2);
    assert_eq!(not_found_twice(&always(Category::NotFound)).calls, 3);
    assert_eq!(as_the_others(&always(Category::Permanent)).calls, 3);
    assert_eq!(invalid_once(&always(Category::NotFound)).calls, 1);
}

#[test]
fn a_category_can_be_excluded() {
    twins!(no_timeouts: with_retry(max = 3, on(timeout, max = 0)));
    assert_eq!(no_timeouts(&always(Category::Timeout)).calls, 1);
    assert_eq!(no_timeouts(&always(Category::Transient)).calls, 4);
}

#[test]
fn rules_have_separate_counts() {
    twins!(split: with_retry(max = 1, on(rate_limited, max = 2)));
    let (limited, other) = (class(Category::RateLimited), class(Category::Transient));
    // Two retries of the one and one of the other; the second of the other is too many.
    let seen = split(&steps([limited, other, limited, other]));
    assert_eq!(seen.calls, 4);
    assert_eq!(seen.outcome.unwrap_err().class.category, Category::Transient);
    let seen = split(&steps([other, limited, limited, limited]));
    assert_eq!(seen.calls, 4);
    assert_eq!(seen.outcome.unwrap_err().class.category, Category::RateLimited);
}

#[test]
fn a_category_may_have_its_own_waits() {
    twins!(split: with_retry(max = 2, jitter = none, on(rate_limited, base = 1s, backoff = constant, max = 3)));
    assert_eq!(split(&always(Category::RateLimited)).waits, millis([1000, 1000, 1000]));
    assert_eq!(split(&always(Category::Transient)).waits, millis([100, 200]));
}

#[test]
fn several_rules_can_be_combined() {
    twins!(split: with_retry(max = 0, on(timeout, max = 1), on(connection, max = 2), on(invalid, max = 3)));
    let calls = |category| split(&always(category)).calls;
    assert_eq!(
        [Category::Timeout, Category::Connection, Category::Invalid, Category::Transient].map(calls),
        [2, 3, 4, 1]
    );
}

#[test]
fn a_non_idempotent_call_is_retried_only_if_not_delivered() {
    twins!(careful: with_retry(max = 3, idempotent = false));
    let calls = |class: Classification| careful(&always(class)).calls;
    assert_eq!(calls(Category::RateLimited.into()), 4);
    assert_eq!(calls(Category::Conflict.into()), 2);
    assert_eq!(calls(Category::Timeout.into()), 1);
    assert_eq!(calls(Category::Unavailable.into()), 1);
    assert_eq!(calls(Category::Connection.into()), 1);
    assert_eq!(calls(Category::Unknown.into()), 1);
    assert_eq!(calls(Classification::new(Category::Connection).delivered(Delivered::No)), 4);
    assert_eq!(calls(Classification::new(Category::RateLimited).delivered(Delivered::Maybe)), 1);
}

#[test]
fn idempotent_is_the_default_and_may_be_explicit() {
    twins!(written: with_retry(max = 3, idempotent = true));
    twins!(switch: with_retry(max = 3, idempotent));
    assert_eq!(written(&always(Category::Timeout)).calls, 4);
    assert_eq!(switch(&always(Category::Timeout)).calls, 4);
}

fn early(error: &Failure) -> bool {
    error.call < 3
}

#[test]
fn when_replaces_the_category() {
    twins!(all: with_retry(max = 3, when = |_| true));
    twins!(none: with_retry(max = 3, when = |_| false));
    twins!(by_path: with_retry(max = 5, when = early));
    assert_eq!(all(&always(Category::NotFound)).calls, 4);
    assert_eq!(none(&always(Category::Transient)).calls, 1);
    assert_eq!(by_path(&always(Category::Permanent)).calls, 3);
}

#[test]
fn unless_overrides_everything() {
    twins!(never: with_retry(max = 3, when = |_| true, unless = |_| true));
    twins!(early_only: with_retry(max = 5, unless = |e| e.call == 2));
    assert_eq!(never(&always(Category::Transient)).calls, 1);
    assert_eq!(early_only(&always(Category::Transient)).calls, 2);
    assert_eq!(early_only(&always(Category::NotFound)).calls, 1);
}

#[test]
fn a_value_can_count_as_a_failure() {
    twins!(at_least_three: with_retry(max = 5, when_ok = |call| *call < 3));
    twins!(never_enough: with_retry(max = 2, when_ok = |_| true));
    assert_eq!(at_least_three(&fails(0, Category::Unknown)).outcome, Ok(3));
    let seen = never_enough(&fails(0, Category::Unknown));
    assert_eq!((seen.calls, seen.outcome), (3, Ok(3)));
    assert_eq!(seen.waits.len(), 2);
}

#[derive(Debug, PartialEq)]
enum Foreign {
    Busy,
    Gone,
}

fn judge(error: &Foreign) -> Classification {
    match error {
        Foreign::Busy => Category::Unavailable.into(),
        Foreign::Gone => Category::NotFound.into(),
    }
}

#[test]
fn a_type_of_another_crate_is_classified_by_path_or_closure() {
    #[with_retry(classify = judge)]
    fn by_path(calls: &Cell<u32>, busy: bool) -> Result<(), Foreign> {
        calls.set(calls.get() + 1);
        Err(if busy { Foreign::Busy } else { Foreign::Gone })
    }
    #[with_retry(classify = |e| if *e == Foreign::Busy { Category::Unavailable } else { Category::NotFound })]
    async fn by_closure(calls: &Cell<u32>, busy: bool) -> Result<(), Foreign> {
        calls.set(calls.get() + 1);
        Err(if busy { Foreign::Busy } else { Foreign::Gone })
    }
    let _world = testing::isolate();
    for (busy, expected) in [(true, 4), (false, 1)] {
        let (now, later) = (Cell::new(0), Cell::new(0));
        assert!(by_path(&now, busy).is_err());
        assert!(block_on(by_closure(&later, busy)).is_err());
        assert_eq!((now.get(), later.get()), (expected, expected));
    }
}

#[test]
fn classify_overrides_the_classification_of_the_error() {
    #[with_retry(classify = |_| Category::Auth)]
    fn denied(calls: &Cell<u32>) -> std::io::Result<()> {
        calls.set(calls.get() + 1);
        Err(std::io::ErrorKind::TimedOut.into())
    }
    let _world = testing::isolate();
    let calls = Cell::new(0);
    assert!(denied(&calls).is_err());
    assert_eq!(calls.get(), 1);
}
