//! The least that a policy does, written by hand: what a row of the library is compared with.

use super::{Row, bare, future, sync};
use crate::op::{CallError, Failed, call, op};
use std::collections::VecDeque;
use std::fmt;
use std::hint::black_box;
use std::mem::MaybeUninit;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
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

/// The same in a window of time, which reads the clock after each 32 successes of a thread.
pub(super) fn successes_in_time() -> Row {
    Row::new("the same, with the time of each 32 successes").sync(sync!(|x| timed(x)))
}

/// A breaker whose calls are counted when they begin and when they end, for each thread apart; a call that is dropped
/// in between is counted, too.
pub(super) fn begins_and_ends() -> Row {
    Row::new("counter by hand, and the begin and the end of each call")
        .sync(sync!(|x| begun_and_ended(x)))
        .future(future!(|x| begun_and_ended_async(x)))
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

/// Counts a success of this thread, and calls `look` after each 32.
#[inline]
fn count_success(look: impl FnOnce()) {
    let own = THREAD.with(|thread| *thread);
    if SUCCESSES[own].0.fetch_add(1, Ordering::Relaxed) % 32 == 31 {
        look();
    }
}

/// Looks at the counters of all threads.
fn look() {
    black_box(SUCCESSES.iter().fold(0, |sum, own| sum ^ own.0.load(Ordering::Relaxed)));
}

/// The moments of the last minute at which 32 successes were counted.
static MOMENTS: Mutex<VecDeque<Instant>> = Mutex::new(VecDeque::new());

/// Remembers the moment, and forgets those that are older than a minute.
#[cold]
#[inline(never)]
fn remember() {
    look();
    let now = Instant::now();
    let mut moments = MOMENTS.lock().unwrap_or_else(PoisonError::into_inner);
    while moments.front().is_some_and(|at| now.duration_since(*at) >= Duration::from_secs(60)) {
        moments.pop_front();
    }
    moments.push_back(now);
}

fn shared(x: u64) -> Result<u64, CallError> {
    let outcome = counted(x);
    if outcome.is_ok() {
        count_success(look);
    }
    outcome
}

fn timed(x: u64) -> Result<u64, CallError> {
    let outcome = counted(x);
    if outcome.is_ok() {
        count_success(remember);
    }
    outcome
}

async fn shared_async(x: u64) -> Result<u64, CallError> {
    let outcome = counted_async(x).await;
    if outcome.is_ok() {
        count_success(look);
    }
    outcome
}

/// The calls of some of the threads, in a cache line of their own.
#[derive(Default)]
#[repr(align(128))]
struct Calls {
    begun: AtomicU64,
    succeeded: AtomicU64,
    others: AtomicU64,
}

static CALLS: LazyLock<[Calls; 8]> = LazyLock::new(Default::default);

/// A call that has begun; dropped before its end, it counts as another end.
struct Running(&'static Calls);

impl Running {
    /// Counts the begin, in the counter that the address of the stack selects.
    #[inline]
    fn begin() -> Self {
        let local = MaybeUninit::<u8>::uninit();
        // A loop around the calls must not select it once for all.
        let part = (black_box(std::ptr::from_ref(&local).addr()) >> 16) as u32;
        let calls = &CALLS[(part.wrapping_mul(0x1248_45f9) >> 29) as usize];
        calls.begun.fetch_add(1, Ordering::Relaxed);
        Self(calls)
    }

    #[inline]
    fn end<T>(self, outcome: &Result<T, CallError>) {
        if outcome.is_ok() {
            self.0.succeeded.fetch_add(1, Ordering::Relaxed);
            std::mem::forget(self);
        }
    }
}

impl Drop for Running {
    #[cold]
    #[inline(never)]
    fn drop(&mut self) {
        self.0.others.fetch_add(1, Ordering::Relaxed);
    }
}

fn begun_and_ended(x: u64) -> Result<u64, CallError> {
    let running = Running::begin();
    let outcome = counted(x);
    running.end(&outcome);
    outcome
}

async fn begun_and_ended_async(x: u64) -> Result<u64, CallError> {
    let running = Running::begin();
    let outcome = counted_async(x).await;
    running.end(&outcome);
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
