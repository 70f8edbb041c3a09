//! Checks of a service and of the models behind it, as a load balancer and a person ask for them.
//!
//! `cargo run --example health_check`

use resilience::health::{self, Answer, Check};
use resilience::{Rejected, circuit_breaker, health_check, point};
use std::time::Duration;

/// What a model server such as Ollama answers to `GET /api/tags`.
fn loaded_models() -> Vec<&'static str> {
    vec!["llama3", "nomic-embed-text"]
}

/// The models that the program cannot do without.
const MODELS: [&str; 2] = ["llama3", "mistral"];

/// One check for each model.
#[health_check("model:{name}", each = MODELS, timeout = 1s)]
async fn model(name: &str) -> Result<Answer, String> {
    let models = loaded_models();
    if models.contains(&name) {
        return Ok(Answer::pass("loaded").detail("models", models.len()));
    }
    Err(format!("the model {name} is not loaded"))
}

/// The policies below are part of the check: where one rejects the call, it says nothing about the component.
#[health_check("payments", critical)]
#[circuit_breaker(name = "payments::ping", threshold = 5)]
fn payments() -> Result<(), Rejected> {
    Ok(())
}

fn main() {
    Check::new("queue", || Answer::warn("9000 entries wait").action("start another worker"))
        .timeout(Duration::from_millis(200))
        .register();
    point("payments::ping").and_then(|point| point.breaker()).expect("the breaker").force_open();

    for status in health::check_all() {
        println!("{status}");
    }
    println!("{}", health::ready());
}
