//! Names with quotes, newlines and what a terminal obeys, in every output.

use crate::canary::Log;
use crate::common::Scratch;
use resilience::alerts::{self, AlertLevel};
use resilience::durable::{MemoryStore, use_store};
use resilience::testing::isolate;
use resilience::{
    Rejected, circuit_breaker, events, health, job, jobs, metrics, point, points, snapshot, with_retry,
};
use std::sync::Arc;
use std::time::Duration;

const HOSTILE: &str = "a\"b\\c\nforged\u{1b}[2J\u{202e}d";

#[with_retry(max = 1, base = 0s, budget = none, name = "a\"b\\c\nforged\u{1b}[2J\u{202e}d")]
#[circuit_breaker(threshold = 1, key = key, key_label)]
fn call(key: &str) -> Result<u32, Box<dyn std::error::Error + Send + Sync>> {
    Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into())
}

#[job("{id}", name = "names::\u{1b}[2J\nforged")]
fn work(id: &str) -> Result<u32, Rejected> {
    Ok(1)
}

#[test]
fn hostile_names_are_escaped_in_text_and_in_json() {
    let (_world, scratch) = (isolate(), Scratch::new());
    alerts::use_dir(scratch.path(""));
    use_store(Arc::new(MemoryStore::new()));
    let (log, mut heard) = (Log::default(), events::subscribe());
    let rejected = tracing::subscriber::with_default(log.clone(), || {
        assert!(call(HOSTILE).is_err());
        assert_eq!(work(HOSTILE).expect("a job"), 1);
        health::register(HOSTILE, || Err::<(), _>(HOSTILE));
        assert!(alerts::raise(AlertLevel::Critical, HOSTILE, HOSTILE, &[(HOSTILE, HOSTILE)]).is_written());
        assert!(alerts::escalate(HOSTILE, &format!("{HOSTILE} again"), &[(HOSTILE, HOSTILE)]).is_written());
        call(HOSTILE).unwrap_err()
    });
    let health = health::check_all();
    assert!(alerts::flush(Duration::from_secs(60)));

    // For people: nothing that a terminal obeys.
    let mut lines = vec![("a rejection", rejected.to_string()), ("tracing", log.0.lock().unwrap().clone())];
    let mut data = vec![("metrics", metrics::prometheus())];
    while let Some(record) = heard.try_recv() {
        lines.push(("a record", record.to_string()));
        lines.push(("an event", record.event.to_string()));
        data.push(("an event as JSON", serde_json::to_string(&*record).unwrap()));
    }
    assert!(lines.len() > 10, "{lines:?}");
    lines.push(("the file of alerts", std::fs::read_to_string(scratch.path("alerts.jsonl")).unwrap()));
    for alert in alerts::recent(100).unwrap().alerts {
        lines.push(("an alert", alert.to_string()));
    }
    for status in &health {
        lines.push(("health", status.to_string()));
        data.push(("health as JSON", serde_json::to_string(status).unwrap()));
    }
    lines.push(("a point", point(HOSTILE).unwrap().to_string()));
    let key = point(HOSTILE).unwrap().key(HOSTILE);
    lines.push(("a key", key.to_string()));
    lines.push(("a breaker", key.breaker().unwrap().snapshot().to_string()));
    lines.push(("the snapshot", snapshot().to_string()));
    lines.extend(points().iter().map(|point| ("the inventory", point.to_string())));
    let job = jobs::blocking::list(jobs::Filter::new()).unwrap().items.remove(0);
    lines.push(("a job", job.to_string()));
    data.push(("a job as JSON", serde_json::to_string(&job).unwrap()));
    data.push(("the inventory as JSON", serde_json::to_string(&points()).unwrap()));
    data.push(("the snapshot as JSON", serde_json::to_string(&snapshot()).unwrap()));

    let forged = |text: &str| text.lines().any(|line| line.starts_with("forged"));
    let obeyed = |text: &str| forged(text) || text.contains(['\u{1b}', '\u{202e}']);
    let bad: Vec<_> = lines.iter().filter(|(_, text)| obeyed(text)).collect();
    assert!(bad.is_empty(), "{bad:#?}");
    // As data: one line a record, and the name whole for who reads it.
    for (name, text) in &data {
        assert!(!forged(text), "{name}: {text}");
        if *name != "metrics" {
            serde_json::from_str::<serde_json::Value>(text).unwrap();
            assert!(!text.contains(['\n', '\u{1b}']), "{name}: {text}");
        }
    }
    let snapshot: serde_json::Value = serde_json::from_str(&data.last().unwrap().1).unwrap();
    assert!(snapshot["points"].as_array().unwrap().iter().any(|point| point["name"] == HOSTILE));
}
