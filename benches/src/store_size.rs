//! A store with 100,000 finished jobs of ten steps: its size, and what it costs to list, scan and empty it.

use resilience::durable::store::{Claim, Claimed};
use resilience::durable::{SqliteStore, Status, Store, use_store};
use resilience::jobs::Filter;
use resilience::{Rejected, checkpoint, checkpoints, job, jobs};
use std::fs;
use std::io;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The number of jobs: half of them have a `ttl` of a second, the others the default of 30 days.
const JOBS: u64 = 100_000;
const STEPS: u64 = 10;
/// The number of jobs that run at once while they are made.
const AT_ONCE: u64 = 256;

#[job("kept:{n}")]
async fn kept(n: u64) -> Result<u64, Rejected> {
    steps(n).await
}

#[job("short:{n}", ttl = 1s)]
async fn short(n: u64) -> Result<u64, Rejected> {
    steps(n).await
}

async fn steps(n: u64) -> Result<u64, Rejected> {
    for k in 0..STEPS {
        step(n, k).await?;
    }
    Ok(n)
}

/// Records 200 letters, as the steps of `--store` do.
#[checkpoint("step:{k}")]
async fn step(n: u64, k: u64) -> Result<String, Rejected> {
    Ok(format!("{n:0>200}"))
}

/// Prints the table: one process makes the jobs, another one, whose memory is measured, uses the store.
pub(crate) fn print(dir: &Path) -> io::Result<usize> {
    fs::create_dir_all(dir)?;
    let program = std::env::current_exe()?;
    let mut missed = Ok(0);
    for part in ["--store-size-make", "--store-size-use"] {
        let status = Command::new(&program).arg(part).arg(dir.join("state")).status()?;
        if !status.success() {
            missed = Err(io::Error::other(format!("{part} failed")));
            break;
        }
    }
    fs::remove_dir_all(dir)?;
    missed
}

fn open(dir: &Path) -> io::Result<Arc<SqliteStore>> {
    let store = Arc::new(SqliteStore::open(dir).map_err(io::Error::other)?);
    use_store(store.clone());
    Ok(store)
}

fn runtime() -> io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

/// Runs the jobs.
pub(crate) fn make(dir: &Path) -> io::Result<usize> {
    let store = open(dir)?;
    let begun = Instant::now();
    runtime()?.block_on(async {
        let run = |first: u64| {
            tokio::spawn(async move {
                for n in (first..JOBS).step_by(AT_ONCE as usize) {
                    if n.is_multiple_of(2) {
                        kept(n).await?
                    } else {
                        short(n).await?
                    };
                }
                Ok::<(), Rejected>(())
            })
        };
        let running: Vec<_> = (0..AT_ONCE).map(run).collect();
        for run in running {
            run.await.map_err(io::Error::other)?.map_err(io::Error::other)?;
        }
        io::Result::Ok(())
    })?;
    let took = begun.elapsed();
    settle(&store)?;
    println!("| {JOBS} jobs of {STEPS} steps | |");
    println!("|---|--:|");
    println!("| running them, {AT_ONCE} at once | {:.0} s |", took.as_secs_f64());
    Ok(0)
}

/// Uses the store that [`make`] left.
pub(crate) fn measure(dir: &Path) -> io::Result<usize> {
    let begun = Instant::now();
    let store = open(dir)?;
    row("opening the store", begun.elapsed());
    let size = file_size(dir)?;
    println!("| the file | {:.1} MiB |", mebibytes(size));
    println!("| bytes a job | {:.0} |", size as f64 / JOBS as f64);
    runtime()?.block_on(uses(dir, store)).map_err(io::Error::other)
}

async fn uses(dir: &Path, store: Arc<SqliteStore>) -> Result<usize, Failure> {
    let before = peak()?;
    for (what, filter) in [
        ("listing, first page", Filter::new()),
        ("listing of those in a state that none is in, first page", Filter::new().status(&[Status::Failed])),
        ("listing of those that are done, first page", Filter::new().status(&[Status::Done])),
        ("listing by prefix, first page", Filter::new().prefix("short:9999")),
    ] {
        let begun = Instant::now();
        let page = jobs::list(filter).await?;
        row(&format!("{what}: {} jobs", page.len()), begun.elapsed());
    }
    let begun = Instant::now();
    let (mut count, mut filter) = (0, Filter::new());
    loop {
        let page = jobs::list(filter).await?;
        count += page.len();
        match page.next {
            Some(next) => filter = Filter::new().after(next),
            None => break,
        }
    }
    row(&format!("listing, all pages: {count} jobs"), begun.elapsed());
    let begun = Instant::now();
    let counted = jobs::count().await?.total();
    row(&format!("counting by state: {counted} jobs"), begun.elapsed());
    let listed = peak()?;
    println!("| peak memory before listing | {before} KiB |");
    println!("| added by listing | {} KiB |", listed - before);

    let begun = Instant::now();
    let found = resilience::recover().store(store.clone()).once().await?;
    row(&format!("`recover()`: {} jobs found", found.jobs.len()), begun.elapsed());

    let (begun, first) = (Instant::now(), fence(&store, "c/before").await?);
    let mut expired = 0;
    loop {
        match store.delete_expired(100).await? {
            0 => break,
            count => expired += count,
        }
    }
    let took = begun.elapsed();
    let second = fence(&store, "c/between").await?;
    row(&format!("expiry of {expired} jobs: {} transactions", between(first, second)), took);

    let begun = Instant::now();
    let count = checkpoints::cleanup(Duration::ZERO).await?;
    let took = begun.elapsed();
    let third = fence(&store, "c/after").await?;
    row(&format!("`checkpoints::cleanup` of {count} jobs: {} transactions", between(second, third)), took);
    println!("| added by recovery, expiry and cleanup | {} KiB |", peak()? - listed);
    println!("| log after that | {:.1} MiB |", mebibytes(log_size(dir)));

    let begun = Instant::now();
    settle(&store)?;
    let size = file_size(dir)?;
    row("until the file had shrunk", begun.elapsed());
    println!("| the file at rest | {:.2} MiB |", mebibytes(size));
    println!("| added by shrinking | {} KiB |", peak()? - listed);
    Ok(0)
}

fn row(what: &str, took: Duration) {
    let millis = took.as_secs_f64() * 1_000.0;
    if millis < 10.0 {
        println!("| {what} | {millis:.1} ms |");
    } else {
        println!("| {what} | {millis:.0} ms |");
    }
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

fn file_size(dir: &Path) -> io::Result<u64> {
    fs::metadata(dir.join("store.sqlite")).map(|file| file.len())
}

fn log_size(dir: &Path) -> u64 {
    fs::metadata(dir.join("store.sqlite-wal")).map_or(0, |log| log.len())
}

/// Waits until the file and its log have had one size for three seconds.
fn settle(store: &SqliteStore) -> io::Result<()> {
    let dir = store.dir();
    let (mut last, mut since) = ((u64::MAX, 0), Instant::now());
    while since.elapsed() < Duration::from_secs(3) {
        std::thread::sleep(Duration::from_millis(100));
        let now = (file_size(dir)?, log_size(dir));
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
    Ok(())
}

/// Returns the number of a new claim: every claim takes one, and so does every transaction that writes.
async fn fence(store: &Arc<SqliteStore>, key: &str) -> Result<u64, Failure> {
    match store.claim(Claim::new(key, store.owner(), "benches::probe")).await? {
        Claimed::Held(held) => Ok(held.fence),
        other => Err(format!("not held: {other:?}").into()),
    }
}

/// Returns how many transactions there were between two claims.
fn between(first: u64, second: u64) -> u64 {
    second.saturating_sub(first + 2)
}

/// Returns the most memory that this process has had, in KiB.
fn peak() -> io::Result<u64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let number = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    number.ok_or_else(|| io::Error::other("no VmHWM in /proc/self/status"))
}
