//! One call for each key, whatever happens to it.

use super::*;

/// How often a body ran.
type Calls = Arc<AtomicU32>;

/// Takes a second and fails.
#[cached(ttl = 60s, key = "{id}")]
async fn down(id: u32, calls: &Calls) -> Result<u32, Fails> {
    calls.fetch_add(1, Ordering::Relaxed);
    sleep(SECOND).await;
    Err(Fails(Category::Unavailable))
}

/// The same with an error that cannot be cloned.
#[cached(ttl = 60s, key = "{id}")]
async fn down_unique(id: u32, calls: &Calls) -> Result<u32, Unique> {
    calls.fetch_add(1, Ordering::Relaxed);
    sleep(SECOND).await;
    Err(Unique(Category::Unavailable))
}

/// Takes a second.
#[cached(ttl = 60s, key = "{id}")]
async fn up(id: u32, calls: &Calls) -> Result<u32, Fails> {
    let number = calls.fetch_add(1, Ordering::Relaxed);
    sleep(SECOND).await;
    Ok(number)
}

fn calls() -> Calls {
    Arc::default()
}

fn count(calls: &Calls) -> u32 {
    calls.load(Ordering::Relaxed)
}

/// The longest time that an answer may take here.
const SOON: Duration = Duration::from_millis(2500);

/// Runs `call` 100 times at once, and expects an answer to each in time.
async fn a_hundred<F: Future>(call: impl Fn() -> F) -> Vec<F::Output> {
    let start = Instant::now();
    let all = join_all((0..100).map(|_| call())).await;
    assert!(start.elapsed() <= SOON, "{:?}", start.elapsed());
    all
}

#[tokio::test(start_paused = true)]
async fn a_hundred_calls_run_one_body() {
    let _world = testing::isolate();
    let calls = calls();
    let all = a_hundred(|| up(1, &calls)).await;
    assert_eq!((all, count(&calls)), (vec![Ok(0); 100], 1));
    let now = cache("flights::up").snapshot();
    assert_eq!((now.misses, now.joined, now.waiting), (1, 99, 0));
}

#[tokio::test(start_paused = true)]
async fn calls_with_different_keys_do_not_wait() {
    let _world = testing::isolate();
    let (calls, start) = (calls(), Instant::now());
    join_all((0..10).map(|id| up(id, &calls))).await;
    assert_eq!((count(&calls), start.elapsed()), (10, SECOND));
}

#[tokio::test(start_paused = true)]
async fn a_hundred_calls_receive_clones_of_one_error() {
    let _world = testing::isolate();
    let calls = calls();
    let all = a_hundred(|| down(1, &calls)).await;
    assert_eq!((all, count(&calls)), (vec![Err(Fails(Category::Unavailable)); 100], 1));
}

#[tokio::test(start_paused = true)]
async fn an_error_that_is_not_clone_makes_each_waiter_call_once() {
    let _world = testing::isolate();
    let calls = calls();
    let all = a_hundred(|| down_unique(1, &calls)).await;
    assert!(all.iter().all(Result::is_err));
    assert_eq!(count(&calls), 100);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_leader_hands_over() {
    let _world = testing::isolate();
    let calls = calls();
    let mut leader = Box::pin(down(1, &calls));
    assert!(poll(leader.as_mut()).is_pending());
    let start = Instant::now();
    let drop_soon = async {
        sleep(SECOND / 2).await;
        drop(leader);
    };
    let (_, all) = tokio::join!(drop_soon, a_hundred(|| down(1, &calls)));
    assert_eq!((all.len(), count(&calls)), (100, 2));
    assert_eq!(start.elapsed(), SECOND * 3 / 2);
}

#[tokio::test(start_paused = true)]
async fn a_waiter_dropped_after_taking_over_hands_over_again() {
    let _world = testing::isolate();
    let calls = calls();
    let mut first = Box::pin(up(1, &calls));
    let mut second = Box::pin(up(1, &calls));
    assert!(poll(first.as_mut()).is_pending() && poll(second.as_mut()).is_pending());
    let third = async { up(1, &calls).await };
    let drops = async {
        sleep(SECOND / 4).await;
        drop(first);
        // Chosen, and never polled.
        drop(second);
    };
    let (answer, ()) = tokio::join!(third, drops);
    assert_eq!((answer, count(&calls)), (Ok(1), 2));
    assert_eq!(cache("flights::up").snapshot().waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_panics_hands_over() {
    #[cached(ttl = 60s, key = "{id}")]
    async fn panics_once(id: u32, calls: &Calls) -> Result<u32, Fails> {
        let number = calls.fetch_add(1, Ordering::Relaxed);
        sleep(SECOND).await;
        assert!(number > 0, "the first body panics");
        Err(Fails(Category::Unavailable))
    }
    let _world = testing::isolate();
    let calls = calls();
    let all = a_hundred(|| AssertUnwindSafe(panics_once(1, &calls)).catch_unwind()).await;
    assert_eq!(all.iter().filter(|answer| answer.is_err()).count(), 1);
    assert_eq!(count(&calls), 2);
}

#[tokio::test(start_paused = true)]
async fn waiters_leave_a_stalled_leader_after_wait() {
    #[cached(ttl = 60s, wait = 1200ms, key = "{id}")]
    async fn held(id: u32, calls: &Calls) -> Result<u32, Fails> {
        let number = calls.fetch_add(1, Ordering::Relaxed);
        sleep(SECOND).await;
        Ok(number)
    }
    let _world = testing::isolate();
    let calls = calls();
    let mut leader = Box::pin(held(1, &calls));
    assert!(poll(leader.as_mut()).is_pending());
    a_hundred(|| held(1, &calls)).await;
    // Those that come later neither wait for it nor run again.
    let (before, start) = (count(&calls), Instant::now());
    assert!(held(1, &calls).await.is_ok());
    assert_eq!((count(&calls), start.elapsed()), (before, Duration::ZERO));
    cache("flights::held").invalidate("1");
    let start = Instant::now();
    let (one, two) = tokio::join!(held(1, &calls), held(1, &calls));
    assert_eq!((one, start.elapsed()), (two, SECOND));
    assert_eq!(leader.await, Ok(0), "polled again, it gets its own result");
}

#[tokio::test(start_paused = true)]
async fn a_leaders_short_deadline_does_not_end_its_waiters() {
    const SHORT: Timeout = Timeout::new(Duration::from_millis(50));
    const LONG: Timeout = Timeout::new(Duration::from_secs(10));
    let _world = testing::isolate();
    let calls = calls();
    let start = Instant::now();
    let leader = SHORT.call_async(async || down(1, &calls).await);
    let waiters = join_all((0..99).map(|_| LONG.call_async(async || down(1, &calls).await)));
    let (leader, waiters) = tokio::join!(leader, waiters);
    assert_eq!(leader, Err(Fails(Category::Timeout)));
    assert_eq!(waiters, vec![Err(Fails(Category::Unavailable)); 99]);
    assert_eq!(start.elapsed(), Duration::from_millis(1050));
    assert_eq!(count(&calls), 2);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_error_is_not_shared_with_longer_deadlines() {
    /// A client that gives up a little before its caller's time is over.
    #[cached(ttl = 60s, key = "{id}")]
    async fn client(id: u32, calls: &Calls) -> Result<u32, Fails> {
        let number = calls.fetch_add(1, Ordering::Relaxed);
        let left = resilience::remaining().unwrap_or(10 * SECOND);
        sleep(SECOND.min(left - Duration::from_millis(10))).await;
        if left < SECOND { Err(Fails(Category::Timeout)) } else { Ok(number) }
    }
    const SHORT: Timeout = Timeout::new(Duration::from_millis(50));
    const LONG: Timeout = Timeout::new(Duration::from_secs(10));
    let _world = testing::isolate();
    let calls = calls();
    let leader = SHORT.call_async(async || client(1, &calls).await);
    let same = SHORT.call_async(async || client(1, &calls).await);
    let waiters = join_all((0..98).map(|_| LONG.call_async(async || client(1, &calls).await)));
    let (leader, same, waiters) = tokio::join!(leader, same, waiters);
    assert_eq!((leader, same), (Err(Fails(Category::Timeout)), Err(Fails(Category::Timeout))));
    assert!(waiters.iter().all(Result::is_ok), "{waiters:?}");
    assert_eq!(count(&calls), 99, "all but the one with as little time");
}

#[tokio::test(start_paused = true)]
async fn a_cancellation_is_not_shared_with_longer_deadlines() {
    /// The first call is stopped after a second, by its caller's time or not.
    #[cached(ttl = 60s, key = "{id}")]
    async fn stopped(id: u32, calls: &Calls) -> Result<u32, Fails> {
        let number = calls.fetch_add(1, Ordering::Relaxed);
        sleep(SECOND).await;
        if number == 0 { Err(Fails(Category::Cancelled)) } else { Ok(number) }
    }
    const SHORT: Timeout = Timeout::new(Duration::from_secs(2));
    const LONG: Timeout = Timeout::new(Duration::from_secs(10));
    let _world = testing::isolate();
    let calls = calls();
    let leader = SHORT.call_async(async || stopped(1, &calls).await);
    let same = SHORT.call_async(async || stopped(1, &calls).await);
    let waiters = join_all((0..9).map(|_| LONG.call_async(async || stopped(1, &calls).await)));
    let (leader, same, waiters) = tokio::join!(leader, same, waiters);
    assert_eq!((leader, same), (Err(Fails(Category::Cancelled)), Err(Fails(Category::Cancelled))));
    assert!(waiters.iter().all(Result::is_ok), "{waiters:?}");
    assert_eq!(count(&calls), 10, "all but the one with as little time");
}

#[tokio::test(start_paused = true)]
async fn an_error_of_an_aborted_retry_is_not_shared() {
    #[cached(ttl = 60s, key = "{id}")]
    #[resilience::with_retry(max = 1, base = 1s, jitter = none, budget = none)]
    async fn retried(id: u32, calls: &Calls) -> Result<u32, Fails> {
        let number = calls.fetch_add(1, Ordering::Relaxed);
        sleep(Duration::from_millis(10)).await;
        if number == 0 { Err(Fails(Category::Unavailable)) } else { Ok(number) }
    }
    const SHORT: Timeout = Timeout::new(Duration::from_millis(500));
    let _world = testing::isolate();
    let calls = calls();
    let leader = SHORT.call_async(async || retried(1, &calls).await);
    let (leader, waiter) = tokio::join!(leader, retried(1, &calls));
    assert_eq!((leader, waiter), (Err(Fails(Category::Unavailable)), Ok(1)));
}

#[tokio::test(start_paused = true)]
async fn changing_a_key_starts_a_new_generation() {
    let _world = testing::isolate();
    let shared = cache("flights::up");
    let changes: [fn(&Cache); 4] = [
        |cache| cache.invalidate("1"),
        |cache| cache.clear(),
        |_| resilience::clear_caches(),
        |cache| {
            cache.put("1", 77_u32);
            cache.invalidate("1");
        },
    ];
    for change in changes {
        let calls = calls();
        let before = a_hundred(|| up(1, &calls));
        let after = async {
            sleep(SECOND / 2).await;
            change(shared);
            up(1, &calls).await
        };
        let (before, after) = tokio::join!(before, after);
        assert_eq!((before, after), (vec![Ok(0); 100], Ok(1)), "those that waited get what they waited for");
        assert_eq!(shared.get("1", Duration::MAX), Some(1_u32), "the later call is what is kept");
        shared.clear();
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_during_a_failure_leaves_no_call_waiting() {
    let _world = testing::isolate();
    let (calls, unique) = (calls(), calls());
    let change = async |name: &str| {
        for _ in 0..9 {
            sleep(SECOND / 10).await;
            cache(name).invalidate("1");
        }
    };
    let (all, ()) = tokio::join!(a_hundred(|| down(1, &calls)), change("flights::down"));
    assert_eq!((all, count(&calls)), (vec![Err(Fails(Category::Unavailable)); 100], 1));
    let (all, ()) = tokio::join!(a_hundred(|| down_unique(1, &unique)), change("flights::down_unique"));
    assert!(all.iter().all(Result::is_err));
    assert_eq!((count(&unique), cache("flights::down_unique").snapshot().waiting), (100, 0));
}

#[tokio::test(start_paused = true)]
async fn a_put_value_is_not_overwritten_by_an_earlier_call() {
    let _world = testing::isolate();
    let (calls, shared) = (calls(), cache("flights::up"));
    let put = async {
        sleep(SECOND / 2).await;
        shared.put("1", 77_u32);
        up(1, &calls).await
    };
    let (before, after) = tokio::join!(up(1, &calls), put);
    assert_eq!((before, after, up(1, &calls).await), (Ok(0), Ok(77), Ok(77)));
}

#[tokio::test(start_paused = true)]
async fn a_call_without_a_flight_does_not_undo_an_invalidation() {
    #[cached(ttl = 60s, wait = 0s, key = "{id}")]
    async fn alone(id: u32, calls: &Calls) -> Result<u32, Fails> {
        let number = calls.fetch_add(1, Ordering::Relaxed);
        sleep(SECOND * (number + 1)).await;
        Ok(number)
    }
    let _world = testing::isolate();
    let (calls, shared) = (calls(), cache("flights::alone"));
    let change = async {
        sleep(SECOND * 3 / 2).await;
        shared.invalidate("1");
    };
    let (one, two, ()) = tokio::join!(alone(1, &calls), alone(1, &calls), change);
    assert_eq!((one, two), (Ok(0), Ok(1)));
    assert_eq!(shared.get::<u32>("1", Duration::MAX), None);
}

#[tokio::test(start_paused = true)]
async fn a_nested_call_with_the_same_key_runs_its_own_body() {
    #[cached(ttl = 60s)]
    async fn outer(depth: u32) -> Result<u32, Fails> {
        static RUNS: AtomicU32 = AtomicU32::new(0);
        if RUNS.fetch_add(1, Ordering::Relaxed) == 3 {
            return Ok(7);
        }
        Box::pin(outer(depth)).await
    }
    let _world = testing::isolate();
    let start = Instant::now();
    assert_eq!((outer(1).await, start.elapsed()), (Ok(7), Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn no_waiter_is_left_after_any_call_is_dropped() {
    let _world = testing::isolate();
    let calls = calls();
    for dropped in 0..4 {
        let mut all: Vec<_> = (0..4).map(|_| Box::pin(up(dropped, &calls))).collect();
        for call in &mut all {
            assert!(poll(call.as_mut()).is_pending());
        }
        drop(all.remove(dropped as usize));
        drop(join_all(all).await);
        assert_eq!(cache("flights::up").snapshot().waiting, 0);
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_whose_clone_panics_is_not_shared() {
    #[derive(Debug)]
    struct Panics;
    impl Clone for Panics {
        fn clone(&self) -> Self {
            panic!("no clone")
        }
    }
    impl Classify for Panics {
        fn classify(&self) -> Classification {
            Category::Unavailable.into()
        }
    }
    #[cached(ttl = 60s, key = "{id}")]
    async fn fails(id: u32, calls: &Calls) -> Result<u32, Panics> {
        calls.fetch_add(1, Ordering::Relaxed);
        sleep(SECOND).await;
        Err(Panics)
    }
    let _world = testing::isolate();
    let calls = calls();
    let (one, two) = tokio::join!(fails(1, &calls), fails(1, &calls));
    assert!(one.is_err() && two.is_err());
    assert_eq!(count(&calls), 2);
}

#[tokio::test(start_paused = true)]
async fn a_value_whose_clone_panics_is_returned_but_not_cached() {
    #[derive(Debug)]
    struct Panics;
    impl Clone for Panics {
        fn clone(&self) -> Self {
            panic!("no clone")
        }
    }
    #[cached(ttl = 60s, key = "{id}")]
    async fn value(id: u32, calls: &Calls) -> Result<Panics, Fails> {
        calls.fetch_add(1, Ordering::Relaxed);
        sleep(SECOND).await;
        Ok(Panics)
    }
    let _world = testing::isolate();
    let calls = calls();
    let (one, two) = tokio::join!(value(1, &calls), value(1, &calls));
    assert!(one.is_ok() && two.is_ok());
    assert_eq!(count(&calls), 2);
}
