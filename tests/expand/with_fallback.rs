#[with_fallback(cached)]
fn sync(id: u32, name: &str) -> Result<String, Error> {
    fetch(id, name)
}
#[with_fallback(cached)]
async fn asynchronous(id: u32, name: &str) -> Result<String, Error> {
    fetch(id, name).await
}
impl Service {
    #[with_fallback(cached)]
    async fn method(&self, id: u32) -> Result<String, Error> {
        self.fetch(id).await
    }
}
