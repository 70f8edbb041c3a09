//! The policies as layers of tower, around services of tower and axum.

use axum::Router;
use axum::body::Body;
use axum::error_handling::HandleErrorLayer;
use axum::routing::get;
use futures::StreamExt;
use http::{Method, Request, Response, StatusCode};
use http_body::Body as _;
use resilience::policy::AdaptiveTimeout;
use resilience::policy::BudgetOf;
use resilience::tower::{
    AdaptiveTimeoutLayer, BoxError, BoxErrorLayer, BulkheadLayer, CircuitBreakerLayer, FallbackLayer,
    HedgeLayer, RateLimitLayer, RetryLayer, TimeoutLayer,
};
use resilience::{
    Budget, Bulkhead, Category, CircuitBreaker, CircuitBreakers, Classification, Event, Fallback, Hedge,
    RateLimit, Rejected, Retry, Rule, State, Timeout, classify, testing,
};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::future::{Future, pending, poll_fn};
use std::io::{Error, ErrorKind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};

const SECOND: Duration = Duration::from_secs(1);

/// A service that plays answers, and insists on being made ready before each call.
#[derive(Debug, Default)]
struct Scripted {
    shared: Arc<Shared>,
    is_ready: bool,
}

#[derive(Debug, Default)]
struct Shared {
    answers: Mutex<VecDeque<Answer>>,
    calls: AtomicU32,
    /// Services that are ready and were neither called nor dropped.
    reserved: AtomicU32,
}

#[derive(Clone, Copy, Debug)]
enum Answer {
    Status(u16),
    Fails(ErrorKind),
    Late(u16, Duration),
    Hangs,
}

impl Clone for Scripted {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared), is_ready: false }
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        if self.is_ready {
            self.shared.reserved.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Scripted {
    /// Plays `answers`, then 200.
    fn new(answers: &[Answer]) -> Self {
        let shared = Shared { answers: Mutex::new(answers.iter().copied().collect()), ..Shared::default() };
        Self { shared: Arc::new(shared), is_ready: false }
    }

    fn calls(&self) -> u32 {
        self.shared.calls.load(Ordering::Relaxed)
    }
}

impl<B> Service<Request<B>> for Scripted {
    type Response = Response<String>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<String>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        if !std::mem::replace(&mut self.is_ready, true) {
            self.shared.reserved.fetch_add(1, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<B>) -> Self::Future {
        assert!(std::mem::replace(&mut self.is_ready, false), "called without being ready");
        self.shared.reserved.fetch_sub(1, Ordering::Relaxed);
        self.shared.calls.fetch_add(1, Ordering::Relaxed);
        let answer = self.shared.answers.lock().unwrap().pop_front().unwrap_or(Answer::Status(200));
        Box::pin(async move {
            let answered = |status| Ok(Response::builder().status(status).body("lamp".to_owned()).unwrap());
            match answer {
                Answer::Status(status) => answered(status),
                Answer::Late(status, after) => {
                    tokio::time::sleep(after).await;
                    answered(status)
                }
                Answer::Fails(kind) => Err(Error::from(kind).into()),
                Answer::Hangs => pending().await,
            }
        })
    }
}

const DOWN: Answer = Answer::Status(503);

fn request(method: Method) -> Request<String> {
    Request::builder().method(method).uri("/").body("lamps".to_owned()).unwrap()
}

/// The layer of a retry that repeats at once.
fn retry() -> RetryLayer {
    RetryLayer::new(Retry::new().max(2).base(Duration::ZERO))
}

#[tokio::test]
async fn only_idempotent_requests_are_retried() {
    let _world = testing::isolate();
    let refused = Answer::Fails(ErrorKind::ConnectionRefused);
    let reset = Answer::Fails(ErrorKind::ConnectionReset);
    let keyed = |key: &str, mut request: Request<String>| {
        request.headers_mut().insert("idempotency-key", key.parse().unwrap());
        request
    };
    for (request, answers, calls) in [
        (request(Method::GET), [DOWN, DOWN], 3),
        (request(Method::PUT), [DOWN, reset], 3),
        (request(Method::DELETE), [reset, DOWN], 3),
        (request(Method::POST), [DOWN, DOWN], 1),
        (request(Method::POST), [reset, reset], 1),
        (request(Method::PATCH), [DOWN, DOWN], 1),
        (request(Method::POST), [refused, refused], 3),
        (request(Method::POST), [refused, reset], 2),
        (keyed("7", request(Method::POST)), [DOWN, reset], 3),
        (keyed("", request(Method::POST)), [DOWN, reset], 1),
        (request(Method::GET), [Answer::Status(404), DOWN], 1),
        (request(Method::GET), [DOWN, Answer::Status(501)], 2),
    ] {
        let text = format!("{} {answers:?}", request.method());
        let service = Scripted::new(&answers);
        let _ = retry().layer(service.clone()).oneshot(request).await;
        assert_eq!(service.calls(), calls, "{text}");
        assert_eq!(service.shared.reserved.load(Ordering::Relaxed), 0, "{text}");
    }
}

#[tokio::test]
async fn a_body_that_cannot_be_cloned_is_sent_once() {
    let _world = testing::isolate();
    for (body, calls) in [(Body::empty(), 3), (Body::from("lamps"), 1)] {
        let service = Scripted::new(&[DOWN, DOWN]);
        let put = Request::put("/").body(body).unwrap();
        let answer = retry().empty_bodies().layer(service.clone()).oneshot(put).await.unwrap();
        assert_eq!((service.calls(), answer.status().as_u16()), (calls, if calls == 3 { 200 } else { 503 }));
    }
    // A function decides, and may end the copies.
    let service = Scripted::new(&[DOWN, DOWN, DOWN]);
    let copies = Arc::new(AtomicU32::new(0));
    let copy = move |request: &Request<String>| {
        (copies.fetch_add(1, Ordering::Relaxed) < 1).then(|| request.clone())
    };
    let answer = retry().repeated_by(copy).layer(service.clone()).oneshot(request(Method::POST)).await;
    assert_eq!((service.calls(), answer.unwrap().status()), (2, StatusCode::SERVICE_UNAVAILABLE));
}

/// Returns a function that copies a request, and counts in `copied`.
fn counting(copied: &Arc<AtomicU32>) -> impl Fn(&Request<String>) -> Option<Request<String>> + Clone + use<> {
    let copied = Arc::clone(copied);
    move |request| {
        copied.fetch_add(1, Ordering::Relaxed);
        Some(request.clone())
    }
}

#[tokio::test]
async fn a_request_is_not_copied_for_an_attempt_that_cannot_follow() {
    const LIMITED: &[Rule] = &[Rule::new(Category::RateLimited).max(1).base(Duration::ZERO)];
    let at_once = Retry::new().base(Duration::ZERO);
    let busy = Answer::Status(429);
    for (retry, answers, calls, copies) in [
        (at_once.max(0), [DOWN, DOWN, DOWN], 1, 0),
        (at_once.max(1), [DOWN, DOWN, DOWN], 2, 1),
        (at_once.max(2), [DOWN, DOWN, DOWN], 3, 2),
        (at_once.max(1), [Answer::Status(200), DOWN, DOWN], 1, 1),
        (at_once.max(1).on(LIMITED), [DOWN, busy, DOWN], 3, 2),
    ] {
        let _world = testing::isolate();
        let (service, copied) = (Scripted::new(&answers), Arc::new(AtomicU32::new(0)));
        let retried = RetryLayer::new(retry).repeated_by(counting(&copied)).layer(service.clone());
        let _ = retried.oneshot(request(Method::GET)).await;
        assert_eq!((service.calls(), copied.load(Ordering::Relaxed)), (calls, copies), "{answers:?}");
    }
}

#[tokio::test]
async fn a_failed_retry_that_no_copy_follows_gives_up() {
    static BUDGET: Budget = Budget::new();
    const INVALID: &[Rule] = &[Rule::new(Category::Invalid).max(5).base(Duration::ZERO)];
    // By its category or by a rule the retry would try again each time, but the second request is the last.
    for (status, rules) in [(503, &[] as &[Rule]), (400, INVALID)] {
        let world = testing::isolate();
        let service = Scripted::new(&[Answer::Status(status); 3]);
        let retry = Retry::new().max(2).base(Duration::ZERO).on(rules).budget(&BUDGET).name("shop");
        let copies = Arc::new(AtomicU32::new(0));
        let copy = move |request: &Request<String>| {
            (copies.fetch_add(1, Ordering::Relaxed) < 1).then(|| request.clone())
        };
        let retried = RetryLayer::new(retry).repeated_by(copy).layer(service.clone());
        let answer = retried.oneshot(request(Method::GET)).await.unwrap();
        assert_eq!((service.calls(), answer.status().as_u16()), (2, status));
        assert_eq!(BUDGET.tokens(), 495, "no token comes back without a success");
        let events = world.events();
        let Some(Event::GaveUp { attempt: 2, reason, .. }) = events.last() else { panic!("{events:?}") };
        assert_eq!(*reason, "the request cannot be copied again");
    }
}

#[tokio::test]
async fn the_clones_of_a_service_share_the_budget_of_the_retry() {
    let _world = testing::isolate();
    let service = Scripted::new(&[DOWN; 1000]);
    let retried = retry().layer(service.clone());
    for _ in 0..200 {
        let _ = retried.clone().oneshot(request(Method::GET)).await;
    }
    // 500 tokens, 5 for each retry.
    assert_eq!(service.calls(), 200 + 100);
    let unlimited = RetryLayer::new(Retry::new().max(2).base(Duration::ZERO).budget_of(BudgetOf::None));
    let service = Scripted::new(&[DOWN; 1000]);
    let retried = unlimited.layer(service.clone());
    for _ in 0..200 {
        let _ = retried.clone().oneshot(request(Method::GET)).await;
    }
    assert_eq!(service.calls(), 600);
}

#[tokio::test]
async fn retry_after_of_the_service_is_honoured() {
    let world = testing::isolate();
    let calls = Arc::new(AtomicU32::new(0));
    let service = service_fn(move |_: Request<String>| {
        let is_first = calls.fetch_add(1, Ordering::Relaxed) == 0;
        let status = if is_first { 429 } else { 200 };
        let response = Response::builder().status(status).header("retry-after", "7").body(()).unwrap();
        std::future::ready(Ok::<_, BoxError>(response))
    });
    let retry = RetryLayer::new(Retry::new().jitter(resilience::Jitter::None));
    assert_eq!(retry.layer(service).oneshot(request(Method::GET)).await.unwrap().status(), 200);
    assert_eq!(world.waits(), [7 * SECOND]);
}

#[tokio::test]
async fn a_breaker_judges_responses_by_their_status() {
    let _world = testing::isolate();
    let breaker = Arc::new(CircuitBreaker::new("api").threshold(2));
    let service = Scripted::new(&[DOWN, Answer::Status(404), DOWN, DOWN]);
    let guarded = CircuitBreakerLayer::new(Arc::clone(&breaker)).layer(service.clone());
    for status in [503, 404, 503] {
        assert_eq!(guarded.clone().oneshot(request(Method::GET)).await.unwrap().status(), status);
        assert_eq!(breaker.state(), State::Closed, "404 is an answer");
    }
    assert_eq!(guarded.clone().oneshot(request(Method::GET)).await.unwrap().status(), 503);
    assert_eq!(breaker.state(), State::Open);
    let rejected = guarded.oneshot(request(Method::GET)).await.unwrap_err();
    assert!(matches!(rejected.downcast_ref(), Some(Rejected::CircuitOpen { .. })));
    assert_eq!((service.calls(), service.shared.reserved.load(Ordering::Relaxed)), (4, 0));
}

#[tokio::test]
async fn errors_of_a_service_count_by_their_category() {
    let _world = testing::isolate();
    let breaker = Arc::new(CircuitBreaker::new("api").threshold(1));
    let kinds = [ErrorKind::NotFound, ErrorKind::ConnectionReset].map(Answer::Fails);
    let guarded = CircuitBreakerLayer::new(Arc::clone(&breaker)).layer(Scripted::new(&kinds));
    assert!(guarded.clone().oneshot(request(Method::GET)).await.is_err());
    assert_eq!(breaker.state(), State::Closed);
    assert!(guarded.oneshot(request(Method::GET)).await.is_err());
    assert_eq!(breaker.state(), State::Open);
}

#[tokio::test]
async fn other_responses_are_judged_by_a_function() {
    let _world = testing::isolate();
    let calls = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&calls);
    let service = service_fn(move |n: u32| {
        counted.fetch_add(1, Ordering::Relaxed);
        std::future::ready(Ok::<u32, BoxError>(n))
    });
    let is_odd = |n: &u32| (n % 2 == 1).then_some(Category::Unavailable);
    let breaker = Arc::new(CircuitBreaker::new("odd").threshold(3));
    let guarded = CircuitBreakerLayer::new(Arc::clone(&breaker)).judged_by(is_odd).layer(service);
    let retried = retry().judged_by(is_odd).repeated_by(|n: &u32| Some(*n)).layer(guarded);
    assert_eq!(retried.clone().oneshot(2).await.unwrap(), 2);
    assert_eq!(retried.oneshot(1).await.unwrap(), 1);
    assert_eq!((calls.load(Ordering::Relaxed), breaker.state()), (4, State::Open));
}

/// Polls a service for readiness 1,000 times, each in a clone that is dropped, and once more.
async fn only_asks<S, Req>(service: &S, request: Req)
where
    S: Service<Req, Response: std::fmt::Debug, Error: std::fmt::Debug> + Clone,
{
    for _ in 0..1000 {
        let mut clone = service.clone();
        for _ in 0..3 {
            poll_fn(|cx| clone.poll_ready(cx)).await.unwrap();
        }
    }
    let mut last = service.clone();
    poll_fn(|cx| last.poll_ready(cx)).await.unwrap();
    // A call that is never polled takes nothing either.
    drop(last.call(request));
}

#[tokio::test]
async fn polling_readiness_acquires_nothing() {
    let world = testing::isolate();
    let service = Scripted::new(&[DOWN]);
    let get = || request(Method::GET);

    let bulkhead = Arc::new(Bulkhead::new("api", 1));
    let layered = BulkheadLayer::new(Arc::clone(&bulkhead)).layer(service.clone());
    only_asks(&layered, get()).await;
    assert_eq!(bulkhead.snapshot().in_use, 0);

    let limited = RateLimitLayer::new(RateLimit::new("api", 1, SECOND)).layer(service.clone());
    only_asks(&limited, get()).await;
    assert_eq!(limited.clone().oneshot(get()).await.unwrap().status(), 503);
    assert!(limited.oneshot(get()).await.is_err(), "one in a second");

    let breaker = Arc::new(CircuitBreaker::new("api").threshold(1));
    breaker.acquire().unwrap().failure(&Category::Unavailable);
    world.advance(60 * SECOND);
    let guarded = CircuitBreakerLayer::new(Arc::clone(&breaker)).layer(service.clone());
    only_asks(&guarded, get()).await;
    assert_eq!(guarded.oneshot(get()).await.unwrap().status(), 200, "the probe");
    assert_eq!(breaker.state(), State::Closed);

    only_asks(&retry().layer(service.clone()), get()).await;
    only_asks(&hedge(1).layer(service.clone()), get()).await;
    only_asks(&TimeoutLayer::new(Timeout::new(SECOND)).layer(service.clone()), get()).await;
    let adaptive = Arc::new(AdaptiveTimeout::new("api", SECOND, 2 * SECOND));
    only_asks(&AdaptiveTimeoutLayer::new(Arc::clone(&adaptive)).layer(service.clone()), get()).await;
    assert_eq!(adaptive.snapshot().samples, 0);
    only_asks(&FallbackLayer::new(Fallback::new("api"), stand_in).layer(service.clone()), get()).await;
    assert_eq!((service.calls(), service.shared.reserved.load(Ordering::Relaxed)), (2, 0));
}

#[tokio::test(start_paused = true)]
async fn an_outer_timeout_counts_as_a_failure_of_the_breaker() {
    let _world = testing::isolate();
    let breaker = Arc::new(CircuitBreaker::new("api").threshold(1));
    let service = ServiceBuilder::new()
        .layer(TimeoutLayer::new(Timeout::new(SECOND)))
        .layer(CircuitBreakerLayer::new(Arc::clone(&breaker)))
        .service(Scripted::new(&[Answer::Hangs]));
    let late = service.oneshot(request(Method::GET)).await.unwrap_err();
    assert!(matches!(late.downcast_ref(), Some(Rejected::TimedOut { .. })));
    assert_eq!(classify::of(&*late).category, Category::Timeout);
    assert_eq!(breaker.state(), State::Open);
}

#[tokio::test(start_paused = true)]
async fn a_dropped_call_releases_everything() {
    let _world = testing::isolate();
    let (bulkhead, breaker) =
        (Arc::new(Bulkhead::new("api", 1)), Arc::new(CircuitBreaker::new("api").threshold(1)));
    let service = ServiceBuilder::new()
        .layer(retry())
        .layer(CircuitBreakerLayer::new(Arc::clone(&breaker)))
        .layer(BulkheadLayer::new(Arc::clone(&bulkhead)))
        .service(Scripted::new(&[Answer::Hangs]));
    let mut call = Box::pin(service.clone().oneshot(request(Method::GET)));
    assert!(poll_fn(|cx| Poll::Ready(call.as_mut().poll(cx))).await.is_pending());
    assert_eq!(bulkhead.snapshot().in_use, 1);
    drop(call);
    assert_eq!((bulkhead.snapshot().in_use, breaker.state()), (0, State::Closed));
    assert_eq!(service.oneshot(request(Method::GET)).await.unwrap().status(), 200);
}

/// The layer of a hedge that waits a second before each of up to `max` extra requests.
fn hedge(max: u32) -> HedgeLayer {
    HedgeLayer::new(Hedge::new("api", SECOND).max(max))
}

#[tokio::test(start_paused = true)]
async fn a_slow_request_is_hedged() {
    let _world = testing::isolate();
    let service = Scripted::new(&[Answer::Hangs]);
    let hedged = hedge(1).layer(service.clone());
    assert_eq!(hedged.clone().oneshot(request(Method::GET)).await.unwrap().status(), 200);
    assert_eq!((service.calls(), service.shared.reserved.load(Ordering::Relaxed)), (2, 0));

    let service = Scripted::new(&[Answer::Late(200, 3 * SECOND), DOWN]);
    let answer = hedge(1).layer(service.clone()).oneshot(request(Method::GET)).await;
    assert_eq!(answer.unwrap().status(), 200, "the first answer that is no failure");
    let service = Scripted::new(&[Answer::Late(500, 3 * SECOND), DOWN]);
    let answer = hedge(1).layer(service.clone()).oneshot(request(Method::GET)).await;
    assert_eq!(answer.unwrap().status(), 503, "the first failure");

    let service = Scripted::new(&[Answer::Late(200, 5 * SECOND), DOWN, Answer::Late(204, SECOND)]);
    let hedged = hedge(2).layer(service.clone());
    assert_eq!(hedged.oneshot(request(Method::PUT)).await.unwrap().status(), 204);
    assert_eq!(service.calls(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_hedged_request_is_not_copied_for_one_that_cannot_follow() {
    for (max, answers, calls, copies) in [
        (1, [Answer::Hangs, Answer::Status(200), DOWN], 2, 1),
        (1, [Answer::Status(200), DOWN, DOWN], 1, 1),
        (2, [Answer::Hangs, Answer::Hangs, Answer::Status(200)], 3, 2),
    ] {
        let _world = testing::isolate();
        let (service, copied) = (Scripted::new(&answers), Arc::new(AtomicU32::new(0)));
        let hedged = hedge(max).repeated_by(counting(&copied)).layer(service.clone());
        assert_eq!(hedged.oneshot(request(Method::GET)).await.unwrap().status(), 200);
        assert_eq!((service.calls(), copied.load(Ordering::Relaxed)), (calls, copies), "{answers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn non_idempotent_requests_are_not_hedged() {
    let _world = testing::isolate();
    let service = Scripted::new(&[Answer::Late(200, 3 * SECOND)]);
    assert_eq!(hedge(1).layer(service.clone()).oneshot(request(Method::POST)).await.unwrap().status(), 200);
    assert_eq!(service.calls(), 1);

    let service = Scripted::new(&[Answer::Late(200, 3 * SECOND)]);
    let mut keyed = request(Method::POST);
    keyed.headers_mut().insert("idempotency-key", "7".parse().unwrap());
    hedge(1).layer(service.clone()).oneshot(keyed).await.unwrap();
    assert_eq!(service.calls(), 2);

    let service = Scripted::new(&[Answer::Late(200, 3 * SECOND)]);
    let streams = hedge(1).empty_bodies().layer(service.clone());
    streams.oneshot(Request::new(streamed())).await.unwrap();
    assert_eq!(service.calls(), 1, "a stream cannot be sent twice");

    // The function makes one copy only: the second extra request is not sent, and is no outcome.
    let service = Scripted::new(&[Answer::Late(200, 9 * SECOND), Answer::Hangs]);
    let copies = Arc::new(AtomicU32::new(0));
    let once = hedge(2).repeated_by(move |request: &Request<String>| {
        (copies.fetch_add(1, Ordering::Relaxed) == 0).then(|| request.clone())
    });
    assert_eq!(once.layer(service.clone()).oneshot(request(Method::POST)).await.unwrap().status(), 200);
    assert_eq!(service.calls(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_hedge_respects_the_policies_below() {
    let _world = testing::isolate();
    let service = Scripted::new(&[Answer::Late(200, 3 * SECOND)]);
    let bulkhead = Arc::new(Bulkhead::new("api", 1));
    let stack = ServiceBuilder::new()
        .layer(hedge(1))
        .layer(BulkheadLayer::new(Arc::clone(&bulkhead)))
        .service(service.clone());
    let answer = stack.oneshot(request(Method::GET)).await.unwrap();
    assert_eq!((answer.status().as_u16(), service.calls(), bulkhead.snapshot().in_use), (200, 1, 1));
    drop(answer);
    assert_eq!(bulkhead.snapshot().in_use, 0);
}

#[tokio::test(start_paused = true)]
async fn an_adaptive_timeout_follows_the_service() {
    let _world = testing::isolate();
    let timeout = Arc::new(AdaptiveTimeout::new("api", Duration::from_millis(100), 10 * SECOND));
    let layer = AdaptiveTimeoutLayer::new(Arc::clone(&timeout));
    let answers = [Answer::Late(200, SECOND); 100];
    let service = layer.layer(Scripted::new(&answers));
    for _ in 0..100 {
        service.clone().oneshot(request(Method::GET)).await.unwrap();
    }
    assert!(timeout.limit() < 3 * SECOND, "{:?}", timeout.limit());
    let late = layer.layer(Scripted::new(&[Answer::Hangs])).oneshot(request(Method::GET)).await.unwrap_err();
    assert!(matches!(late.downcast_ref(), Some(Rejected::TimedOut { .. })));
}

#[tokio::test]
async fn each_host_has_its_own_breaker() {
    let _world = testing::isolate();
    let hosts = Arc::new(CircuitBreakers::new().name("hosts").threshold(2));
    let host = |request: &Request<String>| request.uri().host().unwrap_or_default().to_owned();
    let service = CircuitBreakerLayer::by_key(Arc::clone(&hosts), host).layer(Scripted::new(&[DOWN, DOWN]));
    let to = |host: &str| Request::get(format!("http://{host}/")).body(String::new()).unwrap();
    for _ in 0..2 {
        assert_eq!(service.clone().oneshot(to("down.example")).await.unwrap().status(), 503);
    }
    let rejected = service.clone().oneshot(to("down.example")).await.unwrap_err();
    assert!(matches!(rejected.downcast_ref(), Some(Rejected::CircuitOpen { .. })));
    assert_eq!(service.oneshot(to("up.example")).await.unwrap().status(), 200);
    assert_eq!(hosts.get("down.example").state(), State::Open);
    assert_eq!(hosts.keys(), ["down.example", "up.example"]);
}

/// Answers in place of a service, unless it has not found anything.
async fn stand_in(class: Classification) -> Option<Response<String>> {
    (class.category != Category::NotFound).then(|| Response::new(format!("instead of {}", class.category)))
}

#[tokio::test]
async fn a_fallback_answers_failures_of_its_categories() {
    let _world = testing::isolate();
    const ON: &[Category] = &[Category::Unavailable, Category::Connection, Category::NotFound];
    let answers = [DOWN, Answer::Fails(ErrorKind::ConnectionReset), Answer::Status(404), Answer::Status(401)];
    let layer = FallbackLayer::new(Fallback::new("api").on(ON), stand_in);
    let service = layer.layer(Scripted::new(&answers));
    let mut answers = Vec::new();
    for _ in 0..5 {
        let answer = service.clone().oneshot(request(Method::POST)).await.unwrap();
        answers.push((answer.status().as_u16(), answer.into_body()));
    }
    let answers: Vec<_> = answers.iter().map(|(status, body)| (*status, body.as_str())).collect();
    let expected = [
        (200, "instead of unavailable"),
        (200, "instead of connection"),
        (404, "lamp"),
        (401, "lamp"),
        (200, "lamp"),
    ];
    assert_eq!(answers, expected);
}

/// A body of three parts.
fn streamed() -> Body {
    Body::from_stream(futures::stream::iter(["a", "b", "c"]).map(Ok::<_, Infallible>))
}

#[tokio::test]
async fn a_streamed_response_holds_its_slot_until_its_end() {
    let _world = testing::isolate();
    let bulkhead = Arc::new(Bulkhead::new("api", 1));
    let answer = |body: fn() -> Body| {
        let service = service_fn(move |_: ()| std::future::ready(Ok::<_, BoxError>(Response::new(body()))));
        BulkheadLayer::new(Arc::clone(&bulkhead)).layer(service).oneshot(())
    };
    let in_use = || bulkhead.snapshot().in_use;
    let mut body = Box::pin(answer(streamed).await.unwrap().into_body());
    for _ in 0..3 {
        assert_eq!(in_use(), 1);
        assert!(matches!(answer(streamed).await, Err(error) if error.is::<Rejected>()));
        assert!(poll_fn(|cx| body.as_mut().poll_frame(cx)).await.is_some());
    }
    assert!(poll_fn(|cx| body.as_mut().poll_frame(cx)).await.is_none());
    assert_eq!(in_use(), 0, "it has ended");

    let response = answer(streamed).await.unwrap();
    assert_eq!(in_use(), 1);
    drop(response);
    assert_eq!(in_use(), 0, "it was dropped");

    let empty = answer(Body::empty).await.unwrap();
    assert_eq!(in_use(), 0, "there is nothing to wait for");
    assert!(empty.body().is_end_stream());

    fn breaks() -> Body {
        Body::from_stream(futures::stream::iter([Ok("a"), Err(Error::from(ErrorKind::BrokenPipe))]))
    }
    let mut broken = Box::pin(answer(breaks).await.unwrap().into_body());
    assert!(poll_fn(|cx| broken.as_mut().poll_frame(cx)).await.unwrap().is_ok());
    assert_eq!(in_use(), 1);
    assert!(poll_fn(|cx| broken.as_mut().poll_frame(cx)).await.unwrap().is_err());
    assert_eq!(in_use(), 0);
}

#[tokio::test]
async fn a_service_without_bodies_frees_its_slot_with_its_response() {
    let _world = testing::isolate();
    let bulkhead = Arc::new(Bulkhead::new("api", 1));
    let service = service_fn(async |n: u32| Ok::<u32, BoxError>(n));
    let service = BulkheadLayer::new(Arc::clone(&bulkhead)).until_response().layer(service);
    assert_eq!(service.oneshot(7).await.unwrap(), 7);
    assert_eq!(bulkhead.snapshot().in_use, 0);
}

#[tokio::test]
async fn an_adaptive_bulkhead_follows_the_responses() {
    let world = testing::isolate();
    let bulkhead = Arc::new(Bulkhead::new("api", 20).adaptive());
    let before = bulkhead.snapshot().slots;
    let guarded = BulkheadLayer::new(Arc::clone(&bulkhead)).layer(Scripted::new(&[DOWN; 3]));
    for _ in 0..3 {
        assert_eq!(guarded.clone().oneshot(request(Method::GET)).await.unwrap().status(), 503);
        world.advance(2 * SECOND);
    }
    assert!(bulkhead.snapshot().slots < before, "{}", bulkhead.snapshot());
}

/// Answers the errors of the policies.
async fn refused(error: BoxError) -> (StatusCode, String) {
    let status = match error.downcast_ref::<Rejected>() {
        Some(Rejected::TimedOut { .. }) => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, error.to_string())
}

#[tokio::test]
async fn the_clones_of_an_axum_router_share_one_state() {
    let _world = testing::isolate();
    let breaker = Arc::new(CircuitBreaker::new("route").threshold(3));
    let layers = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(refused))
        .layer(CircuitBreakerLayer::new(Arc::clone(&breaker)))
        .layer(BoxErrorLayer);
    let router = Router::new().route("/", get(async || StatusCode::BAD_GATEWAY)).layer(layers);
    for _ in 0..3 {
        let answer = router.clone().oneshot(Request::new(Body::empty())).await.unwrap();
        assert_eq!(answer.status(), StatusCode::BAD_GATEWAY);
    }
    assert_eq!(breaker.state(), State::Open);
    let answer = router.oneshot(Request::new(Body::empty())).await.unwrap();
    assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn the_layers_work_around_a_reqwest_client() {
    let _world = testing::isolate();
    let script = Arc::new(Mutex::new(VecDeque::<u16>::new()));
    let seen = Arc::new(AtomicU32::new(0));
    let answer = {
        let (script, seen) = (Arc::clone(&script), Arc::clone(&seen));
        move || {
            seen.fetch_add(1, Ordering::Relaxed);
            let status = script.lock().unwrap().pop_front().unwrap_or(200);
            std::future::ready((StatusCode::from_u16(status).unwrap(), "lamp"))
        }
    };
    let router = Router::new().route("/stock", get(answer.clone()).post(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/stock", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { axum::serve(listener, router).await });

    let (breaker, bulkhead) =
        (Arc::new(CircuitBreaker::new("stock").threshold(3)), Arc::new(Bulkhead::new("stock", 1)));
    let client = reqwest_middleware::ClientBuilder::new(reqwest::Client::new())
        .with(retry())
        .with(CircuitBreakerLayer::new(Arc::clone(&breaker)))
        .with(RateLimitLayer::new(RateLimit::new("stock", 100, SECOND)))
        .with(BulkheadLayer::new(Arc::clone(&bulkhead)))
        .with(TimeoutLayer::new(Timeout::new(60 * SECOND)))
        .build();
    let calls = |statuses: &[u16]| {
        *script.lock().unwrap() = statuses.iter().copied().collect();
        seen.store(0, Ordering::Relaxed);
    };

    calls(&[503, 503]);
    let found = client.get(&url).send().await.unwrap();
    assert_eq!((found.status().as_u16(), seen.load(Ordering::Relaxed)), (200, 3));
    assert_eq!(found.url().as_str(), url);
    assert_eq!(bulkhead.snapshot().in_use, 1, "the answer is not read yet");
    assert!(client.get(&url).send().await.unwrap_err().to_string().contains("too many calls"));
    assert_eq!(found.text().await.unwrap(), "lamp");
    assert_eq!(bulkhead.snapshot().in_use, 0);

    calls(&[503]);
    assert_eq!(client.post(&url).body("lamps").send().await.unwrap().status().as_u16(), 503);
    assert_eq!(seen.load(Ordering::Relaxed), 1, "a POST is sent once");
    calls(&[503]);
    let keyed = client.post(&url).header("idempotency-key", "7").body("lamps");
    assert_eq!((keyed.send().await.unwrap().status().as_u16(), seen.load(Ordering::Relaxed)), (200, 2));

    // A status that HTTP does not know is a failure, for a client as for a service.
    calls(&[600]);
    assert_eq!(client.post(&url).send().await.unwrap().status().as_u16(), 600);
    assert_eq!(breaker.snapshot().failures, 1);
    calls(&[]);
    assert_eq!(client.get(&url).send().await.unwrap().status().as_u16(), 200);

    calls(&[503; 9]);
    let rejected = client.get(&url).send().await;
    assert_eq!(rejected.unwrap().status().as_u16(), 503);
    assert_eq!(breaker.state(), State::Open);
    let rejected = client.get(&url).send().await.unwrap_err();
    assert_eq!(classify::of(&rejected).category, Category::Rejected, "{rejected}");
    assert_eq!(seen.load(Ordering::Relaxed), 3);
    server.abort();
}

#[tokio::test]
async fn a_server_on_loopback_holds_a_slot_until_a_stream_has_been_sent() {
    let bulkhead = Arc::new(Bulkhead::new("downloads", 1));
    let (parts, from_test) = tokio::sync::mpsc::unbounded_channel::<&'static str>();
    let from_test = Arc::new(Mutex::new(Some(from_test)));
    let download = move || {
        let parts = from_test.lock().unwrap().take();
        let parts = futures::stream::unfold(parts, async |mut parts| {
            let part = parts.as_mut()?.recv().await?;
            Some((Ok::<_, Infallible>(part), parts))
        });
        std::future::ready(Body::from_stream(parts))
    };
    let layers = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(refused))
        .layer(BulkheadLayer::new(Arc::clone(&bulkhead)))
        .layer(BoxErrorLayer);
    let router = Router::new().route("/", get(download)).layer(layers);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let server = tokio::spawn(async move { axum::serve(listener, router).await });
    let client = reqwest::Client::new();
    parts.send("first").unwrap();
    let mut first = client.get(&url).send().await.unwrap();
    assert_eq!(first.chunk().await.unwrap().as_deref(), Some(&b"first"[..]));
    let second = client.get(&url).send().await.unwrap();
    assert_eq!(second.status().as_u16(), 503, "the first one is still being sent");
    assert!(second.text().await.unwrap().contains("too many calls"));
    parts.send("last").unwrap();
    drop(parts);
    assert_eq!(first.chunk().await.unwrap().as_deref(), Some(&b"last"[..]));
    assert_eq!(first.chunk().await.unwrap(), None);
    assert_eq!(bulkhead.snapshot().in_use, 0);
    assert_eq!(client.get(&url).send().await.unwrap().status().as_u16(), 200);
    server.abort();
}

#[tokio::test]
async fn a_layered_reqwest_client_hedges_and_has_a_breaker_per_host() {
    let seen = Arc::new(AtomicU32::new(0));
    let answer = {
        let seen = Arc::clone(&seen);
        async move || {
            // The first request hangs; any other is answered.
            if seen.fetch_add(1, Ordering::Relaxed) == 0 {
                pending::<()>().await;
            }
            "lamp"
        }
    };
    let router = Router::new().route("/stock", get(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port_of = listener.local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port_of}/stock");
    let server = tokio::spawn(async move { axum::serve(listener, router).await });

    // Every call is slower than that.
    let hosts = CircuitBreakers::new().name("hosts").slow(Duration::from_nanos(1)).min_calls(1);
    let hosts = Arc::new(hosts);
    let port = |request: &reqwest::Request| request.url().port().unwrap_or_default();
    let client = reqwest_middleware::ClientBuilder::new(reqwest::Client::new())
        .with(AdaptiveTimeoutLayer::new(AdaptiveTimeout::new("stock", 60 * SECOND, 120 * SECOND)))
        .with(HedgeLayer::new(Hedge::new("stock", Duration::from_millis(20))))
        .with(CircuitBreakerLayer::by_key(Arc::clone(&hosts), port))
        .build();
    let found = client.get(&url).send().await.unwrap();
    assert_eq!((found.text().await.unwrap(), seen.load(Ordering::Relaxed)), ("lamp".to_owned(), 2));
    assert_eq!(hosts.keys(), [port_of.to_string()]);
    assert_eq!(hosts.get(&port_of).state(), State::Open, "the call was slow");
    let rejected = client.get(&url).send().await.unwrap_err();
    assert_eq!(classify::of(&rejected).category, Category::Rejected, "{rejected}");
    server.abort();
}
