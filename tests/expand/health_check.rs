#[health_check("database", timeout = 500ms, critical)]
fn database() -> Result<(), io::Error> {
    connect()
}

#[health_check("search")]
#[with_retry(max = 2)]
async fn search() -> Result<String, Failure> {
    look().await
}

#[health_check("model:{name}", each = MODELS)]
async fn model(name: &str) -> Result<Answer, Failure> {
    ask(name).await
}

#[health_check("disk:{number}", each = [1, 2])]
fn disk(number: u32) {
    look_at(number);
}
