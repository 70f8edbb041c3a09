//! `timeout(adaptive, ..)`: the limit follows how long the calls take.

use super::Failure;
use resilience::deadline::Deadline;
use resilience::policy::timeout::AdaptiveTimeoutConfig;
use resilience::{
    AdaptiveTimeout, Bulkhead, CircuitBreaker, Event, Point, Rejected, Retry, State, bulkhead,
    circuit_breaker, point, rate_limit, testing, timeout, with_retry,
};
use std::future::{Future, pending};
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tokio::time::{Instant, sleep};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// The limit of a call that timed out.
fn ended<T: std::fmt::Debug>(outcome: Result<T, Failure>) -> Option<Duration> {
    match outcome {
        Ok(_) => None,
        Err(Failure::Rejected(rejected)) => Some(rejected.limit().expect("timed out")),
        Err(other) => panic!("{other:?}"),
    }
}

/// The limit of the point `name` now, and of how many calls it is.
fn now(name: &str) -> (Duration, usize) {
    let now = point(name).expect("a point").adaptive_timeout().expect("an adaptive timeout").snapshot();
    (now.limit, now.samples)
}

#[timeout(adaptive, floor = 50ms, cap = 10s, name = "adaptive takes")]
async fn takes(time: Duration) -> Result<u32, Failure> {
    sleep(time).await;
    Ok(1)
}

#[tokio::test(start_paused = true)]
async fn the_limit_is_the_cap_until_a_hundred_calls_were_measured() {
    let _world = testing::isolate();
    assert_eq!(ended(takes(ms(11_000)).await), Some(ms(10_000)));
    for n in 1..100 {
        assert_eq!(now("adaptive takes"), (ms(10_000), n));
        assert_eq!(takes(ms(100)).await, Ok(1));
    }
    // The slowest of 100 is above the 99th percentile.
    assert_eq!(now("adaptive takes"), (ms(200), 100));
    assert_eq!(takes(ms(199)).await, Ok(1));
    assert_eq!(ended(takes(ms(201)).await), Some(ms(200)));
    sleep(ms(1_000)).await;
    let snapshot = point("adaptive takes").unwrap().adaptive_timeout().unwrap().snapshot();
    assert_eq!((snapshot.p99, snapshot.timed_out), (Some(ms(200)), 2));
    sleep(Duration::from_secs(600)).await;
    assert_eq!(now("adaptive takes"), (ms(10_000), 0), "of calls of the last 10 minutes");
}

#[tokio::test(start_paused = true)]
async fn the_limit_stays_within_its_bounds() {
    let _world = testing::isolate();
    for _ in 0..100 {
        takes(Duration::ZERO).await.unwrap();
    }
    assert_eq!(now("adaptive takes").0, ms(50));
    for _ in 0..100 {
        let _ = takes(ms(9_000)).await;
    }
    for _ in 0..1_000 {
        let _ = takes(ms(9_000)).await;
    }
    assert_eq!(now("adaptive takes").0, ms(10_000));
}

#[tokio::test(start_paused = true)]
async fn the_limit_adapts_soon_to_a_lasting_slowdown() {
    let _world = testing::isolate();
    for _ in 0..1_000 {
        takes(ms(100)).await.unwrap();
    }
    let mut ends = Vec::new();
    for n in 0..1_000 {
        if takes(ms(500)).await.is_err() {
            ends.push(n);
        }
    }
    assert!(ends.iter().all(|n| *n < 100), "{ends:?}");
    assert_eq!(now("adaptive takes").0, ms(1_000));
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_is_measured_with_its_elapsed_time() {
    let _world = testing::isolate();
    for _ in 0..100 {
        let mut call = std::pin::pin!(takes(ms(900)));
        tokio::select! { biased; _ = &mut call => panic!("too early"), () = sleep(ms(300)) => {} }
    }
    assert_eq!(now("adaptive takes"), (ms(600), 100));
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_not_measured() {
    use futures::FutureExt;
    #[timeout(adaptive, floor = 50ms, cap = 10s, name = "adaptive panics")]
    async fn panics() -> Result<(), Failure> {
        sleep(ms(100)).await;
        panic!("of the body")
    }
    let _world = testing::isolate();
    let panic = AssertUnwindSafe(panics()).catch_unwind().await.unwrap_err();
    assert_eq!(panic.downcast_ref(), Some(&"of the body"));
    assert_eq!(now("adaptive panics"), (ms(10_000), 0));
}

#[tokio::test(start_paused = true)]
async fn calls_that_never_reach_the_service_are_not_measured() {
    #[timeout(adaptive, floor = 50ms, cap = 1s, name = "adaptive above a breaker")]
    #[circuit_breaker(threshold = 1)]
    async fn guarded(time: Duration) -> Result<(), Failure> {
        sleep(time).await;
        Err(Failure::Own)
    }
    #[timeout(adaptive, floor = 50ms, cap = 1s, name = "adaptive above a bulkhead")]
    #[bulkhead(1, wait = 10s)]
    async fn queues(time: Duration) -> Result<(), Failure> {
        sleep(time).await;
        Ok(())
    }
    let _world = testing::isolate();
    guarded(ms(10)).await.unwrap_err();
    for _ in 0..5 {
        assert!(matches!(guarded(ms(10)).await, Err(Failure::Rejected(Rejected::CircuitOpen { .. }))));
    }
    assert_eq!(now("adaptive above a breaker").1, 1);

    let (runs, waits) = tokio::join!(queues(ms(2_000)), queues(ms(10)));
    assert_eq!(ended(runs), Some(ms(1_000)));
    waits.unwrap_err();
    assert_eq!(now("adaptive above a bulkhead").1, 1, "the one that waited is not measured");
}

#[tokio::test(start_paused = true)]
async fn a_busy_step_or_job_is_not_measured() {
    #[timeout(adaptive, floor = 50ms, cap = 60s, name = "adaptive above a step")]
    async fn asks(answer: Result<(), Rejected>) -> Result<(), Failure> {
        sleep(ms(100)).await;
        answer.map_err(Failure::Rejected)
    }
    #[timeout(adaptive, floor = 50ms, cap = 60s, thread, name = "adaptive above a step on a thread")]
    fn asks_on_thread(answer: Result<(), Rejected>) -> Result<(), Failure> {
        answer.map_err(Failure::Rejected)
    }
    let _world = testing::isolate();
    let busy = || {
        let (step, job) = (testing::rejected::checkpoint_busy, testing::rejected::job_busy);
        [step("charge", "order:7", ms(30)), job("import", "import:7", ms(30))]
    };
    for refused in busy().into_iter().chain(busy()) {
        asks(Err(refused.clone())).await.unwrap_err();
        asks_on_thread(Err(refused)).unwrap_err();
    }
    asks(Ok(())).await.unwrap();
    asks_on_thread(Ok(())).unwrap();
    assert_eq!(now("adaptive above a step").1, 1, "only the one that ran");
    assert_eq!(now("adaptive above a step on a thread").1, 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_before_admission_is_not_measured() {
    #[timeout(adaptive, floor = 50ms, cap = 60s, name = "adaptive left in a queue")]
    #[circuit_breaker(threshold = 1)]
    #[bulkhead(1, wait = 10s)]
    async fn queues(time: Duration) -> Result<(), Failure> {
        sleep(time).await;
        Ok(())
    }
    #[timeout(adaptive, floor = 50ms, cap = 60s, name = "adaptive left at a limit")]
    #[rate_limit(1, per = 10s, wait = 30s)]
    async fn limited(time: Duration) -> Result<(), Failure> {
        sleep(time).await;
        Ok(())
    }
    let _world = testing::isolate();
    let leave = |name, runs: Pin<Box<dyn Future<Output = Result<(), Failure>>>>, waits| async move {
        let (ran, ()) = tokio::join!(runs, async {
            let left: Result<Result<(), Failure>, _> = tokio::time::timeout(ms(300), waits).await;
            assert!(left.is_err(), "{name}");
        });
        ran.unwrap();
        assert_eq!(now(name).1, 1, "{name}: the one that waited is not measured");
    };
    let long = ms(1_000);
    leave(
        "adaptive left in a queue",
        Box::pin(queues(long)),
        Box::pin(queues(long)) as Pin<Box<dyn Future<Output = Result<(), Failure>>>>,
    )
    .await;
    leave("adaptive left at a limit", Box::pin(limited(long)), Box::pin(limited(long))).await;
    // One that runs is measured, and is no failure of the breaker.
    tokio::time::timeout(ms(300), queues(long)).await.unwrap_err();
    assert_eq!(now("adaptive left in a queue").1, 2);
    assert_eq!(point("adaptive left in a queue").unwrap().breaker().unwrap().state(), State::Closed);
}

#[tokio::test(start_paused = true)]
async fn calls_ended_by_a_request_deadline_are_not_measured() {
    let _world = testing::isolate();
    let client = || Deadline::at_most(ms(60_000)).client_waits(ms(10));
    for _ in 0..100 {
        client().run(takes(ms(100))).await.unwrap_err();
    }
    assert_eq!(now("adaptive takes").1, 0);
    client().run(takes(ms(5))).await.unwrap().unwrap();
    assert_eq!(now("adaptive takes").1, 1);
}

#[tokio::test(start_paused = true)]
async fn attempts_and_whole_calls_are_measured_separately() {
    #[timeout(adaptive, floor = 50ms, cap = 60s, name = "adaptive total")]
    #[with_retry(max = 2, base = 1s, jitter = none, backoff = constant)]
    #[timeout(adaptive, floor = 50ms, cap = 10s)]
    async fn fails() -> Result<(), Failure> {
        sleep(ms(100)).await;
        Err(Failure::Own)
    }
    let _world = testing::isolate();
    for _ in 0..100 {
        assert_eq!(fails().await, Err(Failure::Own));
    }
    assert_eq!(now("adaptive total"), (ms(2 * 2_300), 100));
    let inner = point("adaptive total").unwrap().snapshot().policies.remove(2);
    assert_eq!(inner.counters[..2], [("limit_ms", 200), ("samples", 300)]);
}

#[tokio::test(start_paused = true)]
async fn each_key_has_its_own_limit() {
    struct Client {
        host: String,
    }
    impl Client {
        #[timeout(adaptive, floor = 50ms, cap = 10s, key = self.host, max_keys = 2, name = "adaptive hosts")]
        async fn get(self, time: Duration) -> Result<String, Failure> {
            sleep(time).await;
            Ok(self.host)
        }
    }
    let get = |host: &str, time| Client { host: host.to_owned() }.get(time);
    let _world = testing::isolate();
    for _ in 0..100 {
        get("quick", ms(100)).await.unwrap();
        get("slow", ms(1_000)).await.unwrap();
    }
    assert_eq!(ended(get("quick", ms(500)).await), Some(ms(200)));
    assert!(get("slow", ms(500)).await.is_ok());
    let hosts = point("adaptive hosts").unwrap();
    let limit = |key: &str| hosts.key(key).adaptive_timeout().map(|timeout| timeout.limit());
    assert_eq!((limit("quick"), limit("slow")), (Some(ms(200)), Some(ms(2_000))));
    let policy = hosts.snapshot().policies.remove(0);
    let keys: Vec<_> = policy.keys.iter().map(|row| (&*row.key, row.state, row.counters[0])).collect();
    assert_eq!(keys, [("quick", "adaptive", ("limit_ms", 200)), ("slow", "adaptive", ("limit_ms", 2_000))]);
    assert_eq!(policy.counters, [("timed_out", 1)]);
    assert!(hosts.adaptive_timeout().is_none());
    hosts.key("quick").adaptive_timeout().unwrap().reset();
    assert_eq!(limit("quick"), Some(ms(10_000)));
    get("third", ms(1)).await.unwrap();
    assert_eq!(hosts.keys().len(), 2, "one was evicted");
}

#[tokio::test(start_paused = true)]
async fn a_keyed_timeout_names_its_key() {
    #[timeout(adaptive, floor = 50ms, cap = 100ms, key = host, name = "adaptive keys")]
    async fn get(host: &str) -> Result<(), Rejected> {
        let _ = host;
        pending().await
    }
    #[timeout(adaptive, floor = 50ms, cap = 100ms, key = host, thread, threads = 1, name = "adaptive threads")]
    fn read(host: &'static str, time: mpsc::Receiver<()>) -> Result<(), Rejected> {
        let _ = (host, time.recv());
        Ok(())
    }
    let world = testing::isolate();
    let late = get("a.example").await.unwrap_err();
    let (_open, time) = mpsc::channel::<()>();
    let abandoned = read("b.example", time).unwrap_err();
    let (_open_too, time) = mpsc::channel::<()>();
    let refused = read("c.example", time).unwrap_err();
    assert!(matches!(late, Rejected::TimedOut { .. }), "{late:?}");
    assert!(matches!(abandoned, Rejected::TimedOut { .. }), "{abandoned:?}");
    assert!(matches!(refused, Rejected::BulkheadFull { .. }), "{refused:?}");
    let keys = [&late, &abandoned, &refused].map(Rejected::key);
    assert_eq!(keys, [Some("a.example"), Some("b.example"), Some("c.example")]);
    assert_eq!(late.to_string(), "`adaptive keys` timed out after 100ms", "a key is made of arguments");
    let events = world.events();
    let timed_out = events.iter().filter(|event| matches!(event, Event::TimedOut { .. }));
    assert_eq!(timed_out.map(Event::key).collect::<Vec<_>>(), [Some("a.example"), Some("b.example")]);
}

#[tokio::test(start_paused = true)]
async fn a_static_timeout_is_shared() {
    static SHARED: AdaptiveTimeout = AdaptiveTimeout::new("shared", ms(50), Duration::from_secs(10));
    #[timeout(adaptive, instance = SHARED, name = "adaptive one")]
    async fn one() -> Result<(), Failure> {
        sleep(ms(100)).await;
        Ok(())
    }
    #[timeout(adaptive, instance = &SHARED, thread)]
    fn other() -> Result<(), Failure> {
        Ok(())
    }
    let _world = testing::isolate();
    let seen = || point("adaptive one").unwrap().info().stack.remove(0).to_string();
    assert!(!seen().contains("cap"), "{}", seen());
    for _ in 0..99 {
        one().await.unwrap();
    }
    other().unwrap();
    assert_eq!((SHARED.limit(), SHARED.snapshot().samples), (ms(200), 100));
    assert!(seen().contains("floor = 50ms") && seen().contains("cap = 10s"), "{}", seen());
}

#[tokio::test(start_paused = true)]
async fn the_inventory_shows_the_current_limit() {
    let _world = testing::isolate();
    let text = || point("adaptive takes").unwrap().info().stack.remove(0).to_string();
    assert!(text().contains("adaptive = true, limit = 10s, floor = 50ms, cap = 10s"), "{}", text());
    assert_eq!(point("adaptive takes").unwrap().info().worst_case, Some(ms(10_000)));
    assert_eq!(point("adaptive takes").unwrap().snapshot().policies[0].state, Some("learning"));
    for _ in 0..100 {
        takes(ms(100)).await.unwrap();
    }
    assert!(text().contains("limit = 200ms"), "{}", text());
    assert_eq!(point("adaptive takes").unwrap().snapshot().policies[0].state, Some("adaptive"));
    point("adaptive takes").unwrap().adaptive_timeout().unwrap().reset();
    assert!(text().contains("limit = 10s"), "{}", text());
}

#[tokio::test(start_paused = true)]
async fn strict_starts_the_limit_at_the_call() {
    #[timeout(adaptive, floor = 1s, cap = 2s, strict)]
    async fn blocks(time: Duration) -> Result<(), Failure> {
        tokio::time::advance(time).await;
        sleep(ms(500)).await;
        Ok(())
    }
    let _world = testing::isolate();
    assert_eq!(ended(blocks(ms(1_400)).await), None);
    assert_eq!(ended(blocks(ms(1_600)).await), Some(ms(2_000)));
}

#[test]
fn a_sync_body_is_measured_on_its_helper_thread() {
    #[timeout(adaptive, floor = 20ms, cap = 60s, thread, threads = 1, name = "adaptive on a thread")]
    fn reads(gate: mpsc::Receiver<()>, world_takes: Duration) -> Result<bool, Failure> {
        // A wait moves the clock of the test.
        let _: Option<()> = Retry::new()
            .max(1)
            .base(world_takes)
            .backoff(resilience::Backoff::Constant)
            .jitter(resilience::Jitter::None)
            .call(|| None);
        Ok(gate.recv().is_ok())
    }
    let _world = testing::isolate();
    let reads_once = |time| {
        let (end, gate) = mpsc::channel();
        end.send(()).unwrap();
        reads(gate, time)
    };
    for _ in 0..100 {
        assert_eq!(reads_once(ms(5)), Ok(true));
    }
    assert_eq!(now("adaptive on a thread"), (ms(20), 100), "twice 5 ms is below the floor");
    let (end, gate) = mpsc::channel();
    assert_eq!(ended(reads(gate, Duration::ZERO)), Some(ms(20)));
    let full = reads_once(Duration::ZERO);
    assert!(matches!(full, Err(Failure::Rejected(Rejected::BulkheadFull { .. }))), "{full:?}");
    assert_eq!(now("adaptive on a thread").1, 101, "the refused one is not measured");
    let counters = point("adaptive on a thread").unwrap().snapshot().policies.remove(0).counters;
    assert_eq!(counters[2..], [("timed_out", 1), ("abandoned", 1)]);
    end.send(()).unwrap();
    while reads_once(Duration::ZERO).is_err() {
        std::thread::yield_now();
    }
}

#[test]
fn keys_on_threads_share_the_bound_of_abandoned_bodies() {
    #[with_retry(max = 1, base = 0s, clone(host, gate))]
    #[timeout(adaptive, floor = 10ms, cap = 20ms, thread, threads = 3, key = host, name = "adaptive keys on threads")]
    fn hangs(host: String, gate: Arc<std::sync::Mutex<mpsc::Receiver<()>>>) -> Result<String, Failure> {
        let _ = gate.lock().unwrap().recv();
        Ok(host)
    }
    let _world = testing::isolate();
    let (end, gate) = mpsc::channel();
    let gate = Arc::new(std::sync::Mutex::new(gate));
    assert_eq!(ended(hangs("a".to_owned(), gate.clone())), Some(ms(20)));
    let full = hangs("b".to_owned(), gate);
    assert!(matches!(full, Err(Failure::Rejected(Rejected::BulkheadFull { .. }))), "{full:?}");
    drop(end);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_value_measures_and_ends_calls() {
    let _world = testing::isolate();
    let config = AdaptiveTimeoutConfig::between(ms(50), Duration::from_secs(1));
    assert!(
        AdaptiveTimeout::try_new("by hand", AdaptiveTimeoutConfig { floor: ms(2_000), ..config }).is_err()
    );
    let timeout = Arc::new(AdaptiveTimeout::try_new("by hand", config).unwrap());
    Point::register(&timeout);
    let call = |time| {
        let timeout = timeout.clone();
        tokio::spawn(testing::in_world(async move {
            timeout
                .call_async(async || {
                    sleep(time).await;
                    Ok::<_, Failure>(())
                })
                .await
        }))
    };
    let start = Instant::now();
    assert_eq!(ended(call(ms(5_000)).await.unwrap()), Some(ms(1_000)));
    assert_eq!(start.elapsed(), ms(1_000));
    for _ in 0..99 {
        call(ms(100)).await.unwrap().unwrap();
    }
    assert_eq!(now("by hand"), (ms(200), 100));

    static FULL: Bulkhead = Bulkhead::new("full", 1);
    static OPEN: CircuitBreaker = CircuitBreaker::new("open");
    let _slot = FULL.acquire().unwrap();
    OPEN.force_open();
    let refused = timeout.call_async(async || FULL.call(|| Ok::<_, Failure>(()))).await;
    assert!(refused.is_err());
    let refused = timeout.call_async(async || OPEN.call(|| Ok::<_, Failure>(()))).await;
    assert!(refused.is_err());
    let _: Result<(), Failure> = timeout.call(|| Ok(()));
    assert_eq!(now("by hand").1, 101, "only the last one is measured");
    assert!(timeout.snapshot().to_string().starts_with("by hand: limit 200ms, p99 100ms of 101 calls"));
}
