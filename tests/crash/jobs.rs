//! The processes that are killed, and what they do: each runs all jobs, while the others do the same.

use crate::random::Random;
use resilience::durable::{SqliteStore, Status, Store, use_store};
use resilience::{Classify, Progress, Rejected, checkpoint, job, jobs, recover, with_recovery};
use std::fmt::Display;
use std::fs::OpenOptions;
use std::future::Future;
use std::io::Write;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

pub(crate) const STEPS: u32 = 4;
/// Steps outside of jobs.
pub(crate) const OUTSIDE: u32 = 2;

#[derive(Debug, Classify)]
enum Error {
    #[classify(corrupt)]
    Damaged,
    #[classify(transparent)]
    Rejected(Rejected),
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

pub(crate) fn dir() -> PathBuf {
    std::env::var_os("CRASH_DIR").expect("set by the parent").into()
}

fn set(name: &str) -> String {
    std::env::var(name).unwrap_or_default()
}

/// One line in the log of effects, as the outside world sees it: one short write.
fn log(what: &str, job: &str, n: u32, value: impl Display) {
    let file = OpenOptions::new().create(true).append(true).open(dir().join("log"));
    let line = format!("{what} {job} {n} {value}\n");
    file.and_then(|mut file| file.write_all(line.as_bytes())).expect("the log");
}

/// A value that another run of the body would not have.
fn nonce() -> u64 {
    use std::hash::BuildHasher;
    std::hash::RandomState::new().hash_one(0)
}

/// What a step does to the world.
fn effect(n: u32) -> (u32, u64) {
    let key = resilience::step().expect("a step").idempotency_key();
    log("effect", &resilience::durable::job().unwrap_or_else(|| "none".to_owned()), n, key);
    (n, nonce())
}

/// What the world is told once a step has returned.
fn acknowledge(job: &str, (n, value): (u32, u64)) -> u32 {
    log("ack", job, n, value);
    n
}

#[checkpoint("step:{n}", name = "crash::step", lease = 2s, rollback = undo)]
fn step(n: u32) -> Result<(u32, u64), Error> {
    Ok(effect(n))
}

fn undo((n, value): (u32, u64)) {
    log("undo", &resilience::durable::job().unwrap_or_else(|| "saga:1".to_owned()), n, value);
}

#[checkpoint("step:{n}", name = "crash::step", lease = 2s)]
async fn step_async(n: u32) -> Result<(u32, u64), Error> {
    tokio::task::yield_now().await;
    let value = effect(n);
    tokio::task::yield_now().await;
    Ok(value)
}

#[checkpoint("outside:{n}", lease = 2s)]
fn outside(n: u32) -> Result<(u32, u64), Error> {
    Ok(effect(n))
}

#[job("sync:{id}", max_recoveries = 1000, lease = 2s)]
fn work(id: u32) -> Result<u32, Error> {
    let mut sum = id;
    for n in 0..STEPS {
        sum += acknowledge("sync:1", step(n)?);
    }
    Ok(sum)
}

#[job("async:{id}", max_recoveries = 1000, lease = 2s)]
async fn work_async(id: u32) -> Result<u32, Error> {
    let mut sum = id;
    for n in 0..STEPS {
        sum += acknowledge("async:1", step_async(n).await?);
    }
    Ok(sum)
}

/// Its cursor is acknowledged: rows below it are not done again.
#[job("rows:{id}", max_recoveries = 1000, lease = 2s)]
fn rows(id: u32) -> Result<u32, Error> {
    let mut progress = Progress::<u32>::open("rows");
    for row in progress.restore_blocking()?.unwrap_or(0)..STEPS {
        log("row", "rows:1", row, 0);
        progress.save_blocking(&(row + 1))?;
        log("saved", "rows:1", row, 0);
    }
    Ok(id)
}

#[with_recovery(on(corrupt, rollback))]
#[job("saga:{id}", max_recoveries = 1000, lease = 2s)]
fn saga(id: u32) -> Result<u32, Error> {
    for n in 0..STEPS {
        acknowledge("saga:1", step(n)?);
    }
    let _ = id;
    Err(Error::Damaged)
}

static PASSED: AtomicU32 = AtomicU32::new(0);

/// Kills or stops this process the `CRASH_NTH` time it comes by the moment `CRASH_AT`.
fn strike(moment: &'static str) {
    if set("CRASH_AT") != moment {
        return;
    }
    if (PASSED.fetch_add(1, Ordering::SeqCst) + 1).to_string() == set("CRASH_NTH") {
        let signal = set("CRASH_SIGNAL");
        let pid = std::process::id().to_string();
        Command::new("kill").args([&signal, &pid]).status().expect("kill");
        if signal == "-KILL" {
            // The process may run on for a moment, which it must not use.
            loop {
                std::thread::park();
            }
        }
    }
}

/// Calls until the result is the one that an undisturbed run has: what the machinery cannot do at the moment,
/// it can do later.
fn until(is_right: impl Fn() -> Result<bool, String>) {
    let mut problem = String::new();
    for _ in 0..200 {
        match is_right() {
            Ok(is_right) => return assert!(is_right, "another result"),
            // A lease is lost only to those who take this process for dead.
            Err(now) if now.contains("Fenced") => panic!("the lease of a live process was lost: {now}"),
            Err(now) => problem = now,
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    panic!("still: {problem}");
}

fn expect<T: PartialEq>(result: Result<T, Error>, expected: &T) -> Result<bool, String> {
    result.map(|value| value == *expected).map_err(|error| format!("{error:?}"))
}

/// A process of a round: runs everything, in an order of its own.
pub(crate) fn run_all() {
    let mut random = Random::seeded(set("CRASH_ORDER").parse().expect("a number"));
    resilience::testing::on_moment(strike);
    use_store(Arc::new(SqliteStore::open(dir().join("state")).expect("a store")));
    if random.below(2) == 0 {
        until(|| recover().until_done().blocking().map(|_| true).map_err(|error| error.to_string()));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let sum = 1 + (0..STEPS).sum::<u32>();
    let first = random.below(5);
    for kind in (0..5).map(|kind| (kind + first) % 5) {
        until(|| match kind {
            0 => expect(work(1), &sum),
            1 => expect(runtime.block_on(work_async(1)), &sum),
            2 => expect(rows(1), &1),
            3 => {
                let error = saga(1).expect_err("it always fails");
                let info = jobs::blocking::get("saga:1").map_err(|error| error.to_string())?;
                match info.map(|info| info.status) {
                    Some(Status::RolledBack) => Ok(true),
                    status => Err(format!("{status:?}: {error:?}")),
                }
            }
            _ => {
                for n in 0..OUTSIDE {
                    let value = outside(n).map_err(|error| format!("{error:?}"))?;
                    acknowledge("none", value);
                }
                Ok(true)
            }
        });
    }
}

/// Prints what the store holds: one line `key status order value` for each record.
pub(crate) fn print_store() {
    fn wait<T>(future: impl Future<Output = Result<T, resilience::durable::StoreError>>) -> T {
        futures::executor::block_on(future).expect("a store")
    }
    let store = SqliteStore::open(dir().join("state")).expect("a store");
    let page = wait(store.list(resilience::durable::store::Query::new("").limit(1000)));
    assert!(page.corrupt.is_empty(), "{:?}", page.corrupt);
    assert!(wait(store.quarantine(None, 10)).is_empty(), "something is in quarantine");
    for record in page.records {
        let value = wait(store.get(&record.key)).map(|record| record.value).unwrap_or_default();
        let value = String::from_utf8(value).expect("JSON");
        println!("record {} {} {} {value}", record.key, record.status, record.order);
    }
}
