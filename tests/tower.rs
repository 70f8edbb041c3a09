//! The policies as layers of tower, around services of tower and axum.

#[path = "tower/connections.rs"]
mod connections;
#[path = "tower/hedging.rs"]
mod hedging;
#[path = "tower/retries.rs"]
mod retries;
#[path = "tower/streams.rs"]
mod streams;

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

/// Returns a function that copies a request, and counts in `copied`.
fn counting(copied: &Arc<AtomicU32>) -> impl Fn(&Request<String>) -> Option<Request<String>> + Clone + use<> {
    let copied = Arc::clone(copied);
    move |request| {
        copied.fetch_add(1, Ordering::Relaxed);
        Some(request.clone())
    }
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
