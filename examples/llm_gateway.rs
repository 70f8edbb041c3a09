//! A chat endpoint with three models: when one is overloaded, limited, gone or out of quota, the next one answers; each
//! has a breaker and a rate limit of its own, a slow answer is asked for twice, old answers bridge an outage, and a
//! workflow that takes too long is run again with less to do. Run it with `cargo run --example llm_gateway`.
//!
//! The service is a real HTTP server on loopback that fails model by model, with the bodies and headers of the usual
//! providers. The program prints who answered, and why.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use resilience::classify::{Category, Classification, from_response};
use resilience::{
    Classify, Event, Rejected, Simplify, cached, circuit_breaker, degrade, failover, hedge, point,
    rate_limit, timeout,
};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

// --- What a user writes: an error that says what it means, a chat, and a workflow. ---

#[derive(Debug, thiserror::Error, Classify)]
enum ChatError {
    #[error("{code}")]
    #[classify(with = Classify::classify(.class))]
    Service { class: Classification, code: String },
    #[error(transparent)]
    #[classify(transparent)]
    Client(#[from] reqwest::Error),
    #[error("an answer that is not JSON")]
    #[classify(corrupt)]
    Json(#[from] serde_json::Error),
    #[error(transparent)]
    #[classify(transparent)]
    Rejected(#[from] Rejected),
}

/// Where the service is, and what the call may use.
struct Gateway {
    client: reqwest::Client,
    url: String,
}

#[cached(ttl = 1s, stale_if_error = 1h, key = (question, tools), name = "chat")]
#[timeout(20s)]
#[failover(model = ["large", "medium", "small"])]
#[hedge(after = 200ms, idempotent)]
#[circuit_breaker(threshold = 2, recovery = 60s, on_open = tell, on_reject = tell)]
#[rate_limit(30, per = 1m, on_reject = tell)]
#[timeout(5s)]
async fn chat(
    gateway: &Gateway,
    model: &str,
    question: &str,
    tools: usize,
    temperature: f32,
) -> Result<String, ChatError> {
    let answer = ask(gateway, model, question, tools, temperature).await;
    if let Err(error) = &answer {
        println!("    {model}: {error} ({})", error.classify().category);
    }
    answer
}

/// One request.
async fn ask(
    gateway: &Gateway,
    model: &str,
    question: &str,
    tools: usize,
    temperature: f32,
) -> Result<String, ChatError> {
    let body = serde_json::json!({
        "model": model,
        "temperature": temperature,
        "tools": vec!["tool"; tools],
        "messages": [{ "role": "user", "content": question }],
    });
    let response = gateway.client.post(&gateway.url).body(body.to_string()).send().await?;
    let (status, class) = (response.status(), from_response(response.status(), response.headers()));
    let body: serde_json::Value = serde_json::from_str(&response.text().await?)?;
    if status.is_success() {
        let text = body["choices"][0]["message"]["content"].as_str();
        return Ok(text.unwrap_or_default().to_owned());
    }
    let error = &body["error"];
    let code = error["code"].as_str().or(error["type"].as_str()).unwrap_or_default().to_owned();
    // The same status as a rate limit, but waiting does not help.
    let is_used_up = code == "insufficient_quota";
    let class = if is_used_up { Classification::new(Category::Resource) } else { class };
    Err(ChatError::Service { class, code })
}

/// Prints why a model was not asked.
fn tell(event: &Event) {
    let model = event.key().unwrap_or_default();
    match event {
        Event::Opened { failures, .. } => {
            println!("    {model}: its breaker opens after {failures} failures")
        }
        Event::Rejected { policy, .. } => println!("    {model}: not asked ({policy})"),
        other => println!("    {other}"),
    }
}

#[derive(Debug)]
struct Workflow {
    iterations: u32,
    tools: Vec<&'static str>,
    temperature: f32,
}

impl Simplify for Workflow {
    fn simplify(&self, level: u32) -> Option<Self> {
        let tools = self.tools.iter().copied().take(3).collect();
        (level == 1).then_some(Self { iterations: 3, tools, temperature: 0.3 })
    }
}

#[degrade(workflow, name = "workflow")]
#[timeout(2s)]
async fn work(gateway: &Gateway, workflow: &Workflow) -> Result<u32, ChatError> {
    let Workflow { iterations, tools, temperature } = workflow;
    println!("    {iterations} iterations with {} tools at {temperature}", tools.len());
    for step in 0..*iterations {
        chat(gateway, "large", &format!("step {step}"), tools.len(), *temperature).await?;
    }
    Ok(*iterations)
}

// --- A service that fails on demand. ---

#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    RateLimited,
    Overloaded,
    NoSuchModel,
    NoQuota,
    Down,
    /// The next request is never answered.
    HangsOnce,
}

#[derive(Debug, Default)]
struct Service {
    faults: HashMap<&'static str, Fault>,
    requests: u32,
}

type Shared = Arc<Mutex<Service>>;

/// Notes a request, and returns what is wrong with the model.
fn fault_of(service: &Shared, model: &str) -> Option<Fault> {
    let mut service = service.lock().ok()?;
    service.requests += 1;
    let fault = service.faults.get(model).copied();
    if fault == Some(Fault::HangsOnce) {
        service.faults.remove(model);
    }
    fault
}

async fn serve(State(service): State<Shared>, body: String) -> Response {
    let body: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
    let model = body["model"].as_str().unwrap_or_default().to_owned();
    let error = |status, message: &str, kind: &str, code: &str| {
        let body =
            serde_json::json!({ "error": { "message": message, "type": kind, "param": null, "code": code } });
        (status, body.to_string()).into_response()
    };
    match fault_of(&service, &model) {
        Some(Fault::RateLimited) => {
            let message = "Rate limit reached on tokens per min (TPM): Limit 30000, Used 29500, Requested 1200. \
                           Please try again in 30s.";
            let answer = error(StatusCode::TOO_MANY_REQUESTS, message, "tokens", "rate_limit_exceeded");
            ([("retry-after", "30")], answer).into_response()
        }
        Some(Fault::Overloaded) => {
            let status = StatusCode::from_u16(529).unwrap_or_default();
            let body = r#"{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}"#;
            (status, body).into_response()
        }
        Some(Fault::NoSuchModel) => {
            let message = format!("The model `{model}` does not exist or you do not have access to it.");
            error(StatusCode::NOT_FOUND, &message, "invalid_request_error", "model_not_found")
        }
        Some(Fault::NoQuota) => {
            let message = "You exceeded your current quota, please check your plan and billing details.";
            error(StatusCode::TOO_MANY_REQUESTS, message, "insufficient_quota", "insufficient_quota")
        }
        Some(Fault::Down) => {
            let message = "The server had an error while processing your request. Sorry about that!";
            error(StatusCode::SERVICE_UNAVAILABLE, message, "server_error", "server_error")
        }
        Some(Fault::HangsOnce) => std::future::pending().await,
        // So much at once takes too long.
        None if body["tools"].as_array().is_some_and(|tools| tools.len() > 3) => std::future::pending().await,
        None => {
            let question = body["messages"][0]["content"].as_str().unwrap_or_default();
            let message =
                serde_json::json!({ "role": "assistant", "content": format!("{model} on {question}") });
            serde_json::json!({ "model": model, "choices": [{ "message": message }] })
                .to_string()
                .into_response()
        }
    }
}

// --- What happens. ---

struct Demo {
    gateway: Gateway,
    service: Shared,
}

impl Demo {
    fn fail(&self, faults: &[(&'static str, Fault)]) {
        if let Ok(mut service) = self.service.lock() {
            service.faults = faults.iter().copied().collect();
        }
    }

    fn requests(&self) -> u32 {
        self.service.lock().map_or(0, |service| service.requests)
    }

    async fn chat(&self, what: &str, question: &str) {
        println!("{what}");
        let before = self.requests();
        let answer = match chat(&self.gateway, "large", question, 0, 0.7).await {
            Ok(answer) => answer,
            Err(error) => format!("{error} ({})", error.classify().category),
        };
        println!("  -> {answer}, requests: {}", self.requests() - before);
    }

    async fn failing_models(&self) {
        self.chat("all models are well", "rain").await;
        self.fail(&[("large", Fault::Overloaded)]);
        self.chat("large is overloaded", "sun").await;
        self.chat("large is still overloaded", "wind").await;
        self.fail(&[("large", Fault::Overloaded), ("medium", Fault::RateLimited)]);
        self.chat("medium has reached its rate limit, too", "fog").await;
        self.fail(&[("large", Fault::Overloaded), ("medium", Fault::NoSuchModel)]);
        self.chat("medium was taken out of service", "hail").await;
        self.fail(&[("large", Fault::Overloaded), ("medium", Fault::NoQuota)]);
        self.chat("the quota of medium is used up", "snow").await;
    }

    async fn tail_and_outage(&self) {
        if let Some(breaker) = point("chat").and_then(|chat| chat.key("large").breaker()) {
            breaker.reset();
        }
        self.fail(&[("large", Fault::HangsOnce)]);
        self.chat("a request of large hangs: a second one is sent", "ice").await;
        self.chat("the same question again", "ice").await;
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        let down = ["large", "medium", "small"].map(|model| (model, Fault::Down));
        self.fail(&down);
        self.chat("an outage: the old answer", "ice").await;
        self.chat("an outage, and no old answer", "thaw").await;
    }

    async fn less_work(&self) {
        for model in ["large", "medium", "small"] {
            if let Some(breaker) = point("chat").and_then(|chat| chat.key(model).breaker()) {
                breaker.reset();
            }
        }
        self.fail(&[]);
        println!("a workflow that takes too long");
        let tools = vec!["search", "read", "write", "run", "draw"];
        let workflow = Workflow { iterations: 10, tools, temperature: 0.7 };
        match work(&self.gateway, &workflow).await {
            Ok(iterations) => println!("  -> done after {iterations} iterations"),
            Err(error) => println!("  -> {error}"),
        }
        println!("more questions than large may get in a minute");
        for number in 0..40 {
            match chat(&self.gateway, "large", &format!("number {number}"), 0, 0.7).await {
                Ok(answer) if answer.starts_with("large") => {}
                answer => return println!("  -> {}", answer.as_deref().unwrap_or("no answer")),
            }
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let service = Shared::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}/v1/chat/completions", listener.local_addr()?);
    let route = axum::routing::post(serve);
    let app = axum::Router::new().route("/v1/chat/completions", route).with_state(service.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });

    let client = reqwest::Client::builder().no_proxy().build()?;
    let demo = Demo { gateway: Gateway { client, url }, service };
    demo.failing_models().await;
    demo.tail_and_outage().await;
    demo.less_work().await;
    for name in ["chat", "workflow"] {
        println!("{}", point(name).ok_or("no such point")?.snapshot());
    }
    Ok(())
}
