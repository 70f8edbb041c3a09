//! Errors that say what they mean: `cargo run --example classify`.

use resilience::classify::{self, from_text, history, report};
use resilience::{Classification, Classify};
use std::error::Error;
use std::io;
use std::time::Duration;

/// What asking a language model can end in.
#[derive(Debug, thiserror::Error, Classify)]
enum ModelError {
    #[error("busy for {after:?}")]
    #[classify(rate_limited, retry_after = .after)]
    Busy { after: Duration },
    #[error("HTTP {0}")]
    #[classify(status = .0)]
    Http(u16),
    #[error("no model called {0}")]
    #[classify(not_found, action = "pull the model")]
    NoModel(String),
    #[error("the answer is not JSON")]
    #[classify(corrupt, retry = once)]
    NoJson(#[from] std::num::ParseIntError),
    #[error("{0}")]
    #[classify(text)]
    Text(String),
    #[error(transparent)]
    #[classify(transparent)]
    Io(#[from] io::Error),
}

/// An error type that says nothing itself: its source does.
#[derive(Debug, thiserror::Error)]
#[error("cannot answer the question")]
struct NoAnswer(#[source] ModelError);

fn show(name: &str, class: Classification) {
    let wait = class.retry_after.map_or(String::new(), |wait| format!(", wait {wait:?}"));
    println!(
        "{name:<22} {:<13} {:<7} {:?}{wait}: {}",
        class.category.to_string(),
        class.severity.to_string(),
        class.retry,
        class.action
    );
}

fn main() {
    let errors = [
        ModelError::Busy { after: Duration::from_secs(2) },
        ModelError::Http(503),
        ModelError::NoModel("llama".into()),
        ModelError::Text("Error code: 401 - invalid api key".into()),
        io::Error::from(io::ErrorKind::ConnectionRefused).into(),
    ];
    for error in &errors {
        show(&error.to_string(), classify::of(error));
        report("model", error);
    }

    // Found at link time, behind a type that the caller does not know.
    let hidden: Box<dyn Error> = Box::new(NoAnswer(ModelError::Http(429)));
    show("Box<dyn Error>", classify::of(&hidden));

    // Words are read only where asked for.
    show("from_text", from_text("model 'llama3' not found, try pulling it first"));

    println!();
    for pattern in history().patterns() {
        println!("{} {}: {}", pattern.point, pattern.category, pattern.count);
    }
}
