//! `#[rate_limit]`: no more calls are made in a time than were asked for.

use resilience::classify::Delivered;
use resilience::testing;
use resilience::{
    Category, Classification, Classify, Event, RateLimit, Rejected, circuit_breaker, point, rate_limit,
    timeout, with_fallback, with_retry,
};
use std::cell::RefCell;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;
use std::time::Duration;
use tokio::time::Instant;

/// How many keys come; `KEYS=1000000` asks for a million.
fn keys() -> u32 {
    std::env::var("KEYS").map_or(20_000, |keys| keys.parse().expect("a number of keys"))
}

const MILLI: Duration = Duration::from_millis(1);

#[derive(Debug, PartialEq)]
enum Failure {
    Own(Category),
    Rejected(Rejected),
}

impl From<Rejected> for Failure {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

impl Classify for Failure {
    fn classify(&self) -> Classification {
        match self {
            Self::Own(category) => (*category).into(),
            Self::Rejected(rejected) => rejected.classify(),
        }
    }
}

type Outcome = Result<u32, Failure>;

/// When the next call is admitted, of one that was rejected.
fn retry_after(outcome: Outcome) -> Duration {
    match outcome {
        Err(Failure::Rejected(rejected @ Rejected::RateLimited { .. })) => {
            rejected.retry_after().expect("a time")
        }
        other => panic!("not rejected: {other:?}"),
    }
}

fn is_limited(outcome: &Outcome) -> bool {
    matches!(outcome, Err(Failure::Rejected(Rejected::RateLimited { .. })))
}

/// How many calls would be admitted at the point `name`, and how many wait.
fn usage(name: &str) -> (u32, usize) {
    let now = point(name).expect("a point").rate_limit().expect("a rate limit").snapshot();
    (now.available, now.waiting)
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

mod without_waiting {
    use super::*;

    #[rate_limit(2, per = 1s, name = "two")]
    fn two() -> Outcome {
        Ok(1)
    }

    #[rate_limit(2, per = 1s, name = "two_later")]
    async fn two_later() -> Outcome {
        tokio::task::yield_now().await;
        Ok(1)
    }

    type Scene<'a> = &'a dyn Fn(&testing::World, &str, &dyn Fn() -> Outcome);

    fn both(scene: Scene<'_>) {
        scene(&testing::isolate(), "two", &two);
        scene(&testing::isolate(), "two_later", &|| futures::executor::block_on(two_later()));
    }

    #[test]
    fn a_call_beyond_the_limit_is_rejected_with_retry_after() {
        both(&|world, name, call| {
            assert_eq!((call(), call()), (Ok(1), Ok(1)));
            assert_eq!(retry_after(call()), 500 * MILLI);
            world.advance(499 * MILLI);
            assert_eq!(retry_after(call()), MILLI);
            world.advance(MILLI);
            assert_eq!(call(), Ok(1));
            assert_eq!(retry_after(call()), 500 * MILLI);
            assert_eq!(usage(name), (0, 0));
            let rejections: Vec<_> = world.events();
            assert_eq!(rejections.len(), 3);
            let Event::Rejected { policy, retry_after, .. } = &rejections[0] else { panic!() };
            assert_eq!((*policy, *retry_after), ("rate_limit", Some(500 * MILLI)));
        });
    }

    #[test]
    fn at_most_a_burst_passes_after_a_pause() {
        both(&|world, name, call| {
            for pause in [Duration::ZERO, Duration::from_secs(2), Duration::from_secs(7200)] {
                world.advance(pause);
                assert_eq!(usage(name), (2, 0));
                assert_eq!((call(), call()), (Ok(1), Ok(1)));
                assert!(is_limited(&call()));
            }
        });
    }

    #[test]
    fn a_burst_of_one_spaces_calls_evenly() {
        #[rate_limit(10, per = 1s, burst = 1, name = "even")]
        fn even() -> Outcome {
            Ok(1)
        }
        let world = testing::isolate();
        for _ in 0..20 {
            assert_eq!(even(), Ok(1));
            assert_eq!(retry_after(even()), 100 * MILLI);
            world.advance(100 * MILLI);
        }
        let text = point("even").unwrap().to_string();
        let note = "note: `burst = 1` without `wait` rejects one call of three that arrive at random at half the limit";
        assert!(text.contains(note), "{text}");
        assert!(!point("two").unwrap().to_string().contains("note"));
    }

    #[test]
    fn a_panicking_hook_does_not_affect_the_call() {
        fn broken(event: &Event) {
            panic!("{event}");
        }
        #[rate_limit(1, per = 1m, on_reject = broken)]
        fn one() -> Outcome {
            Ok(1)
        }
        let _world = testing::isolate();
        assert_eq!(one(), Ok(1));
        assert_eq!(retry_after(one()), Duration::from_secs(60));
    }

    #[test]
    fn the_handle_can_reset_the_limit() {
        let _world = testing::isolate();
        assert_eq!((two(), two()), (Ok(1), Ok(1)));
        let limit = point("two").unwrap().rate_limit().unwrap();
        assert!(!limit.is_available());
        assert_eq!(limit.snapshot().retry_after, Some(500 * MILLI));
        limit.reset();
        assert_eq!(usage("two"), (2, 0));
        assert_eq!((two(), two()), (Ok(1), Ok(1)));
        assert!(is_limited(&two()));
    }
}

mod in_the_queue {
    use super::*;

    #[rate_limit(10, per = 1s, burst = 1, wait = 250ms, name = "queued")]
    async fn queued(n: u32) -> Outcome {
        Ok(n)
    }

    #[rate_limit(10, per = 1s, burst = 1, wait = 250ms, name = "blocking")]
    fn blocking(n: u32) -> Outcome {
        Ok(n)
    }

    #[tokio::test(start_paused = true)]
    async fn callers_pass_in_the_order_of_their_arrival() {
        let _world = testing::isolate();
        let (start, order) = (Instant::now(), Arc::new(Mutex::new(Vec::new())));
        let calls = (1..=3).map(|n| {
            let order = order.clone();
            tokio::spawn(async move {
                assert_eq!(queued(n).await, Ok(n));
                order.lock().unwrap().push((n, start.elapsed().as_millis()));
            })
        });
        let calls: Vec<_> = calls.collect();
        tokio::task::yield_now().await;
        // The next one would have to wait for 300 ms.
        assert_eq!(retry_after(queued(4).await), 300 * MILLI);
        for call in calls {
            call.await.unwrap();
        }
        let (passed, late) = (order.lock().unwrap().clone(), 2);
        assert_eq!(passed.iter().map(|(n, _)| *n).collect::<Vec<_>>(), [1, 2, 3]);
        for ((_, at), expected) in passed.iter().zip([0, 100, 200]) {
            assert!((expected..=expected + late).contains(at), "{passed:?}");
        }
        assert_eq!(point("queued").unwrap().rate_limit().unwrap().snapshot().waited, 2);
    }

    #[test]
    fn a_cancelled_caller_moves_up_the_queue() {
        let world = testing::isolate();
        let mut calls: Vec<_> = (0..3).map(|n| Box::pin(queued(n))).collect();
        assert_eq!(poll(calls[0].as_mut()), Poll::Ready(Ok(0)));
        assert!(poll(calls[1].as_mut()).is_pending());
        assert!(poll(calls[2].as_mut()).is_pending());
        assert_eq!(usage("queued").1, 2);
        drop(calls.remove(1));
        assert_eq!(usage("queued").1, 1);
        world.advance(99 * MILLI);
        assert!(poll(calls[1].as_mut()).is_pending());
        world.advance(MILLI);
        assert_eq!(poll(calls[1].as_mut()), Poll::Ready(Ok(2)), "in the place of the one that left");
    }

    #[test]
    fn an_unpolled_caller_blocks_no_other() {
        let world = testing::isolate();
        let (mut first, mut held, mut behind) = (pin!(queued(0)), pin!(queued(1)), pin!(queued(2)));
        assert!(poll(first.as_mut()).is_ready());
        assert!(poll(held.as_mut()).is_pending());
        assert!(poll(behind.as_mut()).is_pending());
        world.advance(200 * MILLI);
        assert_eq!(poll(behind.as_mut()), Poll::Ready(Ok(2)));
        // It would have to wait for another 100 ms, and may for 50.
        let Poll::Ready(refused) = poll(held.as_mut()) else { panic!("it waits") };
        assert_eq!(retry_after(refused), 100 * MILLI);
    }

    thread_local! {
        /// The clock that a [`MovesClock`] moves.
        static WORLD: RefCell<Option<testing::World>> = const { RefCell::new(None) };
    }

    /// A waker that moves the clock, as if its thread had been suspended there.
    struct MovesClock(AtomicU32);

    impl Wake for MovesClock {
        fn wake(self: Arc<Self>) {
            let millis = self.0.swap(0, Ordering::Relaxed);
            WORLD.with_borrow(|world| world.as_ref().map(|world| world.advance(millis * MILLI)));
        }
    }

    #[test]
    fn a_caller_whose_turn_comes_while_it_is_queued_passes_at_once() {
        let (world, moves) = (testing::isolate(), Arc::new(MovesClock(AtomicU32::new(0))));
        let (mut first, mut held, mut behind) = (pin!(queued(0)), pin!(queued(1)), pin!(queued(2)));
        assert!(poll(first.as_mut()).is_ready());
        assert!(poll(held.as_mut()).is_pending());
        assert!(behind.as_mut().poll(&mut Context::from_waker(&moves.clone().into())).is_pending());
        world.advance(200 * MILLI);
        WORLD.set(Some(world));
        moves.0.store(150, Ordering::Relaxed);
        // The caller takes the place of the one that is held, for 100 ms, and wakes the one behind that.
        let mut last = pin!(queued(3));
        assert_eq!(poll(last.as_mut()), Poll::Ready(Ok(3)));
        assert_eq!(moves.0.load(Ordering::Relaxed), 0);
        WORLD.set(None);
    }

    #[test]
    fn sync_callers_block_until_they_pass() {
        let world = testing::isolate();
        assert_eq!(blocking(0), Ok(0));
        let handle = world.handle();
        let waits = thread::spawn(move || handle.run(|| blocking(1)));
        while usage("blocking").1 == 0 {
            thread::yield_now();
        }
        world.advance(100 * MILLI);
        assert_eq!(waits.join().unwrap(), Ok(1));
    }

    #[test]
    fn a_sync_caller_that_would_wait_too_long_is_refused_at_once() {
        let _world = testing::isolate();
        let limit = point("blocking").unwrap().rate_limit().unwrap();
        assert_eq!(blocking(0), Ok(0));
        let mut waiting: Vec<_> = (0..2).map(|_| Box::pin(limit.acquire_async())).collect();
        assert!(waiting.iter_mut().all(|call| poll(call.as_mut()).is_pending()));
        assert_eq!(retry_after(blocking(1)), 300 * MILLI);
    }

    #[tokio::test(start_paused = true)]
    async fn a_caller_with_too_little_time_left_is_rejected_at_once() {
        #[timeout(50ms)]
        #[rate_limit(10, per = 1s, burst = 1, wait = 250ms)]
        async fn hurried() -> Outcome {
            Ok(1)
        }
        let _world = testing::isolate();
        let start = Instant::now();
        assert_eq!(hurried().await, Ok(1));
        assert_eq!(retry_after(hurried().await), 100 * MILLI);
        assert_eq!(start.elapsed(), Duration::ZERO);
    }

    /// On the real clock: all pass, and not sooner than they may.
    #[test]
    fn a_body_that_is_abandoned_before_its_turn_never_runs() {
        #[timeout(20ms, thread, threads = 1000)]
        #[rate_limit(1, per = 20ms, wait = 60s, name = "left before its turn")]
        fn limited(ran: Arc<AtomicU32>) -> Outcome {
            Ok(ran.fetch_add(1, Ordering::Relaxed))
        }
        let world = testing::isolate();
        // The wait ends with the limit: the call may pass before, or may not wait yet. Then another one is tried.
        let left = (0..500).find_map(|_| {
            let ran = Arc::default();
            let class = limited(Arc::clone(&ran)).err()?.classify();
            (class.category == Category::Timeout && class.delivered == Delivered::No).then_some(ran)
        });
        let left = left.expect("a call that was abandoned before its turn");
        while Arc::strong_count(&left) > 1 {
            world.advance(MILLI * 20);
            thread::yield_now();
        }
        assert_eq!(left.load(Ordering::Relaxed), 0, "it was reported as not sent");
    }

    #[test]
    fn many_callers_on_many_threads_all_pass() {
        static FAST: RateLimit =
            RateLimit::new("fast", 100_000, Duration::from_secs(1)).burst(1).wait(Duration::from_secs(600));
        static PASSED: AtomicU32 = AtomicU32::new(0);
        #[rate_limit(instance = FAST)]
        fn now() -> Outcome {
            Ok(PASSED.fetch_add(1, Ordering::Relaxed))
        }
        #[rate_limit(instance = FAST)]
        async fn later() -> Outcome {
            Ok(PASSED.fetch_add(1, Ordering::Relaxed))
        }
        let start = std::time::Instant::now();
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| (0..100).for_each(|_| assert!(now().is_ok())));
                scope.spawn(|| {
                    let calls = futures::future::join_all((0..100).map(|_| later()));
                    assert!(futures::executor::block_on(calls).iter().all(Result::is_ok));
                });
            }
        });
        assert_eq!(PASSED.load(Ordering::Relaxed), 400);
        assert!(start.elapsed() >= Duration::from_micros(399 * 10));
        assert_eq!(FAST.snapshot().waiting, 0);
    }
}

mod beside_other_policies {
    use super::*;

    #[test]
    fn a_breaker_above_an_exhausted_limit_never_opens() {
        #[circuit_breaker(threshold = 1, when = |_| true, name = "healthy")]
        #[rate_limit(10, per = 1s)]
        fn healthy() -> Outcome {
            Ok(1)
        }
        let world = testing::isolate();
        for _ in 0..10 {
            let refused = (0..100).filter(|_| is_limited(&healthy())).count();
            assert!(refused >= 90, "{refused}");
            world.advance(Duration::from_millis(100));
        }
        let breaker = point("healthy").unwrap().breaker().unwrap();
        assert_eq!((breaker.snapshot().failures, breaker.is_available()), (0, true));
    }

    #[test]
    fn a_retry_waits_for_the_limit_without_using_budget() {
        #[with_retry(max = 3, base = 1ms, jitter = none, name = "patient")]
        #[rate_limit(1, per = 10s)]
        fn patient() -> Outcome {
            Ok(1)
        }
        let world = testing::isolate();
        assert_eq!((patient(), patient()), (Ok(1), Ok(1)));
        assert_eq!(world.waits(), [Duration::from_secs(10)]);
        assert_eq!(point("patient").unwrap().budget().unwrap().tokens(), 500);
    }

    #[test]
    fn a_rate_limit_error_of_the_service_is_a_failure() {
        #[circuit_breaker(threshold = 1, name = "theirs")]
        #[rate_limit(10, per = 1s)]
        fn theirs() -> Outcome {
            Err(Failure::Own(Category::RateLimited))
        }
        let _world = testing::isolate();
        let _ = theirs();
        assert!(!point("theirs").unwrap().breaker().unwrap().is_available());
    }

    #[test]
    fn an_outer_fallback_answers_a_rejection() {
        #[with_fallback(value = 7)]
        #[rate_limit(1, per = 1s)]
        fn once() -> Outcome {
            Ok(1)
        }
        let _world = testing::isolate();
        assert_eq!((once(), once()), (Ok(1), Ok(7)));
    }
}

mod keys {
    use super::*;

    #[rate_limit(1, per = 1s, key = customer, max_keys = 2, key_label, name = "customers")]
    fn send(customer: u32) -> Outcome {
        Ok(customer)
    }

    #[test]
    fn each_key_has_its_own_limit() {
        let _world = testing::isolate();
        assert_eq!((send(1), send(2)), (Ok(1), Ok(2)));
        let Err(Failure::Rejected(rejected)) = send(1) else { panic!("not refused") };
        assert_eq!(rejected.key(), Some("1"));
        assert_eq!(rejected.to_string(), "rate limit of `customers` (key `1`) is used up; retry in 1s");
        let point = point("customers").unwrap();
        assert_eq!(point.keys().iter().map(|key| key.key().to_owned()).collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!(point.key("1").rate_limit().unwrap().snapshot().rejected, 1);
        let row = &point.snapshot().policies[0].keys[0];
        assert_eq!((row.state, row.retry_after), ("used_up", Some(Duration::from_secs(1))));
    }

    #[test]
    fn a_key_whose_limit_is_in_use_is_never_evicted() {
        let world = testing::isolate();
        assert_eq!((send(1), send(2)), (Ok(1), Ok(2)));
        // There is no room: all others share one limit.
        assert_eq!(send(3), Ok(3));
        assert!((4..1000).all(|customer| is_limited(&send(customer))));
        assert!(is_limited(&send(1)) && is_limited(&send(2)), "they stay limited");
        let policy = &point("customers").unwrap().snapshot().policies[0];
        assert!(policy.counters.contains(&("overflowed", 997)), "{policy}");
        world.advance(Duration::from_secs(1));
        assert_eq!((send(4), send(5)), (Ok(4), Ok(5)), "in the places of two that are not in use any more");
        assert!(is_limited(&send(4)) && is_limited(&send(5)));
    }
}

mod many_keys {
    use super::*;

    const HALF: Duration = Duration::from_secs(1800);

    #[rate_limit(2, per = 1h, key = customer, max_keys = 4, name = "many")]
    fn send(customer: u32) -> Outcome {
        Ok(customer)
    }

    /// Each key is over when the next one comes, and only the first stays in use.
    #[test]
    fn many_keys_do_not_reset_an_exhausted_one() {
        let world = testing::isolate();
        assert_eq!([send(0), send(0)], [Ok(0), Ok(0)]);
        for customer in 1..=keys() {
            world.advance(HALF);
            assert_eq!(send(0), Ok(0), "one more in half an hour");
            assert_eq!(send(customer), Ok(customer));
            if customer % 1_000 == 0 {
                assert!(is_limited(&send(0)));
                assert_eq!(point("many").unwrap().keys().len(), 4);
            }
        }
        let policy = &point("many").unwrap().snapshot().policies[0];
        assert!(policy.counters.contains(&("overflowed", 0)), "{policy}");
    }
}

mod shapes {
    use super::*;

    struct Client {
        limit: RateLimit,
    }

    impl Client {
        #[rate_limit(instance = self.limit)]
        async fn get(&self) -> Option<u32> {
            Some(1)
        }

        #[rate_limit(1, per = 1s, key = self.limit_name(), rejected = |r| r.to_string())]
        fn named(&self) -> Result<u32, String> {
            Ok(1)
        }

        fn limit_name(&self) -> String {
            self.limit.snapshot().name.to_string()
        }
    }

    #[rate_limit(1, per = 1s, wait = 1s)]
    fn future(n: u32) -> impl Future<Output = Option<u32>> + Send {
        async move { Some(n) }
    }

    #[tokio::test(start_paused = true)]
    async fn methods_futures_and_other_error_types_work() {
        let _world = testing::isolate();
        let limit =
            RateLimit::try_new("own", resilience::policy::RateLimitConfig::of(1, 1000 * MILLI)).unwrap();
        let client = Client { limit };
        assert_eq!((client.get().await, client.get().await), (Some(1), None));
        assert_eq!(client.named(), Ok(1));
        assert_eq!(
            client.named(),
            Err("rate limit of `rate_limit::shapes::named` is used up; retry in 1s".to_owned())
        );
        let spawned = tokio::spawn(async { (future(1).await, future(2).await) });
        assert_eq!(spawned.await.unwrap(), (Some(1), Some(2)));
    }

    #[test]
    fn the_inventory_lists_the_rate_limit() {
        #[rate_limit(100, per = 1m, wait = 2s, name = "shown")]
        fn shown() -> Outcome {
            Ok(1)
        }
        let _world = testing::isolate();
        assert_eq!(shown(), Ok(1));
        let text = point("shown").unwrap().to_string();
        assert!(text.contains("rate_limit(count = 100, per = 60s, burst = 100, wait = 2s)"), "{text}");
        let state = point("shown").unwrap().snapshot().to_string();
        assert!(state.contains("rate_limit free: available 99, waiting 0, rejected 0, waited 0"), "{state}");
        let own = Arc::new(RateLimit::new("my own", 3, Duration::from_secs(1)));
        resilience::Point::register(&own);
        assert_eq!(point("my own").unwrap().rate_limit().unwrap().snapshot().burst, 3);
    }

    #[test]
    fn futures_of_values_are_send() {
        fn is_send<T: Send>(_: &T) {}
        static OWN: RateLimit = RateLimit::new("own", 1, Duration::from_secs(1));
        is_send(&OWN.call_async(async || Ok::<_, Rejected>(1)));
        is_send(&OWN.acquire_async());
    }
}

#[tokio::test(start_paused = true)]
async fn a_reset_admits_a_whole_burst_and_waiting_callers_first() {
    #[rate_limit(2, per = 10s, wait = 60s, name = "reset")]
    async fn call() -> Outcome {
        Ok(1)
    }
    #[rate_limit(1, per = 10s, key = host, name = "reset keys")]
    fn keyed(host: &str) -> Outcome {
        Ok(u32::try_from(host.len()).unwrap())
    }
    let _world = testing::isolate();
    assert_eq!((call().await, call().await), (Ok(1), Ok(1)));
    let (mut first, mut second, mut third) = (pin!(call()), pin!(call()), pin!(call()));
    assert!(poll(first.as_mut()).is_pending());
    point("reset").unwrap().rate_limit().unwrap().reset();
    assert!(poll(second.as_mut()).is_ready(), "the second of the burst");
    assert!(poll(third.as_mut()).is_pending());
    assert_eq!(
        poll(first.as_mut()),
        Poll::Ready(Ok(1)),
        "the first of the burst was for the one that waited"
    );
    let keys = point("reset keys").unwrap();
    assert_eq!((keyed("a"), keyed("b")), (Ok(1), Ok(1)));
    assert!(is_limited(&keyed("a")) && is_limited(&keyed("b")));
    keys.key("a").rate_limit().unwrap().reset();
    assert_eq!(keyed("a"), Ok(1));
    assert!(is_limited(&keyed("b")), "another key is not reset");
}

#[test]
fn a_clock_at_its_end_neither_panics_nor_blocks_callers() {
    const CENTURIES: Duration = Duration::from_secs(1 << 32);

    let world = testing::isolate();
    let limits = [
        RateLimit::new("even", 10, Duration::from_secs(1)).burst(1),
        RateLimit::new("waits", 10, Duration::from_secs(1)).burst(1).wait(Duration::from_secs(1)),
        RateLimit::new("rare", 1, Duration::from_secs(1 << 33)).wait(Duration::MAX),
    ];
    for _ in 0..6 {
        for limit in &limits {
            for _ in 0..3 {
                let _ = poll(pin!(limit.acquire_async()));
            }
        }
        world.advance(CENTURIES);
    }
    // The nanoseconds since the start of the clock are at their largest.
    for limit in &limits {
        assert!(limit.acquire().is_ok() && limit.acquire().is_ok(), "{}", limit.snapshot());
    }
}

#[test]
fn a_world_goes_on_after_the_longest_advance() {
    let world = testing::isolate();
    for _ in 0..2 {
        world.advance(Duration::MAX);
        let before = world.now();
        world.advance(MILLI);
        assert_eq!(world.now() - before, MILLI);
    }
}
