// edition: 2018

use resilience::{
    checkpoint, circuit_breaker, job, timeout, with_fallback, with_recovery, with_retry, Classify, Rejected,
};
use std::io;

#[derive(Debug, Classify)]
pub enum Failure {
    #[classify(transient)]
    Passing,
    #[classify(transparent)]
    Rejected(Rejected),
}

impl From<Rejected> for Failure {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

fn explain(id: u32, error: &Failure) -> Option<u32> {
    let _ = (id, error);
    None
}

#[with_fallback(explain(id, error), value = 0)]
#[with_retry(max = 2, clone(text), when = |error| !matches!(error, Failure::Rejected(_)))]
#[circuit_breaker(threshold = 5, key = "{id}")]
fn all_sync(id: u32, text: String) -> Result<u32, Failure> {
    let _ = text;
    Ok(id)
}

#[with_fallback(value = 0)]
#[timeout(10s)]
#[with_retry(max = 2)]
#[circuit_breaker(threshold = 5)]
#[timeout(2s)]
async fn all_async(id: u32) -> Result<u32, Failure> {
    Ok(id)
}

#[timeout(2s, thread)]
fn on_a_thread(id: u32) -> Result<u32, Failure> {
    Ok(id)
}

#[checkpoint("page:{id}")]
fn step(id: u32) -> Result<u32, Failure> {
    Ok(id)
}

#[with_recovery(on(invalid, skip))]
fn recovered(id: u32) -> Result<u32, Failure> {
    Ok(id)
}

#[job("import:{id}")]
async fn import(id: u32) -> Result<u32, Failure> {
    Ok(step(id)? + recovered(id)?)
}

struct Client {
    rows: Vec<u32>,
}

impl Client {
    #[with_retry(max = 2)]
    fn owned(&mut self, id: u32) -> io::Result<u32> {
        self.rows.push(id);
        Ok(id)
    }

    #[with_retry(max = 2)]
    #[circuit_breaker(threshold = 5)]
    async fn owned_async(&mut self, id: u32) -> Result<u32, Failure> {
        self.rows.push(id);
        Ok(id)
    }

    #[with_retry(max = 2)]
    fn shared(&self) -> io::Result<&[u32]> {
        Ok(&self.rows)
    }

    // A method that is not async cannot lend `self` in this edition.
    #[circuit_breaker(threshold = 5)]
    async fn lend(&mut self, id: u32) -> Result<&mut Vec<u32>, Rejected> {
        self.rows.push(id);
        Ok(&mut self.rows)
    }
}

fn main() {}
