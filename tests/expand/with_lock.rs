#[with_lock("task:{id}")]
fn sync(id: u32, name: &str) -> Result<String, Error> {
    fetch(id, name)
}
#[with_retry]
#[with_lock("task:{id}:{name}", wait = 5s, shared)]
async fn asynchronous(id: u32, name: &str) -> Result<String, Error> {
    fetch(id, name).await
}
impl Service {
    #[with_lock(self.name, common)]
    async fn method(&self, id: u32) -> Result<String, Error> {
        self.fetch(id).await
    }
}
#[with_lock("task:{id}", store = STORE)]
fn leased(id: u32) -> Result<String, Error> {
    fetch(id)
}
#[with_lock("task:{id}", store = &*STORE, lease = 10s)]
async fn leased_later(id: u32) -> Result<String, Error> {
    fetch(id).await
}
