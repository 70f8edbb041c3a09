//! The calls of one annotated function, counted by how they ended.
//!
//! An expansion begins with `PointSite::call` and ends with [`RunningCall::ended`]; a call that is dropped before was
//! cancelled, or has panicked. What every call counts, its begin and its success, is counted for each thread apart;
//! failures are counted in one place for each category and severity. Nothing is counted twice: the number of calls is
//! the sum of its outcomes, and the number of attempts that of the calls and of the retries, read in one pass.
//!
//! Where an attribute has `timed`, a [`TimedCall`] reads the clock at both ends.
//!
//! Counters only grow. A policy that is reset keeps its point's calls.

use super::counts::{CallCounts, Measured};
use super::durations::{Durations, Outcome};
use super::runs::Runs;
use crate::base::clock::now;
use crate::base::shards::{self, SHARDS};
use crate::failure::{Category, Classification, Severity};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// For how long a point is degraded after it answered with less than it should.
const DEGRADED: Duration = Duration::from_secs(60);
const SEVERITIES: [Severity; 5] =
    [Severity::Low, Severity::Medium, Severity::High, Severity::Critical, Severity::Fatal];
const CATEGORIES: usize = Category::ALL.len();

/// What one function counts; made at its first call.
#[derive(Debug)]
pub(crate) struct PointCalls(OnceLock<Box<Counters>>);

#[derive(Debug)]
pub(crate) struct Counters {
    shards: [Shard; SHARDS],
    failed: [[AtomicU64; SEVERITIES.len()]; CATEGORIES],
    retried: [AtomicU64; CATEGORIES],
    rejected: AtomicU64,
    cancelled: AtomicU64,
    panicked: AtomicU64,
    runs: Runs,
    degraded: Mutex<Option<Instant>>,
    /// Made at the first call that is timed.
    durations: OnceLock<Box<Durations>>,
}

/// What some of the threads count, in a cache line of its own.
#[derive(Debug)]
#[repr(align(128))]
struct Shard {
    begun: AtomicU64,
    succeeded: AtomicU64,
}

impl PointCalls {
    pub(crate) const fn new() -> Self {
        Self(OnceLock::new())
    }

    #[inline]
    fn counters(&self) -> &Counters {
        match self.0.get() {
            Some(counters) => counters,
            None => self.first(),
        }
    }

    #[cold]
    #[inline(never)]
    fn first(&self) -> &Counters {
        self.0.get_or_init(|| Box::new(Counters::new()))
    }

    /// Counts that a retry follows an attempt that failed with `category`, after a wait that is as long as the service
    /// asked for, or its own.
    pub(crate) fn retried(&self, category: Category, wait: Duration, is_asked_for: bool) {
        let counters = self.counters();
        if let Some(count) = counters.retried.get(category as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        counters.note_error(category);
        if let Some(durations) = counters.durations.get() {
            durations.record_wait(is_asked_for, wait);
        }
    }

    /// Notes that a call was answered with less than the function's own result.
    pub(crate) fn note_degraded(&self) {
        let now = now();
        *self.counters().degraded.lock().unwrap_or_else(PoisonError::into_inner) = Some(now);
    }

    /// Whether that was in the last 60 s.
    pub(crate) fn is_degraded(&self) -> bool {
        let Some(counters) = self.0.get() else { return false };
        let last = *counters.degraded.lock().unwrap_or_else(PoisonError::into_inner);
        last.is_some_and(|last| now().saturating_duration_since(last) < DEGRADED)
    }

    /// What was counted so far.
    pub(crate) fn read(&self) -> CallCounts {
        self.0.get().map_or_else(CallCounts::default, |counters| counters.read())
    }
}

impl Counters {
    const fn new() -> Self {
        #[expect(clippy::declare_interior_mutable_const, reason = "every counter is a copy of its own")]
        const ZERO: AtomicU64 = AtomicU64::new(0);
        Self {
            shards: [const { Shard { begun: ZERO, succeeded: ZERO } }; SHARDS],
            failed: [const { [ZERO; SEVERITIES.len()] }; CATEGORIES],
            retried: [ZERO; CATEGORIES],
            rejected: ZERO,
            cancelled: ZERO,
            panicked: ZERO,
            runs: Runs::new(),
            degraded: Mutex::new(None),
            durations: OnceLock::new(),
        }
    }

    #[inline]
    fn shard(&self) -> &Shard {
        match self.shards.get(shards::own()) {
            Some(shard) => shard,
            None => &self.shards[shards::assign() % SHARDS],
        }
    }

    #[cold]
    #[inline(never)]
    fn failed(&self, class: &Classification) {
        if outcome(class) == Outcome::Rejected {
            self.rejected.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let severities = self.failed.get(class.category as usize);
        if let Some(count) = severities.and_then(|counts| counts.get(class.severity as usize)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.note_error(class.category);
    }

    fn note_error(&self, category: Category) {
        self.runs.note(category, || self.sum(|shard| &shard.succeeded));
    }

    fn sum(&self, of: fn(&Shard) -> &AtomicU64) -> u64 {
        self.shards.iter().map(|shard| of(shard).load(Ordering::Acquire)).sum()
    }

    #[cold]
    #[inline(never)]
    fn dropped(&self) {
        let count = if std::thread::panicking() { &self.panicked } else { &self.cancelled };
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Calls begin and end while this reads: those in flight are the mean of what was begun before and after, less the
    /// ends.
    fn read(&self) -> CallCounts {
        let load = |count: &AtomicU64| count.load(Ordering::Acquire);
        let before = self.sum(|shard| &shard.begun);
        let mut severities = Vec::new();
        for (category, counts) in Category::ALL.into_iter().zip(&self.failed) {
            let counts = SEVERITIES.into_iter().zip(counts.iter().map(load)).filter(|(_, count)| *count > 0);
            severities.extend(counts.map(|(severity, count)| (category, severity, count)));
        }
        let retried = Category::ALL.into_iter().zip(self.retried.iter().map(load));
        let ended = Ended {
            retried: retried.filter(|(_, count)| *count > 0).collect(),
            succeeded: self.sum(|shard| &shard.succeeded),
            rejected: load(&self.rejected),
            cancelled: load(&self.cancelled),
            panicked: load(&self.panicked),
            severities,
        };
        let mut counts = ended.counts(before.midpoint(self.sum(|shard| &shard.begun)));
        counts.runs = self.runs.read();
        counts.measured = self
            .durations
            .get()
            .map(|durations| Box::new(Measured { calls: durations.read(), waits: durations.waits().into() }));
        counts
    }
}

/// How a call has ended that failed with `class`.
fn outcome(class: &Classification) -> Outcome {
    match class.category {
        Category::Timeout => Outcome::Timeout,
        Category::Rejected => Outcome::Rejected,
        _ if class.is_refusal() => Outcome::Rejected,
        _ => Outcome::Error,
    }
}

/// The parts of which the totals are sums.
struct Ended {
    succeeded: u64,
    rejected: u64,
    cancelled: u64,
    panicked: u64,
    severities: Vec<(Category, Severity, u64)>,
    retried: Vec<(Category, u64)>,
}

impl Ended {
    fn counts(self, begun: u64) -> CallCounts {
        let mut failed: Vec<(&'static str, u64)> = Vec::new();
        for (category, _, count) in &self.severities {
            match failed.last_mut().filter(|(last, _)| *last == category.as_str()) {
                Some((_, sum)) => *sum += count,
                None => failed.push((category.as_str(), *count)),
            }
        }
        let failures: u64 = failed.iter().map(|(_, count)| count).sum();
        let total = self.succeeded + failures + self.rejected + self.cancelled + self.panicked;
        let attempts = total + self.retried.iter().map(|(_, count)| count).sum::<u64>();
        CallCounts {
            total,
            succeeded: self.succeeded,
            failed,
            rejected: self.rejected,
            cancelled: self.cancelled,
            panicked: self.panicked,
            in_flight: begun.saturating_sub(total),
            attempts,
            severities: self.severities,
            retried: self.retried,
            runs: Vec::new(),
            measured: None,
        }
    }
}

/// A running call; dropped before its end it was cancelled, or has panicked.
#[doc(hidden)]
#[derive(Debug)]
pub struct RunningCall(&'static Counters);

impl RunningCall {
    /// A call begins.
    #[inline]
    pub(super) fn begin(calls: &'static PointCalls) -> Self {
        let counters = calls.counters();
        counters.shard().begun.fetch_add(1, Ordering::Relaxed);
        Self(counters)
    }

    /// The call ends with this verdict on what it returns.
    #[inline]
    #[expect(clippy::ref_option, reason = "the expansion lends what it has")]
    pub fn ended(self, verdict: &Option<Classification>) {
        match verdict {
            None => {
                self.0.shard().succeeded.fetch_add(1, Ordering::Release);
            }
            Some(class) => self.0.failed(class),
        }
        std::mem::forget(self);
    }
}

impl Drop for RunningCall {
    fn drop(&mut self) {
        self.0.dropped();
    }
}

/// A running call whose duration is measured.
#[doc(hidden)]
#[derive(Debug)]
pub struct TimedCall {
    /// `None` once it has ended.
    call: Option<RunningCall>,
    since: Instant,
}

impl TimedCall {
    /// A call begins.
    pub(super) fn begin(calls: &'static PointCalls) -> Self {
        let call = RunningCall::begin(calls);
        call.0.durations.get_or_init(Box::default);
        Self { call: Some(call), since: now() }
    }

    /// The call ends with this verdict on what it returns.
    #[expect(clippy::ref_option, reason = "the expansion lends what it has")]
    pub fn ended(mut self, verdict: &Option<Classification>) {
        if let Some(call) = self.call.take() {
            self.record(&call, verdict.as_ref().map_or(Outcome::Success, outcome));
            call.ended(verdict);
        }
    }

    fn record(&self, call: &RunningCall, outcome: Outcome) {
        if let Some(durations) = call.0.durations.get() {
            durations.record(outcome, now().saturating_duration_since(self.since));
        }
    }
}

/// Dropped before its end it was cancelled, or has panicked; so is the call in it.
impl Drop for TimedCall {
    fn drop(&mut self) {
        if let Some(call) = &self.call {
            let is_panicking = std::thread::panicking();
            self.record(call, if is_panicking { Outcome::Panic } else { Outcome::Cancelled });
        }
    }
}
