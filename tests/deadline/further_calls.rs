//! A call that ends by the client's deadline is no reason for a further one.

use super::{Failure, millis, request};
use resilience::{Category, Simplify, cached, degrade, failover, hedge, point, remaining, testing};
use std::future::pending;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Half a millisecond before the end of `request(3)`, as a service answers that was sent the time left, rounded down.
const ROUNDED: Duration = Duration::from_micros(2_500);

/// While the client still waits for another call.
const EARLY: Duration = Duration::from_micros(1_500);

#[failover(value = ["a", "b"])]
fn listed(value: &str, world: &testing::World, after: Duration, seen: &Mutex<String>) -> Result<(), Failure> {
    *seen.lock().unwrap() += value;
    world.advance(after);
    Err(Failure::Own(Category::Timeout))
}

#[failover(value = ["a", "b"])]
async fn listed_async(value: &str, after: Duration, seen: &Mutex<String>) -> Result<(), Failure> {
    *seen.lock().unwrap() += value;
    tokio::time::advance(after).await;
    Err(Failure::Own(Category::Timeout))
}

#[test]
fn no_other_value_is_called_after_the_deadline() {
    let world = testing::isolate();
    for (after, order) in [(ROUNDED, "a"), (EARLY, "ab")] {
        let seen = Mutex::default();
        let _ = request(3).run_blocking(|| listed("a", &world, after, &seen));
        assert_eq!(seen.into_inner().unwrap(), order, "{after:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_other_value_is_called_after_the_deadline_async() {
    let _world = testing::isolate();
    for (after, order) in [(ROUNDED, "a"), (EARLY, "ab")] {
        let seen = Mutex::default();
        let _ = request(3).run(listed_async("a", after, &seen)).await;
        assert_eq!(seen.into_inner().unwrap(), order, "{after:?}");
    }
}

#[derive(Clone)]
struct Level(u32);

impl Simplify for Level {
    fn simplify(&self, level: u32) -> Option<Self> {
        (level < 2).then_some(Self(level))
    }
}

#[degrade(level)]
fn simpler(
    level: &Level,
    world: &testing::World,
    after: Duration,
    seen: &Mutex<Vec<u32>>,
) -> Result<(), Failure> {
    seen.lock().unwrap().push(level.0);
    world.advance(after);
    Err(Failure::Own(Category::Timeout))
}

#[degrade(level)]
async fn simpler_async(level: &Level, after: Duration, seen: &Mutex<Vec<u32>>) -> Result<(), Failure> {
    seen.lock().unwrap().push(level.0);
    tokio::time::advance(after).await;
    Err(Failure::Own(Category::Timeout))
}

#[test]
fn no_simpler_call_follows_the_deadline() {
    let world = testing::isolate();
    for (after, levels) in [(ROUNDED, vec![0]), (EARLY, vec![0, 1])] {
        let seen = Mutex::default();
        let _ = request(3).run_blocking(|| simpler(&Level(0), &world, after, &seen));
        assert_eq!(seen.into_inner().unwrap(), levels, "{after:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_simpler_call_follows_the_deadline_async() {
    let _world = testing::isolate();
    for (after, levels) in [(ROUNDED, vec![0]), (EARLY, vec![0, 1])] {
        let seen = Mutex::default();
        let _ = request(3).run(simpler_async(&Level(0), after, &seen)).await;
        assert_eq!(seen.into_inner().unwrap(), levels, "{after:?}");
    }
}

#[hedge(after = p95, idempotent, name = "deadline::hedged")]
async fn hedged(fails_with: Option<Category>) -> Result<(), Failure> {
    match (fails_with, remaining()) {
        (Some(category), Some(left)) => {
            tokio::time::sleep(left).await;
            Err(Failure::Own(category))
        }
        (None, Some(_)) => pending().await,
        _ => {
            tokio::time::sleep(millis(10)).await;
            Ok(())
        }
    }
}

#[tokio::test(start_paused = true)]
async fn calls_ended_by_the_deadline_enter_no_percentile() {
    let _world = testing::isolate();
    let after = || point("deadline::hedged").unwrap().hedge().unwrap().snapshot().after;
    for _ in 0..99 {
        hedged(None).await.unwrap();
    }
    for end in [None, Some(Category::Timeout), Some(Category::Unknown)] {
        assert!(!matches!(request(1).run(hedged(end)).await, Ok(Ok(()))));
        assert_eq!(after(), None, "{end:?}");
    }
    hedged(None).await.unwrap();
    assert!(after().is_some_and(|after| after >= millis(10)), "{:?}", after());
}

static REFRESHES: AtomicU32 = AtomicU32::new(0);

#[cached(ttl = 1s, stale_if_error = 1h, key = id)]
fn page(id: u32, world: &testing::World) -> Result<u32, Failure> {
    let number = REFRESHES.fetch_add(1, Ordering::Relaxed);
    match remaining() {
        Some(left) => {
            world.advance(left);
            Err(Failure::Own(Category::Timeout))
        }
        None => Ok(id + number),
    }
}

#[test]
fn an_expired_deadline_does_not_delay_other_refreshes() {
    let world = testing::isolate();
    assert_eq!(page(1, &world), Ok(1));
    world.advance(Duration::from_secs(2));
    assert_eq!(request(5).run_blocking(|| page(1, &world)), Ok(Ok(1)), "the stale value");
    assert_eq!(page(1, &world), Ok(3), "another client waits longer");
}
