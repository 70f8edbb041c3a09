#[with_retry(max = 3)]
#[chaos(rate = 2%, fault = Error::Down, lost = Error::Lost, latency = 100ms..2s, panic, seed = 7)]
async fn all(id: u32) -> Result<String, Error> {
    run(id).await
}
#[chaos(rate = 2%, fault = Error::Down)]
fn alone(id: u32) -> Result<String, Error> {
    run(id)
}
