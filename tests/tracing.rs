//! What the policies tell `tracing`: targets, levels and fields, and nothing secret.

#[path = "tracing/panicking.rs"]
mod panicking;
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
fn breaker_transitions_and_rejections_have_their_levels() {
    #[circuit_breaker(threshold = 2, recovery = 10s)]
    fn guarded(fails: bool) -> Result<u32, Secret> {
        if fails { Err(Secret(Category::Connection)) } else { Ok(1) }
    }
    let seen = reported(|world| {
        drop([guarded(true), guarded(true)]);
        (0..50).for_each(|_| drop(guarded(false)));
        world.advance(Duration::from_secs(1));
        (0..50).for_each(|_| drop(guarded(false)));
        world.advance(Duration::from_secs(9));
        drop(guarded(false));
    });
    assert!(seen.iter().all(|seen| seen.target == "resilience::breaker"), "{seen:#?}");
    let breaker = &seen;
    let opened = breaker.first().unwrap();
    assert_eq!(
        (opened.level, opened.field("failures"), opened.field("category")),
        (Level::WARN, "2", "connection")
    );
    assert_eq!(breaker.last().unwrap().level, Level::INFO);
    let refused: Vec<_> =
        seen.iter().filter(|seen| seen.fields.values().any(|text| text.contains("rejected"))).collect();
    assert_eq!(refused.len(), 2, "{seen:#?}");
    assert!(refused.iter().all(|seen| seen.level == Level::DEBUG && seen.target.starts_with("resilience::")));
    assert!(seen.iter().all(|seen| seen.field("point").ends_with("guarded")), "{seen:#?}");
}

#[test]
fn arming_faults_is_a_warning() {
    use resilience::chaos::{Plan, arm};
    let minute = Duration::from_secs(60);
    let seen = reported(|_| {
        drop(arm(minute));
        drop(arm(Plan::new(minute).only("shop::charge")));
    });
    let warnings: Vec<_> = seen.iter().filter(|seen| seen.level == Level::WARN).collect();
    assert_eq!(warnings.len(), 2, "{seen:#?}");
    assert!(warnings.iter().all(|seen| seen.target == "resilience::chaos"), "{seen:#?}");
    assert!(format!("{:?}", warnings[1].fields).contains("shop::charge"), "{seen:#?}");
}

#[test]
fn a_nested_retry_logs_its_depth_and_its_outer_retry() {
    #[with_retry(max = 1, base = 0s, name = "nested::outer")]
    fn outer() -> Result<u32, Secret> {
        inner()
    }
    #[with_retry(max = 1, base = 0s, name = "nested::inner")]
    fn inner() -> Result<u32, Secret> {
        Err(Secret(Category::Connection))
    }
    let seen = reported(|_| drop(outer()));
    let of_inner: Vec<_> = seen.iter().filter(|seen| seen.field("point") == "nested::inner").collect();
    let inside: Vec<_> = of_inner.iter().map(|seen| (seen.field("depth"), seen.field("inside"))).collect();
    let (first, again) = inside.split_at(inside.len() / 2);
    assert!(first.len() > 1 && first.iter().all(|fields| *fields == ("", "")), "{seen:#?}");
    assert!(again.iter().all(|fields| *fields == ("1", "nested::outer")), "{seen:#?}");
    let of_outer = seen.iter().filter(|seen| seen.field("point") == "nested::outer");
    assert!(of_outer.into_iter().all(|seen| !seen.fields.contains_key("depth")), "{seen:#?}");
}

#[test]
fn the_key_is_a_field_only_with_key_label() {
    #[circuit_breaker(threshold = 1, recovery = 1s, key = host, key_label)]
    fn shown(host: &str, fails: bool) -> Result<u32, Secret> {
        let _ = host;
        if fails { Err(Secret(Category::Connection)) } else { Ok(1) }
    }
    #[circuit_breaker(threshold = 1, recovery = 1s, key = host)]
    fn hidden(host: &str, fails: bool) -> Result<u32, Secret> {
        let _ = host;
        if fails { Err(Secret(Category::Connection)) } else { Ok(1) }
    }
    let told_by = |call: fn(&str, bool) -> Result<u32, Secret>| {
        reported(move |world| {
            drop([call("a.example", true), call("a.example", true)]);
            world.advance(Duration::from_secs(1));
            drop(call("a.example", false));
        })
    };
    let seen = told_by(shown);
    assert_eq!(seen.iter().filter(|seen| seen.field("key") == "a.example").count(), 4, "{seen:#?}");
    let seen = told_by(hidden);
    assert_eq!(seen.len(), 4);
    assert!(seen.iter().all(|seen| !seen.fields.contains_key("key")), "{seen:#?}");
    assert!(!format!("{seen:?}").contains("a.example"), "{seen:#?}");
}

#[test]
fn a_failover_logs_only_listed_values() {
    #[failover(value = ["listed", "other"], sticky = 60s)]
    fn fails_over(value: &str, down: &str) -> Result<usize, Secret> {
        if down.contains(value) { Err(Secret(Category::Timeout)) } else { Ok(value.len()) }
    }
    let seen = reported(|_| {
        assert!(fails_over(SECRET, SECRET).is_ok());
        assert!(fails_over(SECRET, "listed").is_ok());
    });
    let lines: Vec<_> = seen.iter().map(|line| (line.field("value"), line.field("step"))).collect();
    assert_eq!(lines, [("listed", "1"), ("", "1")]);
    for line in seen {
        assert_eq!((&*line.target, line.level), ("resilience::failover", Level::DEBUG));
        assert_eq!((line.field("message"), line.field("category")), ("failed over", "timeout"));
    }
}

#[test]
fn an_extra_call_of_a_hedge_is_logged_at_debug() {
    #[hedge(after = 10ms, idempotent, key = host)]
    async fn hidden(host: &str, world: &testing::World) -> Result<usize, Secret> {
        for _ in 0..2 {
            world.advance(Duration::from_millis(20));
            tokio::task::yield_now().await;
        }
        Ok(host.len())
    }
    #[hedge(after = 10ms, idempotent, key = host, key_label)]
    async fn shown(host: &str, world: &testing::World) -> Result<usize, Secret> {
        hidden(host, world).await
    }
    let seen = reported(|world| {
        let both = async { (hidden(SECRET, world).await.is_ok(), shown("a.example", world).await.is_ok()) };
        assert_eq!(futures::executor::block_on(both), (true, true));
    });
    assert!(!seen.is_empty());
    for line in seen {
        assert_eq!((&*line.target, line.level), ("resilience::hedge", Level::DEBUG));
        assert_eq!((line.field("number"), line.field("after_ms")), ("1", "10"));
        let key = if line.field("point").starts_with("tracing::shown") { "a.example" } else { "" };
        assert_eq!(line.field("key"), key, "{line:?}");
    }
}

#[test]
fn rejections_of_each_breaker_are_reported_at_most_once_a_second() {
    let seen = reported(|_| {
        for name in ["first", "second"] {
            let breaker = resilience::CircuitBreaker::named(name);
            breaker.force_open();
            (0..9).for_each(|_| drop(breaker.acquire()));
        }
    });
    let rejected: Vec<_> = seen.iter().filter(|seen| seen.field("policy") == "circuit_breaker").collect();
    assert_eq!(rejected.len(), 2, "{seen:#?}");
}

#[test]
fn rejections_of_all_keys_are_logged_at_most_once_a_second() {
    #[circuit_breaker(threshold = 1, key = tenant)]
    fn guarded(tenant: u32) -> Result<u32, Secret> {
        Err(Secret(Category::Connection))
    }
    let rejected =
        |seen: &[Seen]| seen.iter().filter(|seen| seen.field("policy") == "circuit_breaker").count();
    let seen = reported(|_| (0..40).for_each(|call| drop(guarded(call % 10))));
    assert_eq!(rejected(&seen), 1, "{seen:#?}");
    let seen = reported(|world| {
        (0..40).for_each(|call| drop(guarded(call % 10)));
        world.advance(Duration::from_secs(1));
        (0..40).for_each(|call| drop(guarded(call % 10)));
    });
    assert_eq!(rejected(&seen), 2, "{seen:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_timeout_is_reported() {
    #[timeout(2s)]
    async fn slow(_password: &str) -> Result<u32, Secret> {
        std::future::pending().await
    }
    let capture = Capture::default();
    let _world = testing::isolate();
    {
        let _guard = tracing::subscriber::set_default(capture.clone());
        assert!(slow(SECRET).await.is_err());
    }
    let seen = capture.0.lock().unwrap().clone();
    assert_eq!(seen.len(), 1, "{seen:#?}");
    assert!(seen[0].target.starts_with("resilience::") && seen[0].field("point").ends_with("slow"));
}

#[test]
fn fallbacks_for_permanent_errors_warn_at_most_once_a_minute() {
    #[with_fallback(value = 0)]
    fn hides(category: Category) -> Result<u32, Secret> {
        Err(Secret(category))
    }
    let warnings = |seen: &[Seen]| levels(seen).iter().filter(|level| **level == Level::WARN).count();
    let seen = reported(|_| drop(hides(Category::Unavailable)));
    assert_eq!((warnings(&seen), seen.len()), (0, 1), "{seen:#?}");
    let seen = reported(|world| {
        for _ in 0..10 {
            drop([Category::Auth, Category::Invalid, Category::Permanent].map(hides));
        }
        world.advance(Duration::from_secs(61));
        drop(hides(Category::Auth));
    });
    assert_eq!(warnings(&seen), 2, "{seen:#?}");
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
fn every_line_about_a_job_names_it() {
    #[checkpoint("part")]
    fn part() -> Result<u32, Secret> {
        Ok(1)
    }
    #[with_recovery(on(corrupt, rollback), otherwise = manual)]
    #[job("named:{id}")]
    fn named(id: u32, fails: &str) -> Result<u32, Secret> {
        part()?;
        match fails {
            "unavailable" => Err(Secret(Category::Unavailable)),
            "corrupt" => Err(Secret(Category::Corrupt)),
            _ => Ok(id),
        }
    }
    #[job("named:{id}", name = "pending")]
    async fn pending(id: u32) -> Result<u32, Secret> {
        std::future::pending::<()>().await;
        Ok(id)
    }
    let lines = |work: fn()| {
        let mut seen = reported(|_| work());
        // The line of each world that its jobs are not recovered is about none of them.
        let before = seen.len();
        seen.retain(|seen| !seen.field("message").contains("never recovers them"));
        assert_eq!(seen.len() + 1, before, "{seen:#?}");
        assert!(seen.iter().all(|seen| seen.field("job") == "named:7"), "{seen:#?}");
        let line = |seen: &Seen| (seen.level, seen.field("message").to_owned());
        seen.iter().filter(|seen| seen.target == "resilience::job").map(line).collect::<Vec<_>>()
    };
    let debug = |text: &str| (Level::DEBUG, text.to_owned());
    assert_eq!(lines(|| drop(named(7, ""))), [debug("started"), debug("done")]);
    let parked = [debug("started"), debug("ended without a result")];
    assert_eq!(lines(|| drop(named(7, "unavailable"))), parked);
    let undone = [debug("started"), (Level::WARN, "rolled back".to_owned())];
    assert_eq!(lines(|| drop(named(7, "corrupt"))), undone);
    let dropped = [debug("started"), (Level::WARN, "interrupted".to_owned())];
    let drop_it = || assert!(futures::FutureExt::now_or_never(pending(7)).is_none());
    assert_eq!(lines(drop_it), dropped);
}

#[tokio::test(start_paused = true)]
async fn lines_of_policies_inside_a_job_name_it() {
    #[circuit_breaker(threshold = 1)]
    fn inner() -> Result<u32, Secret> {
        Err(Secret(Category::Unavailable))
    }
    #[with_fallback(value = 7)]
    #[with_retry(max = 1, base = 0s)]
    fn outer() -> Result<u32, Secret> {
        inner()
    }
    #[timeout(60s, thread)]
    fn on_thread() -> Result<u32, Secret> {
        outer()
    }
    #[timeout(2s)]
    async fn slow() -> Result<u32, Secret> {
        std::future::pending().await
    }
    #[job("policies:{id}")]
    async fn whole(id: u32) -> Result<u32, Secret> {
        assert!(slow().await.is_err());
        on_thread().map(|seven| seven + id)
    }
    let _world = testing::isolate();
    let capture = Capture::default();
    let _guard = tracing::subscriber::set_default(capture.clone());
    let take = || std::mem::take(&mut *capture.0.lock().unwrap());
    assert_eq!(whole(1).await.unwrap(), 8);
    let seen = take();
    for target in ["retry", "breaker", "timeout", "fallback"].map(|word| format!("resilience::{word}")) {
        let mut lines = seen.iter().filter(|seen| seen.target == target).peekable();
        assert!(lines.peek().is_some(), "no line of {target}: {seen:#?}");
        assert!(lines.all(|seen| seen.field("job") == "policies:1"), "{seen:#?}");
    }
    assert!(outer().is_ok() && slow().await.is_err());
    let outside = take();
    assert!(
        !outside.is_empty() && outside.iter().all(|seen| !seen.fields.contains_key("job")),
        "{outside:#?}"
    );
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
fn panics_and_unrecorded_results_warn_with_the_job() {
    #[job("breaks:{id}")]
    fn breaks(id: u32) -> Result<u32, Secret> {
        panic!("the body breaks {id}")
    }
    #[job("large:{bytes}")]
    fn large(bytes: usize) -> Result<String, Secret> {
        Ok("x".repeat(bytes))
    }
    let seen = reported(|_| {
        drop(std::panic::catch_unwind(|| breaks(2)));
        drop(large(1 << 20));
    });
    let warnings: Vec<_> = seen.iter().filter(|seen| seen.level == Level::WARN).collect();
    let said: Vec<_> = warnings
        .iter()
        .map(|seen| (seen.field("job"), seen.field("message")))
        .filter(|said| !said.0.is_empty())
        .collect();
    let id = format!("large:{}", 1 << 20);
    assert_eq!(
        said,
        [("breaks:2", "the body of a job panicked"), (id.as_str(), "the result of a job was not recorded")]
    );
    assert!(warnings.iter().any(|seen| seen.field("problem").contains("the body breaks")), "{seen:#?}");
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

mod outside {
    use super::*;

    #[checkpoint("outside:{n}")]
    async fn step(n: u32) -> Result<u32, Secret> {
        Ok(n)
    }

    #[test]
    fn a_step_outside_any_job_while_jobs_run_warns_once() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let run = || {
            runtime.block_on(async {
                // While no job runs, steps are used without jobs.
                assert_eq!(step(1).await.ok(), Some(1));
                let ran: Result<(), Secret> = resilience::Job::run("forgetful", (), async |()| {
                    for n in 2..4 {
                        let forgot = tokio::spawn(async move { step(n).await.ok() });
                        assert_eq!(forgot.await.unwrap(), Some(n));
                        let part = tokio::spawn(resilience::in_scope(async move { step(n).await.ok() }));
                        assert_eq!(part.await.unwrap(), Some(n));
                    }
                    Ok(())
                })
                .await;
                assert!(ran.is_ok());
            });
        };
        // Each world has its own warnings.
        for _ in 0..2 {
            let seen = reported(|_| run());
            let with =
                |text: &'static str| seen.iter().filter(move |seen| seen.field("message").contains(text));
            let warnings: Vec<_> = with("resilience::in_scope(..)").collect();
            assert_eq!(warnings.len(), 1, "{seen:#?}");
            let warned = (warnings[0].level, warnings[0].field("point"));
            assert_eq!(warned, (Level::WARN, "tracing::outside::step"));
            assert_eq!(with("never recovers them").count(), 1, "{seen:#?}");
        }
    }

    #[test]
    fn a_rollback_in_another_store_than_its_jobs_warns_once() {
        use resilience::durable::MemoryStore;
        static OTHER: LazyLock<Arc<MemoryStore>> = LazyLock::new(|| Arc::new(MemoryStore::new()));
        #[checkpoint("kept:{n}", store = OTHER.clone(), rollback = forget)]
        fn kept(n: u32) -> Result<u32, Secret> {
            Ok(n)
        }
        #[checkpoint("plain:{n}", store = OTHER.clone())]
        fn plain(n: u32) -> Result<u32, Secret> {
            Ok(n)
        }
        #[checkpoint("own:{n}", rollback = forget)]
        fn own(n: u32) -> Result<u32, Secret> {
            Ok(n)
        }
        fn forget(_: u32) -> Result<(), Secret> {
            Ok(())
        }
        #[job("elsewhere:{id}")]
        fn elsewhere(id: u32) -> Result<u32, Secret> {
            Ok(kept(1)? + kept(2)? + plain(id)? + own(id)?)
        }
        let seen = reported(|_| {
            assert_eq!(kept(0).ok(), Some(0), "outside of jobs nothing is undone");
            assert_eq!(elsewhere(1).ok(), Some(5));
        });
        let warnings: Vec<_> =
            seen.iter().filter(|seen| seen.field("message").contains("rollback")).collect();
        assert_eq!(warnings.len(), 1, "{seen:#?}");
        assert_eq!((warnings[0].level, warnings[0].field("job")), (Level::WARN, "elsewhere:1"));
        assert!(warnings[0].field("point").ends_with("kept"), "{seen:#?}");
    }
}
