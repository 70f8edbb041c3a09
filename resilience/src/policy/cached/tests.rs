//! The parts that no call shows: ages on two clocks, and remains of flights.

use super::flight::{Flights, NONE, WaitOutcome};
use super::table::{Freshness, Stamp, freshness};
use super::*;
use proptest::prelude::*;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Poll, Wake, Waker};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn the_clock_that_shows_the_greater_age_counts() {
    let then = Stamp::now();
    let age = |now: Stamp| then.age(now);
    assert_eq!(age(then.moved(HOUR, HOUR)), HOUR);
    assert_eq!(age(then.moved(Duration::ZERO, 2 * HOUR)), 2 * HOUR, "the machine was suspended");
    assert_eq!(age(then.moved(HOUR, Duration::ZERO)), HOUR, "the time of day was set back");
    assert_eq!(age(then.set_back(24 * HOUR)), Duration::ZERO);
    assert_eq!(then.moved(HOUR, HOUR).age(then), Duration::ZERO, "a clock that goes back counts as no time");
}

/// Returns the steps of the steady clock and the time of day, in milliseconds.
fn clocks() -> impl Strategy<Value = Vec<(i64, i64)>> {
    let step = prop_oneof![
        4 => (0..100_000_i64).prop_map(|passed| (passed, passed)),
        1 => Just((0, 7_200_000)),
        1 => Just((0, -86_400_000)),
        1 => Just((-1, 0)),
    ];
    prop::collection::vec(step, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Suspended machines, times of day that are set back, and clocks that go back a little.
    #[test]
    fn the_age_is_the_maximum_of_both_clocks(steps in clocks()) {
        let start = Stamp::now();
        let millis = |by: i64| Duration::from_millis(by.unsigned_abs());
        let (mut steady, mut wall) = (1_000_i64, 0_i64);
        let then = start.moved(millis(steady), Duration::ZERO);
        let began = (steady, wall);
        for (steady_step, wall_step) in steps {
            (steady, wall) = (steady + steady_step, wall + wall_step);
            let now = start.moved(millis(steady), Duration::ZERO);
            let now =
                if wall < 0 { now.set_back(millis(wall)) } else { now.moved(Duration::ZERO, millis(wall)) };
            let age = 0.max(steady - began.0).max(wall - began.1);
            prop_assert_eq!(then.age(now), millis(age), "after {:?}", (steady, wall));
        }
    }
}

#[test]
fn a_value_is_fresh_then_stale_then_expired() {
    let config = CacheConfig { ttl: Some(HOUR), stale_if_error: Some(HOUR), ..CacheConfig::DEFAULT };
    let before = |age: Duration| age.saturating_sub(Duration::from_nanos(1));
    let at = |age| freshness(&config, age);
    assert_eq!([Duration::ZERO, before(HOUR)].map(at), [Freshness::Fresh; 2]);
    assert_eq!([HOUR, before(2 * HOUR)].map(at), [Freshness::Stale; 2]);
    assert_eq!([2 * HOUR, Duration::MAX].map(at), [Freshness::Over; 2]);
    let without = CacheConfig { stale_if_error: None, ..config };
    assert_eq!(freshness(&without, HOUR), Freshness::Over);
    assert_eq!(freshness(&CacheConfig::DEFAULT, Duration::MAX), Freshness::Fresh);
}

/// A waker that counts how often it wakes.
#[derive(Default)]
struct Wakes(AtomicU32);

impl Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn waker() -> (Arc<Wakes>, Waker) {
    let wakes = Arc::new(Wakes::default());
    (wakes.clone(), wakes.into())
}

#[test]
fn only_the_waiter_with_the_latest_deadline_is_woken_to_lead() {
    let flights = Flights::<&str, u32>::new();
    let flight = flights.lead(1, "key", || true).unwrap();
    let waiters = [5, NONE, 9, NONE].map(|ends| flights.join(flight, ends).unwrap());
    let wakers = waiters.map(|_| waker());
    for (number, (_, waker)) in waiters.iter().zip(&wakers) {
        assert_eq!(flights.poll(flight, *number, waker), Poll::Pending);
    }
    let woken = || wakers.each_ref().map(|(wakes, _)| wakes.0.load(Ordering::Relaxed));
    flights.abandon(flight);
    assert_eq!(woken(), [0, 1, 0, 0], "of two, the one that has waited longer");
    flights.leave(flight, waiters[1]);
    assert_eq!(woken(), [0, 1, 0, 1]);
    assert_eq!(flights.poll(flight, waiters[3], &wakers[3].1), Poll::Ready(WaitOutcome::Lead));
    flights.abandon(flight);
    assert_eq!(woken(), [0, 1, 1, 1]);
    assert_eq!(flights.poll(flight, waiters[2], &wakers[2].1), Poll::Ready(WaitOutcome::Lead));
    flights.land(flight, 7, || ());
    assert_eq!(woken(), [1, 1, 1, 1]);
    assert_eq!(flights.poll(flight, waiters[0], &wakers[0].1), Poll::Ready(WaitOutcome::Landed(7)));
    assert_eq!(flights.count(), 0);
}

#[test]
fn a_flight_detached_by_a_change_stores_nothing() {
    let flights = Flights::<&str, u32>::new();
    let before = flights.lead(1, "key", || true).unwrap();
    let waiter = flights.join(before, NONE).unwrap();
    flights.change(&[1], || ());
    let after = flights.lead(1, "key", || true).unwrap();
    flights.land(before, 7, || unreachable!("it began before the change"));
    let (_, waker) = waker();
    assert_eq!(flights.poll(before, waiter, &waker), Poll::Ready(WaitOutcome::Landed(7)));
    let mut stored = false;
    flights.land(after, 8, || stored = true);
    assert!(stored && flights.count() == 0);
}

#[test]
fn invalid_settings_are_rejected_with_a_reason() {
    let refused = |config| Cache::try_new("test", config).unwrap_err().to_string();
    let base = CacheConfig::DEFAULT;
    let cases = [
        (CacheConfig { ttl: Some(Duration::ZERO), ..base }, "`ttl` must be longer than 0s"),
        (CacheConfig { max: 0, ..base }, "`max` must be at least 1"),
        (CacheConfig { stale_if_error: Some(HOUR), ..base }, "`stale_if_error` needs `ttl`"),
    ];
    for (config, words) in cases {
        assert!(refused(config).starts_with(words), "{}", refused(config));
    }
    assert!(std::panic::catch_unwind(|| Cache::new("test").stale_if_error(HOUR).checked()).is_err());
}

#[test]
fn caches_of_every_size_hold_max_values() {
    for max in [1, 2, 3, 7, 64, 1000] {
        let cache = Cache::new("test").max(max);
        for n in 0..3 * max {
            cache.put(&n, n);
            assert_eq!(cache.get(&n, Duration::MAX), Some(n), "the newest value of {max}");
            assert!(cache.snapshot().entries <= max as usize);
        }
        assert_eq!(cache.snapshot().entries, max as usize);
        cache.clear();
        (0..max).for_each(|n| cache.put(&n, n));
        let kept = (0..max).filter(|n| cache.get::<u32>(n, Duration::MAX).is_some()).count();
        assert_eq!(kept, max as usize, "all that fit");
    }
}
