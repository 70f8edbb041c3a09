use resilience::{
    Classify, Rejected, checkpoint, circuit_breaker, job, timeout, with_fallback, with_recovery, with_retry,
};

#[derive(Debug, Classify)]
pub enum Failure {
    #[classify(unavailable)]
    Busy,
    #[classify(transparent)]
    Rejected(Rejected),
}

impl From<Rejected> for Failure {
    fn from(r: Rejected) -> Self {
        Self::Rejected(r)
    }
}

#[with_fallback(value = String::new())]
#[timeout(10s)]
#[with_retry(max = 3, backoff = 2.0)]
#[circuit_breaker(threshold = 5, recovery = 60s)]
#[timeout(2s)]
pub async fn ask(question: &str) -> Result<String, Failure> {
    if question.is_empty() {
        return Err(Failure::Busy);
    }
    Ok(question.to_owned())
}

#[with_retry(max = 3)]
pub fn read(path: &str) -> Result<String, Failure> {
    let text = path.trim();
    Ok(text.to_owned())
}

#[checkpoint("page:{id}:{n}")]
pub fn page(id: &str, n: u32) -> Result<Vec<String>, Failure> {
    Ok(vec![format!("{id}{n}")])
}

#[with_recovery(on(corrupt, rollback), otherwise = escalate)]
#[job("import:{id}")]
pub async fn import(id: u64) -> Result<usize, Failure> {
    let mut rows = 0;
    for n in 0..3 {
        rows += page(&id.to_string(), n)?.len();
    }
    Ok(rows)
}

pub struct Client {
    host: String,
}

impl Client {
    #[with_retry(max = 3)]
    #[circuit_breaker(key = self.host)]
    pub async fn get(&self, n: u32) -> Result<u32, Failure> {
        Ok(n + self.host.len() as u32)
    }
}

pub async fn caller(client: &Client) -> Result<usize, Failure> {
    let answer = ask("a").await?;
    let text = read("b")?;
    let rows = import(7).await?;
    Ok(answer.len() + text.len() + rows + client.get(3).await? as usize)
}
