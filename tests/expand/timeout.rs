#[timeout(2s, thread)]
fn sync(id: u32, name: String) -> Result<String, Error> {
    fetch(id, name)
}
#[timeout(2s)]
async fn asynchronous(id: u32, name: &str) -> Result<String, Error> {
    fetch(id, name).await
}
impl Service {
    #[timeout(2s, strict)]
    async fn method(&self, id: u32) -> Result<String, Error> {
        self.fetch(id).await
    }
}
#[timeout(adaptive, floor = 100ms, cap = 10s)]
async fn follows(id: u32, name: &str) -> Result<String, Error> {
    fetch(id, name).await
}
#[with_retry]
#[timeout(adaptive, floor = 100ms, cap = 10s, key = name, thread)]
fn follows_on_thread(id: u32, name: String) -> Result<String, Error> {
    fetch(id, name)
}
