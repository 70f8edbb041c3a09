#[checkpoint("page:{id}:{name}")]
fn sync(id: u32, name: &str) -> Result<String, Error> {
    fetch(id, name)
}
#[checkpoint("page:{id}:{name}", ttl = 7d, rollback = remove)]
async fn asynchronous(id: u32, name: &str) -> Result<String, Error> {
    fetch(id, name).await
}
impl Service {
    #[checkpoint("page:{self.tenant}:{id}")]
    async fn method(&self, id: u32) -> Result<String, Error> {
        self.fetch(id).await
    }
}
