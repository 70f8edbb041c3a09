//! Jobs in a child process that is killed with SIGKILL, at random times and at every named moment, and
//! started again until they have ended: each ends as if nothing had happened.
//!
//! `CRASH_ROUNDS` sets the number of rounds: 100 by default, 500 in CI.
#![cfg(unix)]

use resilience::durable::{SqliteStore, Status, use_store};
use resilience::{Classify, Rejected, checkpoint, checkpoints, job, jobs, recover_blocking, with_recovery};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const STEPS: u32 = 8;

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

fn dir() -> PathBuf {
    std::env::var_os("CRASH_DIR").expect("set by the parent").into()
}

/// One line in the log of effects: one short write, as the outside world would see it.
fn log(line: String) {
    let file = OpenOptions::new().create(true).append(true).open(dir().join("log"));
    file.and_then(|mut file| file.write_all(line.as_bytes())).expect("the log");
}

/// A value that another run of the body would not give.
fn nonce() -> u64 {
    use std::hash::BuildHasher;
    std::hash::RandomState::new().hash_one(0)
}

#[checkpoint("step:{n}", rollback = undo)]
fn step(n: u32) -> Result<(u32, u64), Error> {
    log(format!("effect {n}\n"));
    Ok((n, nonce()))
}

fn undo((n, _): (u32, u64)) {
    log(format!("undo {n}\n"));
}

#[checkpoint("step:{n}", name = "crash::step")]
async fn step_async(n: u32) -> Result<(u32, u64), Error> {
    tokio::task::yield_now().await;
    log(format!("effect {n}\n"));
    tokio::task::yield_now().await;
    Ok((n, nonce()))
}

fn acknowledge((n, value): (u32, u64)) -> u32 {
    log(format!("ack {n} {value}\n"));
    n
}

#[job("sync:{id}", max_recoveries = 1000)]
fn work(id: u32) -> Result<u32, Error> {
    let mut sum = id;
    for n in 0..STEPS {
        sum += acknowledge(step(n)?);
    }
    Ok(sum)
}

#[job("async:{id}", max_recoveries = 1000)]
async fn work_async(id: u32) -> Result<u32, Error> {
    let mut sum = id;
    for n in 0..STEPS {
        sum += acknowledge(step_async(n).await?);
    }
    Ok(sum)
}

#[with_recovery(on(corrupt, rollback))]
#[job("saga:{id}", max_recoveries = 1000)]
fn saga(id: u32) -> Result<u32, Error> {
    for n in 0..STEPS / 2 {
        acknowledge(step(n)?);
    }
    let _ = id;
    Err(Error::Damaged)
}

static PASSED: AtomicU32 = AtomicU32::new(0);

/// Kills this process the `CRASH_NTH` time it comes by the moment `CRASH_AT`.
fn strike(moment: &'static str) {
    let set = |name: &str| std::env::var(name).unwrap_or_default();
    if set("CRASH_AT") != moment {
        return;
    }
    if (PASSED.fetch_add(1, Ordering::SeqCst) + 1).to_string() == set("CRASH_NTH") {
        let pid = std::process::id().to_string();
        Command::new("kill").args(["-9", &pid]).status().expect("kill");
        loop {
            std::thread::park();
        }
    }
}

/// Not a test of its own: the process that is killed.
#[test]
#[ignore = "run by the others, in a process of its own"]
fn child() {
    let Ok(kind) = std::env::var("CRASH_KIND") else { return };
    resilience::testing::on_moment(strike);
    use_store(Arc::new(SqliteStore::open(dir().join("state")).expect("a store")));
    recover_blocking().expect("a recovery");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    match kind.as_str() {
        "sync" => assert_eq!(work(1).expect("its result"), 29),
        "async" => assert_eq!(runtime.block_on(work_async(1)).expect("its result"), 29),
        _ => drop(saga(1).expect_err("it always fails")),
    }
}

fn start(dir: &Path, kind: &str, at: &str, nth: u32) -> std::process::Child {
    Command::new(std::env::current_exe().expect("this program"))
        .args(["--exact", "child", "--ignored", "--quiet", "--test-threads=1"])
        .envs([("CRASH_DIR", dir.as_os_str()), ("CRASH_KIND", kind.as_ref()), ("CRASH_AT", at.as_ref())])
        .env("CRASH_NTH", nth.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a child")
}

/// Every acknowledged step ran once more never, every effect happened, and everything is recorded.
fn judge(dir: &Path, kind: &str, how: &str) {
    let log = fs::read_to_string(dir.join("log")).expect("the log");
    let lines: Vec<Vec<&str>> = log.lines().map(|line| line.split(' ').collect()).collect();
    let steps = if kind == "saga" { STEPS / 2 } else { STEPS };
    for n in (0..steps).map(|n| n.to_string()) {
        let of = |word: &str| -> Vec<usize> {
            let is = |line: &&Vec<&str>| line[0] == word && line[1] == n;
            lines.iter().enumerate().filter(|(_, line)| is(line)).map(|(at, _)| at).collect()
        };
        let (effects, acks, undos) = (of("effect"), of("ack"), of("undo"));
        assert!(!effects.is_empty() && !acks.is_empty(), "{how}: step {n}\n{log}");
        assert!(
            effects.iter().all(|at| *at < acks[0]),
            "{how}: step {n} ran after it was acknowledged\n{log}"
        );
        assert!(
            acks.iter().all(|at| lines[*at][2] == lines[acks[0]][2]),
            "{how}: step {n} has two values\n{log}"
        );
        assert_eq!(undos.is_empty(), kind != "saga", "{how}: undo of step {n}\n{log}");
    }
    let undone: Vec<u32> =
        lines.iter().filter(|line| line[0] == "undo").map(|line| line[1].parse().unwrap()).collect();
    assert!(undone.is_sorted_by(|a, b| a >= b), "{how}: the order of the undos\n{log}");
    use_store(Arc::new(SqliteStore::open(dir.join("state")).expect("a store")));
    let id = format!("{kind}:1");
    let info = jobs::blocking::get(&id).expect("a store").expect("a job");
    let (expected, of_steps) =
        if kind == "saga" { (Status::RolledBack, Status::Free) } else { (Status::Done, Status::Done) };
    assert_eq!(info.status, expected, "{how}");
    let recorded = checkpoints::blocking::of_job(&id).expect("a store");
    assert!(recorded.iter().all(|step| step.status == of_steps) && recorded.len() == steps as usize, "{how}");
}

const MOMENTS: [&str; 8] = [
    "after claim",
    "after body",
    "before complete",
    "after complete",
    "rollback started",
    "after undo",
    "in rollback",
    "in sweep",
];

fn round(seed: u64) {
    // A linear congruential generator (Knuth, MMIX): the same rounds on every machine.
    let mut state = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let dir = std::env::temp_dir().join(format!("resilience-crash-{}-{seed}", std::process::id()));
    fs::create_dir_all(&dir).expect("a directory");
    let kind = ["sync", "async", "saga"][random(3) as usize];
    let mut how = format!("round {seed}, {kind}:");
    for _ in 0..=random(3) {
        let moment = MOMENTS[random(8) as usize];
        let (at, nth) = if random(2) == 0 { ("", 0) } else { (moment, random(6) as u32 + 1) };
        how += &format!(" {at}#{nth}");
        let mut child = start(&dir, kind, at, nth);
        if at.is_empty() {
            std::thread::sleep(Duration::from_micros(random(40_000)));
            // It may have ended before.
            let _ = child.kill();
        }
        child.wait().expect("the child");
    }
    let ended = start(&dir, kind, "", 0).wait().expect("the child");
    assert!(ended.success(), "{how}: {ended}");
    judge(&dir, kind, &how);
    let _ = fs::remove_dir_all(&dir);
}

#[test]
fn jobs_end_as_if_they_had_never_been_killed() {
    let rounds = std::env::var("CRASH_ROUNDS").ok().and_then(|rounds| rounds.parse().ok()).unwrap_or(100);
    (0..rounds).for_each(round);
}
