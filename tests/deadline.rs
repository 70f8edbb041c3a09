//! Deadlines of requests: sending the time left, keeping to what was received, and what that counts as.

use http::{HeaderMap, HeaderValue};
use resilience::deadline::{Deadline, Header};
use resilience::{
    Bulkhead, Category, CircuitBreaker, Classification, Classify, Delivered, Event, Rejected, Retry, State,
    Timeout, bulkhead, cached, carry, carry_fn, checkpoint, circuit_breaker, job, point, rate_limit,
    remaining, testing, timeout, with_retry,
};
use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::time::Duration;

#[path = "deadline/further_calls.rs"]
mod further_calls;

#[derive(Clone, Debug, PartialEq)]
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

const fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A request whose client waits for `client_waits` milliseconds, to a service that works at most 30 s on one.
fn request(client_waits: u64) -> Deadline {
    Deadline::at_most(Duration::from_secs(30)).header(Header::TimeoutMs, &client_waits.to_string())
}

/// The state of the breaker of a function, and how many calls it counted as failures and as cancelled.
fn breaker(name: &str) -> (State, u64, u64) {
    let point = point(name).expect("a point");
    let counters = point.snapshot().policies[0].counters.clone();
    let of = |name| counters.iter().find(|(counter, _)| *counter == name).expect("a counter").1;
    (point.breaker().expect("a breaker").state(), of("failures"), of("cancelled"))
}

/// How a call ends whose time is over.
#[derive(Clone, Copy, Debug)]
enum End {
    /// It waits for ever, until it is dropped.
    Dropped,
    /// Its client gives up when the time is over.
    TimesOut,
    /// It fails in another way when the time is over.
    Fails,
    /// A service that was sent the time left, rounded down, answers first.
    Answers,
}

/// A body with a client of its own, which takes the time left for its limit.
async fn client(end: End) -> Result<(), Failure> {
    let left = remaining().expect("a deadline");
    let (wait, category) = match end {
        End::Dropped => return pending().await,
        End::TimesOut => (left, Category::Timeout),
        End::Fails => (left, Category::Unknown),
        End::Answers => {
            let sent = Header::TimeoutMs.read(&Header::TimeoutMs.value()?.expect("a deadline"));
            (sent.expect("readable"), Category::Timeout)
        }
    };
    tokio::time::sleep(wait).await;
    Err(Failure::Own(category))
}

#[circuit_breaker(threshold = 2, name = "deadline::guarded")]
#[rate_limit(1000, per = 1s, wait = 1s)]
#[bulkhead(1, wait = 1s)]
#[timeout(20s)]
async fn guarded(end: End) -> Result<(), Failure> {
    client(end).await
}

#[tokio::test(start_paused = true)]
async fn a_clients_1_ms_deadlines_never_open_a_shared_breaker() {
    let _world = testing::isolate();
    for n in 0..25 {
        for end in [End::Dropped, End::TimesOut, End::Fails, End::Answers] {
            // The second waits for the slot until its time is over.
            let (first, second) = tokio::join!(request(1).run(guarded(end)), request(1).run(guarded(end)));
            assert!(!matches!(first, Ok(Ok(()))) && !matches!(second, Ok(Ok(()))), "{n} {end:?}");
            assert_eq!(breaker("deadline::guarded").0, State::Closed, "{n} {end:?}");
        }
    }
    let (state, failures, cancelled) = breaker("deadline::guarded");
    assert_eq!((state, failures), (State::Closed, 0));
    assert!(cancelled >= 100, "{cancelled}");
    let bulkhead = point("deadline::guarded").unwrap().bulkhead().unwrap().snapshot();
    assert_eq!((bulkhead.in_use, bulkhead.waiting), (0, 0));
}

#[circuit_breaker(threshold = 2, name = "deadline::blocking")]
#[rate_limit(1000, per = 1s, wait = 1s)]
#[bulkhead(1, wait = 1s)]
fn blocking(
    world: &testing::World,
    fails_after: Option<Duration>,
    category: Category,
) -> Result<(), Failure> {
    world.advance(fails_after.or_else(remaining).expect("a deadline"));
    Err(Failure::Own(category))
}

#[test]
fn a_sync_call_ended_by_a_client_deadline_counts_as_cancelled() {
    let world = testing::isolate();
    for category in [Category::Timeout, Category::Unknown, Category::Connection] {
        for _ in 0..10 {
            let outcome = request(1).run_blocking(|| blocking(&world, None, category));
            assert_eq!(outcome, Ok(Err(Failure::Own(category))));
        }
    }
    assert_eq!(breaker("deadline::blocking"), (State::Closed, 0, 30));
}

#[test]
fn a_failure_before_the_clients_deadline_counts() {
    let world = testing::isolate();
    for _ in 0..2 {
        let outcome =
            request(100).run_blocking(|| blocking(&world, Some(millis(50)), Category::Timeout)).unwrap();
        assert!(outcome.is_err());
    }
    assert_eq!(breaker("deadline::blocking"), (State::Open, 2, 0));
}

#[test]
fn a_failure_at_the_services_own_limit_counts() {
    let world = testing::isolate();
    for _ in 0..2 {
        let own = Deadline::at_most(millis(1)).header(Header::TimeoutMs, "5000");
        let _ = own.run_blocking(|| blocking(&world, None, Category::Timeout));
    }
    assert_eq!(breaker("deadline::blocking"), (State::Open, 2, 0));
}

#[circuit_breaker(threshold = 2, name = "deadline::limited")]
#[timeout(10ms)]
async fn limited() -> Result<(), Failure> {
    pending().await
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_ends_by_its_own_timeout_counts() {
    let _world = testing::isolate();
    for _ in 0..2 {
        assert!(matches!(request(500).run(limited()).await, Ok(Err(Failure::Rejected(_)))));
    }
    assert_eq!(breaker("deadline::limited"), (State::Open, 2, 0));
}

#[tokio::test(start_paused = true)]
async fn a_timeout_that_ends_after_the_request_counts_as_cancelled() {
    let _world = testing::isolate();
    for _ in 0..2 {
        let mut call = Box::pin(request(5).run(limited()));
        let first = std::future::poll_fn(|cx| std::task::Poll::Ready(call.as_mut().poll(cx))).await;
        assert!(first.is_pending());
        // Both are over when the task is polled again.
        tokio::time::advance(millis(60)).await;
        let _ = call.await;
    }
    assert_eq!(breaker("deadline::limited"), (State::Closed, 0, 2));
}

#[tokio::test(start_paused = true)]
async fn a_breaker_value_counts_a_dropped_call_as_cancelled() {
    let _world = testing::isolate();
    let breaker = CircuitBreaker::new("deadline::by_hand").threshold(1);
    let call = breaker.call_async(async || Timeout::new(Duration::from_secs(9)).call_async(pending).await);
    let outcome: Result<Result<(), Failure>, Rejected> = request(1).run(call).await;
    assert!(matches!(outcome, Err(Rejected::TimedOut { .. })));
    assert_eq!(breaker.state(), State::Closed);
}

#[test]
fn client_deadlines_do_not_lower_an_adaptive_bulkhead() {
    let world = testing::isolate();
    let bulkhead = Bulkhead::new("deadline::adaptive", 20).adaptive();
    let slots = || bulkhead.snapshot().slots;
    let before = slots();
    let body = || {
        world.advance(remaining().unwrap_or(millis(1)));
        Err::<(), _>(Failure::Own(Category::Timeout))
    };
    let late = || bulkhead.call_judged(body, |outcome| outcome.as_ref().err().map(Classify::classify));
    for _ in 0..50 {
        assert!(request(1).run_blocking(late).unwrap().is_err());
        world.advance(Duration::from_secs(2));
    }
    assert_eq!(slots(), before);
    assert!(late().is_err());
    assert!(slots() < before, "{} of {before}", slots());
}

#[with_retry(max = 5, base = 100ms, jitter = none)]
fn retried(tries: &AtomicU32) -> Result<(), Failure> {
    tries.fetch_add(1, Ordering::Relaxed);
    Err(Failure::Own(Category::Unavailable))
}

#[test]
fn a_retry_does_not_wait_beyond_the_deadline() {
    let world = testing::isolate();
    let tries = AtomicU32::new(0);
    assert!(request(350).run_blocking(|| retried(&tries)).unwrap().is_err());
    assert_eq!(world.waits(), [millis(100), millis(200)]);
    assert_eq!(tries.into_inner(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_request_without_time_left_is_rejected_at_once() {
    let world = testing::isolate();
    let expired = request(50);
    tokio::time::advance(millis(50)).await;
    for deadline in [request(0), expired, request(20).header(Header::GrpcTimeout, "0S")] {
        let deadline = deadline.name("orders");
        let outcomes = [
            deadline.run(async { unreachable!("no time is left") }).await,
            deadline.run_blocking(|| unreachable!("no time is left")),
        ];
        for outcome in outcomes {
            let outcome: Result<(), Rejected> = outcome;
            let rejected = outcome.unwrap_err();
            assert_eq!(
                rejected.to_string(),
                "`orders` timed out after 0ns: no time was left to make the call"
            );
            let class = rejected.classify();
            assert_eq!((class.category, class.delivered), (Category::Timeout, Delivered::No));
        }
    }
    assert_eq!(world.events().len(), 6);
    assert!(world.events().iter().all(|event| matches!(event, Event::TimedOut { .. })));
}

#[tokio::test(start_paused = true)]
async fn work_is_dropped_when_the_deadline_has_passed() {
    let _world = testing::isolate();
    let start = tokio::time::Instant::now();
    let late = request(40).name("orders").run(pending::<()>()).await.unwrap_err();
    assert_eq!(start.elapsed(), millis(40));
    assert_eq!(late.to_string(), "`orders` timed out after 40ms");
    assert_eq!(late.classify().delivered, Delivered::Maybe);
    assert_eq!(request(40).run(async { 7 }).await, Ok(7));
}

#[tokio::test(start_paused = true)]
async fn time_before_the_work_begins_counts() {
    let _world = testing::isolate();
    let deadline = request(100);
    tokio::time::advance(millis(60)).await;
    assert_eq!(deadline.run(async { remaining() }).await, Ok(Some(millis(40))));
    assert_eq!(deadline.run_blocking(remaining), Ok(Some(millis(40))));
    assert_eq!((deadline.limit(), deadline.remaining()), (millis(100), millis(40)));
}

#[test]
fn a_nested_deadline_only_shortens_the_limit() {
    let _world = testing::isolate();
    let inner = || Deadline::at_most(Duration::MAX).run_blocking(remaining).unwrap();
    assert_eq!(request(100).run_blocking(inner), Ok(Some(millis(100))));
    let longer = Deadline::at_most(millis(20)).client_waits(Duration::MAX).client_waits(millis(30));
    assert_eq!(longer.limit(), millis(20));
    assert_eq!(longer.client_waits(millis(5)).client_waits(millis(9)).limit(), millis(5));
}

#[test]
fn the_shortest_readable_header_counts() {
    let _world = testing::isolate();
    let limit = |pairs: &[(&'static str, &[u8])]| {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, HeaderValue::from_bytes(value).unwrap());
        }
        Deadline::at_most(Duration::from_secs(30)).headers(&headers).limit()
    };
    let max = Duration::from_secs(30);
    assert_eq!(limit(&[]), max);
    assert_eq!(limit(&[("x-timeout-ms", b"250")]), millis(250));
    assert_eq!(limit(&[("grpc-timeout", b"250m")]), millis(250));
    assert_eq!(limit(&[("x-timeout-ms", b"250"), ("grpc-timeout", b"1S")]), millis(250));
    assert_eq!(limit(&[("x-timeout-ms", b"900"), ("x-timeout-ms", b"30")]), millis(30));
    assert_eq!(limit(&[("x-timeout-ms", b"-1"), ("grpc-timeout", b"soon")]), max, "junk is ignored");
    assert_eq!(limit(&[("x-timeout-ms", b"\xff"), ("grpc-timeout", b"20m")]), millis(20));
    assert_eq!(limit(&[("x-timeout-ms", b"99999999999999999999999999")]), max, "it only shortens");
    assert_eq!(limit(&[("x-timeout-ms", b"0")]), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn the_sent_header_is_the_remaining_time_rounded_down() {
    let _world = testing::isolate();
    let mut headers = HeaderMap::from_iter([(
        http::header::HeaderName::from_static("x-timeout-ms"),
        HeaderValue::from_static("777"),
    )]);
    assert_eq!(Header::TimeoutMs.value(), Ok(None), "outside of any limit");
    Header::TimeoutMs.write_to(&mut headers).unwrap();
    assert_eq!(headers["x-timeout-ms"], "777", "nothing is known that is better");
    let sent = async {
        tokio::time::advance(Duration::from_micros(500)).await;
        for header in Header::ALL {
            header.write_to(&mut headers)?;
        }
        Ok::<_, Rejected>(headers)
    };
    let headers = request(3).run(sent).await.unwrap().unwrap();
    let sent = ["x-timeout-ms", "grpc-timeout"].map(|name| headers[name].to_str().unwrap());
    assert_eq!(sent, ["2", "2500000n"]);
    let limit = Timeout::new(Duration::from_secs(2));
    let sent: Result<_, Rejected> = limit.call_async(async || Header::TimeoutMs.value()).await;
    assert_eq!(sent, Ok(Some("2000".into())), "a timeout is sent, too");
}

#[test]
fn no_call_is_made_without_time_left() {
    let world = testing::isolate();
    let mut headers = HeaderMap::new();
    let rejected = request(5).run_blocking(|| {
        world.advance(Duration::from_micros(4_500));
        assert_eq!(Header::GrpcTimeout.value(), Ok(Some("500000n".into())));
        Header::TimeoutMs.write_to(&mut headers).unwrap_err()
    });
    let rejected = rejected.unwrap();
    assert!(matches!(rejected, Rejected::TimedOut { .. }) && headers.is_empty());
    assert_eq!(rejected.to_string(), "`x-timeout-ms` timed out after 0ns: no time was left to make the call");
    let breaker = CircuitBreaker::new("deadline::send").threshold(1);
    let _: Result<(), Rejected> = breaker.call(|| Err(rejected));
    assert_eq!(breaker.state(), State::Closed, "nothing reached the service");
}

/// Lets bodies on helper threads go on.
#[derive(Default)]
struct Door(Mutex<bool>, Condvar);

impl Door {
    fn wait(&self) {
        drop(self.1.wait_while(self.0.lock().unwrap(), |open| !*open).unwrap());
    }

    fn open(&self) {
        *self.0.lock().unwrap() = true;
        self.1.notify_all();
    }
}

#[circuit_breaker(threshold = 1, name = "deadline::on_thread")]
#[timeout(300s, thread)]
fn on_thread(door: Arc<Door>) -> Result<(), Failure> {
    door.wait();
    Ok(())
}

#[test]
fn a_body_on_a_helper_thread_is_abandoned_at_the_clients_deadline() {
    let door = Arc::new(Door::default());
    let outcome = request(5).run_blocking(|| on_thread(door.clone()));
    door.open();
    let Ok(Err(Failure::Rejected(Rejected::TimedOut { limit, .. }))) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(limit <= millis(5), "{limit:?}");
    assert_eq!(breaker("deadline::on_thread"), (State::Closed, 0, 1));
}

#[test]
fn a_body_on_a_helper_thread_is_abandoned_at_the_services_own_deadline() {
    #[circuit_breaker(threshold = 1, name = "deadline::abandoned")]
    #[timeout(300s, thread)]
    fn abandoned(door: Arc<Door>) -> Result<(), Failure> {
        door.wait();
        Ok(())
    }
    let door = Arc::new(Door::default());
    let own = Deadline::at_most(millis(5));
    let outcome = own.run_blocking(|| abandoned(door.clone()));
    door.open();
    let Ok(Err(Failure::Rejected(Rejected::TimedOut { limit, .. }))) = outcome else {
        panic!("{outcome:?}");
    };
    assert!(limit <= millis(5), "{limit:?}");
    assert_eq!(breaker("deadline::abandoned"), (State::Open, 1, 0));
}

#[test]
fn a_carried_closure_keeps_the_limits_on_a_thread() {
    let _world = testing::isolate();
    let left = request(100).run_blocking(|| {
        let plain = std::thread::spawn(remaining).join().unwrap();
        (plain, std::thread::spawn(carry_fn(remaining)).join().unwrap())
    });
    assert_eq!(left, Ok((None, Some(millis(100)))));
}

#[tokio::test(start_paused = true)]
async fn a_carried_future_keeps_the_limits_in_a_task() {
    let _world = testing::isolate();
    let left = request(100).run(async {
        let plain = tokio::spawn(async { remaining() }).await.unwrap();
        let task = tokio::spawn(carry(async {
            tokio::time::sleep(millis(10)).await;
            remaining()
        }));
        (plain, task.await.unwrap())
    });
    assert_eq!(left.await, Ok((None, Some(millis(90)))));
}

#[tokio::test]
async fn a_carried_closure_keeps_the_limits_in_a_blocking_task() {
    let _world = testing::isolate();
    let left = request(100).run(async { tokio::task::spawn_blocking(carry_fn(remaining)).await.unwrap() });
    assert_eq!(left.await, Ok(Some(millis(100))));
}

#[tokio::test(start_paused = true)]
async fn a_limit_whose_timer_has_not_begun_begins_in_the_task() {
    let _world = testing::isolate();
    let limit = Timeout::new(millis(100));
    let left: Result<_, Rejected> = limit
        .call_async(async || {
            let task = tokio::spawn(carry(async {
                tokio::time::sleep(millis(30)).await;
                remaining()
            }));
            Ok(task.await.unwrap())
        })
        .await;
    assert_eq!(left, Ok(Some(millis(70))));
}

#[tokio::test(start_paused = true)]
async fn a_carried_task_that_ends_by_the_deadline_counts_as_cancelled() {
    let _world = testing::isolate();
    let task = request(1).run_blocking(|| tokio::spawn(carry(guarded(End::TimesOut)))).unwrap();
    assert_eq!(task.await.unwrap(), Err(Failure::Own(Category::Timeout)));
    assert_eq!(breaker("deadline::guarded"), (State::Closed, 0, 1));
}

#[tokio::test(start_paused = true)]
async fn a_carried_retry_ends_with_the_deadline() {
    let world = testing::isolate();
    let task = || {
        let retry = Retry::new().max(5).base(millis(100)).jitter(resilience::Jitter::None);
        tokio::spawn(carry(async move {
            retry.call_async(async || Err::<(), _>(Failure::Own(Category::Unavailable))).await
        }))
    };
    assert!(request(350).run_blocking(task).unwrap().await.unwrap().is_err());
    assert_eq!(world.waits(), [millis(100), millis(200)]);
}

#[bulkhead(1, wait = 300s)]
async fn slot(nested: Option<bool>) -> Result<(), Failure> {
    match nested {
        None => Ok(()),
        Some(true) => tokio::spawn(carry(boxed(None))).await.unwrap(),
        Some(false) => boxed(None).await,
    }
}

fn boxed(nested: Option<bool>) -> Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>> {
    Box::pin(slot(nested))
}

#[tokio::test(start_paused = true)]
async fn held_slots_are_carried() {
    let _world = testing::isolate();
    let start = tokio::time::Instant::now();
    for nested in [false, true] {
        let outcome = slot(Some(nested)).await;
        assert!(matches!(outcome, Err(Failure::Rejected(Rejected::BulkheadFull { .. }))), "{outcome:?}");
    }
    assert_eq!(start.elapsed(), Duration::ZERO, "it did not wait for its own slot");
}

#[cached(ttl = 60s, key = id, wait = 300s)]
async fn page(id: u32, depth: u32) -> Result<u32, Failure> {
    if depth == 0 { Ok(id) } else { tokio::spawn(carry(boxed_page(id, depth - 1))).await.unwrap() }
}

fn boxed_page(id: u32, depth: u32) -> Pin<Box<dyn Future<Output = Result<u32, Failure>> + Send>> {
    Box::pin(page(id, depth))
}

#[tokio::test(start_paused = true)]
async fn cached_calls_are_carried() {
    let _world = testing::isolate();
    let start = tokio::time::Instant::now();
    assert_eq!(page(7, 2).await, Ok(7));
    assert_eq!(start.elapsed(), Duration::ZERO, "it did not wait for itself");
}

#[job("carrier:{id}")]
async fn carrier(id: u64) -> Result<u64, Rejected> {
    tokio::spawn(carry(step(id))).await.unwrap()
}

#[checkpoint("step:{id}", in_job)]
async fn step(id: u64) -> Result<u64, Rejected> {
    Ok(id + u64::from(resilience::job_id().is_some()))
}

#[tokio::test]
async fn the_job_is_carried() {
    let _world = testing::isolate();
    assert_eq!(carrier(1).await, Ok(2));
}

#[test]
fn a_carried_closure_leaves_no_limit_on_its_thread() {
    let _world = testing::isolate();
    let (send, receive) = mpsc::channel::<Box<dyn FnOnce() -> Option<Duration> + Send>>();
    let worker = std::thread::spawn(move || {
        let lefts: Vec<_> = receive.into_iter().map(|work| (work(), remaining())).collect();
        lefts
    });
    for limit in [100, 200] {
        send.send(request(limit).run_blocking(|| Box::new(carry_fn(remaining)) as Box<_>).unwrap()).unwrap();
    }
    drop(send);
    assert_eq!(worker.join().unwrap(), [(Some(millis(100)), None), (Some(millis(200)), None)]);
}
