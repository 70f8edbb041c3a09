#[with_recovery(on(corrupt, rollback), otherwise = escalate)]
fn sync(id: u32, name: &str) -> Result<String, Error> {
    fetch(id, name)
}
#[with_recovery(on(corrupt, rollback), on(severity >= high, manual), rollback = remove)]
async fn asynchronous(id: u32, name: &str) -> Result<String, Error> {
    fetch(id, name).await
}
impl Service {
    #[with_recovery(on(not_found, skip), otherwise = retry)]
    #[with_retry(max = 3, backoff = 2.0)]
    async fn method(&self, id: u32) -> Result<String, Error> {
        self.fetch(id).await
    }
}
