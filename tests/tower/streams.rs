//! A response that is streamed holds its slot until its end.

use super::*;

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
