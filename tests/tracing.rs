//! What the policies tell `tracing`: targets, levels and fields, and nothing secret.

#[path = "tracing/jobs.rs"]
mod jobs;
#[path = "tracing/outside.rs"]
mod outside;
#[path = "tracing/panicking.rs"]
mod panicking;
#[path = "tracing/policies.rs"]
mod policies;
#[path = "tracing/unclassified.rs"]
mod unclassified;

use resilience::{
    Category, Classification, Classify, Rejected, Timeout, checkpoint, circuit_breaker, failover, hedge, job,
    testing, timeout, with_fallback, with_recovery, with_retry,
};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_core::span::Current;

#[derive(Clone, Debug)]
struct Seen {
    target: String,
    level: Level,
    fields: BTreeMap<String, String>,
}

impl Seen {
    fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.fields.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name().to_owned(), value.to_owned());
    }
}

thread_local! {
    /// Whether this thread is inside the span.
    static INSIDE: Cell<bool> = const { Cell::new(false) };
}

/// Keeps every event of this library, and the one span that a test makes.
#[derive(Clone, Default)]
struct Capture(Arc<Mutex<Vec<Seen>>>, Arc<Mutex<Option<&'static Metadata<'static>>>>);

impl Subscriber for Capture {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("resilience")
    }

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let mut seen = Seen {
            target: metadata.target().to_owned(),
            level: *metadata.level(),
            fields: BTreeMap::default(),
        };
        event.record(&mut seen);
        self.0.lock().unwrap().push(seen);
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        *self.1.lock().unwrap() = Some(span.metadata());
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn enter(&self, _: &Id) {
        INSIDE.set(true);
    }

    fn exit(&self, _: &Id) {
        INSIDE.set(false);
    }

    fn current_span(&self) -> Current {
        let metadata = *self.1.lock().unwrap();
        metadata
            .filter(|_| INSIDE.get())
            .map_or_else(Current::none, |metadata| Current::new(Id::from_u64(1), metadata))
    }
}

/// What `work` tells, in a world of its own.
fn reported(work: impl FnOnce(&testing::World)) -> Vec<Seen> {
    let world = testing::isolate();
    let capture = Capture::default();
    tracing::subscriber::with_default(capture.clone(), || work(&world));
    std::mem::take(&mut *capture.0.lock().unwrap())
}

const SECRET: &str = "hunter2";

/// An error whose texts hold a secret.
struct Secret(Category);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SECRET)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(SECRET)
    }
}

impl std::error::Error for Secret {}

impl Classify for Secret {
    fn classify(&self) -> Classification {
        self.0.into()
    }
}

impl From<Rejected> for Secret {
    fn from(rejected: Rejected) -> Self {
        Self(rejected.classify().category)
    }
}

#[with_retry(max = 2, jitter = none)]
fn fetch(calls: &Cell<u32>, fails: u32, category: Category, password: &str) -> Result<String, Secret> {
    calls.set(calls.get() + 1);
    if calls.get() <= fails { Err(Secret(category)) } else { Ok(password.to_owned()) }
}

fn levels(seen: &[Seen]) -> Vec<Level> {
    seen.iter().map(|seen| seen.level).collect()
}

#[test]
fn attempts_are_traced_and_a_recovery_is_info() {
    let seen = reported(|_| drop(fetch(&Cell::new(0), 1, Category::Unavailable, SECRET)));
    assert!(seen.iter().all(|seen| seen.target == "resilience::retry"), "{seen:#?}");
    assert!(
        seen.iter().all(|seen| seen.field("point") == "tracing::fetch" && seen.field("attempts_max") == "3"),
        "{seen:#?}"
    );
    let failed: Vec<_> = seen.iter().filter(|seen| seen.level == Level::DEBUG).collect();
    assert_eq!(failed.len(), 1, "one line for each failed attempt: {seen:#?}");
    assert_eq!(failed[0].field("attempt"), "1");
    assert_eq!((failed[0].field("category"), failed[0].field("severity")), ("unavailable", "medium"));
    let waits: Vec<_> = seen.iter().filter(|seen| seen.fields.contains_key("delay_ms")).collect();
    assert_eq!(waits.iter().map(|seen| seen.field("delay_ms")).collect::<Vec<_>>(), ["100"]);
    let last = seen.last().unwrap();
    assert_eq!((last.level, last.field("attempt")), (Level::INFO, "2"));
    let started: Vec<_> =
        seen.iter().filter(|seen| seen.level == Level::TRACE).map(|seen| seen.field("attempt")).collect();
    assert_eq!(started, ["1", "2"]);
}

#[with_fallback(value = ())]
#[with_retry(max = 1, jitter = none)]
#[circuit_breaker(threshold = 2)]
fn post() -> Result<(), Coded> {
    Err(Coded::Status(503))
}

#[derive(Debug, Classify)]
enum Coded {
    #[classify(status = .0)]
    Status(u16),
    #[classify(transparent)]
    Rejected(Rejected),
}

impl From<Rejected> for Coded {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

#[test]
fn the_error_code_of_the_service_is_a_field() {
    let seen = reported(|_| drop(post()));
    let judged: Vec<_> = seen.iter().filter(|seen| seen.fields.contains_key("category")).collect();
    assert!(judged.len() >= 5, "{seen:#?}");
    assert!(judged.iter().all(|seen| seen.field("code") == "503"), "{seen:#?}");
    let seen = reported(|_| drop(fetch(&Cell::new(0), 1, Category::Unavailable, SECRET)));
    assert!(seen.iter().all(|seen| !seen.fields.contains_key("code")), "{seen:#?}");
}

#[test]
fn exhausted_retries_are_one_warning() {
    let seen = reported(|_| drop(fetch(&Cell::new(0), 99, Category::Transient, SECRET)));
    let warnings: Vec<_> = seen.iter().filter(|seen| seen.level == Level::WARN).collect();
    assert_eq!(warnings.len(), 1, "{seen:#?}");
    assert_eq!((warnings[0].field("attempt"), warnings[0].field("attempts_max")), ("3", "3"));
    assert_eq!(warnings[0].field("category"), "transient");
    let failed: Vec<_> = seen.iter().filter(|seen| seen.level == Level::DEBUG).collect();
    assert_eq!(failed.len(), 3, "one line for each failed attempt: {seen:#?}");
    assert!(!failed[2].fields.contains_key("delay_ms"), "no wait follows: {seen:#?}");
    assert_eq!(failed[2].field("reason"), "no retry is left");
}

#[test]
fn an_error_that_is_not_retried_is_logged_at_debug() {
    for category in [Category::NotFound, Category::Invalid, Category::Auth, Category::Resource] {
        let seen = reported(|_| drop(fetch(&Cell::new(0), 99, category, SECRET)));
        assert_eq!(levels(&seen), [Level::TRACE, Level::DEBUG], "{seen:#?}");
        let failed = &seen[1];
        assert_eq!((failed.field("attempt"), failed.field("attempts_max")), ("1", "3"));
        assert_eq!(failed.field("category"), category.as_str());
        assert_eq!(failed.field("reason"), "the error is not retryable");
        assert!(!failed.fields.contains_key("delay_ms"), "{failed:#?}");
    }
}

#[test]
fn a_success_is_logged_only_at_trace() {
    let seen = reported(|_| drop(fetch(&Cell::new(0), 0, Category::Unknown, SECRET)));
    assert!(seen.iter().all(|seen| seen.level == Level::TRACE), "{seen:#?}");
}

#[test]
fn an_async_function_logs_the_same_events() {
    #[with_retry(max = 2, jitter = none, name = "same")]
    fn now() -> Result<u32, Secret> {
        Err(Secret(Category::Transient))
    }
    #[with_retry(max = 2, jitter = none, name = "same")]
    async fn later() -> Result<u32, Secret> {
        Err(Secret(Category::Transient))
    }
    let text = |seen: Vec<Seen>| format!("{seen:?}").replace("same#2", "same");
    assert_eq!(
        text(reported(|_| drop(now()))),
        text(reported(|_| drop(futures::executor::block_on(later()))))
    );
}

#[test]
fn no_secret_is_logged() {
    #[with_fallback(value = SECRET.to_owned())]
    #[with_retry(max = 2)]
    #[circuit_breaker(threshold = 2)]
    fn everything(password: &str, category: Category) -> Result<String, Secret> {
        let _ = password;
        Err(Secret(category))
    }
    #[circuit_breaker(threshold = 2, key = password)]
    fn keyed(password: &str) -> Result<String, Secret> {
        let _ = password;
        Err(Secret(Category::Unavailable))
    }
    #[checkpoint("step:{password}", rollback = undo)]
    fn step(password: &str) -> Result<String, Secret> {
        Ok(password.to_owned())
    }
    fn undo(password: String) -> Result<(), Secret> {
        let _ = password;
        Err(Secret(Category::Unavailable))
    }
    #[with_recovery(otherwise = rollback)]
    #[job("job:{id}")]
    fn recorded(id: u32, password: &str) -> Result<String, Secret> {
        let _ = id;
        step(password)?;
        step(password)?;
        Err(Secret(Category::Corrupt))
    }
    let seen = reported(|_| {
        for category in [Category::Auth, Category::Unavailable, Category::Connection] {
            drop((keyed(SECRET), recorded(7, SECRET), resilience::recover().until_done().blocking()));
            drop(everything(SECRET, category));
            drop(fetch(&Cell::new(0), 9, category, SECRET));
            drop(fetch(&Cell::new(0), 0, category, SECRET));
        }
    });
    let said = |target: &str| seen.iter().any(|seen| seen.target == target);
    assert!(said("resilience::breaker") && said("resilience::checkpoint") && said("resilience::alert"));
    assert!(!format!("{seen:?}").contains(SECRET), "{seen:#?}");
}

#[test]
fn a_timeout_propagates_subscriber_and_span_to_its_thread() {
    #[timeout(60s, thread)]
    fn on_thread(from: std::thread::ThreadId) -> Option<()> {
        assert_ne!(std::thread::current().id(), from);
        assert!(!tracing::Span::current().is_none(), "the span of the caller");
        tracing::info!(target: "resilience::test", "inside");
        Some(())
    }
    const BY_HAND: Timeout = Timeout::new(Duration::from_secs(60));
    let seen = reported(|_| {
        tracing::info_span!(target: "resilience::test", "around").in_scope(|| {
            assert_eq!(on_thread(std::thread::current().id()), Some(()));
            let by_hand = BY_HAND.call(|| {
                assert!(!tracing::Span::current().is_none());
                tracing::info!(target: "resilience::test", "inside");
                Some(())
            });
            assert_eq!(by_hand, Some(()));
        });
    });
    let texts: Vec<_> = seen.iter().map(|seen| seen.field("message")).collect();
    assert_eq!(texts, ["inside", "inside"]);
}

#[test]
fn a_skipped_handler_is_one_warning() {
    use resilience::events::{self, Kind};
    use std::sync::mpsc::channel;

    let world = testing::isolate();
    let ((begins, begun), (goes_on, may), (ends, done)) = (channel(), channel(), channel());
    let handler = events::on([Kind::Opened], move |record| {
        begins.send(record.event.point().to_owned()).unwrap();
        may.recv().unwrap();
        ends.send(()).unwrap();
    });
    let capture = Capture::default();
    let mut warnings = Vec::new();
    for point in ["one", "two", "three", "four", "five"] {
        let (handle, subscriber) = (world.handle(), capture.clone());
        let call = std::thread::spawn(move || {
            tracing::subscriber::with_default(subscriber, || {
                handle.run(|| resilience::CircuitBreaker::new(point).force_open());
            });
        });
        assert_eq!(begun.recv().unwrap(), point);
        world.advance(Duration::from_secs(1));
        call.join().unwrap();
        goes_on.send(()).unwrap();
        done.recv().unwrap();
        let seen = capture.0.lock().unwrap();
        let of_handlers: Vec<_> = seen.iter().filter(|seen| seen.target == "resilience::events").collect();
        assert!(of_handlers.iter().all(|seen| seen.level == Level::WARN));
        warnings.push(of_handlers.len());
    }
    assert_eq!(warnings, [0, 0, 1, 1, 1]);
    assert_eq!(handler.overruns(), 3);
    handler.remove();
}

#[test]
fn a_sync_wait_inside_a_future_warns_once_per_point() {
    #[with_retry(max = 2, base = 1ms, jitter = none)]
    fn blocks() -> Option<u32> {
        None
    }
    #[with_retry(max = 1, base = 1ms, jitter = none)]
    fn other() -> Option<u32> {
        None
    }
    fn warnings(work: impl FnOnce()) -> Vec<String> {
        let said = reported(|_| work());
        let said = said.iter().filter(|seen| seen.field("message").contains("blocks the thread"));
        said.map(|seen| format!("{} {}", seen.level, seen.field("point"))).collect()
    }
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let outside = warnings(|| {
        blocks();
        other();
    });
    assert_eq!(outside, [""; 0], "no runtime");
    let entered = warnings(|| {
        let _runtime = runtime.enter();
        blocks();
    });
    assert_eq!(entered, [""; 0], "nothing is polled");
    let in_place = warnings(|| {
        runtime.block_on(async { tokio::task::block_in_place(blocks) });
    });
    assert_eq!(in_place, [""; 0], "the executor was told");
    let inside = warnings(|| {
        runtime.block_on(async { (blocks(), blocks(), other()) });
    });
    assert_eq!(inside, ["WARN tracing::blocks", "WARN tracing::other"]);
    let again = warnings(|| {
        runtime.block_on(async { (blocks(), blocks()) });
    });
    assert_eq!(again, ["WARN tracing::blocks"], "another world has its own");
}
