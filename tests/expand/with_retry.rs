#[with_retry(max = 3, backoff = 2.0)]
fn sync(id: u32, name: &str) -> Result<String, Error> {
    fetch(id, name)
}
#[with_retry(max = 3, backoff = 2.0)]
async fn asynchronous(id: u32, name: &str) -> Result<String, Error> {
    fetch(id, name).await
}
impl Service {
    #[with_retry(max = 3, backoff = 2.0)]
    async fn method(&self, id: u32) -> Result<String, Error> {
        self.fetch(id).await
    }
}
#[with_retry(max = 3, throttle = 2.0)]
async fn throttled(id: u32) -> Result<String, Error> {
    fetch(id).await
}
#[with_retry(max = 3, budget = SEARCH)]
fn shared(id: u32) -> Result<String, Error> {
    fetch(id)
}
#[with_retry(max = 3, budget = SEARCH)]
async fn shared_later(id: u32) -> Result<String, Error> {
    fetch(id).await
}
