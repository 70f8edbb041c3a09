//! A recovery whose store cannot be used at first, or one of whose jobs cannot be read without a panic.

use super::{Error, block_on, forward::forward, interrupted, isolate, recover, shared};
use resilience::durable::record::Corrupt;
use resilience::durable::store::{Page, Query, Release, Work};
use resilience::durable::{MemoryStore, Record, Status, Store, StoreError};
use resilience::job;
use std::future::{IntoFuture, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, OnceLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// A store that cannot be read at first.
#[derive(Debug)]
struct Stumbles {
    inner: MemoryStore,
    times: AtomicU32,
}

impl Store for Stumbles {
    forward! {
        get claim renew complete put_cursor release cas delete_older_than delete_expired remove remove_ended quarantine
        quarantined remove_quarantined now capabilities owner identity
    }

    fn list(&self, query: Query) -> Work<'_, Page> {
        let left = self.times.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |times| times.checked_sub(1));
        match left {
            Ok(_) => {
                Box::pin(std::future::ready(Err(StoreError::Unavailable("too many open files".to_owned()))))
            }
            Err(_) => self.inner.list(query),
        }
    }
}

static DONE: OnceLock<Mutex<Sender<u32>>> = OnceLock::new();

#[job("stumbled:{id}")]
fn stumbled(id: u32) -> Result<u32, Error> {
    if let Some(done) = DONE.get() {
        let _ = done.lock().unwrap().send(id);
    }
    Ok(id)
}

#[test]
fn a_recovery_that_fails_at_first_is_retried() {
    let (send, done) = channel();
    DONE.set(Mutex::new(send)).unwrap();
    let store = Arc::new(Stumbles { inner: MemoryStore::new(), times: AtomicU32::new(2) });
    interrupted(&store.inner, "stumbled:1", "stumbled:{id}", r#"{"id":1}"#);
    let every = Duration::from_millis(10);
    let refused = recover().store(store.clone()).every(every).blocking().unwrap_err();
    assert!(refused.to_string().contains("too many open files"), "{refused}");
    assert_eq!(done.recv_timeout(PATIENCE), Ok(1));
}

/// A store without room, in which some records cannot be read.
#[derive(Debug, Default)]
struct Broken {
    inner: MemoryStore,
}

impl Store for Broken {
    forward! {
        list claim renew complete put_cursor cas delete_older_than delete_expired remove remove_ended quarantine
        quarantined remove_quarantined now capabilities owner identity
    }

    fn get<'a>(&'a self, key: &'a str) -> Work<'a, Option<Record>> {
        let reason = match key {
            "j/damaged" => Corrupt::Checksum,
            "j/later" => Corrupt::LaterFormat(9),
            _ => return self.inner.get(key),
        };
        Box::pin(std::future::ready(Err(StoreError::Corrupt { key: key.to_owned(), reason })))
    }

    fn release(&self, _: Release) -> Work<'_, ()> {
        Box::pin(std::future::ready(Err(StoreError::Full)))
    }
}

#[test]
fn jobs_that_cannot_be_taken_up_are_reported() {
    let world = isolate();
    let store = Arc::new(Broken::default());
    for id in ["damaged", "later"] {
        interrupted(&store.inner, id, "stumbled:{id}", r#"{"id":1}"#);
    }
    let mut undone = Record::new("j/undone");
    (undone.status, undone.function) = (Status::RollingBack, "stumbled:{id}".to_owned());
    block_on(store.cas(None, undone)).unwrap();

    let found = recover().store(store).once().until_done().blocking().unwrap();
    assert_eq!(found.corrupt, ["damaged", "later"]);
    let [job] = found.jobs.as_slice() else { panic!("{found}") };
    let problem = job.problem.as_ref().expect("a problem").to_string();
    assert!(job.id == "undone" && problem.contains("no room left"), "{found}");
    let said: Vec<_> = world.events().iter().map(ToString::to_string).collect();
    let says = |id: &str, words: &str| said.iter().any(|line| line.contains(id) && line.contains(words));
    assert!(says("undone", "no room left") && says("later", "format 9 is of a later release"), "{said:#?}");
    assert!(says("damaged", "a record is damaged") && !says("later", "a record is damaged"), "{said:#?}");
}

/// A store whose first listing is answered at the second poll.
#[derive(Debug, Default)]
struct Slow {
    inner: MemoryStore,
    was_asked: AtomicBool,
}

impl Store for Slow {
    forward! {
        get claim renew complete put_cursor release cas delete_older_than delete_expired remove remove_ended quarantine
        quarantined remove_quarantined now capabilities owner identity
    }

    fn list(&self, query: Query) -> Work<'_, Page> {
        let mut waits = !self.was_asked.swap(true, Ordering::SeqCst);
        Box::pin(async move {
            poll_fn(|_| if std::mem::take(&mut waits) { Poll::Pending } else { Poll::Ready(()) }).await;
            self.inner.list(query).await
        })
    }
}

static BOTH: OnceLock<Mutex<Sender<u64>>> = OnceLock::new();

#[job("served both:{id}", provided(one, other))]
fn served_both(id: u32, one: &u64, other: &Arc<u64>) -> Result<u32, Error> {
    if let Some(both) = BOTH.get() {
        let _ = both.lock().unwrap().send(*one + **other);
    }
    Ok(id)
}

#[test]
fn values_of_two_recoveries_at_once_stay() {
    let (send, both) = channel();
    BOTH.set(Mutex::new(send)).unwrap();
    let (store, every) = (Arc::new(Slow::default()), Duration::from_millis(10));
    let first = recover().store(store.clone()).provide(Arc::new(7_u64)).every(every);
    let mut first = first.into_future();
    assert!(first.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    recover().store(store.clone()).provide(Arc::new(Arc::new(8_u64))).every(every).blocking().unwrap();
    block_on(first).unwrap();
    interrupted(&store.inner, "served both:1", "served both:{id}", r#"{"id":1}"#);
    assert_eq!(both.recv_timeout(PATIENCE), Ok(15));
}

#[job("of the default store:{id}")]
fn of_the_default_store(id: u32) -> Result<u32, Error> {
    println!("it runs");
    std::process::exit(i32::try_from(id).unwrap_or(1));
}

#[test]
#[ignore = "a process of its own"]
fn recovers_a_store_that_can_be_opened_later() {
    let Some(dir) = shared::given_dir() else { return };
    let state = dir.join("state");
    let later = resilience::durable::SqliteStore::open(dir.join("later")).unwrap();
    interrupted(&later, "of the default store:7", "of the default store:{id}", r#"{"id":7}"#);
    drop(later);
    let refused = recover().every(Duration::from_millis(10)).blocking().unwrap_err();
    println!("refused: {refused}");
    std::fs::remove_file(&state).unwrap();
    std::fs::rename(dir.join("later"), &state).unwrap();
    std::thread::sleep(PATIENCE);
}

#[test]
fn a_recovery_retries_opening_its_store() {
    let scratch = shared::Scratch::new();
    let dir = scratch.path("");
    let state = scratch.write("state", "a file, where a directory is needed");
    let mut child = shared::child("stumbles::recovers_a_store_that_can_be_opened_later", &dir);
    let output = child.env("RESILIENCE_STATE", &state).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("refused: ") && text.contains("it runs"), "{text}");
    assert_eq!(output.status.code(), Some(7));
}

#[job("served later:{id}", provided(code))]
fn served_later(id: u32, code: &i32) -> Result<u32, Error> {
    println!("it runs");
    std::process::exit(*code + i32::try_from(id).unwrap_or(0));
}

#[test]
#[ignore = "a process of its own"]
fn recovers_anew_once_its_store_can_be_opened() {
    let Some(dir) = shared::given_dir() else { return };
    let state = dir.join("state");
    let later = resilience::durable::SqliteStore::open(dir.join("later")).unwrap();
    interrupted(&later, "served later:1", "served later:{id}", r#"{"id":1}"#);
    drop(later);
    let refused = recover().provide(Arc::new(7_i32)).every(PATIENCE * 60).blocking().unwrap_err();
    println!("refused: {refused}");
    std::fs::remove_file(&state).unwrap();
    std::fs::rename(dir.join("later"), &state).unwrap();
    println!("{}", recover().every(PATIENCE * 60).until_done().blocking().unwrap());
}

#[test]
fn values_provided_before_the_store_could_be_opened_stay() {
    let scratch = shared::Scratch::new();
    let dir = scratch.path("");
    let state = scratch.write("state", "a file, where a directory is needed");
    let mut child = shared::child("stumbles::recovers_anew_once_its_store_can_be_opened", &dir);
    let output = child.env("RESILIENCE_STATE", &state).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("refused: ") && text.contains("it runs"), "{text}");
    assert_eq!(output.status.code(), Some(8));
}

/// Read from a record, it panics for 13.
#[derive(Clone, Debug, serde::Serialize, serde::Deserialize)]
#[serde(from = "u32")]
struct Lucky(u32);

impl From<u32> for Lucky {
    fn from(n: u32) -> Self {
        assert_ne!(n, 13, "an unlucky number");
        Self(n)
    }
}

#[job("lucky:{id}")]
fn lucky(id: u32, lucky: &Lucky) -> Result<u32, Error> {
    Ok(id + lucky.0)
}

#[test]
fn arguments_that_panic_when_read_do_not_stop_other_jobs() {
    let _world = isolate();
    let store = Arc::new(MemoryStore::new());
    for (id, lucky) in [(1, 13), (2, 7)] {
        let input = format!(r#"{{"id":{id},"lucky":{lucky}}}"#);
        interrupted(&*store, &format!("lucky:{id}"), "lucky:{id}", &input);
    }
    let found = recover().store(store).until_done().blocking().unwrap();
    let [unlucky, lucky] = &*found.jobs else { panic!("{found}") };
    assert_eq!((unlucky.status, lucky.status), (Status::Interrupted, Status::Done), "{found}");
    let problem = unlucky.problem.as_ref().expect("a problem").to_string();
    assert!(problem.contains("the recorded argument `lucky` cannot be read"), "{problem}");
    assert!(problem.contains("its code panicked: ") && problem.contains("an unlucky number"), "{problem}");
}
