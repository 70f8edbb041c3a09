//! Processes that want the same keys, some of them stopped in the middle of a step until others have taken it over:
//! each key has one result, and a late holder is fenced. A stopped process is alive for as long as its lock can be
//! judged, so the file of its lock is removed, too: then it is as one of another host.

use crate::common::{Error, Random, Scratch, child, given_dir};
use resilience::durable::{CheckpointError, SqliteStore, use_store};
use resilience::testing::isolate;
use resilience::{Rejected, checkpoint, checkpoints};
use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

const KEYS: u32 = 1_000;
const PROCESSES: u32 = 4;
/// Every so many keys, who runs the step is stopped while it holds the key.
const STOPS: u32 = 25;

fn log(line: String) {
    let dir = given_dir().expect("a directory");
    let file = OpenOptions::new().create(true).append(true).open(dir.join("log"));
    file.and_then(|mut file| file.write_all(line.as_bytes())).expect("the log");
}

fn number() -> u32 {
    std::env::var("CONTENDER").ok().and_then(|number| number.parse().ok()).expect("set by the parent")
}

#[checkpoint("key:{n}", lease = 0.25s)]
fn contended(n: u32) -> Result<u64, Error> {
    let fence = resilience::step().expect("a step").fence();
    let value = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), n);
    log(format!("effect {n} {fence} {value}\n"));
    // The first process is never stopped, and so comes by every key in the end.
    if number() > 0 && n.is_multiple_of(STOPS) {
        // The parent stops this process as a whole, heartbeat included, until the key is somebody else's.
        log(format!("stop {n} {fence} {}\n", std::process::id()));
        let taken = given_dir().expect("a directory").join(format!("taken-{fence}"));
        while !taken.exists() {
            std::thread::sleep(Duration::from_millis(2));
        }
    }
    Ok(value)
}

/// Not a test of its own: one of the processes.
#[test]
#[ignore = "run by the other, in processes of its own"]
fn contender() {
    let Some(dir) = given_dir() else { return };
    use_store(Arc::new(SqliteStore::open(dir.join("state")).expect("a store")));
    let mut keys: Vec<u32> = (0..KEYS).collect();
    let mut random = Random::seeded(number().into());
    for at in (1..keys.len()).rev() {
        keys.swap(at, random.below(at + 1));
    }
    for n in keys {
        match contended(n) {
            Ok(value) => log(format!("value {n} {value}\n")),
            Err(Error::Rejected(Rejected::Checkpoint(error)))
                if matches!(*error, CheckpointError::Fenced { .. }) =>
            {
                log(format!("fenced {n} {}\n", number()));
            }
            Err(error) => log(format!("error {n} {error:?}\n").replace('\n', " ") + "\n"),
        }
    }
}

/// The lines of the log that are written to their end.
fn lines(dir: &Path) -> Vec<Vec<String>> {
    let text = fs::read_to_string(dir.join("log")).unwrap_or_default();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    whole.lines().map(|line| line.split(' ').map(str::to_owned).collect()).collect()
}

fn start(dir: &Path, number: u32) -> Child {
    child("contention::contender", dir)
        .env("CONTENDER", number.to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("a contender")
}

fn number_at(line: &[String], at: usize) -> u64 {
    line[at].parse().expect("a number")
}

fn kill(signal: &str, pid: &str) {
    Command::new("kill").args([signal, pid]).status().expect("kill");
}

/// Since when each holder is stopped, by its fence; `None` once it goes on for good.
type Stopped = BTreeMap<u64, Option<Instant>>;

/// Removes the file of the lock of the process `pid`.
fn hide_lock(dir: &Path, pid: &str) {
    for entry in fs::read_dir(dir.join("state/owners")).expect("the owners") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if name.starts_with(&format!("{pid}-")) {
            fs::remove_file(path).expect("a lock to remove");
        }
    }
}

/// Stops who holds a key, and lets it go on when the key has been taken over.
fn stop_and_go(dir: &Path, stopped: &mut Stopped) {
    let lines = lines(dir);
    let of = |word: &'static str| lines.iter().filter(move |line| line[0] == word);
    for stop in of("stop") {
        let (fence, pid) = (number_at(stop, 2), stop[3].as_str());
        let taken = of("effect").any(|effect| effect[1] == stop[1] && number_at(effect, 2) > fence);
        match stopped.get(&fence) {
            None => {
                kill("-STOP", pid);
                hide_lock(dir, pid);
                stopped.insert(fence, Some(Instant::now()));
            }
            Some(Some(_)) if taken => {
                fs::write(dir.join(format!("taken-{fence}")), "").expect("a file");
                kill("-CONT", pid);
                stopped.insert(fence, None);
            }
            // Stopped in the middle of a commit it would keep the others from the store, for ever.
            Some(Some(since)) if since.elapsed() > Duration::from_secs(1) => {
                kill("-CONT", pid);
                std::thread::sleep(Duration::from_millis(20));
                kill("-STOP", pid);
                hide_lock(dir, pid);
                stopped.insert(fence, Some(Instant::now()));
            }
            Some(_) => {}
        }
    }
}

#[test]
fn each_key_gets_one_result_and_late_holders_are_fenced() {
    let scratch = Scratch::new();
    let dir = scratch.path("contention");
    fs::create_dir(&dir).expect("a directory");
    drop(SqliteStore::open(dir.join("state")).expect("a store"));
    let mut contenders = Contenders((1..PROCESSES).map(|number| start(&dir, number)).collect());
    let mut stopped = Stopped::new();
    while !contenders.have_ended() {
        stop_and_go(&dir, &mut stopped);
        if stopped.len() >= 3 && contenders.0.len() < PROCESSES as usize {
            contenders.0.push(start(&dir, 0));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    judge(&dir);
}

/// The processes, which do not outlive the test.
struct Contenders(Vec<Child>);

impl Contenders {
    fn have_ended(&mut self) -> bool {
        let ended = |child: &mut Child| {
            let status = child.try_wait().expect("a child");
            assert!(status.is_none_or(|status| status.success()), "{status:?}");
            status.is_some()
        };
        self.0.iter_mut().all(ended)
    }
}

impl Drop for Contenders {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn judge(dir: &Path) {
    let lines = lines(dir);
    let errors: Vec<_> = lines.iter().filter(|line| line[0] == "error").collect();
    assert!(errors.is_empty(), "{errors:?}");
    let _world = isolate();
    use_store(Arc::new(SqliteStore::open(dir.join("state")).expect("a store")));
    let mut fences = BTreeSet::new();
    // Of each key the run with the highest fence, which is not always the last in the log: a holder may stall before it
    // writes its line until another has the key.
    let mut latest: BTreeMap<&str, (u64, &str)> = BTreeMap::new();
    for effect in lines.iter().filter(|line| line[0] == "effect") {
        let fence = number_at(effect, 2);
        assert!(fences.insert(fence), "the fence {fence} was given out twice");
        let run = latest.entry(&effect[1]).or_default();
        *run = (*run).max((fence, &effect[3]));
    }
    for n in 0..KEYS {
        let key = n.to_string();
        let recorded = checkpoints::blocking::load::<u64>(&format!("key:{n}")).expect("a store");
        let recorded = recorded.unwrap_or_else(|| panic!("key {n} has no result")).to_string();
        let (fence, value) = latest.get(key.as_str()).copied().unwrap_or_default();
        assert_eq!(recorded, value, "key {n}: the result of the run with the highest fence, {fence}");
        let told: Vec<_> = lines.iter().filter(|line| line[0] == "value" && line[1] == key).collect();
        assert!(told.iter().all(|line| line[2] == recorded), "key {n}: {recorded}, {told:?}");
        let fenced = lines.iter().filter(|line| line[0] == "fenced" && line[1] == key).count();
        assert_eq!(told.len() + fenced, PROCESSES as usize, "key {n}: every process has its answer");
        let effects = lines.iter().filter(|line| line[0] == "effect" && line[1] == key).count();
        let stops = lines.iter().filter(|line| line[0] == "stop" && line[1] == key).count();
        // A holder may be late without being stopped, too, where the machine is busy.
        assert!(fenced >= stops, "key {n}: {stops} stopped holders, {fenced} were told");
        assert_eq!(effects, 1 + fenced, "key {n}: one run, and one for each holder that came late");
    }
    let stops = lines.iter().filter(|line| line[0] == "stop").count();
    assert!(stops >= 3, "{stops} holders were stopped");
}
