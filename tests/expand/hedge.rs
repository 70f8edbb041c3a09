#[hedge(after = 50ms, idempotent)]
async fn plain(id: u32, name: &str) -> Result<String, Error> {
    fetch(id, name).await
}
#[timeout(10s)]
#[with_retry]
#[hedge(after = 50ms, max = 2, idempotent, clone(name))]
#[timeout(1s)]
async fn retried(id: u32, name: String) -> Result<String, Error> {
    fetch(id, name).await
}
impl Service {
    #[hedge(after = p95, idempotent, key = self.host)]
    async fn method(&self, id: u32) -> Result<String, Error> {
        self.fetch(id).await
    }
}
