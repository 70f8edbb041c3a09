//! The calls of one annotated function, counted by how they ended.
//!
//! An expansion begins with `PointSite::call` and ends with [`RunningCall::ended`]; a call that is dropped before was
//! cancelled, or has panicked. What every call counts, its start and its success, is counted for each thread apart, and
//! so are rejections, which are many while a policy refuses; failures are counted in one place for each category and
//! severity. Nothing is counted twice: the number of calls is the sum of its outcomes, and the number of attempts that
//! of the calls and of the retries, read in one pass.
//!
//! If an attribute or a configuration has `timed`, a call reads the clock at both ends. The configuration's setting
//! is in two bits of the number that each call raises when it begins, so that a call which is not timed pays a jump for
//! them; a call that began untimed stays so.
//!
//! Counters only grow. A policy that is reset keeps its point's calls.

use super::counts::CallCounts;
use super::durations::{Durations, Measure, Outcome};
use super::runs::Runs;
use crate::base::clock::{now, now_nanos};
use crate::base::shards::{SHARDS, here};
use crate::base::sync::locked;
use crate::failure::{Category, Classification, Severity};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::{Duration, Instant};

/// The time for which a point is degraded after it answered with less than its own result.
const DEGRADED: Duration = Duration::from_secs(60);
const SEVERITIES: [Severity; 5] =
    [Severity::Low, Severity::Medium, Severity::High, Severity::Critical, Severity::Fatal];
const CATEGORIES: usize = Category::ALL.len();

/// The counters of one function.
#[derive(Debug)]
pub(crate) struct PointCalls {
    /// Made at the first call.
    counters: OnceLock<Box<Counters>>,
    /// The setting of a configuration for timed calls, as bits of [`Shard::begun`]; locked while they are set.
    #[cfg(feature = "config")]
    timed: Mutex<i64>,
}

/// The bit of [`Shard::begun`] by which a configuration has calls timed. It is the sign: the processor has it at hand
/// after an addition.
const TIMED: i64 = i64::MIN;
/// The bit by which it has calls not timed that the code has timed.
const NOT_TIMED: i64 = 1 << 62;
/// The bits that count.
const COUNT: i64 = !(TIMED | NOT_TIMED);

#[derive(Debug)]
pub(crate) struct Counters {
    shards: [Shard; SHARDS],
    failed: [[AtomicU64; SEVERITIES.len()]; CATEGORIES],
    retried: [AtomicU64; CATEGORIES],
    cancelled: AtomicU64,
    panicked: AtomicU64,
    runs: Runs,
    degraded: Mutex<Option<Instant>>,
    /// Made at the first call that is timed.
    durations: OnceLock<Box<Durations>>,
}

/// The counters of some of the threads, in a cache line of its own.
#[derive(Debug)]
#[repr(align(128))]
struct Shard {
    /// The number of calls that have begun, below the bits [`TIMED`] and [`NOT_TIMED`].
    begun: AtomicI64,
    succeeded: AtomicU64,
    rejected: AtomicU64,
    of: &'static PointCalls,
}

impl Shard {
    /// Counts the end of a call that has failed, or is timed.
    #[cold]
    #[inline(never)]
    fn ended(&self, since: u64, verdict: Option<&Classification>) {
        if since == OVER {
            return;
        }
        let counters = self.of.counters();
        counters.record(since, verdict.map_or(Outcome::Success, outcome));
        match verdict {
            None => drop(self.succeeded.fetch_add(1, Ordering::Release)),
            Some(class) => counters.failed(class),
        }
    }

    /// Counts a call that is dropped before its end.
    #[cold]
    #[inline(never)]
    fn dropped(&self, since: u64) {
        self.of.counters().dropped(since);
    }
}

impl PointCalls {
    pub(crate) const fn new() -> Self {
        Self {
            counters: OnceLock::new(),
            #[cfg(feature = "config")]
            timed: Mutex::new(0),
        }
    }

    /// Sets what a configuration says of whether calls are timed; `None` where it says nothing.
    #[cfg(feature = "config")]
    pub(crate) fn set_timed(&self, timed: Option<bool>) {
        let mut bits = locked(&self.timed);
        *bits = timed.map_or(0, |is_timed| if is_timed { TIMED } else { NOT_TIMED });
        for shard in self.counters.get().iter().flat_map(|counters| &counters.shards) {
            shard.begun.fetch_and(COUNT, Ordering::Relaxed);
            shard.begun.fetch_or(*bits, Ordering::Relaxed);
        }
    }

    #[inline]
    fn counters(&'static self) -> &'static Counters {
        match self.counters.get() {
            Some(counters) => counters,
            None => self.first(),
        }
    }

    #[cold]
    #[inline(never)]
    fn first(&'static self) -> &'static Counters {
        #[cfg(feature = "config")]
        let bits = locked(&self.timed);
        #[cfg(feature = "config")]
        let begun = *bits;
        #[cfg(not(feature = "config"))]
        let begun = 0;
        self.counters.get_or_init(|| Box::new(Counters::new(self, begun)))
    }

    /// Returns the place of durations, if a call that begins now is timed and one was before; `by_code` is as in
    /// [`RunningCall::begin`].
    pub(super) fn durations(&self, by_code: bool) -> Option<&Durations> {
        let counters = self.counters.get()?;
        let bits = counters.shards.first()?.begun.load(Ordering::Relaxed);
        if is_timed(bits, by_code) { counters.durations.get().map(|durations| &**durations) } else { None }
    }

    /// Counts that a retry follows an attempt that failed with `category`.
    pub(crate) fn retried(&'static self, category: Category) {
        let counters = self.counters();
        if let Some(count) = counters.retried.get(category as usize) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        counters.note_error(category);
    }

    /// Notes that a call was answered with less than the function's own result.
    pub(crate) fn note_degraded(&'static self) {
        let now = now();
        *locked(&self.counters().degraded) = Some(now);
    }

    /// Returns whether an answer was degraded in the last 60 s.
    pub(crate) fn is_degraded(&self) -> bool {
        let Some(counters) = self.counters.get() else { return false };
        let last = *locked(&counters.degraded);
        last.is_some_and(|last| now().saturating_duration_since(last) < DEGRADED)
    }

    /// Returns the counts so far.
    pub(crate) fn read(&self) -> CallCounts {
        self.counters.get().map_or_else(CallCounts::default, |counters| counters.read())
    }
}

impl Counters {
    fn new(of: &'static PointCalls, begun: i64) -> Self {
        #[expect(clippy::declare_interior_mutable_const, reason = "every counter is a copy of its own")]
        const ZERO: AtomicU64 = AtomicU64::new(0);
        Self {
            shards: [(); SHARDS].map(|()| Shard {
                begun: AtomicI64::new(begun),
                succeeded: ZERO,
                rejected: ZERO,
                of,
            }),
            failed: [const { [ZERO; SEVERITIES.len()] }; CATEGORIES],
            retried: [ZERO; CATEGORIES],
            cancelled: ZERO,
            panicked: ZERO,
            runs: Runs::new(),
            degraded: Mutex::new(None),
            durations: OnceLock::new(),
        }
    }

    #[inline]
    fn shard(&self) -> &Shard {
        &self.shards[here().shard()]
    }

    fn failed(&self, class: &Classification) {
        if outcome(class) == Outcome::Rejected {
            self.shard().rejected.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let severities = self.failed.get(class.category as usize);
        if let Some(count) = severities.and_then(|counts| counts.get(class.severity as usize)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        self.note_error(class.category);
    }

    fn note_error(&self, category: Category) {
        self.runs.note(category, || self.succeeded());
    }

    fn succeeded(&self) -> u64 {
        self.shards.iter().map(|shard| shard.succeeded.load(Ordering::Acquire)).sum()
    }

    fn begun(&self) -> u64 {
        let begun = |shard: &Shard| shard.begun.load(Ordering::Acquire) & COUNT;
        self.shards.iter().map(begun).sum::<i64>().unsigned_abs()
    }

    fn dropped(&self, since: u64) {
        let (count, outcome) = if std::thread::panicking() {
            (&self.panicked, Outcome::Panic)
        } else {
            (&self.cancelled, Outcome::Cancelled)
        };
        self.record(since, outcome);
        count.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts the start of a timed call; returns the moment.
    #[cold]
    #[inline(never)]
    fn start(&self) -> u64 {
        self.durations.get_or_init(|| Box::new(Durations::new()));
        now_nanos().max(UNTIMED + 1)
    }

    /// Counts the end of a call that began at the moment `since`, if it is timed.
    fn record(&self, since: u64, outcome: Outcome) {
        if since > UNTIMED
            && let Some(durations) = self.durations.get()
        {
            let took = now_nanos().saturating_sub(since);
            durations.record(Measure::Call(outcome), Duration::from_nanos(took));
        }
    }

    /// Reads the counters while calls begin and end: those in flight are the mean of the calls begun before and after,
    /// less the ends.
    fn read(&self) -> CallCounts {
        let load = |count: &AtomicU64| count.load(Ordering::Acquire);
        let before = self.begun();
        let (mut severities, mut failed, mut failures) = (Vec::new(), Vec::new(), 0);
        for (category, counts) in Category::ALL.into_iter().zip(&self.failed) {
            let mut sum = 0;
            for (severity, count) in SEVERITIES.into_iter().zip(counts.iter().map(load)) {
                if count > 0 {
                    severities.push((category, severity, count));
                    sum += count;
                }
            }
            if sum > 0 {
                failed.push((category.as_str(), sum));
                failures += sum;
            }
        }
        let retried = Category::ALL.into_iter().zip(self.retried.iter().map(load));
        let retried: Vec<_> = retried.filter(|(_, count)| *count > 0).collect();
        let rejected = self.shards.iter().map(|shard| load(&shard.rejected)).sum();
        let succeeded = self.succeeded();
        let (cancelled, panicked) = (load(&self.cancelled), load(&self.panicked));
        let total = succeeded + failures + rejected + cancelled + panicked;
        CallCounts {
            total,
            succeeded,
            failed,
            rejected,
            cancelled,
            panicked,
            in_flight: before.midpoint(self.begun()).saturating_sub(total),
            attempts: total + retried.iter().map(|(_, count)| count).sum::<u64>(),
            severities,
            retried,
            runs: self.runs.read(),
            measured: self.durations.get().map_or_else(Vec::new, |durations| durations.read()),
        }
    }
}

/// Returns the outcome of a call that failed with `class`.
fn outcome(class: &Classification) -> Outcome {
    match class.category {
        Category::Timeout => Outcome::Timeout,
        Category::Rejected => Outcome::Rejected,
        _ if class.is_refusal() => Outcome::Rejected,
        _ => Outcome::Error,
    }
}

/// A running call; dropped before its end it was cancelled, or has panicked.
#[doc(hidden)]
#[derive(Debug)]
pub struct RunningCall {
    /// The shard in which the call is counted, even if it ends on another thread.
    shard: &'static Shard,
    /// The start of the call, in nanoseconds after [`origin`](crate::base::clock::origin), or [`UNTIMED`], or [`OVER`].
    since: u64,
}

/// The start of a call that has ended. It says so in the call itself, as an end that consumed the call would need a flag
/// beside it in each async function.
const OVER: u64 = 0;
/// The start of a call that is not timed.
const UNTIMED: u64 = 1;

/// Returns whether a call is timed that finds these bits when it begins.
#[inline]
const fn is_timed(bits: i64, by_code: bool) -> bool {
    // Without a configuration the compiler knows the answer.
    let by_config = cfg!(feature = "config") && bits < 0;
    by_config || (by_code && bits & NOT_TIMED == 0)
}

impl RunningCall {
    /// Begins a call; `by_code` says whether the attributes have it timed.
    #[inline]
    pub(super) fn begin(calls: &'static PointCalls, by_code: bool) -> Self {
        let shard = calls.counters().shard();
        let bits = shard.begun.fetch_add(1, Ordering::Relaxed);
        let since = if is_timed(bits, by_code) { calls.counters().start() } else { UNTIMED };
        Self { shard, since }
    }

    /// Ends the call with this verdict on what it returns, unless it has ended.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a call of it costs more than it does")]
    #[expect(clippy::ref_option, reason = "the expansion lends what it has")]
    pub fn ended(&mut self, verdict: &Option<Classification>) {
        if verdict.is_none() && self.since == UNTIMED {
            self.shard.succeeded.fetch_add(1, Ordering::Release);
        } else {
            self.shard.ended(self.since, verdict.as_ref());
        }
        // After the additions: the compiler sees then that the call drops nothing.
        self.since = OVER;
    }

    /// Ends the call, which the attributes do not have timed, as a success if a configuration does not either; returns
    /// whether it has ended. It cannot panic, so that the compiler need not have the result of the call in memory.
    #[inline(always)]
    #[expect(clippy::inline_always, reason = "a call of it costs more than it does")]
    pub fn succeeded(&mut self) -> bool {
        let is_untimed = !cfg!(feature = "config") || self.since == UNTIMED;
        if is_untimed {
            self.shard.succeeded.fetch_add(1, Ordering::Release);
            self.since = OVER;
        }
        is_untimed
    }

    /// Ends the call, which a policy has refused.
    #[inline]
    pub fn rejected(&mut self) {
        if self.since == UNTIMED {
            self.shard.rejected.fetch_add(1, Ordering::Relaxed);
        } else {
            self.shard.ended(self.since, Some(&Category::Rejected.into()));
        }
        self.since = OVER;
    }
}

impl Drop for RunningCall {
    #[inline]
    fn drop(&mut self) {
        if self.since != OVER {
            self.shard.dropped(self.since);
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    static CALLS: PointCalls = PointCalls::new();

    #[test]
    fn a_call_takes_no_time_if_the_clock_goes_backwards() {
        let counters = CALLS.counters();
        let since = counters.start() + 3_600_000_000_000;
        counters.record(since, Outcome::Success);
        counters.record(0, Outcome::Error);
        let measured = counters.read().measured;
        let [(Measure::Call(Outcome::Success), times)] = &measured[..] else { panic!("{measured:?}") };
        assert_eq!((times.count(), times.buckets[0], times.sum), (1, 1, Duration::ZERO));
    }

    #[test]
    fn a_call_is_counted_once() {
        static CALLS: PointCalls = PointCalls::new();
        for is_asked in [true, false] {
            let mut call = RunningCall::begin(&CALLS, !is_asked);
            assert!(!is_asked || call.succeeded());
            call.ended(&None);
        }
        RunningCall::begin(&CALLS, true).rejected();
        RunningCall::begin(&CALLS, false).rejected();
        RunningCall::begin(&CALLS, false).ended(&Some(Category::Transient.into()));
        drop(RunningCall::begin(&CALLS, true));
        let counts = CALLS.read();
        assert_eq!((counts.succeeded, counts.cancelled, counts.in_flight), (2, 1, 0), "{counts:?}");
        assert_eq!(
            (counts.rejected, counts.total, counts.failed),
            (2, 6, vec![(Category::Transient.as_str(), 1)])
        );
        let (Measure::Call(_), times) = &counts.measured[0] else { panic!("{:?}", counts.measured) };
        assert_eq!(times.count(), 1);
    }

    #[cfg(feature = "config")]
    #[test]
    fn configuration_bits_do_not_count_as_calls() {
        static CALLS: PointCalls = PointCalls::new();
        CALLS.set_timed(Some(false));
        for (timed, by_code, is_timed) in [
            (Some(false), true, false),
            (Some(true), false, true),
            (Some(true), true, true),
            (None, true, true),
            (None, false, false),
        ] {
            CALLS.set_timed(timed);
            assert_eq!(RunningCall::begin(&CALLS, by_code).since > UNTIMED, is_timed, "{timed:?} {by_code}");
            assert_eq!(
                CALLS.durations(by_code).is_some(),
                is_timed && CALLS.counters().durations.get().is_some()
            );
        }
        assert_eq!((CALLS.read().total, CALLS.read().in_flight), (5, 0));
    }
}
