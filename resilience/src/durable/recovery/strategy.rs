//! The handling of a failure, by its category.

use crate::base::setting::Effective;
use crate::base::site::Site;
use crate::classify::{Category, Classification, Severity};
use crate::durable::record::alert::critical_at;
use crate::durable::scope::{self, OnFailure};
use crate::outcome::Outcome;
use crate::point::{Layer, POINTS_0_1, PointName, PointSite};
use crate::policy::recoveries::{self, Count};
use crate::policy::refusals;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The strategy for a failure; `#[with_recovery]` and [`WithRecovery`](crate::durable::WithRecovery)
/// choose it by category or severity.
///
/// | strategy | outside of a job | in a job |
/// |---|---|---|
/// | `Retry` | the error goes to the caller | the same |
/// | `Rollback` | the function named by `rollback = ..` is called, then the error goes to the caller | the recorded steps are undone, the last one first |
/// | `Skip` | the caller gets the default value of the type, or `None` | the same: of a step, whose job goes on; a job that it is written on is recorded as `Failed` |
/// | `Manual` | the same as `Escalate` | an alert, and the job waits as `Manual` for `jobs::resume` or `jobs::cancel` |
/// | `Escalate` | a critical alert, and the error goes to the caller | the same, and the job is `Failed` |
///
/// # Examples
///
/// ```
/// use resilience::durable::Recovery;
///
/// assert_eq!(Recovery::Rollback.as_str(), "rollback");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Recovery {
    /// Return the error: the `with_retry` below has tried again, and this error remains.
    Retry,
    /// Undo the work: in a job its recorded steps, the last one first.
    Rollback,
    /// Go on without a value: the function returns the default of its type.
    Skip,
    /// Park the job until a person has decided, with an alert.
    Manual,
    /// Raise an alert, and return the error to the caller.
    Escalate,
}

impl Recovery {
    const ALL: [Self; 5] = [Self::Retry, Self::Rollback, Self::Skip, Self::Manual, Self::Escalate];

    /// Returns the word in the attribute: `"rollback"`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Rollback => "rollback",
            Self::Skip => "skip",
            Self::Manual => "manual",
            Self::Escalate => "escalate",
        }
    }
}

/// The condition of a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub enum Condition {
    /// An error of a category.
    Category(Category),
    /// An error of at least this severity.
    AtLeast(Severity),
    /// An error of exactly this severity.
    Exactly(Severity),
}

impl Condition {
    fn holds(self, class: &Classification) -> bool {
        match self {
            Self::Category(category) => class.category == category,
            Self::AtLeast(severity) => class.severity >= severity,
            Self::Exactly(severity) => class.severity == severity,
        }
    }

    fn words(self) -> String {
        match self {
            Self::Category(category) => category.as_str().to_owned(),
            Self::AtLeast(severity) => format!("severity >= {}", severity.as_str()),
            Self::Exactly(severity) => format!("severity == {}", severity.as_str()),
        }
    }
}

/// The counts of recoveries from failures, and of their results, since the process started.
///
/// It counts the calls that a retry or a fallback saved or could not save, the failures for which a
/// `with_recovery` found a strategy, the jobs whose steps were undone, and the jobs that were begun again: of
/// annotated functions, and of plain values under their names. A [`Retry`](crate::Retry) without a name
/// counts under the place of its call.
///
/// # Examples
///
/// ```
/// use resilience::Retry;
/// use resilience::testing::{Flaky, isolate};
/// use std::io::{Error, ErrorKind};
///
/// let _world = isolate();
/// let service = Flaky::script("e ok");
/// let call = || service.next().map_err(|_| Error::from(ErrorKind::TimedOut));
/// Retry::new().name("quote").call(call).unwrap();
///
/// let stats = resilience::durable::recovery_stats();
/// assert_eq!((stats.total, stats.succeeded), (1, 1));
/// assert_eq!(stats.by_point, [("quote".to_owned(), 1, 1)]);
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct RecoveryStats {
    /// The number of failures that a strategy handled.
    pub total: u64,
    /// The number of them that ended well: with a result, skipped, or undone.
    pub succeeded: u64,
    /// The counts by strategy: its word, how often it was used, and how often it ended well. The words are those
    /// of `with_recovery`, `fallback`, and `resume` for jobs that were begun again.
    pub by_strategy: Vec<(&'static str, u64, u64)>,
    /// The counts by point, sorted by name; only points where a strategy was used.
    pub by_point: Vec<(String, u64, u64)>,
    /// The mean wait before a retry; `None` before the first.
    pub retry_wait_mean: Option<Duration>,
    /// The time that calls have waited for locks together, including calls that did not get theirs; zero without the
    /// feature `fs`, with which `lock::stats` has more.
    pub lock_wait: Duration,
    /// The bytes of the values that steps have recorded.
    pub checkpoint_bytes: u64,
}

impl RecoveryStats {
    /// Returns the part that ended well, from 0 to 1; 1 if nothing was to be done.
    pub fn success_rate(&self) -> f64 {
        if self.total == 0 { 1.0 } else { self.succeeded as f64 / self.total as f64 }
    }
}

/// Returns the counts of recoveries from failures, and of their results, since the process started.
///
/// # Examples
///
/// ```
/// # let _world = resilience::testing::isolate();
/// let stats = resilience::durable::recovery_stats();
/// assert_eq!((stats.total, stats.success_rate()), (0, 1.0));
/// ```
pub fn recovery_stats() -> RecoveryStats {
    let words = Recovery::ALL.map(Recovery::as_str).into_iter().chain(["fallback", "resume"]);
    let mut by_strategy: Vec<_> = words.map(|word| (word, 0, 0)).collect();
    let mut by_point = BTreeMap::<String, Count>::new();
    for (strategy, point, (taken, worked)) in recoveries::counted().into_iter().chain(of_policies()) {
        let point = by_point.entry(point.to_string()).or_default();
        (point.0, point.1) = (point.0 + taken, point.1 + worked);
        if let Some((_, all, well)) = by_strategy.iter_mut().find(|(word, _, _)| *word == strategy) {
            (*all, *well) = (*all + taken, *well + worked);
        }
    }
    RecoveryStats {
        total: by_strategy.iter().map(|(_, taken, _)| taken).sum(),
        succeeded: by_strategy.iter().map(|(_, _, worked)| worked).sum(),
        by_strategy,
        by_point: by_point.into_iter().map(|(point, (taken, worked))| (point, taken, worked)).collect(),
        retry_wait_mean: recoveries::mean_wait(),
        #[cfg(feature = "fs")]
        lock_wait: crate::fs::lock::stats().wait_total,
        #[cfg(not(feature = "fs"))]
        lock_wait: Duration::ZERO,
        checkpoint_bytes: recoveries::recorded(),
    }
}

/// Returns the counts of the retries and fallbacks of annotated functions.
fn of_policies() -> Vec<(&'static str, PointName, Count)> {
    let mut counted = Vec::new();
    for (point, layer) in
        POINTS_0_1.iter().flat_map(|point| point.layers().iter().map(move |layer| (point, layer)))
    {
        let (strategy, well, badly) = match layer.kind() {
            "with_retry" => ("retry", "recovered", "gave_up"),
            "with_fallback" => ("fallback", "answered", "failed"),
            _ => continue,
        };
        let counters = layer.counters();
        let count = |name| counters.iter().find(|(known, _)| *known == name).map_or(0, |found| found.1);
        let (worked, failed) = (count(well), count(badly));
        if worked + failed > 0 {
            counted.push((strategy, point.name(), (worked + failed, worked)));
        }
    }
    counted
}

/// The recovery of one annotated function.
#[derive(Debug)]
#[doc(hidden)]
pub struct RecoverySite {
    point: &'static PointSite,
    rules: &'static [(Condition, Recovery)],
    otherwise: Option<Recovery>,
    has_job: bool,
    has_undo: bool,
    taken: Site<AtomicU64>,
}

impl RecoverySite {
    /// Creates the site of the rules in the stack of `point`; the first that applies decides.
    pub const fn new(point: &'static PointSite, rules: &'static [(Condition, Recovery)]) -> Self {
        let taken = Site::new(AtomicU64::new(0), AtomicU64::default);
        Self { point, rules, otherwise: None, has_job: false, has_undo: false, taken }
    }

    /// Sets the strategy if no rule applies.
    pub const fn otherwise(mut self, strategy: Recovery) -> Self {
        self.otherwise = Some(strategy);
        self
    }

    /// Notes that the function itself is a job.
    pub const fn with_job(mut self) -> Self {
        self.has_job = true;
        self
    }

    /// Notes that the attribute names an undo of its own.
    pub const fn with_undo(mut self) -> Self {
        self.has_undo = true;
        self
    }

    fn strategy(&self, class: &Classification) -> Option<Recovery> {
        let rule = self.rules.iter().find(|(condition, _)| condition.holds(class));
        rule.map(|(_, strategy)| *strategy).or(self.otherwise)
    }

    /// Returns what to do with the job whose body failed with `class`.
    pub fn wanted(&self, class: &Classification) -> OnFailure {
        match self.strategy(class) {
            Some(Recovery::Rollback) => OnFailure::Rollback,
            Some(Recovery::Manual) => OnFailure::Manual,
            Some(Recovery::Escalate) => OnFailure::Escalate,
            _ => OnFailure::Fail,
        }
    }

    /// Returns the strategy for a failure of this class; its part for the job around is done here. A refusal by that
    /// job is not a failure, and goes to the caller.
    #[cold]
    pub fn decide(&self, class: &Classification) -> Recovery {
        let strategy = self.strategy(class).filter(|_| !refusals::is_by_job(class));
        let Some(strategy) = strategy else { return Recovery::Retry };
        self.taken.fetch_add(1, Ordering::Relaxed);
        act(&self.point.name(), strategy, class, self.has_job, self.has_undo);
        strategy
    }

    /// Counts that the attribute's own undo has run.
    #[cold]
    pub fn undone(&self, worked: bool) {
        recoveries::count(&self.point.name(), Recovery::Rollback.as_str(), worked);
        if !worked {
            alert(&self.point.name(), "an undo failed", "the undo of `with_recovery`");
        }
    }
}

/// Does what `strategy` asks for about a failure of `class` in `point`, which is a job itself, or has an undo of its
/// own.
pub(super) fn act(
    point: &PointName,
    strategy: Recovery,
    class: &Classification,
    is_job: bool,
    has_undo: bool,
) {
    let job = scope::current().job;
    let is_of_job = is_job || job.is_some();
    match (strategy, job) {
        (Recovery::Rollback, Some(job)) if !is_job && !has_undo => job.want(OnFailure::Rollback),
        (Recovery::Manual, Some(job)) if !is_job => job.want(OnFailure::Manual),
        // Done where the job ends: a call that the job refused is not a failure of it.
        (Recovery::Manual | Recovery::Escalate, _) if is_job => {}
        (Recovery::Manual | Recovery::Escalate, _) => alert(point, "escalated", class.category.as_str()),
        _ => {}
    }
    match strategy {
        // The retry below has counted it.
        Recovery::Retry => {}
        // Counted when it is known how it went.
        Recovery::Rollback if has_undo || is_of_job => {}
        Recovery::Manual | Recovery::Escalate if is_job => {}
        _ => recoveries::count(point, strategy.as_str(), strategy == Recovery::Skip),
    }
}

fn alert(point: &PointName, message: &'static str, reason: &str) {
    critical_at(point, scope::job().as_deref(), message, reason);
}

impl Layer for RecoverySite {
    fn kind(&self) -> &'static str {
        "with_recovery"
    }

    fn settings(&self) -> Vec<Effective> {
        let rules: Vec<_> = self
            .rules
            .iter()
            .map(|(condition, strategy)| format!("{}: {}", condition.words(), strategy.as_str()))
            .collect();
        let otherwise = self.otherwise.map_or("the error", Recovery::as_str);
        vec![Effective::text("on", rules.join(", ")), Effective::text("otherwise", otherwise)]
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        vec![("taken", self.taken.load(Ordering::Relaxed))]
    }
}

/// An outcome that can go on without a value.
#[diagnostic::on_unimplemented(
    message = "`skip` returns a default value, but `{Self}` has none",
    label = "needs `Default` for its value",
    note = "derive `Default`, return an `Option`, or take another strategy"
)]
#[doc(hidden)]
pub trait Skip: Outcome {
    /// Returns the outcome in place of `failed`.
    fn skipped(failed: &Self) -> Self;
}

impl<T: Default, E> Skip for Result<T, E> {
    fn skipped(_: &Self) -> Self {
        Ok(T::default())
    }
}

impl<T> Skip for Option<T> {
    fn skipped(_: &Self) -> Self {
        None
    }
}
