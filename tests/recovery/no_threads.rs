//! Recovery where no thread can be started.

use super::{Error, interrupted, shim};
use resilience::durable::{JobError, MemoryStore, Recovered, Status, Store};
use resilience::{job, recover};
use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, OnceLock};

const FILE: &str = "NO_THREADS";
const TEST: &str = "no_threads::a_job_stays_interrupted_until_a_thread_can_start";

#[job("threadless:{id}", max_recoveries = 1)]
fn threadless(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[job("threadless-async:{id}", max_recoveries = 1)]
async fn threadless_async(id: u32) -> Result<u32, Error> {
    tokio::task::yield_now().await;
    Ok(id)
}

static LET_GO: OnceLock<Mutex<Receiver<()>>> = OnceLock::new();
static RUNS: OnceLock<Mutex<Sender<()>>> = OnceLock::new();

/// Keeps the thread that starts the jobs.
#[job("keeper:{id}")]
fn keeper(id: u32) -> Result<u32, Error> {
    RUNS.get().unwrap().lock().unwrap().send(()).unwrap();
    let _ = LET_GO.get().unwrap().lock().unwrap().recv();
    Ok(id)
}

fn stays_interrupted(recovered: &Recovered) {
    assert_eq!(recovered.count(Status::Interrupted), 2, "{recovered}");
    for job in &recovered.jobs {
        assert!(matches!(job.problem, Some(JobError::NotStarted { .. })), "{recovered}");
    }
}

fn in_the_child(file: &Path) {
    let store = Arc::new(MemoryStore::new());
    interrupted(&*store, "threadless:1", "threadless:{id}", r#"{"id":1}"#);
    interrupted(&*store, "threadless-async:1", "threadless-async:{id}", r#"{"id":1}"#);
    let look = |store: Arc<dyn Store>| recover().store(store).once().until_done().blocking().unwrap();

    std::fs::write(file, "").unwrap();
    stays_interrupted(&look(store.clone()));
    std::fs::remove_file(file).unwrap();

    let ((runs, is_running), (let_go, held)) = (channel(), channel());
    assert!(RUNS.set(Mutex::new(runs)).is_ok() && LET_GO.set(Mutex::new(held)).is_ok());
    let kept = Arc::new(MemoryStore::new());
    interrupted(&*kept, "keeper:1", "keeper:{id}", r#"{"id":1}"#);
    recover().store(kept).once().blocking().unwrap();
    is_running.recv().unwrap();
    std::fs::write(file, "").unwrap();
    stays_interrupted(&look(store.clone()));
    std::fs::remove_file(file).unwrap();
    let_go.send(()).unwrap();

    let recovered = look(store);
    assert_eq!(recovered.count(Status::Done), 2, "no recovery was used up: {recovered}");
}

#[test]
fn a_job_stays_interrupted_until_a_thread_can_start() {
    if let Some(file) = std::env::var_os(FILE) {
        return in_the_child(Path::new(&file));
    }
    let library = match shim::compiled("tests/recovery/no_threads.c") {
        Ok(library) => library,
        Err(reason) => panic!("{reason}"),
    };
    let file = library.with_extension(format!("{}.file", std::process::id()));
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args([TEST, "--exact", "--nocapture"]).env("LD_PRELOAD", library).env(FILE, &file);
    let output = child.output().unwrap();
    let _ = std::fs::remove_file(file);
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && told.contains("1 passed"),
        "{told}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
