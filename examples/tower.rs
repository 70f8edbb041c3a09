//! A whole client and a server in layers: the client repeats, hedges and keeps a breaker for each host; the server works
//! on two requests at once and turns the others away.

use axum::Router;
use axum::error_handling::HandleErrorLayer;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use resilience::tower::{
    BoxError, BoxErrorLayer, BulkheadLayer, CircuitBreakerLayer, HedgeLayer, RetryLayer, TimeoutLayer,
};
use resilience::{Bulkhead, CircuitBreakers, Hedge, Rejected, Retry, Timeout};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use tower::ServiceBuilder;

/// The first two requests fail, and the first one for chairs is never answered.
async fn stock(Path(item): Path<String>) -> Response {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let asked = ASKED.fetch_add(1, Ordering::Relaxed);
    match item.as_str() {
        "lamp" if asked < 2 => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        "chair" if asked == 3 => std::future::pending().await,
        "ghost" => StatusCode::NOT_FOUND.into_response(),
        _ => format!("3 {item}s, request {}", asked + 1).into_response(),
    }
}

/// What a client gets that the server turns away.
async fn refused(error: BoxError) -> (StatusCode, String) {
    let status = match error.downcast_ref() {
        Some(Rejected::TimedOut { .. }) => StatusCode::GATEWAY_TIMEOUT,
        _ => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, error.to_string())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    // The server: at most two requests at once, each of at most 10 s.
    let layers = ServiceBuilder::new()
        .layer(HandleErrorLayer::new(refused))
        .layer(BulkheadLayer::new(Bulkhead::new("requests", 2)))
        .layer(TimeoutLayer::new(Timeout::new(Duration::from_secs(10))))
        .layer(BoxErrorLayer);
    let router = Router::new().route("/{item}", get(stock)).layer(layers);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    tokio::spawn(async move { axum::serve(listener, router).await });

    // The client: three layers around every request.
    let hosts = Arc::new(CircuitBreakers::new().name("hosts").threshold(5));
    let host = |request: &reqwest::Request| request.url().host_str().unwrap_or_default().to_owned();
    let client = reqwest_middleware::ClientBuilder::new(reqwest::Client::new())
        .with(RetryLayer::new(Retry::new().max(3).base(Duration::from_millis(10))))
        .with(HedgeLayer::new(Hedge::new("stock", Duration::from_millis(100))))
        .with(CircuitBreakerLayer::by_key(Arc::clone(&hosts), host))
        .build();

    for item in ["lamp", "chair", "ghost"] {
        let answer = client.get(format!("{url}/{item}")).send().await?;
        println!("{item}: {}: {}", answer.status(), answer.text().await?);
    }
    for breaker in hosts.snapshot() {
        println!("{breaker}");
    }
    Ok(())
}
