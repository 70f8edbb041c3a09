//! `#[cached]`: results are kept, one call runs for each key, and stale values answer in an outage.

use futures::FutureExt;
use futures::future::join_all;
use resilience::{Cache, Category, Classification, Classify, Event, Timeout, cached, point, testing};
use std::future::Future;
use std::io;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::time::{Instant, sleep};

#[path = "cached/flights.rs"]
mod flights;
#[path = "cached/keys.rs"]
mod keys;
#[path = "cached/outages.rs"]
mod outages;
#[path = "cached/stacks.rs"]
mod stacks;
#[path = "cached/sync_calls.rs"]
mod sync_calls;

const SECOND: Duration = Duration::from_secs(1);

/// An error that can be cloned, with its category.
#[derive(Clone, Debug, PartialEq)]
struct Fails(Category);

impl Classify for Fails {
    fn classify(&self) -> Classification {
        self.0.into()
    }
}

impl From<resilience::Rejected> for Fails {
    fn from(rejected: resilience::Rejected) -> Self {
        Self(rejected.classify().category)
    }
}

/// One that cannot.
#[derive(Debug, PartialEq)]
struct Unique(Category);

impl Classify for Unique {
    fn classify(&self) -> Classification {
        self.0.into()
    }
}

fn cache(name: &str) -> &'static Cache {
    point(&format!("cached::{name}")).expect("a point").cache().expect("a cache")
}

/// Polls `future` once.
fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_value_is_returned_until_its_ttl_ends() {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    #[cached(ttl = 60s)]
    fn square(n: u32) -> Result<u32, Fails> {
        CALLS.fetch_add(1, Ordering::Relaxed);
        Ok(n * n)
    }
    let world = testing::isolate();
    assert_eq!((square(3), square(3), square(4)), (Ok(9), Ok(9), Ok(16)));
    assert_eq!(CALLS.load(Ordering::Relaxed), 2);
    world.advance(60 * SECOND - Duration::from_nanos(1));
    assert_eq!((square(3), CALLS.load(Ordering::Relaxed)), (Ok(9), 2));
    world.advance(Duration::from_nanos(1));
    assert_eq!((square(3), CALLS.load(Ordering::Relaxed)), (Ok(9), 3));
}

#[test]
fn a_value_without_a_ttl_never_expires() {
    #[cached]
    fn once() -> Option<u32> {
        static CALLS: AtomicU32 = AtomicU32::new(0);
        Some(CALLS.fetch_add(1, Ordering::Relaxed))
    }
    let world = testing::isolate();
    assert_eq!(once(), Some(0));
    world.advance(Duration::from_secs(1 << 40));
    assert_eq!(once(), Some(0));
}

#[test]
fn errors_none_and_refused_values_are_not_cached() {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    #[cached]
    fn fails() -> Result<u32, Fails> {
        CALLS.fetch_add(1, Ordering::Relaxed);
        Err(Fails(Category::Unavailable))
    }
    #[cached]
    fn nothing() -> Option<u32> {
        CALLS.fetch_add(1, Ordering::Relaxed);
        None
    }
    #[cached(when_ok = |n| *n == 0)]
    fn refused() -> Result<u32, Fails> {
        CALLS.fetch_add(1, Ordering::Relaxed);
        Ok(0)
    }
    #[cached]
    fn ok_none() -> Result<Option<u32>, Fails> {
        CALLS.fetch_add(1, Ordering::Relaxed);
        Ok(None)
    }
    let _world = testing::isolate();
    let calls = |call: &dyn Fn()| {
        CALLS.store(0, Ordering::Relaxed);
        call();
        call();
        CALLS.load(Ordering::Relaxed)
    };
    assert_eq!(calls(&|| assert_eq!(fails(), Err(Fails(Category::Unavailable)))), 2);
    assert_eq!(calls(&|| assert_eq!(nothing(), None)), 2);
    assert_eq!(calls(&|| assert_eq!(refused(), Ok(0))), 2);
    assert_eq!(calls(&|| assert_eq!(ok_none(), Ok(None))), 1);
}

#[test]
fn max_includes_stale_values() {
    #[cached(ttl = 1s, stale_if_error = 1h, max = 10)]
    fn double(n: u32) -> Result<u32, Fails> {
        Ok(n * 2)
    }
    let world = testing::isolate();
    for n in 0..100 {
        assert_eq!(double(n), Ok(n * 2));
        world.advance(SECOND);
        assert!(cache("double").snapshot().entries <= 10);
    }
    assert_eq!(cache("double").snapshot().entries, 10);
}

#[test]
fn max_bounds_the_sum_of_the_weights() {
    #[cached(max = 10, weight = String::len)]
    fn text(length: usize) -> Result<String, Fails> {
        Ok("x".repeat(length))
    }
    #[cached(max = 10, weight = |text| -> i64 { -(text.len() as i64) })]
    fn wrong(length: usize) -> Result<String, Fails> {
        Ok("x".repeat(length))
    }
    #[cached(weight = |text| -> u64 { panic!("no weight for {text}") })]
    fn panics(length: usize) -> Result<String, Fails> {
        Ok("x".repeat(length))
    }
    let _world = testing::isolate();
    for length in [3, 3, 4, 5, 10, 11, 2] {
        assert_eq!(text(length).unwrap().len(), length);
        assert!(cache("text").snapshot().weight <= 10);
    }
    cache("text").clear();
    assert_eq!((text(4).unwrap().len(), text(5).unwrap().len()), (4, 5));
    cache("text").put(&1_usize, "too long".to_owned());
    assert!(cache("text").snapshot().weight <= 10, "what is put by hand is weighed, too");
    assert_eq!((wrong(3).unwrap().len(), cache("wrong").snapshot().entries), (3, 0), "not kept");
    assert_eq!((panics(3).unwrap().len(), cache("panics").snapshot().entries), (3, 0), "not kept");
}

#[test]
fn a_value_that_weighs_no_more_than_max_is_kept() {
    #[cached(max = 10, weight = String::len)]
    fn word(length: usize) -> Result<String, Fails> {
        Ok("x".repeat(length))
    }
    #[cached(max = 1_048_576, weight = String::len)]
    fn page(length: usize) -> Result<String, Fails> {
        Ok("x".repeat(length))
    }
    static PAGES: Cache = Cache::new("pages").max(1_048_576);
    #[cached(instance = PAGES, weight = String::len)]
    fn shared(length: usize) -> Result<String, Fails> {
        Ok("x".repeat(length))
    }
    let _world = testing::isolate();
    for length in [1, 9, 10, 11] {
        word(length).unwrap();
        let is_kept = cache("word").get::<String>(&length, Duration::MAX).is_some();
        assert_eq!(is_kept, length <= 10, "{length}");
    }
    for length in [20_000, 600_000, 1_048_575, 1_048_576, 1_048_577] {
        page(length).unwrap();
        shared(length).unwrap();
        for cache in [cache("page"), &PAGES] {
            let is_kept = cache.get::<String>(&length, Duration::MAX).is_some();
            assert_eq!(is_kept, length <= 1_048_576, "{length}");
            assert!(cache.snapshot().weight <= 1_048_576);
        }
    }
}

#[test]
fn values_without_weight_are_bounded_too() {
    #[cached(max = 10, weight = String::len)]
    fn blank(key: usize) -> Result<String, Fails> {
        let _ = key;
        Ok(String::new())
    }
    let _world = testing::isolate();
    for key in 0..1_000 {
        blank(key).unwrap();
    }
    assert_eq!(cache("blank").snapshot().entries, 10);
}

#[test]
fn values_put_before_the_first_call_are_weighed_at_it() {
    #[cached(max = 100, weight = String::len)]
    fn warm(length: usize) -> Result<String, Fails> {
        Ok("x".repeat(length))
    }
    let _world = testing::isolate();
    for key in 0..50_usize {
        cache("warm").put(&(1_000 + key), "x".repeat(key));
    }
    cache("warm").put(&1_060_usize, "x".repeat(101));
    assert_eq!(warm(1).unwrap().len(), 1);
    let snapshot = cache("warm").snapshot();
    assert!(snapshot.weight <= 100 && snapshot.entries > 1, "{snapshot}");
    assert_eq!(cache("warm").get::<String>(&1_060_usize, Duration::MAX), None, "heavier than all may be");
    let misses = snapshot.misses;
    let kept: Vec<usize> = (1_000..1_050)
        .filter(|key| {
            cache("warm").get::<String>(key, Duration::MAX).is_some_and(|text| text.len() + 1_000 == *key)
        })
        .collect();
    assert!(!kept.is_empty(), "what fits is not lost");
    warm(kept[0]).unwrap();
    assert_eq!(cache("warm").snapshot().misses, misses);
}

#[tokio::test]
async fn a_panicking_callback_leaves_no_stuck_flight() {
    fn key_of(n: u32) -> u32 {
        10 / n
    }
    #[cached(key = key_of(n))]
    fn keyed(n: u32) -> Result<u32, Fails> {
        Ok(n)
    }
    #[cached(key = n, when_ok = |value| 10 / *value == 0)]
    fn judged(n: u32, value: u32) -> Result<u32, Fails> {
        let _ = n;
        Ok(value)
    }
    #[cached(key = n, when_ok = |value| 10 / *value == 0)]
    async fn judged_later(n: u32, value: u32) -> Result<u32, Fails> {
        let _ = n;
        tokio::task::yield_now().await;
        Ok(value)
    }
    let _world = testing::isolate();
    assert!(std::panic::catch_unwind(|| keyed(0)).is_err());
    assert_eq!(keyed(5), Ok(5));
    assert!(std::panic::catch_unwind(|| judged(1, 0)).is_err());
    assert_eq!((judged(1, 2), judged(1, 3)), (Ok(2), Ok(2)), "it waits for nothing, and is kept");
    assert!(AssertUnwindSafe(judged_later(1, 0)).catch_unwind().await.is_err());
    assert_eq!((judged_later(1, 2).await, judged_later(1, 3).await), (Ok(2), Ok(2)));
}

#[test]
fn values_are_dropped_and_cloned_outside_locks() {
    /// Looks into the cache whenever it is cloned or dropped: that would wait for ever under a lock.
    #[derive(Debug)]
    struct Looks(u32);
    impl Clone for Looks {
        fn clone(&self) -> Self {
            cache("looks").snapshot();
            Self(self.0)
        }
    }
    impl Drop for Looks {
        fn drop(&mut self) {
            cache("looks").put(&(self.0 + 1000), self.0);
            cache("looks").invalidate(&(self.0 + 1000));
        }
    }
    #[cached(max = 4)]
    fn looks(n: u32) -> Result<Looks, Fails> {
        Ok(Looks(n))
    }
    let _world = testing::isolate();
    for n in 0..20 {
        looks(n).unwrap();
        looks(n).unwrap();
    }
    cache("looks").put(&19_u32, Looks(19));
    cache("looks").invalidate(&19_u32);
    cache("looks").clear();
    assert_eq!(cache("looks").snapshot().entries, 0);
}

#[test]
fn a_cache_value_can_be_read_put_and_removed() {
    #[cached(ttl = 60s)]
    fn half(n: u32) -> Option<u32> {
        Some(n / 2)
    }
    let world = testing::isolate();
    let cache = cache("half");
    assert_eq!(cache.get::<u32>(&8_u32, Duration::MAX), None);
    cache.put(&8_u32, 77_u32);
    assert_eq!((half(8), cache.snapshot().misses), (Some(77), 0));
    world.advance(90 * SECOND);
    assert_eq!(cache.get::<u32>(&8_u32, 90 * SECOND), Some(77), "older than its ttl");
    assert_eq!(cache.get::<u32>(&8_u32, 89 * SECOND), None);
    assert_eq!(cache.get::<u64>(&8_u32, Duration::MAX), None, "of another type");
    assert_eq!(half(8), Some(4));
    cache.invalidate(&8_u32);
    assert_eq!(cache.get::<u32>(&8_u32, Duration::MAX), None);
    assert_eq!((half(8), half(6)), (Some(4), Some(3)));
    cache.clear();
    assert_eq!(cache.snapshot().entries, 0);
}

#[test]
fn all_caches_of_the_program_are_cleared_at_once() {
    static OWN: Cache = Cache::new("own");
    #[cached]
    fn one() -> Option<u32> {
        Some(1)
    }
    let _world = testing::isolate();
    OWN.put("key", 7_u8);
    one();
    assert_eq!((OWN.snapshot().entries, cache("one").snapshot().entries), (1, 1));
    resilience::clear_caches();
    assert_eq!((OWN.snapshot().entries, cache("one").snapshot().entries), (0, 0));
}

#[test]
fn each_world_has_its_own_values() {
    #[cached]
    fn count() -> Option<u32> {
        static CALLS: AtomicU32 = AtomicU32::new(0);
        Some(CALLS.fetch_add(1, Ordering::Relaxed))
    }
    let _outer = testing::isolate();
    let first = count();
    {
        let _inner = testing::isolate();
        assert_ne!(count(), first);
        resilience::clear_caches();
    }
    assert_eq!(count(), first);
}

#[tokio::test(start_paused = true)]
async fn a_cache_value_runs_sync_and_async_calls() {
    static SHARED: Cache = Cache::new("shared").ttl(Duration::from_secs(60));
    let _world = testing::isolate();
    let failed: Result<u32, Fails> = SHARED.call("a", || Err(Fails(Category::Timeout)));
    assert_eq!(failed, Err(Fails(Category::Timeout)));
    let value: Result<u32, Fails> = SHARED.call_async("a", async || Ok(7)).await;
    let again: Result<u32, Fails> = SHARED.call("a", || unreachable!("it is kept"));
    assert_eq!((value, again), (Ok(7), Ok(7)));
    let spawned = tokio::spawn(async {
        let key = String::from("b");
        SHARED.call_async::<Option<u32>>(key.as_str(), async || Some(key.len() as u32)).await
    });
    assert_eq!(spawned.await.unwrap(), Some(1));
}

#[test]
fn the_inventory_has_the_settings_and_the_counts() {
    #[cached(ttl = 60s, max = 5, name = "listed")]
    fn listed(n: u32) -> Option<u32> {
        Some(n)
    }
    static MINE: Cache = Cache::new("mine").max(3);
    #[cached(instance = MINE, name = "with mine")]
    fn with_mine(n: u32) -> Option<u32> {
        Some(n)
    }
    let _world = testing::isolate();
    let listed = [listed(1), listed(1), listed(2)];
    assert_eq!((listed, with_mine(7)), ([Some(1), Some(1), Some(2)], Some(7)));
    let shown = point("listed").unwrap().info().stack[0].to_string();
    assert_eq!(shown, "cached(ttl = 60s, max = 5, wait = 10s)");
    let snapshot = point("listed").unwrap().snapshot().policies[0].to_string();
    assert_eq!(snapshot, "cached: entries 2, misses 2, joined 0, stale 0");
    let shown = point("with mine").unwrap().info().stack[0].to_string();
    assert_eq!(shown, "cached(instance = .., max = 3, wait = 10s)");
    assert_eq!(MINE.get::<u32>(&7_u32, Duration::MAX), Some(7));
    assert!(point("with mine").unwrap().cache().is_none());
    assert_eq!(MINE.snapshot().to_string(), "mine: entries 1, weight 1 of 3, misses 1, joined 0, stale 0");
}
