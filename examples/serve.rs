//! A server with the routes of its operator: it lists the breaker of each agent, resets one or forces it open, reports
//! readiness, statistics and metrics, and ends at SIGTERM within a limit, although one of its requests never ends.
//!
//! `cargo run --example serve`

use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::{get, post};
use resilience::{Point, Rejected, circuit_breaker, durable, health, metrics, point, shutdown, with_retry};
use std::error::Error;
use std::future::IntoFuture;
use std::io;
use std::process::Command;
use std::time::Duration;
use tokio::sync::Notify;

/// How long requests and jobs may take after the signal.
const LIMIT: Duration = Duration::from_secs(1);

/// The request that never ends has begun.
static BEGUN: Notify = Notify::const_new();

#[with_retry(max = 1, base = 1ms, name = "chat")]
#[circuit_breaker(threshold = 2, recovery = 60s, key = agent)]
async fn chat(agent: &str) -> io::Result<String> {
    match agent {
        "down" => Err(io::ErrorKind::ConnectionRefused.into()),
        "slow" => {
            BEGUN.notify_one();
            std::future::pending().await
        }
        _ => Ok(format!("an answer of {agent}")),
    }
}

// --- The routes. A refused call says that the fault is ours; any other failure is the agent's. ---

type Reply = Result<String, (StatusCode, String)>;

async fn ask(Path(agent): Path<String>) -> Reply {
    chat(&agent).await.map_err(|error| {
        let is_refused = error.get_ref().is_some_and(|inner| inner.is::<Rejected>());
        let status = if is_refused { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::BAD_GATEWAY };
        (status, error.to_string())
    })
}

async fn breakers() -> String {
    let keys = point("chat").map(|point| point.keys()).unwrap_or_default();
    keys.iter().map(|key| format!("{key}\n")).collect()
}

/// Finds the breaker of an agent; one that was never asked has none.
async fn set_breaker(Path((agent, action)): Path<(String, String)>) -> Reply {
    let key = point("chat").map(|point| point.key(agent));
    let Some((key, breaker)) = key.and_then(|key| key.breaker().map(|breaker| (key, breaker))) else {
        return Err((StatusCode::NOT_FOUND, "no such agent".to_owned()));
    };
    match &*action {
        "reset" => breaker.reset(),
        "open" => breaker.force_open(),
        "disable" => breaker.disable(),
        _ => return Err((StatusCode::BAD_REQUEST, "reset, open or disable".to_owned())),
    }
    Ok(key.to_string())
}

async fn ready() -> (StatusCode, String) {
    let ready = health::ready_async().await;
    let status = if ready.is_ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, ready.to_string())
}

async fn statistics() -> String {
    let calls = point("chat").and_then(|point: Point| point.snapshot().calls).unwrap_or_default();
    let wait = durable::recovery_stats().retry_wait_mean.unwrap_or_default();
    let is_short = wait < Duration::from_millis(2);
    format!("{:.0} % succeeded, retries wait shortly: {is_short}", calls.success_rate() * 100.0)
}

fn routes() -> Router {
    Router::new()
        .route("/chat/{agent}", get(ask))
        .route("/breakers", get(breakers))
        .route("/breakers/{agent}/{action}", post(set_breaker))
        .route("/ready", get(ready))
        .route("/statistics", get(statistics))
        .route(
            "/metrics",
            get(|| async { ([("content-type", metrics::CONTENT_TYPE)], metrics::prometheus()) }),
        )
}

// --- A client, and the signal that a service manager sends. ---

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let signal = shutdown::signal()?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let server = axum::serve(listener, routes()).with_graceful_shutdown(shutdown::signal()?);
    let server = tokio::spawn(server.into_future());

    let client = reqwest::Client::new();
    for path in ["chat/up", "chat/down", "chat/down", "breakers", "ready", "statistics"] {
        let response = client.get(format!("{url}/{path}")).send().await?;
        println!("{path}: {} {}", response.status().as_u16(), response.text().await?.trim_end());
    }
    for path in ["breakers/down/reset", "breakers/up/open", "breakers/new/open"] {
        println!("{path}: {}", client.post(format!("{url}/{path}")).send().await?.text().await?);
    }
    let page = client.get(format!("{url}/metrics")).send().await?.text().await?;
    page.lines().filter(|line| line.contains("breaker_opened_total{")).for_each(|line| println!("{line}"));

    let slow = tokio::spawn(client.get(format!("{url}/chat/slow")).send());
    BEGUN.notified().await;
    Command::new("kill").args(["-TERM", &std::process::id().to_string()]).status()?;
    signal.await;
    let (report, served) = tokio::join!(resilience::shutdown(LIMIT), tokio::time::timeout(LIMIT, server));
    println!("{}, requests are {}", report, if served.is_ok() { "finished" } else { "left" });
    slow.abort();
    Ok(())
}
