//! `#[rate_limit]`: no more calls are made in a time than were asked for.

#[path = "rate_limit/in_the_queue.rs"]
mod in_the_queue;
#[path = "rate_limit/without_waiting.rs"]
mod without_waiting;

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
