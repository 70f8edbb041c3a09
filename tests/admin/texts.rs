//! What a failed job keeps of its error's text: nothing, or what is left without secrets.

use crate::common::{Scratch, block_on};
use resilience::durable::{JobInfo, MemoryStore, SqliteStore, Status, Store};
use resilience::testing::isolate;
use resilience::{Category, Classify, Job, Rejected, job, jobs};
use std::sync::{Arc, Mutex};
use thiserror::Error;

/// `Refused` lets its text be recorded, `Hidden` does not.
#[derive(Debug, Error, Classify)]
enum Failure {
    #[error("{0}")]
    #[classify(text)]
    Refused(String),
    #[error("{0}")]
    #[classify(invalid)]
    Hidden(String),
    #[error(transparent)]
    #[classify(transparent)]
    Rejected(#[from] Rejected),
    #[error("upstream: {0}")]
    #[classify(transparent)]
    Upstream(#[source] Box<Failure>),
}

const SECRET: &str = "503 from https://app:CANARY@api/x?token=CANARY\n\u{1b}[31mpassword: CANARY";
const SCRUBBED: &str = "503 from https://***@api/x?token=*** \u{fffd}[31mpassword: ***";

static STORE: Mutex<Option<Arc<dyn Store>>> = Mutex::new(None);

fn store() -> Arc<dyn Store> {
    STORE.lock().expect("no panic").clone().expect("a store")
}

#[job("kept:{id}", record_text, store = store())]
fn kept(id: u32) -> Result<u32, Failure> {
    Err(Failure::Hidden(format!("{id}: {SECRET}")))
}

#[job("kept_async:{id}", record_text = true, store = store())]
async fn kept_async(id: u32) -> Result<u32, Failure> {
    Err(Failure::Hidden(format!("{id}: {SECRET}")))
}

#[job("plain:{id}", record_text = false, store = store())]
fn plain(id: u32) -> Result<u32, Failure> {
    Err(Failure::Hidden(format!("{id}: {SECRET}")))
}

#[job("by_type:{id}", store = store())]
async fn by_type(id: u32) -> Result<u32, Failure> {
    Err(Failure::Upstream(Box::new(Failure::Refused(format!("{id}: {SECRET}")))))
}

#[job("chain:{id}", record_text, store = store())]
fn chain(id: u32) -> anyhow::Result<u32> {
    Err(anyhow::anyhow!("no page {id}").context("the import failed"))
}

#[job("panics:{id}", store = store())]
fn panics(id: u32) -> Result<u32, Failure> {
    panic!("{id}: {SECRET}")
}

#[job("boxed:{id}", store = store())]
fn boxed(id: u32) -> Result<u32, Box<dyn std::error::Error>> {
    Err(Box::new(Failure::Refused(format!("{id}: {SECRET}"))))
}

/// The job of each function and kind of value, after its failure.
fn failed() -> Vec<JobInfo> {
    let info = |id: &str| block_on(jobs::of(store()).get(id)).expect("a store").expect("a job");
    assert!(kept(1).is_err() && plain(2).is_err() && chain(3).is_err() && boxed(4).is_err());
    assert!(block_on(kept_async(5)).is_err() && block_on(by_type(6)).is_err());
    assert!(std::panic::catch_unwind(|| panics(7)).is_err());
    ["kept:1", "plain:2", "chain:3", "boxed:4", "kept_async:5", "by_type:6", "panics:7"].map(info).into()
}

#[test]
fn error_texts_are_recorded_on_request_and_without_secrets() {
    let _world = isolate();
    let scratch = Scratch::new();
    let stores: [Arc<dyn Store>; 2] =
        [Arc::new(MemoryStore::new()), Arc::new(SqliteStore::open(scratch.path("state")).expect("a store"))];
    for store in stores {
        *STORE.lock().expect("no panic") = Some(store);
        let found = failed();
        let texts: Vec<_> = found.iter().map(|job| job.text.clone()).collect();
        let text = |id: u32| Some(format!("{id}: {SCRUBBED}"));
        let chain = Some("the import failed: no page 3".to_owned());
        assert_eq!(texts, [text(1), None, chain, text(4), text(5), text(6), None]);
        assert!(found[0].to_string().ends_with(&format!("invalid, medium: 1: {SCRUBBED}")), "{}", found[0]);
        assert_eq!(found[0].events.last().expect("an event").text, text(1));
        assert_eq!(found[1].events.last().expect("an event").text, None);
        let again = kept(1).unwrap_err().to_string();
        assert!(again.contains(&format!("ended before as failed (invalid): 1: {SCRUBBED};")), "{again}");
        let problem = found[6].problem.as_deref().expect("a problem");
        assert_eq!(problem, format!("the body panicked: 7: {SCRUBBED}"));
        for job in &found {
            let json = serde_json::to_string(job).expect("json");
            assert!(!json.contains("CANARY") && !format!("{job:?}").contains("CANARY"), "{json}");
        }
    }
    *STORE.lock().expect("no panic") = None;
    for file in std::fs::read_dir(scratch.path("state")).expect("a directory") {
        let path = file.expect("an entry").path();
        if path.is_dir() {
            continue;
        }
        let bytes = std::fs::read(&path).expect("a file");
        assert!(!bytes.windows(6).any(|part| part == b"CANARY"), "{}", path.display());
    }
}

/// A value has no attribute: its error's type decides.
#[test]
fn the_error_text_of_a_job_value_depends_on_its_type() {
    let _world = isolate();
    let run = |id: &str, error: fn(String) -> Failure| {
        let failed = Job::run_blocking(id, (), |()| Err::<u32, _>(error(SECRET.to_owned())));
        assert!(failed.is_err());
        jobs::blocking::get(id).expect("a store").expect("a job")
    };
    assert_eq!(run("a", Failure::Refused).text.as_deref(), Some(SCRUBBED));
    assert_eq!(run("b", Failure::Hidden).text, None);
    let job = block_on(async {
        let _ = Job::run("c", (), async |()| Err::<u32, _>(Failure::Refused("timed out".into()))).await;
        jobs::get("c").await.expect("a store").expect("a job")
    });
    assert_eq!(
        (job.text.as_deref(), job.class.map(|class| class.category)),
        (Some("timed out"), Some(Category::Timeout))
    );
}

/// The text is that of the error whose class the job has: a later end has its own.
#[test]
fn the_text_belongs_to_the_last_error() {
    let _world = isolate();
    let run = |fails: Option<Failure>| {
        let done: Result<u32, Failure> = Job::run_blocking("job", (), |()| fails.map_or(Ok(7), Err));
        let job = jobs::blocking::get("job").expect("a store").expect("a job");
        (done.is_ok(), job.status, job.text)
    };
    let resume = || jobs::blocking::resume("job").expect("it has failed");
    let refused = |text: &str| Some(Failure::Refused(text.to_owned()));
    assert_eq!(run(refused("first")), (false, Status::Failed, Some("first".to_owned())));
    resume();
    assert_eq!(run(refused("second")), (false, Status::Failed, Some("second".to_owned())));
    resume();
    assert_eq!(run(Some(Failure::Hidden("third".to_owned()))), (false, Status::Failed, None));
    resume();
    assert_eq!(run(None), (true, Status::Done, None));
    let job = jobs::blocking::get("job").expect("a store").expect("a job");
    let texts: Vec<_> = job.events.into_iter().filter_map(|event| event.text).collect();
    assert_eq!(texts, ["first", "second"]);
}
