//! The least that a policy does, written by hand: what a row of the library is compared with.

use super::{Row, bare, future, sync};
use crate::op::{CallError, Failed, call, op};
use std::fmt;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

/// A breaker that counts failures in a row: every call reads the counter, only a failure writes it.
pub(super) fn failures_in_a_row() -> Row {
    Row::new("counter by hand").sync(sync!(|x| counted(x))).future(future!(|x| counted_async(x)))
}

/// A breaker that counts successes, too, as one with a rate has to.
pub(super) fn successes_per_thread() -> Row {
    Row::new("counter by hand, and one of successes for each thread")
        .sync(sync!(|x| shared(x)))
        .future(future!(|x| shared_async(x)))
}

/// A breaker that is open.
pub(super) fn open() -> Row {
    Row::new("by hand, open").sync(sync!(|x| rejected(x))).future(future!(|x| rejected_async(x)))
}

/// A rate limit that is never reached.
pub(super) fn rate_limit() -> Row {
    Row::new("by hand, a moment in an atomic").sync(sync!(|x| spaced(x))).future(future!(|x| spaced_async(x)))
}

/// Failures in a row.
pub(crate) struct Counter {
    failures: AtomicU32,
}

impl Counter {
    pub(crate) const fn new() -> Self {
        Self { failures: AtomicU32::new(0) }
    }

    #[inline]
    pub(crate) fn admits(&self) -> bool {
        self.failures.load(Ordering::Relaxed) < 5
    }

    #[inline]
    pub(crate) fn settle(&self, is_success: bool) {
        if !is_success {
            self.failures.fetch_add(1, Ordering::Relaxed);
        } else if self.failures.load(Ordering::Relaxed) > 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
    }
}

static COUNTER: Counter = Counter::new();

fn counted(x: u64) -> Result<u64, CallError> {
    if !COUNTER.admits() {
        return Err(Failed(0).into());
    }
    let outcome = call(x);
    COUNTER.settle(outcome.is_ok());
    outcome
}

async fn counted_async(x: u64) -> Result<u64, CallError> {
    if !COUNTER.admits() {
        return Err(Failed(0).into());
    }
    let outcome = bare(x).await;
    COUNTER.settle(outcome.is_ok());
    outcome
}

/// The successes of some of the threads, in a cache line of their own.
#[derive(Default)]
#[repr(align(128))]
struct Successes(AtomicU32);

static SUCCESSES: LazyLock<[Successes; 8]> = LazyLock::new(Default::default);
static THREADS: AtomicUsize = AtomicUsize::new(0);

thread_local!(static THREAD: usize = THREADS.fetch_add(1, Ordering::Relaxed) % 8);

/// Counts a success of this thread, and looks at the counters of all threads after each 32.
#[inline]
fn count_success() {
    let own = THREAD.with(|thread| *thread);
    if SUCCESSES[own].0.fetch_add(1, Ordering::Relaxed) % 32 == 31 {
        let sum = SUCCESSES.iter().fold(0, |sum, own| sum ^ own.0.load(Ordering::Relaxed));
        std::hint::black_box(sum);
    }
}

fn shared(x: u64) -> Result<u64, CallError> {
    let outcome = counted(x);
    if outcome.is_ok() {
        count_success();
    }
    outcome
}

async fn shared_async(x: u64) -> Result<u64, CallError> {
    let outcome = counted_async(x).await;
    if outcome.is_ok() {
        count_success();
    }
    outcome
}

/// The name of a breaker, and how long it stays open.
struct Rejection {
    name: Arc<str>,
    wait: Duration,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is open for {:?}", self.name, self.wait)
    }
}

/// The error of a call that may be rejected.
enum Error {
    Operation(Failed),
    Rejected(Rejection),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operation(error) => error.fmt(f),
            Self::Rejected(rejection) => rejection.fmt(f),
        }
    }
}

/// The state of a breaker or of a rate limit: a moment, in nanoseconds since its start, and what it counts.
struct Moment {
    start: Instant,
    at: AtomicU64,
    rejections: AtomicU64,
    name: Arc<str>,
}

impl Moment {
    fn after(wait: Duration) -> Self {
        Self {
            start: Instant::now(),
            at: AtomicU64::new(wait.as_nanos() as u64),
            rejections: AtomicU64::new(0),
            name: "by hand".into(),
        }
    }

    #[inline]
    fn now(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }

    /// Rejects the calls before the moment.
    #[inline]
    fn admit(&self) -> Result<(), Rejection> {
        let (at, now) = (self.at.load(Ordering::Relaxed), self.now());
        if now >= at {
            return Ok(());
        }
        self.rejections.fetch_add(1, Ordering::Relaxed);
        Err(Rejection { name: Arc::clone(&self.name), wait: Duration::from_nanos(at - now) })
    }

    /// Moves the moment by a nanosecond, unless it is a second ahead.
    #[inline]
    fn space(&self) -> Result<(), Failed> {
        let now = self.now();
        let mut at = self.at.load(Ordering::Relaxed);
        loop {
            let next = at.max(now);
            if next - now > 1_000_000_000 {
                return Err(Failed(next - now));
            }
            match self.at.compare_exchange_weak(at, next + 1, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Ok(()),
                Err(seen) => at = seen,
            }
        }
    }
}

static OPEN: LazyLock<Moment> = LazyLock::new(|| Moment::after(Duration::from_secs(3600)));

fn rejected(x: u64) -> Result<u64, Error> {
    OPEN.admit().map_err(Error::Rejected)?;
    op(x).map_err(Error::Operation)
}

#[expect(clippy::unused_async, reason = "the future is what is measured")]
async fn rejected_async(x: u64) -> Result<u64, Error> {
    rejected(x)
}

static SPACING: LazyLock<Moment> = LazyLock::new(|| Moment::after(Duration::ZERO));

fn spaced(x: u64) -> Result<u64, CallError> {
    SPACING.space()?;
    call(x)
}

async fn spaced_async(x: u64) -> Result<u64, CallError> {
    SPACING.space()?;
    bare(x).await
}
