//! The budget of retries: a storm cannot start, a slow drip of failures is always paid for.

use resilience::{Budget, circuit_breaker, point, testing, with_retry};
use std::cell::Cell;
use std::io;
use std::time::Duration;

fn broken() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

/// How many retries `calls` calls of a function made that always fails.
fn retries(calls: u32, call: impl Fn(&Cell<u32>)) -> u32 {
    let runs = Cell::new(0);
    (0..calls).for_each(|_| call(&runs));
    runs.get() - calls
}

#[test]
fn about_a_hundred_retries_at_once_then_one_a_second() {
    #[with_retry(base = 0s)]
    fn fails(runs: &Cell<u32>) -> io::Result<()> {
        runs.set(runs.get() + 1);
        Err(broken())
    }
    let world = testing::isolate();
    assert_eq!(retries(200, |runs| drop(fails(runs))), 100);
    world.advance(Duration::from_secs(1));
    assert_eq!(retries(50, |runs| drop(fails(runs))), 1);
    let budget = point("budget::about_a_hundred_retries_at_once_then_one_a_second::fails");
    assert!(budget.is_none(), "a point is named after its module, not after the function around it");
    let budget = point("budget::fails").and_then(|point| point.budget()).expect("a budget");
    assert_eq!((budget.tokens(), budget.max_tokens()), (0, 500));
}

#[test]
fn without_a_budget_every_retry_is_made() {
    #[with_retry(base = 0s, budget = none)]
    fn unbounded(runs: &Cell<u32>) -> io::Result<()> {
        runs.set(runs.get() + 1);
        Err(broken())
    }
    let _world = testing::isolate();
    assert_eq!(retries(200, |runs| drop(unbounded(runs))), 600);
}

#[test]
fn a_shared_budget_pays_for_both_functions() {
    static SEARCH: Budget = Budget::new().capacity(50);
    #[with_retry(base = 0s, budget = SEARCH)]
    fn one(runs: &Cell<u32>) -> io::Result<()> {
        runs.set(runs.get() + 1);
        Err(broken())
    }
    #[with_retry(base = 0s, budget = SEARCH)]
    fn other(runs: &Cell<u32>) -> io::Result<()> {
        runs.set(runs.get() + 1);
        Err(broken())
    }
    let _world = testing::isolate();
    assert_eq!(retries(20, |runs| drop(one(runs))), 10);
    assert_eq!(retries(20, |runs| drop(other(runs))), 0);
}

#[test]
fn a_budget_per_key_leaves_other_keys_their_retries() {
    #[with_retry(base = 0s, budget = per_key)]
    #[circuit_breaker(threshold = 1000, key = tenant)]
    fn keyed(tenant: &str, runs: &Cell<u32>) -> io::Result<()> {
        runs.set(runs.get() + 1);
        Err(broken())
    }
    let _world = testing::isolate();
    assert_eq!(retries(200, |runs| drop(keyed("a", runs))), 100);
    assert_eq!(retries(10, |runs| drop(keyed("b", runs))), 30);
    let info = point("budget::keyed").expect("a point").info();
    assert!(info.stack[0].settings.contains(&("budget", "per_key".to_owned())));
}
