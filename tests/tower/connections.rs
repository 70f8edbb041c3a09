//! The layers around services of axum and reqwest, with real connections.

use super::*;

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
