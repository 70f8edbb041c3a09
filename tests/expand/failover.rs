#[failover(model = ["a", "b"])]
#[circuit_breaker(threshold = 5)]
fn borrowed(model: &str) -> Result<String, Error> {
    run(model)
}
#[failover(endpoint = ENDPOINTS, sticky = 60s, on(timeout))]
#[with_retry(max = 3)]
#[rate_limit(10, per = 1s, key = tenant)]
async fn owned(endpoint: Endpoint, tenant: u32) -> Result<String, Error> {
    run(&endpoint, tenant).await
}
