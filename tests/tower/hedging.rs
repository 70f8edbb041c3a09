//! Which requests are sent twice.

use super::*;

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
