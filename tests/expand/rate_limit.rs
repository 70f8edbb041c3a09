#[rate_limit(100, per = 1s)]
fn sync(id: u32, name: &str) -> Result<String, Error> {
    fetch(id, name)
}
#[with_retry]
#[rate_limit(100, per = 1s, burst = 10, wait = 2s)]
async fn asynchronous(id: u32, name: &str) -> Result<String, Error> {
    fetch(id, name).await
}
impl Service {
    #[rate_limit(100, per = 1s, key = self.host)]
    async fn method(&self, id: u32) -> Result<String, Error> {
        self.fetch(id).await
    }
}
