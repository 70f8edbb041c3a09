#[circuit_breaker(threshold = 5, recovery = 60s)]
fn sync(id: u32, name: &str) -> Result<String, Error> {
    fetch(id, name)
}
#[circuit_breaker(threshold = 5, recovery = 60s)]
async fn asynchronous(id: u32, name: &str) -> Result<String, Error> {
    fetch(id, name).await
}
impl Service {
    #[circuit_breaker(threshold = 5, recovery = 60s)]
    async fn method(&self, id: u32) -> Result<String, Error> {
        self.fetch(id).await
    }
}
#[circuit_breaker(slow = 2s, slow_rate = 80%)]
async fn measured(id: u32, name: &str) -> Result<String, Error> {
    fetch(id, name).await
}
