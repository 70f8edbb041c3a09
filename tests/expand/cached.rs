#[cached(ttl = 60s)]
fn sync(id: u32, name: &str) -> Result<String, Error> {
    fetch(id, name)
}
#[cached(ttl = 60s, stale_if_error = 1h)]
#[with_retry(max = 3)]
async fn asynchronous(id: u32) -> Result<String, Error> {
    fetch(id).await
}
impl Service {
    #[cached(instance = self.cache, key = (self.host, id), weight = String::len)]
    async fn method(&self, id: u32) -> Result<String, Error> {
        self.fetch(id).await
    }
}
