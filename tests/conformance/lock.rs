//! Scenarios of locks. They are about files of the operating system, whose locks know no other clock than its own: waits
//! take real time, and a step begins where the one before has ended, unless a lease has to pass.

use crate::expect::{Check, met, skipped};
use crate::fields::{Fields, Refusal, lacks, unknown};
use crate::gaps::Gap;
use resilience::fs::{FileLock, LockError, LockGuard, MarkerGuard, MarkerLock};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::io::{BufRead, BufReader, Lines};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

/// Who waits for longer has come to a standstill.
const LONG: Duration = Duration::from_secs(30);
/// How long a holder waits whose step says nothing of it.
const SHORT: Duration = Duration::from_millis(200);
/// A marker without an owner is taken over after a lease, and no scenario wants to wait for long.
const LEASE: Duration = Duration::from_millis(100);
/// Scenarios with a lease are played faster than they are written, as long as it is one that the library takes.
const FASTER: u32 = 5;
/// The age from which a marker without the name of its holder is a leftover.
const OLD: Duration = Duration::from_secs(3600);

#[expect(dead_code, reason = "what it has is held until it is dropped")]
enum Guard {
    File(LockGuard),
    Marker(MarkerGuard),
    Process(Holder),
}

/// A process that holds a lock: a scenario kills it, or stops its heartbeat.
struct Holder {
    process: Child,
    /// Read to the end of the process, which would fail without a reader.
    output: Lines<BufReader<ChildStdout>>,
}

impl Holder {
    /// Starts a process that takes the lock, or says why it cannot.
    fn start(taking: &Value) -> Result<Self, String> {
        let mut process = Command::new(std::env::current_exe().map_err(|error| error.to_string())?);
        process.args([
            "--exact",
            "lock::holds_a_lock_until_its_input_ends",
            "--ignored",
            "--quiet",
            "--nocapture",
        ]);
        process.env(TAKING, taking.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = process.spawn().map_err(|error| error.to_string())?;
        let output = BufReader::new(process.stdout.take().ok_or("no output")?).lines();
        let mut holder = Self { process, output };
        let said = holder.output.find_map(|line| line.ok()?.strip_prefix(SAYS).map(str::to_owned));
        match said {
            Some(word) if word == HOLDS => Ok(holder),
            word => Err(word.unwrap_or_default()),
        }
    }

    fn stop(&self) -> bool {
        let stopped = Command::new("kill").args(["-STOP", &self.process.id().to_string()]).status();
        stopped.is_ok_and(|status| status.success())
    }

    fn kill(mut self) {
        let _ = self.process.kill();
    }
}

impl Drop for Holder {
    /// Ends the process, which gives the lock back if it can: one that is stopped or was killed cannot.
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let begun = Instant::now();
        while begun.elapsed() < LONG && matches!(self.process.try_wait(), Ok(None)) && !self.is_stopped() {
            thread::sleep(Duration::from_millis(5));
        }
        let _ = (self.process.kill(), self.process.wait());
    }
}

impl Holder {
    fn is_stopped(&self) -> bool {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap_or_default();
        stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('T'))
    }
}

const TAKING: &str = "SCENARIO_LOCK";
const SAYS: &str = "lock: ";
const HOLDS: &str = "held";

/// What a process of a scenario does.
#[test]
#[ignore = "scenarios start it in a process of its own"]
fn holds_a_lock_until_its_input_ends() {
    let Ok(taking) = std::env::var(TAKING) else { return };
    let taken = take(&serde_json::from_str(&taking).expect("JSON"));
    let word = taken.as_ref().map_or_else(word_of, |_| HOLDS.to_owned());
    println!("\n{SAYS}{word}");
    let _ = std::io::stdin().read_line(&mut String::new());
    drop(taken);
}

/// Takes the lock that is described so, within its `wait_ms`.
fn take(taking: &Value) -> Taken {
    let millis = |key: &str| taking[key].as_u64().map(Duration::from_millis);
    let (path, wait) = (taking["path"].as_str().unwrap_or_default(), millis("wait_ms").unwrap_or(SHORT));
    match millis("lease_ms") {
        Some(lease) => MarkerLock::at(path).lease(lease).wait(wait).acquire().map(Guard::Marker),
        None => {
            let is_shared = taking["mode"] == "read";
            FileLock::at(path).shared(is_shared).wait(wait).acquire().map(Guard::File)
        }
    }
}

fn word_of(error: &LockError) -> String {
    if matches!(error, LockError::Timeout { .. }) { "timeout".to_owned() } else { error.to_string() }
}

type Taken = Result<Guard, LockError>;

/// The lock of a scenario, and who holds it.
pub(crate) struct Locks {
    dir: PathBuf,
    path: PathBuf,
    /// The lease of a marker; a file has none.
    lease: Option<Duration>,
    /// The age that a marker may have.
    lifetime: Option<Duration>,
    is_fast: bool,
    held: BTreeMap<String, Vec<Guard>>,
    waiting: BTreeMap<String, Receiver<Taken>>,
    /// Holders that the scenario has put there, and those that it has stopped.
    others: Vec<Guard>,
    /// The holders that will be killed, or whose heartbeat will stop.
    mortal: BTreeSet<String>,
    begun: Instant,
}

/// What was seen of a step.
#[derive(Default)]
pub(crate) struct Seen {
    admitted: Option<Value>,
    result: Option<String>,
    elapsed: Option<Duration>,
    most: Option<u64>,
    executions: Option<u64>,
}

/// Whether `config` is about a lock.
pub(crate) fn is_one(config: &Value) -> bool {
    !config["lock"].is_null()
}

impl Locks {
    /// The lock that `config` describes.
    ///
    /// # Errors
    ///
    /// What is wrong with its settings.
    pub(crate) fn new(config: &Value, steps: &[Value]) -> Result<Self, Refusal> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let mut fields = Fields::of("lock", &config["lock"])?;
        let kind = fields.take("kind");
        let lifetime = fields.millis("lifetime_ms")?;
        let lease = fields.millis("lease_ms")?;
        // A lease is renewed every third of it, and no lock is taken twice by one holder.
        let _ = (fields.millis("heartbeat_ms")?, fields.take("reentrant"));
        if let Some(name) = fields.names().next() {
            return unknown(format!("`lock.{name}`"));
        }
        let (is_fast, lease) = match kind.as_ref().and_then(Value::as_str) {
            Some("file" | "rw") => (false, None),
            Some("marker") => (false, Some(lifetime.unwrap_or(LEASE))),
            Some("lease") => (true, Some(lease.unwrap_or(LEASE) / FASTER)),
            _ => return unknown(format!("a lock of kind {kind:?}")),
        };
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let dir = std::env::temp_dir().join(format!("resilience-scenario-{}-{number}", std::process::id()));
        fs::create_dir_all(&dir).map_err(|error| Refusal::Broken(error.to_string()))?;
        let path = dir.join("lock");
        let (held, waiting, others) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
        let dies = |step: &&Value| ["kill", "stop_heartbeat"].iter().any(|word| step["do"] == *word);
        let mortal =
            steps.iter().filter(dies).filter_map(|step| step["who"].as_str().map(str::to_owned)).collect();
        Ok(Self { dir, path, lease, lifetime, is_fast, held, waiting, others, mortal, begun: Instant::now() })
    }

    fn real(&self, millis: &Value) -> Option<Duration> {
        let wait = Duration::from_millis(millis.as_u64()?);
        Some(if self.is_fast { wait / FASTER } else { wait })
    }

    /// How the lock is taken for `step`.
    fn taking(&self, step: &Value) -> Value {
        let millis = |time: Duration| time.as_millis() as u64;
        let wait = self.real(&step["timeout_ms"]).unwrap_or(SHORT);
        let lease = self.lease.map(millis);
        json!({ "path": self.path, "lease_ms": lease, "wait_ms": millis(wait), "mode": step["mode"] })
    }

    /// Does what `step` says.
    ///
    /// # Errors
    ///
    /// It cannot be played.
    pub(crate) fn act(&mut self, step: &Value) -> Result<Seen, Refusal> {
        let at = self.real(&step["at_ms"]).filter(|_| self.is_fast).unwrap_or_default();
        thread::sleep(at.saturating_sub(self.begun.elapsed()));
        let who = step["who"].as_str().unwrap_or_default().to_owned();
        match step["do"].as_str().unwrap_or_default() {
            "acquire" if step["fault"] == "disk_full" => lacks(Gap::DiskFull),
            "acquire" if step["expect"]["admitted"] == "queued" => Ok(self.queue(who, step)),
            "acquire" => Ok(self.acquire(who, step)),
            "release" | "drop" => {
                let guards = self.held.entry(who).or_default();
                drop(guards.pop());
                Ok(Seen::default())
            }
            "force_release" => {
                self.held.remove(&who);
                Ok(Seen::default())
            }
            "kill" => {
                let killed = self.held.remove(&who).unwrap_or_default();
                killed.into_iter().for_each(|guard| {
                    if let Guard::Process(holder) = guard {
                        holder.kill()
                    }
                });
                Ok(Seen::default())
            }
            "stop_heartbeat" => {
                let held = self.held.get(&who).into_iter().flatten();
                let mut processes = held.filter_map(|guard| match guard {
                    Guard::Process(holder) => Some(holder),
                    _ => None,
                });
                if processes.all(Holder::stop) {
                    Ok(Seen::default())
                } else {
                    Err(Refusal::Broken("no process was stopped".to_owned()))
                }
            }
            "with_lock" => Ok(self.with_lock(step)),
            "marker" => self.marker(step),
            "check" => self.arrived(),
            "parallel" => Ok(self.parallel(step)),
            other => unknown(format!("a step of a lock: `{other}`")),
        }
    }

    fn acquire(&mut self, who: String, step: &Value) -> Seen {
        let began = Instant::now();
        let taking = self.taking(step);
        let taken = match self.mortal.contains(&who) {
            true => Holder::start(&taking).map(Guard::Process),
            false => take(&taking).map_err(|error| word_of(&error)),
        };
        let elapsed = Some(began.elapsed());
        match taken {
            Ok(guard) => {
                self.forget_the_silent();
                self.held.entry(who).or_default().push(guard);
                Seen { admitted: Some(json!(true)), elapsed, ..Seen::default() }
            }
            Err(word) => {
                Seen { admitted: Some(json!(false)), result: Some(word), elapsed, ..Seen::default() }
            }
        }
    }

    /// Moves the holders whose heartbeat was stopped to the others: the lock is with another one now.
    fn forget_the_silent(&mut self) {
        let silent = |guard: &mut Guard| matches!(guard, Guard::Process(holder) if holder.is_stopped());
        for guards in self.held.values_mut() {
            self.others.extend(guards.extract_if(.., silent));
        }
    }

    /// Takes the lock on a thread of its own, where it is expected to wait.
    fn queue(&mut self, who: String, step: &Value) -> Seen {
        let (tell, told) = channel();
        let taking = self.taking(&json!({ "timeout_ms": LONG.as_millis() as u64, "mode": step["mode"] }));
        thread::spawn(move || {
            let _ = tell.send(take(&taking));
        });
        let admitted = match told.recv_timeout(Duration::from_millis(50)) {
            Ok(taken) => {
                let is_taken = taken.is_ok();
                self.held.entry(who).or_default().extend(taken.ok());
                json!(is_taken)
            }
            Err(_) => {
                self.waiting.insert(who, told);
                json!("queued")
            }
        };
        Seen { admitted: Some(admitted), ..Seen::default() }
    }

    /// Waits for those who wait.
    fn arrived(&mut self) -> Result<Seen, Refusal> {
        for (who, told) in std::mem::take(&mut self.waiting) {
            match told.recv_timeout(LONG) {
                Ok(Ok(guard)) => self.held.entry(who).or_default().push(guard),
                other => {
                    let other = other.map(|taken| taken.err());
                    return Err(Refusal::Broken(format!("{who} did not get the lock: {other:?}")));
                }
            }
        }
        Ok(Seen::default())
    }

    fn with_lock(&self, step: &Value) -> Seen {
        let lock = FileLock::at(&self.path).wait(SHORT);
        let outcome = step["outcome"].as_str().unwrap_or("ok");
        let ended = catch_unwind(AssertUnwindSafe(|| {
            lock.call(|| -> Result<(), Box<dyn Error>> {
                assert_ne!(step["outcome"], "panic", "on purpose");
                if outcome.starts_with("err:") { Err(outcome.into()) } else { Ok(()) }
            })
        }));
        let result = match ended {
            Ok(Ok(())) => outcome.to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => "panic".to_owned(),
        };
        Seen { result: Some(result), ..Seen::default() }
    }

    /// Puts a marker there, as a process left it that has ended, or as one has it that lives: with a heartbeat.
    ///
    /// Nothing is known about a process of another host, or about a marker without the name of its holder: it lives until
    /// the lifetime of the marker is over, or else, without a name, until the marker is old.
    fn marker(&mut self, step: &Value) -> Result<Seen, Refusal> {
        let mut fields = Fields::of("marker", step)?;
        for known in ["at_ms", "do", "expect"] {
            fields.take(known);
        }
        let age = fields.millis("age_ms")?.unwrap_or_default();
        let (pid, host) = (fields.take("pid"), fields.word("host")?);
        let start = fields.word("start")?.or(fields.word("start_time")?);
        let content = fields.word("content")?;
        if let Some(name) = fields.names().next() {
            return unknown(format!("`marker.{name}`"));
        }
        let is_here = host.is_none_or(|host| host == "same");
        let is_old = self.lifetime.is_some_and(|lifetime| age >= lifetime);
        let lives = match content {
            Some(_) => !is_old && age < OLD,
            None if !is_here => !is_old,
            None => pid == Some(json!("alive")) && start.is_none_or(|start| start == "same"),
        };
        let broken = |error: &dyn std::fmt::Display| Refusal::Broken(error.to_string());
        if lives {
            let other = take(&self.taking(&Value::Null)).map_err(|error| broken(&error))?;
            self.others.push(other);
        } else {
            fs::create_dir(&self.path).map_err(|error| broken(&error))?;
            if content.as_deref() != Some("empty") {
                let text = content.unwrap_or_else(|| "dead 1 7\n".to_owned());
                fs::write(self.path.join("owner"), text).map_err(|error| broken(&error))?;
            }
        }
        Ok(Seen::default())
    }

    fn parallel(&self, step: &Value) -> Seen {
        let number = |key: &str| step[key].as_u64().unwrap_or(1);
        let path = &self.path;
        let (now, most, executions) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
        thread::scope(|scope| {
            for _ in 0..number("threads") {
                scope.spawn(|| {
                    for _ in 0..number("each") {
                        let Ok(_guard) = FileLock::at(path).wait(LONG).acquire() else { continue };
                        most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                        executions.fetch_add(1, Ordering::SeqCst);
                        now.fetch_sub(1, Ordering::SeqCst);
                    }
                });
            }
        });
        let count = |of: AtomicU64| Some(of.into_inner());
        Seen { most: count(most), executions: count(executions), ..Seen::default() }
    }

    /// One expectation, held against what was seen.
    pub(crate) fn look(&self, field: &str, expected: &Value, seen: &Seen) -> Check {
        let is = |actual: Option<Value>| {
            actual.map_or_else(|| skipped("such a step does not show it"), |is| met(*expected == is, is))
        };
        match field {
            "admitted" => is(seen.admitted.clone()),
            "result" => is(seen.result.clone().map(Value::from)),
            "held" => {
                let held = self.held.iter().filter(|(_, guards)| !guards.is_empty());
                is(Some(held.map(|(who, _)| who.as_str()).collect()))
            }
            "file_exists" => is(Some(self.path.exists().into())),
            "max_observed_concurrency" => is(seen.most.map(Value::from)),
            "executions" => is(seen.executions.map(Value::from)),
            // How long it takes at most, the machine decides.
            "elapsed_ms" => {
                let elapsed = seen.elapsed.unwrap_or_default().as_millis();
                met(expected[0].as_u64().is_some_and(|least| elapsed >= least.into()), elapsed)
            }
            _ => skipped("the runner does not know it"),
        }
    }
}

impl Drop for Locks {
    fn drop(&mut self) {
        self.held.clear();
        self.others.clear();
        self.waiting.values().for_each(|told| drop(told.recv_timeout(LONG)));
        let _ = fs::remove_dir_all(&self.dir);
    }
}
