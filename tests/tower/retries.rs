//! Which requests a retry copies and sends again.

use super::*;

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
