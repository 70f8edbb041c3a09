//! Scenarios of locks. They are about files of the operating system, whose locks know no other clock than its own: waits
//! take real time, and a step begins where the one before has ended, unless a lease has to pass.

use crate::expect::{Check, met, skipped};
use crate::fields::{Fields, Refusal, lacks, unknown};
use crate::gaps::Gap;
use resilience::Rejected;
use resilience::fs::{FileLock, LockError, LockGuard, MarkerGuard, MarkerLock};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
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

#[expect(dead_code, reason = "what it has is held until it is dropped")]
enum Guard {
    File(LockGuard),
    Marker(MarkerGuard),
}

type Taken = Result<Guard, LockError>;

/// The lock of a scenario, and who holds it.
pub(crate) struct Locks {
    dir: PathBuf,
    path: PathBuf,
    /// The lease of a marker; a file has none.
    lease: Option<Duration>,
    is_fast: bool,
    held: BTreeMap<String, Vec<Guard>>,
    waiting: BTreeMap<String, Receiver<Taken>>,
    /// Holders that the scenario has put there.
    others: Vec<Guard>,
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
    pub(crate) fn new(config: &Value) -> Result<Self, Refusal> {
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
        Ok(Self { dir, path, lease, is_fast, held, waiting, others, begun: Instant::now() })
    }

    fn real(&self, millis: &Value) -> Option<Duration> {
        let wait = Duration::from_millis(millis.as_u64()?);
        Some(if self.is_fast { wait / FASTER } else { wait })
    }

    /// How the lock is taken for `step`: by a call that may be made on any thread.
    fn taking(&self, step: &Value) -> impl FnOnce() -> Taken + Send + use<> {
        let wait = self.real(&step["timeout_ms"]).unwrap_or(SHORT);
        let (path, lease, is_shared) = (self.path.clone(), self.lease, step["mode"] == "read");
        move || match lease {
            Some(lease) => MarkerLock::at(path).lease(lease).wait(wait).acquire().map(Guard::Marker),
            None => FileLock::at(path).shared(is_shared).wait(wait).acquire().map(Guard::File),
        }
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
            "with_lock" => Ok(self.with_lock(step)),
            "marker" => self.marker(step),
            "check" => self.arrived(),
            "parallel" => Ok(self.parallel(step)),
            other => unknown(format!("a step of a lock: `{other}`")),
        }
    }

    fn acquire(&mut self, who: String, step: &Value) -> Seen {
        let began = Instant::now();
        let taken = self.taking(step)();
        let elapsed = Some(began.elapsed());
        match taken {
            Ok(guard) => {
                self.held.entry(who).or_default().push(guard);
                Seen { admitted: Some(json!(true)), elapsed, ..Seen::default() }
            }
            Err(error) => {
                let is_timeout = matches!(error, LockError::Timeout { .. });
                let result = Some(if is_timeout { "timeout".to_owned() } else { error.to_string() });
                Seen { admitted: Some(json!(false)), result, elapsed, ..Seen::default() }
            }
        }
    }

    /// Takes the lock on a thread of its own, where it is expected to wait.
    fn queue(&mut self, who: String, step: &Value) -> Seen {
        let (tell, told) = channel();
        let taking = self.taking(&json!({ "timeout_ms": LONG.as_millis() as u64, "mode": step["mode"] }));
        thread::spawn(move || {
            let _ = tell.send(taking());
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
        let ended = catch_unwind(AssertUnwindSafe(|| {
            lock.call(|| -> Result<(), Rejected> {
                assert_ne!(step["outcome"], "panic", "on purpose");
                Ok(())
            })
        }));
        let result = match ended {
            Ok(Ok(())) => "ok".to_owned(),
            Ok(Err(rejected)) => rejected.to_string(),
            Err(_) => "panic".to_owned(),
        };
        Seen { result: Some(result), ..Seen::default() }
    }

    /// Puts a marker there: one without an owner, or one whose owner lives, which is one with a heartbeat.
    fn marker(&mut self, step: &Value) -> Result<Seen, Refusal> {
        let broken = |error: &dyn std::fmt::Display| Refusal::Broken(error.to_string());
        if step["content"] == "empty" {
            fs::create_dir(&self.path).map_err(|error| broken(&error))?;
        } else if step["pid"] == "alive" {
            let other = self.taking(&Value::Null)().map_err(|error| broken(&error))?;
            self.others.push(other);
        } else {
            return unknown(format!("a marker {step}"));
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
