#[with_fallback(cached_quote)]
#[timeout(10s)]
#[with_retry(max = 3, backoff = 2.0)]
#[circuit_breaker(threshold = 5, recovery = 60s)]
#[timeout(2s)]
async fn quote(client: &Client, symbol: &str) -> Result<Quote, QuoteError> {
    client.get(symbol).await?.json().await
}
#[with_fallback(cached_quote)]
#[with_retry(max = 3, clone(request), when = |e| e.is_transient(), on(rate_limited, max = 5))]
#[circuit_breaker(key = request.host, unless = |e| e.is_client())]
fn blocking(request: Request, mut seen: u32) -> Result<Quote, QuoteError> {
    seen += 1;
    send(request, seen)
}
