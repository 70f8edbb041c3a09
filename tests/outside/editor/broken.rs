use crate::Failure;
use resilience::{with_retry, circuit_breaker, timeout};

#[with_retry(max = 3, bakoff = 2.0)]
pub fn misspelt(path: &str) -> Result<String, Failure> {
    Ok(path.to_owned())
}

#[with_retry(max = 3)]
#[circuit_breaker(threshold = )]
pub async fn half(path: &str) -> Result<String, Failure> {
    let text = path.
}

#[with_retry(max = 3)]
#[timeout(2s)]
pub async fn typing(path: &str) -> Result<String, Failure> {
    let text = path.trim().to_
    Ok(text)
}

pub async fn callers() -> Result<usize, Failure> {
    let a: String = misspelt("a")?;
    let b: String = typing("a").await?;
    Ok(a.len() + b.len())
}
