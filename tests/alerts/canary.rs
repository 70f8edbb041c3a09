//! A secret in everything that a program gives the library, and no output that shows it.

use crate::common::Scratch;
use crate::sinks;
use resilience::alerts::{self, AlertLevel};
use resilience::durable::{JobInfo, MemoryStore, use_store};
use resilience::testing::isolate;
use resilience::webhook::Webhook;
use resilience::{
    Classify, Rejected, checkpoint, circuit_breaker, events, health, job, jobs, metrics, points, snapshot,
    with_fallback, with_retry,
};
use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use thiserror::Error;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

const SECRET: &str = "CANARY0815canary";

/// The secret in the places in which a text has one.
fn text() -> String {
    format!(
        "503 from https://app:{SECRET}@db.example/x?token={SECRET} with authorization: Bearer {SECRET} and \
         {{\"password\": \"{SECRET}\", \"api_key\":\"{SECRET}\"}}"
    )
}

/// `Recorded` lets its text be recorded and logged, `Hidden` does not.
#[derive(Debug, Error, Classify)]
enum Failure {
    #[error("{0}")]
    #[classify(text)]
    Recorded(String),
    #[error("{0}")]
    #[classify(unavailable)]
    Hidden(String),
    #[error(transparent)]
    #[classify(transparent)]
    Rejected(#[from] Rejected),
}

#[with_retry(max = 1, name = "canary::openly")]
fn fails_openly(password: &str) -> Result<u32, Failure> {
    let _ = password;
    Err(Failure::Recorded(text()))
}

#[with_fallback(value = 7)]
#[with_retry(max = 1)]
#[circuit_breaker(threshold = 1, key = token, name = "canary::keyed")]
fn keyed(token: &str) -> Result<u32, Failure> {
    Err(Failure::Hidden(format!("{SECRET} of {token}")))
}

#[checkpoint("pay:{token}", name = "canary::step")]
fn step(token: &str) -> Result<u32, Failure> {
    Err(Failure::Hidden(format!("{SECRET} of {token}")))
}

#[job("canary:{id}", record_text, name = "canary::job")]
fn work(id: u32, token: String) -> Result<u32, Failure> {
    let paid = step(&token);
    assert!(paid.is_err(), "{id}");
    fails_openly(&token)
}

#[job("panics:{id}", record_text, name = "canary::panics")]
fn panics(id: u32) -> Result<u32, Failure> {
    panic!("{id}: {}", text())
}

/// Everything that the library logs on this thread.
#[derive(Clone, Default)]
pub(crate) struct Log(pub(crate) Arc<Mutex<String>>);

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let _ = writeln!(self.0.lock().expect("no panic"), "{} = {value:?}", field.name());
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("resilience")
    }

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// Calls everything with the secret; the jobs that it leaves.
fn use_everything() -> Vec<JobInfo> {
    assert!(fails_openly(SECRET).is_err());
    assert_eq!(keyed(SECRET).expect("the fallback"), 7);
    assert_eq!(keyed(SECRET).expect("the fallback of a rejected call"), 7);
    assert!(work(1, SECRET.to_owned()).is_err());
    assert!(std::panic::catch_unwind(|| panics(2)).is_err());
    health::register("canary", || Err::<(), _>(text()));
    let details = [("password", SECRET), ("x-api-key", SECRET), ("url", &text())];
    let message = format!("alert {}", text());
    assert!(alerts::raise(AlertLevel::Critical, "canary", &message, &details).is_written());
    assert!(alerts::escalate("canary", &format!("escalated {}", text()), &details).is_written());
    ["canary:1", "panics:2"].map(|id| jobs::blocking::get(id).expect("a store").expect("a job")).into()
}

#[test]
fn no_output_shows_a_secret() {
    let (_world, scratch) = (isolate(), Scratch::new());
    alerts::use_dir(scratch.path(""));
    use_store(Arc::new(MemoryStore::new()));
    let (address, requests) = sinks::server(&["204 No Content"; 40]);
    let hook = Webhook::new(&format!("http://app:{SECRET}@{address}/hooks/{SECRET}?key={SECRET}"));
    let hook = hook.header("authorization", &format!("Bearer {SECRET}")).add().expect("a webhook");
    let (log, mut heard) = (Log::default(), events::subscribe());
    let jobs = tracing::subscriber::with_default(log.clone(), use_everything);
    let health = health::check_all();
    assert!(alerts::flush(Duration::from_secs(60)));
    hook.remove();

    let mut outputs: Vec<(String, String)> = Vec::new();
    let mut add = |name: &str, text: String| outputs.push((name.to_owned(), text));
    let mut heard_events = 0;
    while let Some(record) = heard.try_recv() {
        heard_events += 1;
        add("an event as a line", record.to_string());
        // Keys are data of the program, in a field of their own; see `Event`.
        let mut json = serde_json::to_value(&*record).expect("JSON");
        json.as_object_mut().expect("a map").remove("key");
        add("an event as JSON", json.to_string());
    }
    assert!(heard_events > 8, "{heard_events} events");
    for entry in std::fs::read_dir(scratch.path("")).expect("the directory").flatten() {
        add("a file of alerts", std::fs::read_to_string(entry.path()).expect("a text"));
    }
    let recent = alerts::recent(1000).expect("a look").alerts;
    assert_eq!(recent.len(), 3, "{recent:?}");
    recent.iter().for_each(|alert| add("an alert as a line", format!("{alert} {alert:?}")));
    add("escalations", format!("{:?}", alerts::escalations().expect("a look")));
    let posted: Vec<_> = requests.try_iter().map(|(_, _, body)| body.to_string()).collect();
    assert_eq!(posted.len(), recent.len(), "each alert is posted");
    add("webhook bodies", posted.concat());
    add("tracing", log.0.lock().expect("no panic").clone());
    add("metrics", metrics::prometheus());
    health.iter().for_each(|status| {
        add("health", format!("{status} {}", serde_json::to_string(status).expect("JSON")));
    });
    add("inventory", serde_json::to_string(&points()).expect("JSON"));
    let mut live = serde_json::to_value(snapshot()).expect("JSON");
    for point in live["points"].as_array_mut().expect("points") {
        for policy in point["policies"].as_array_mut().expect("policies") {
            policy.as_object_mut().expect("a map").remove("keys");
        }
    }
    add("snapshot", live.to_string());
    add("statistics", format!("{:?}", resilience::durable::recovery_stats()));
    for job in jobs {
        // The arguments are what the job is resumed with, and are shown to who asks for it.
        let mut json = serde_json::to_value(&job).expect("JSON");
        json.as_object_mut().expect("a map").remove("input");
        add("a job", format!("{job} {json}"));
    }
    add("shutdown", format!("{}", resilience::shutdown_blocking(Duration::from_secs(1))));
    let shown: Vec<_> = outputs.iter().filter(|(_, text)| text.contains("CANARY")).collect();
    assert!(shown.is_empty(), "{shown:#?}");
}
