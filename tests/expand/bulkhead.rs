#[bulkhead(16)]
fn sync(id: u32, name: &str) -> Result<String, Error> {
    fetch(id, name)
}
#[bulkhead(16, wait = 100ms, queue = 32)]
async fn asynchronous(id: u32, name: &str) -> Result<String, Error> {
    fetch(id, name).await
}
#[bulkhead(adaptive, floor = 2, cap = 100, wait = 1s)]
async fn adaptive(id: u32) -> Result<String, Error> {
    fetch(id).await
}
#[bulkhead(16, wait = 1s)]
#[timeout(2s, thread)]
fn on_thread(id: u32, name: String) -> Result<String, Error> {
    fetch(id, name)
}
impl Service {
    #[bulkhead(16, key = self.host)]
    async fn method(&self, id: u32) -> Result<String, Error> {
        self.fetch(id).await
    }
}
