//! Recovered jobs that sleep: they keep no others from running, and a request to stop reaches them.

use super::shared::{Scratch, child, given_dir};
use super::{Error, interrupted};
use futures::executor::block_on;
use resilience::durable::{MemoryStore, SqliteStore, Status, Store};
use resilience::{job, jobs, recover, sleep_until, sleep_until_blocking};
use std::collections::HashSet;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, SystemTime};
use tokio::runtime::Runtime;

/// Longer than any job takes, and shorter than the patience of whoever runs the tests.
const PATIENCE: Duration = Duration::from_secs(60);
/// More than run at once.
const CROWD: u32 = 20;

fn in_an_hour() -> SystemTime {
    SystemTime::now() + Duration::from_secs(3_600)
}

/// Where bodies of one test say that they are over, or begin.
type Said = LazyLock<(Mutex<Sender<String>>, Mutex<Receiver<String>>)>;

fn said() -> (Mutex<Sender<String>>, Mutex<Receiver<String>>) {
    let (send, receive) = channel();
    (Mutex::new(send), Mutex::new(receive))
}

fn say(said: &Said, what: String) {
    said.0.lock().unwrap().send(what).unwrap();
}

fn heard(said: &Said, count: u32) -> HashSet<String> {
    let hear = |_| said.1.lock().unwrap().recv_timeout(PATIENCE).expect("it is over by now");
    (0..count).map(hear).collect()
}

static SAID: Said = LazyLock::new(said);

#[job("nap:{id}")]
async fn nap(id: u32) -> Result<u32, Error> {
    say(&SAID, format!("nap:{id} begins"));
    let slept = sleep_until("nap", in_an_hour()).await;
    say(&SAID, format!("nap:{id}"));
    Ok(slept.map(|()| id)?)
}

#[job("sync nap:{id}")]
fn sync_nap(id: u32) -> Result<u32, Error> {
    say(&SAID, format!("sync nap:{id} begins"));
    let slept = sleep_until_blocking("nap", in_an_hour());
    say(&SAID, format!("sync nap:{id}"));
    Ok(slept.map(|()| id)?)
}

#[job("urgent:{id}")]
async fn urgent(id: u32) -> Result<u32, Error> {
    say(&SAID, format!("urgent:{id}"));
    Ok(id)
}

#[test]
fn sleeping_jobs_do_not_block_others_and_can_be_cancelled() {
    let store = Arc::new(MemoryStore::new());
    let naps = ["nap:{id}", "sync nap:{id}"].map(|name| {
        let ids = (0..CROWD).map(|id| (id, name.replace("{id}", &id.to_string())));
        ids.map(|(id, key)| (key, name, id)).collect::<Vec<_>>()
    });
    let last = ("urgent:1".to_owned(), "urgent:{id}", 1);
    for (key, name, id) in naps.iter().flatten().chain([&last]) {
        interrupted(&*store, key, name, &format!(r#"{{"id":{id}}}"#));
    }
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async { recover().store(store.clone()).once().await }).unwrap();
    assert!(heard(&SAID, 2 * CROWD + 1).contains("urgent:1"));

    let jobs = jobs::blocking::of(store.clone());
    for (key, ..) in naps.iter().flatten() {
        jobs.cancel(key).unwrap();
    }
    assert_eq!(heard(&SAID, 2 * CROWD).len(), 2 * CROWD as usize);
    let found = recover().store(store).once().until_done().blocking().unwrap();
    assert!(found.jobs.is_empty(), "a job that was cancelled has ended: {found}");
}

struct Gate {
    opened: tokio::sync::Semaphore,
    now: AtomicUsize,
    most: AtomicUsize,
}

static GATE: Gate = Gate {
    opened: tokio::sync::Semaphore::const_new(0),
    now: AtomicUsize::new(0),
    most: AtomicUsize::new(0),
};
static WOKEN: Said = LazyLock::new(said);
static ALARM: LazyLock<SystemTime> = LazyLock::new(in_an_hour);

#[job("rises:{id}")]
async fn rises(id: u32) -> Result<u32, Error> {
    sleep_until("night", *ALARM).await?;
    GATE.most.fetch_max(GATE.now.fetch_add(1, SeqCst) + 1, SeqCst);
    say(&WOKEN, format!("rises:{id}"));
    let _open = GATE.opened.acquire().await;
    GATE.now.fetch_sub(1, SeqCst);
    Ok(id)
}

#[tokio::test(start_paused = true)]
async fn at_most_sixteen_jobs_continue_when_all_wake_at_once() {
    let _ = *ALARM;
    let store = Arc::new(MemoryStore::new());
    for id in 0..3 * CROWD {
        interrupted(&*store, &format!("rises:{id}"), "rises:{id}", &format!(r#"{{"id":{id}}}"#));
    }
    let opens = std::thread::spawn(|| {
        heard(&WOKEN, 16);
        GATE.opened.add_permits(1);
        heard(&WOKEN, 3 * CROWD - 16);
    });
    let found = recover().store(store).once().until_done().await.unwrap();
    assert_eq!(found.count(Status::Done), 3 * CROWD as usize, "{found}");
    opens.join().unwrap();
    assert_eq!(GATE.most.load(SeqCst), 16);
}

static WITH_OTHERS: Said = LazyLock::new(said);

#[job("dozes:{id}")]
async fn dozes(id: u32) -> Result<u32, Error> {
    say(&WITH_OTHERS, format!("dozes:{id} begins"));
    let slept = sleep_until("nap", in_an_hour()).await;
    say(&WITH_OTHERS, format!("dozes:{id}"));
    Ok(slept.map(|()| id)?)
}

#[job("kills:{id}")]
async fn kills(id: u32) -> Result<u32, Error> {
    if given_dir().is_some() {
        std::process::abort();
    }
    say(&WITH_OTHERS, format!("kills:{id}"));
    Ok(id)
}

fn open(dir: &Path) -> Arc<SqliteStore> {
    Arc::new(SqliteStore::open(dir.join("store")).unwrap())
}

/// Not a test of its own: begins jobs that sleep, and dies in one that does not.
#[test]
#[ignore = "run by others, in a process of its own"]
fn dying_with_sleepers() {
    let Some(dir) = given_dir() else { return };
    let store = open(&dir);
    resilience::durable::use_store(store.clone());
    Runtime::new()
        .unwrap()
        .block_on(async {
            let _dozing: Vec<_> = (0..CROWD).map(|id| tokio::spawn(dozes(id))).collect();
            for id in 0..CROWD {
                let step = format!("s/dozes%3A{id}/nap");
                while store.get(&step).await.unwrap().is_none() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
            kills(1).await
        })
        .unwrap();
}

/// Not a test of its own: cancels the jobs of another process.
#[test]
#[ignore = "run by others, in a process of its own"]
fn cancelling_sleepers() {
    let Some(dir) = given_dir() else { return };
    let jobs = jobs::blocking::of(open(&dir));
    (0..CROWD).for_each(|id| jobs.cancel(&format!("dozes:{id}")).unwrap());
}

#[test]
fn sleepers_of_a_dead_process_do_not_block_other_jobs() {
    let scratch = Scratch::new();
    let status = child("sleepers::dying_with_sleepers", &scratch.path("")).status().unwrap();
    assert!(!status.success(), "it was to die");
    let store = open(&scratch.path(""));
    let runtime = Runtime::new().unwrap();
    let found = runtime.block_on(async { recover().store(store.clone()).once().await }).unwrap();
    assert_eq!(found.jobs.len(), CROWD as usize + 1, "{found}");
    assert!(heard(&WITH_OTHERS, CROWD + 1).contains("kills:1"));

    assert!(child("sleepers::cancelling_sleepers", &scratch.path("")).status().unwrap().success());
    assert_eq!(heard(&WITH_OTHERS, CROWD).len(), CROWD as usize);
    let ended = |id| block_on(store.get(&format!("j/dozes:{id}"))).unwrap().unwrap().status;
    // The end is written after the body.
    let is_failed = |id| {
        (0..10_000).any(|_| {
            std::thread::yield_now();
            ended(id) == Status::Failed
        })
    };
    assert!((0..CROWD).all(is_failed));
}
