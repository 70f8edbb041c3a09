//! The first model is overloaded: calls go on with the next one, begin with it for a minute, and its breaker is its own.

use resilience::{Rejected, circuit_breaker, failover, point};

#[derive(Debug, thiserror::Error, resilience::Classify)]
enum ChatError {
    #[error("HTTP {0}")]
    #[classify(status = .0)]
    Http(u16),
    #[error(transparent)]
    #[classify(transparent)]
    Rejected(#[from] Rejected),
}

#[failover(model = ["large", "medium", "small"], sticky = 60s, name = "chat")]
#[circuit_breaker(threshold = 2)]
async fn chat(model: &str, question: &str) -> Result<String, ChatError> {
    println!("  asks {model}");
    if model == "large" { Err(ChatError::Http(529)) } else { Ok(format!("{model} answers: {question}")) }
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    for question in ["what?", "why?"] {
        println!("{:?}", chat("large", question).await);
    }
    let chat = point("chat").expect("a point");
    println!("{}", chat.failover().expect("a failover").snapshot());
    for key in chat.keys() {
        println!("breaker of {key}");
    }
}
