#[job("import:{id}")]
fn sync(id: u32, name: &str) -> Result<String, Error> {
    fetch(id, name)
}
#[job("import:{id}", provided(client))]
async fn asynchronous(id: u32, client: &Client) -> Result<String, Error> {
    client.fetch(id).await
}
impl Service {
    #[job("import:{id}", on = Service)]
    async fn method(&self, id: u32) -> Result<String, Error> {
        self.fetch(id).await
    }
}
