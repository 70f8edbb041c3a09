//! The cost of durability: steps a second beside the disk's own rate and DBOS for Python, the scan after a
//! crash, and bytes.

mod report;

use report::{Rates, print_processes, print_python, print_steps, verdict};
use resilience::durable::record::{Record, Status};
use resilience::durable::store::{Claim, Claimed, Completion};
use resilience::durable::{SqliteStore, Store, use_store};
use resilience::{Job, Rejected, checkpoint, in_scope, in_scope_blocking};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Every cell is measured so often, all of them in turn; the median counts, of ratios within a round where the disk is
/// compared with: what it does in a second changes from one to the next.
const ROUNDS: usize = 25;
const CELL: Duration = Duration::from_millis(250);
const WRITERS: usize = 64;
const JOBS: usize = 100_000;

/// Returns the value that a step records: 200 letters.
fn value() -> String {
    "v".repeat(200)
}

#[checkpoint("step:{n}")]
fn step(n: u64) -> Result<String, Rejected> {
    Ok(value())
}

#[checkpoint("task:{n}")]
async fn task(n: u64) -> Result<String, Rejected> {
    Ok(value())
}

/// Returns the directory of the files: beside the build, on a disk and not in memory.
pub(crate) fn place() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| PathBuf::from("target"), PathBuf::from);
    target.join(format!("store-bench-{}", std::process::id()))
}

/// Prints the table; returns how many rows miss their number.
pub(crate) fn print() -> io::Result<usize> {
    let dir = place();
    fs::create_dir_all(&dir)?;
    let missed = measure(&dir);
    fs::remove_dir_all(&dir)?;
    missed
}

fn measure(dir: &Path) -> io::Result<usize> {
    let rates = rates(dir)?;
    let python: Result<Vec<_>, String> = (0..3).map(|round| dbos(dir, round)).collect();
    let steps = print_steps(&rates);
    Ok(steps + print_python(python, &rates) + print_processes(&rates) + print_sizes(dir)?)
}

fn rates(dir: &Path) -> io::Result<Rates> {
    let log = prepared_log(&dir.join("log"))?;
    let store = Arc::new(SqliteStore::open(dir.join("state")).map_err(io::Error::other)?);
    use_store(store);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut rates = Rates::default();
    for round in 0..ROUNDS {
        rates.raw.push(raw_rate(&log)?);
        rates.bare_one.push(bare_rate_of_one(&dir.join("bare-one.sqlite")).map_err(io::Error::other)?);
        rates.bare.push(bare_rate(&dir.join("bare.sqlite")).map_err(io::Error::other)?);
        rates.job_one.push(in_job(|| rate_of(1)));
        rates.job_threads.push(in_job(|| rate_of(WRITERS)));
        rates.job_tasks.push(runtime.block_on(in_job_async()));
        rates.one.push(rate_of(1));
        rates.threads.push(rate_of(WRITERS));
        rates.tasks.push(runtime.block_on(rate_of_tasks()));
        rates.alone.extend(processes(&dir.join(format!("alone-{round}")), 1)?);
        let four = processes(&dir.join(format!("four-{round}")), 4)?;
        let sum: f64 = four.iter().sum();
        rates.four.push(sum);
        rates.slowest.push(four.iter().copied().fold(f64::MAX, f64::min) / (sum / 4.0));
    }
    Ok(rates)
}

/// Prints what steps take in the log and in the file, and how long a search for interrupted jobs takes.
fn print_sizes(dir: &Path) -> io::Result<usize> {
    let mut missed = 0;
    let bytes = log_bytes_a_step(&dir.join("log-bytes"))?;
    let is_large = verdict(bytes > 10_240, "over", &mut missed);
    println!("A step in a job takes {bytes} bytes of log at the median (at most 10,240: {is_large}).");
    println!("A step of 200 letters takes {:.0} bytes in the file.", bytes_a_step(&dir.join("bytes"))?);
    let scan = scan(&dir.join("scan"))?;
    let is_slow = verdict(scan > Duration::from_secs(1), "over", &mut missed);
    println!("Recovery of {JOBS} jobs, 1 % interrupted: {} ms (at most 1,000: {is_slow}).", scan.as_millis());
    Ok(missed)
}

fn prepared_log(file: &Path) -> io::Result<File> {
    let log = File::options().create(true).truncate(true).write(true).open(file)?;
    log.write_all_at(&vec![1; 64 << 20], 0)?;
    log.sync_all()?;
    Ok(log)
}

/// Returns how often a second the disk stores 256 bytes permanently.
fn raw_rate(log: &File) -> io::Result<f64> {
    let begun = Instant::now();
    let mut written = 0;
    while begun.elapsed() < CELL {
        log.write_all_at(&[2; 256], (written * 256) % (64 << 20))?;
        log.sync_data()?;
        written += 1;
    }
    Ok(written as f64 / begun.elapsed().as_secs_f64())
}

/// Returns the rows a second that are written and changed once by one thread, 64 to a commit: the part of SQLite's
/// own rate when every step is claimed first and recorded afterwards.
fn bare_rate(file: &Path) -> rusqlite::Result<f64> {
    let mut tables = rusqlite::Connection::open(file)?;
    tables.pragma_update(None, "journal_mode", "WAL")?;
    tables.execute_batch("CREATE TABLE IF NOT EXISTS rows (key TEXT PRIMARY KEY, row BLOB) WITHOUT ROWID")?;
    let (claimed, recorded) = (vec![1_u8; 170], vec![2_u8; 380]);
    let begun = Instant::now();
    let mut rows = 0;
    while begun.elapsed() < CELL {
        let keys: Vec<_> = (0..WRITERS).map(|_| format!("s//step:{}", next())).collect();
        for (sync, sql, row) in [
            ("NORMAL", "INSERT INTO rows VALUES (?1, ?2)", &claimed),
            ("FULL", "UPDATE rows SET row = ?2 WHERE key = ?1", &recorded),
        ] {
            tables.pragma_update(None, "synchronous", sync)?;
            let tx = tables.transaction()?;
            for key in &keys {
                tx.prepare_cached(sql)?.execute(rusqlite::params![key, row])?;
            }
            tx.commit()?;
        }
        rows += WRITERS;
    }
    Ok(rows as f64 / begun.elapsed().as_secs_f64())
}

/// Rows a second of one thread that writes each in a commit of its own: what SQLite leaves to a step in a job.
fn bare_rate_of_one(file: &Path) -> rusqlite::Result<f64> {
    let tables = rusqlite::Connection::open(file)?;
    tables.pragma_update(None, "journal_mode", "WAL")?;
    tables.pragma_update(None, "synchronous", "FULL")?;
    tables.execute_batch("CREATE TABLE IF NOT EXISTS rows (key TEXT PRIMARY KEY, row BLOB) WITHOUT ROWID")?;
    let (begun, recorded) = (Instant::now(), vec![2_u8; 380]);
    let mut rows = 0_u32;
    while begun.elapsed() < CELL {
        let mut insert = tables.prepare_cached("INSERT INTO rows VALUES (?1, ?2)")?;
        insert.execute(rusqlite::params![format!("s//step:{}", next()), recorded])?;
        rows += 1;
    }
    Ok(f64::from(rows) / begun.elapsed().as_secs_f64())
}

/// Numbers that no step had before.
static NEXT: AtomicU64 = AtomicU64::new(0);

fn next() -> u64 {
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Steps a second of so many threads.
fn rate_of(writers: usize) -> f64 {
    let (begun, done) = (Instant::now(), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..writers {
            scope.spawn(in_scope_blocking(|| {
                while begun.elapsed() < CELL {
                    let recorded = step(next());
                    done.fetch_add(u64::from(recorded.is_ok()), Ordering::Relaxed);
                }
            }));
        }
    });
    done.into_inner() as f64 / begun.elapsed().as_secs_f64()
}

/// Returns the result of `rates` inside of a job.
fn in_job(rates: impl FnOnce() -> f64) -> f64 {
    let ran: Result<f64, Rejected> = Job::run_blocking(&format!("bench:{}", next()), (), |()| Ok(rates()));
    ran.unwrap_or(0.0)
}

async fn in_job_async() -> f64 {
    let name = format!("bench:{}", next());
    let ran: Result<f64, Rejected> = Job::run(&name, (), async |()| Ok(rate_of_tasks().await)).await;
    ran.unwrap_or(0.0)
}

/// Steps a second of so many processes on one new store, each in a job of its own.
fn processes(dir: &Path, count: usize) -> io::Result<Vec<f64>> {
    drop(SqliteStore::open(dir).map_err(io::Error::other)?);
    let program = std::env::current_exe()?;
    let start = |_| {
        let mut command = Command::new(&program);
        command.arg("--store-process").arg(dir).stdout(std::process::Stdio::piped()).spawn()
    };
    let started = (0..count).map(start).collect::<io::Result<Vec<_>>>()?;
    let rate = |process: std::process::Child| {
        let output = process.wait_with_output()?;
        String::from_utf8_lossy(&output.stdout).trim().parse().map_err(io::Error::other)
    };
    started.into_iter().map(rate).collect()
}

/// Runs one of several processes: prints its steps a second.
pub(crate) fn process(dir: &Path) -> io::Result<usize> {
    let store = SqliteStore::open(dir).map_err(io::Error::other)?;
    use_store(Arc::new(store));
    NEXT.store(u64::from(std::process::id()) << 32, Ordering::Relaxed);
    println!("{}", in_job(|| rate_of(1)));
    Ok(0)
}

/// Returns how many more bytes of the log are used after a step in a job, at the median of the first hundred.
fn log_bytes_a_step(dir: &Path) -> io::Result<u64> {
    let store = Arc::new(SqliteStore::open(dir).map_err(io::Error::other)?);
    use_store(store);
    // The file is longer than its used part: zeros follow.
    let log = || {
        let bytes = fs::read(dir.join("store.sqlite-wal")).unwrap_or_default();
        let last = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
        last.next_multiple_of(4) as u64
    };
    let mut grown = Vec::new();
    in_job(|| {
        for _ in 0..100 {
            let before = log();
            let _ = step(next());
            grown.push(log().saturating_sub(before));
        }
        0.0
    });
    grown.sort_unstable();
    Ok(grown.get(grown.len() / 2).copied().unwrap_or(0))
}

async fn rate_of_tasks() -> f64 {
    let (begun, done) = (Instant::now(), Arc::new(AtomicU64::new(0)));
    let tasks: Vec<_> = (0..WRITERS)
        .map(|_| {
            let done = done.clone();
            tokio::spawn(in_scope(async move {
                while begun.elapsed() < CELL {
                    let recorded = task(next()).await;
                    done.fetch_add(u64::from(recorded.is_ok()), Ordering::Relaxed);
                }
            }))
        })
        .collect();
    for task in tasks {
        let _ = task.await;
    }
    done.load(Ordering::Relaxed) as f64 / begun.elapsed().as_secs_f64()
}

const DBOS: &str = r#"
import sys, time
from dbos import DBOS, DBOSConfig
DBOS(config=DBOSConfig(name="bench", system_database_url="sqlite:///" + sys.argv[1], log_level="ERROR"))

@DBOS.step()
def step(n):
    return "v" * 200

@DBOS.workflow()
def many(n):
    begun = time.perf_counter()
    for i in range(n):
        step(i)
    return time.perf_counter() - begun

DBOS.launch()
many(20)
print("alone", 300 / many(300))
begun = time.perf_counter()
handles = [DBOS.start_workflow(many, 75) for _ in range(16)]
for handle in handles:
    handle.get_result()
print("together", 16 * 75 / (time.perf_counter() - begun))
DBOS.destroy()
"#;

/// Steps a second of one workflow of DBOS, and of sixteen at once, on a fresh file.
fn dbos(dir: &Path, round: u32) -> Result<(f64, f64), String> {
    let python = std::env::var("DBOS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let output =
        Command::new(&python).args(["-c", DBOS]).arg(dir.join(format!("dbos-{round}.sqlite"))).output();
    let output = output.map_err(|error| format!("{python}: {error}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let rate = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|rate| rate.trim().parse().ok())
    };
    rate("alone").zip(rate("together")).ok_or_else(|| {
        let words = String::from_utf8_lossy(&output.stderr);
        let last = words.lines().last().unwrap_or("it said nothing");
        format!("{last} (`pip install dbos`, and `DBOS_PYTHON` says which python)")
    })
}

fn block_on<F: Future>(future: F) -> io::Result<F::Output> {
    Ok(tokio::runtime::Builder::new_current_thread().build()?.block_on(future))
}

fn bytes_a_step(dir: &Path) -> io::Result<f64> {
    const STEPS: u64 = 20_000;
    let file = dir.join("store.sqlite");
    let store = SqliteStore::open(dir).map_err(io::Error::other)?;
    block_on(async {
        for first in (0..STEPS).step_by(500) {
            let claims: Vec<_> = (first..first + 500)
                .map(|n| store.claim(Claim::new(format!("s//step:{n}"), store.owner(), "shop::step")))
                .collect();
            for claim in claims {
                if let Ok(Claimed::Held(held)) = claim.await {
                    drop(store.complete(Completion::done(held.key, held.fence, value().into_bytes())));
                }
            }
        }
        store.get("").await
    })?
    .map_err(io::Error::other)?;
    drop(store);
    // The log is moved into the file by the last connection, a moment after the store is gone.
    while dir.join("store.sqlite-wal").exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(fs::metadata(file)?.len() as f64 / STEPS as f64)
}

/// Returns how long a recovery takes that finds one interrupted job in a hundred; none of them is known to this
/// program, so all are found, marked and reported, and none is run.
fn scan(dir: &Path) -> io::Result<Duration> {
    let store = Arc::new(SqliteStore::open(dir).map_err(io::Error::other)?);
    let dead = Command::new(std::env::current_exe()?).arg("--store-death").arg(dir).output()?;
    let owner = String::from_utf8_lossy(&dead.stdout).trim().to_owned();
    block_on(async {
        for first in (0..JOBS).step_by(500) {
            let writes: Vec<_> = (first..first + 500).map(|n| store.cas(None, job(n, &owner))).collect();
            for write in writes {
                write.await.map_err(io::Error::other)?;
            }
        }
        io::Result::Ok(())
    })??;
    let begun = Instant::now();
    let recovered = resilience::recover().store(store).once().blocking();
    let took = begun.elapsed();
    let found = recovered.map_err(io::Error::other)?.jobs.len();
    // The job that the dead process itself began is one more.
    if found == JOBS / 100 + 1 { Ok(took) } else { Err(io::Error::other(format!("{found} jobs were found"))) }
}

/// Begins a job, prints the owner and ends in the middle of it.
pub(crate) fn death(dir: &Path) -> io::Result<usize> {
    let store = Arc::new(SqliteStore::open(dir).map_err(io::Error::other)?);
    let owner = store.owner();
    use_store(store);
    let ran: Result<(), Rejected> = Job::run_blocking("import:dead", (), |()| {
        println!("{owner}");
        std::process::exit(0)
    });
    ran.map(|()| 0).map_err(io::Error::other)
}

fn job(n: usize, owner: &str) -> Record {
    let mut job = Record::new(format!("j/import:{n}"));
    job.status = if n.is_multiple_of(100) { Status::Running } else { Status::Done };
    job.function.push_str("import:{id}");
    job.owner.push_str(owner);
    job.lease = 30_000;
    job.fence = n as u64 + 1;
    (job.attempts, job.created, job.completed) = (1, 1_700_000_000_000, 1_700_000_060_000);
    job.input = format!("{{\"id\":{n},\"source\":\"/data/{n}.csv\"}}").into_bytes();
    job
}
