//! Everything at once: a body that blocks, a full disk, a handler that hangs, and four calls of `shutdown`.

use super::common::{Scratch, child, given_dir, say};
use super::{Error, LONG};
use resilience::alerts::{self, AlertLevel, recent_in};
use resilience::durable::{SqliteStore, Status, use_store};
use resilience::events::{self, Kind};
use resilience::shutdown::Report;
use resilience::{CircuitBreaker, checkpoint, job, jobs, shutdown, shutdown_blocking};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// The limit of the call that ends first.
const LIMIT: Duration = Duration::from_secs(4);

/// Where each job whose step has begun says so: the store is filled only then, or it would refuse them.
static BEGUN: Mutex<Option<Sender<()>>> = Mutex::new(None);

fn has_begun() {
    BEGUN.lock().unwrap().as_ref().expect("a test").send(()).unwrap();
}

#[checkpoint("blocks:{id}")]
fn blocks(id: u32) -> Result<u32, Error> {
    let _ = id;
    say("blocks");
    has_begun();
    loop {
        thread::park();
    }
}

#[job("blocked:{id}")]
fn blocked(id: u32) -> Result<u32, Error> {
    blocks(id)
}

#[checkpoint("large:{n}")]
fn large(n: u32) -> Result<String, Error> {
    Ok("x".repeat(50_000 + usize::try_from(n).unwrap_or(0)))
}

/// When the step is to shut down, and where it says so.
static STEP: Mutex<Option<(Receiver<()>, Sender<Reported>)>> = Mutex::new(None);

/// From where a shutdown was called, and what it left.
type Reported = (&'static str, Report);

#[checkpoint("stops:{id}")]
fn stops(id: u32) -> Result<u32, Error> {
    let (begin, ended) = STEP.lock().unwrap().take().expect("one call");
    say("step");
    has_begun();
    begin.recv().unwrap();
    ended.send(("a step", shutdown_blocking(LONG))).unwrap();
    Ok(id)
}

#[job("stopping:{id}")]
fn stopping(id: u32) -> Result<u32, Error> {
    stops(id)
}

/// Not a test of its own: fills what it may write, and shuts down.
#[test]
#[ignore = "run by others, in a process of its own"]
fn ends() {
    let Some(dir) = given_dir() else { return };
    alerts::use_dir(&dir);
    use_store(Arc::new(SqliteStore::open(dir.join("store")).unwrap()));
    let signal = shutdown::signal().unwrap();
    let (begun, have_begun) = channel();
    *BEGUN.lock().unwrap() = Some(begun);
    thread::spawn(|| blocked(1));
    let (begins, begin) = channel();
    let (ended, has_ended) = channel();
    *STEP.lock().unwrap() = Some((begin, ended.clone()));
    thread::spawn(|| stopping(1));
    have_begun.recv().and_then(|()| have_begun.recv()).unwrap();
    // A handler that hangs, as a webhook without an answer, and one that shuts down.
    events::on([Kind::Opened], |_| {
        loop {
            thread::park();
        }
    });
    events::on([Kind::Opened], move |_| ended.send(("a handler", shutdown_blocking(LONG))).unwrap());
    let text = "x".repeat(12_000);
    let mut number = 0;
    loop {
        let name = format!("alert {number}");
        if !alerts::raise(AlertLevel::Critical, &name, &name, &[("text", &text)]).is_written() {
            break;
        }
        say(&name);
        number += 1;
    }
    let mut n = 0;
    while large(n).is_ok() {
        n += 1;
    }
    say("full");
    CircuitBreaker::new("opens").force_open();
    begins.send(()).unwrap();
    signal.wait();
    let report = shutdown_blocking(LIMIT);
    assert!(report.took < LIMIT + Duration::from_secs(60), "{report}");
    for line in report.to_string().lines() {
        say(&format!("report: {}", line.trim()));
    }
    for _ in 0..2 {
        let (from, report) = has_ended.recv().unwrap();
        say(&format!("from {from}: {}", report.left.len()));
    }
    std::process::exit(3);
}

#[test]
fn a_shutdown_ends_in_time_and_loses_nothing() {
    let scratch = Scratch::new();
    let dir = scratch.path("");
    let inner = child("everything::ends", &dir);
    // No file may become larger than 300 KiB, as on a disk that is full.
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 600; exec \"$@\"", "sh"]);
    limited.arg(inner.get_program()).args(inner.get_args()).env("TEST_DIR", &dir);
    let mut child = limited.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().expect("a shell");
    let mut said = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok) {
        if line == "full" {
            let status = Command::new("kill").args(["-TERM", &child.id().to_string()]).status();
            assert!(status.unwrap().success());
        }
        said.push(line);
    }
    assert_eq!(child.wait().unwrap().code(), Some(3), "{said:#?}");
    assert_eq!(said.iter().filter(|line| line.starts_with("from a ")).count(), 2, "{said:#?}");
    let report: Vec<_> = said.iter().filter_map(|line| line.strip_prefix("report: ")).collect();
    let is_named = |words: &str| report.iter().any(|line| line.contains(words));
    assert!(is_named("blocks with the key blocks:1 of the job blocked:1"), "{said:#?}");
    // The step that calls the shutdown may have ended before the report is made, and is then not in it.
    assert!(is_named("resilience::events::on") && is_named("not flushed: "), "{said:#?}");
    // Every alert that was acknowledged is there.
    let acknowledged: Vec<_> = said.iter().filter(|line| line.starts_with("alert ")).collect();
    let kept: Vec<_> = recent_in(&dir, 1000).unwrap().alerts.into_iter().map(|alert| alert.message).collect();
    assert!(acknowledged.len() > 10 && acknowledged.iter().all(|message| kept.contains(message)), "{kept:?}");
    // No job has failed, and the blocked one can be recovered. The one whose step asks goes on, and may end in time.
    let _world = resilience::testing::isolate();
    use_store(Arc::new(SqliteStore::open(dir.join("store")).unwrap()));
    for job in jobs::blocking::list(jobs::Filter::default()).unwrap().items {
        let is_over = job.id == "stopping:1" && job.status == Status::Done;
        assert!(is_over || matches!(job.status, Status::Interrupted | Status::Running), "{job:?}");
    }
}
