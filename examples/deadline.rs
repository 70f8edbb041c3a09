//! A client's deadline passes through two services on loopback, each of which works no longer than the client waits.

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use resilience::deadline::{Deadline, Header};
use resilience::{Classify, Rejected, circuit_breaker, point, timeout};
use std::time::Duration;

#[derive(Debug, thiserror::Error, Classify)]
enum AskError {
    #[error(transparent)]
    #[classify(transparent)]
    Client(#[from] reqwest::Error),
    #[error(transparent)]
    #[classify(transparent)]
    Rejected(#[from] Rejected),
}

/// Around every route: works at most 10 s on a request, and no longer than the client waits.
async fn within_deadline(request: Request, next: Next) -> Response {
    let deadline = Deadline::at_most(Duration::from_secs(10)).headers(request.headers()).name("request");
    match deadline.run(next.run(request)).await {
        Ok(response) => response,
        Err(late) => (StatusCode::GATEWAY_TIMEOUT, late.to_string()).into_response(),
    }
}

#[circuit_breaker(threshold = 3, name = "stock")]
#[timeout(2s)]
async fn stock(client: &reqwest::Client, url: &str) -> Result<String, AskError> {
    let mut headers = HeaderMap::new();
    Header::TimeoutMs.write_to(&mut headers)?;
    Ok(client.get(url).headers(headers).send().await?.error_for_status()?.text().await?)
}

/// The second service: it needs 50 ms.
async fn answer(headers: HeaderMap) -> String {
    tokio::time::sleep(Duration::from_millis(50)).await;
    let is_sent = headers.contains_key("x-timeout-ms");
    format!("3 lamps (the time left was sent along: {is_sent})")
}

/// The first service: it asks the second one.
async fn shop(State((client, url)): State<(reqwest::Client, String)>) -> Response {
    match stock(&client, &url).await {
        Ok(text) => text.into_response(),
        Err(error) => (StatusCode::BAD_GATEWAY, error.to_string()).into_response(),
    }
}

async fn serve(routes: Router) -> std::io::Result<String> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move { axum::serve(listener, routes.layer(from_fn(within_deadline))).await });
    Ok(format!("http://{address}/"))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let client = reqwest::Client::new();
    let back = serve(Router::new().route("/", get(answer))).await?;
    let front = serve(Router::new().route("/", get(shop)).with_state((client.clone(), back))).await?;
    let ask = async |timeout: &str| -> Result<(StatusCode, String), reqwest::Error> {
        let response = client.get(&front).header(Header::TimeoutMs.name(), timeout).send().await?;
        Ok((response.status(), response.text().await?))
    };
    for timeout in ["5000", "nonsense", "0"] {
        let (status, text) = ask(timeout).await?;
        println!("x-timeout-ms {timeout}: {status}: {text}");
    }
    let mut late = 0;
    for _ in 0..10 {
        late += u32::from(!ask("5").await?.0.is_success());
    }
    println!("x-timeout-ms 5: {late} of 10 calls were too late");
    let breaker = point("stock").and_then(|point| point.breaker());
    println!("the breaker is {}", breaker.map(|breaker| breaker.state().as_str()).unwrap_or_default());
    Ok(())
}
