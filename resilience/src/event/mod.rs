//! What happens inside the policies, reported to hooks, to `tracing`, and to test worlds.

pub(crate) mod history;
#[cfg(feature = "serde")]
mod serialise;

pub(crate) use crate::base::guarded::guarded;
pub use crate::base::guarded::hook_panics;
use crate::base::name::PointName;
use crate::base::site::Site;
use crate::base::sync::locked;
use crate::base::world::World;
use crate::failure::Classification;
use std::fmt;
use std::sync::atomic::AtomicU64;
#[cfg(feature = "tracing")]
use std::sync::atomic::Ordering;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

/// One thing that a policy did.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(tag = "kind", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Event {
    /// An attempt failed.
    #[non_exhaustive]
    AttemptFailed {
        /// The point that was called.
        point: PointName,
        /// The attempt that failed, counted from 1.
        attempt: u32,
        /// How many attempts the call may make, those under `on(category, ..)` included.
        attempts_max: u32,
        /// What the error means.
        class: Classification,
        /// How long the next attempt waits; `None` if no attempt follows.
        #[cfg_attr(
            feature = "serde",
            serde(rename = "delay_s", serialize_with = "crate::base::serialise::seconds")
        )]
        delay: Option<Duration>,
        /// Why no attempt follows; `None` if one does.
        reason: Option<&'static str>,
    },
    /// A retry begins its wait.
    #[non_exhaustive]
    Retrying {
        /// The point that was called.
        point: PointName,
        /// The attempt that failed, counted from 1.
        attempt: u32,
        /// How many attempts the call may make, those under `on(category, ..)` included.
        attempts_max: u32,
        /// What the error means.
        class: Classification,
        /// How long the retry waits.
        #[cfg_attr(
            feature = "serde",
            serde(rename = "delay_s", serialize_with = "crate::base::serialise::seconds")
        )]
        delay: Duration,
    },
    /// A call succeeded after retries.
    #[non_exhaustive]
    Recovered {
        /// The point that was called.
        point: PointName,
        /// The attempt that succeeded, counted from 1.
        attempt: u32,
        /// How many attempts the call may make, those under `on(category, ..)` included.
        attempts_max: u32,
    },
    /// A call failed after at least one retry, or although its error would have been retried: the budget
    /// is used up, or no wait fits into `give_up_after`, `retry_after_cap` or a timeout.
    ///
    /// A call whose first error is not retryable is only an [`AttemptFailed`](Self::AttemptFailed).
    #[non_exhaustive]
    GaveUp {
        /// The point that was called.
        point: PointName,
        /// How many attempts were made.
        attempt: u32,
        /// How many attempts the call may make, those under `on(category, ..)` included.
        attempts_max: u32,
        /// What the last error means.
        class: Classification,
        /// Why no further attempt follows.
        reason: &'static str,
    },
    /// A circuit breaker opened.
    #[non_exhaustive]
    Opened {
        /// The point whose breaker it is.
        point: PointName,
        /// The key, on a keyed breaker.
        key: Option<PointName>,
        /// What the error that tripped it means; `None` where it was opened by hand.
        class: Option<Classification>,
        /// How many failures tripped it.
        failures: u32,
        /// How long it stays open; `None` where only a person closes it.
        #[cfg_attr(
            feature = "serde",
            serde(rename = "recovery_s", serialize_with = "crate::base::serialise::seconds")
        )]
        recovery: Option<Duration>,
    },
    /// A circuit breaker admits probes.
    #[non_exhaustive]
    HalfOpened {
        /// The point whose breaker it is.
        point: PointName,
        /// The key, on a keyed breaker.
        key: Option<PointName>,
    },
    /// A circuit breaker closed.
    #[non_exhaustive]
    Closed {
        /// The point whose breaker it is.
        point: PointName,
        /// The key, on a keyed breaker.
        key: Option<PointName>,
    },
    /// A policy refused a call.
    #[non_exhaustive]
    Rejected {
        /// The point that was called.
        point: PointName,
        /// The key, on a keyed policy.
        key: Option<PointName>,
        /// The policy that refused, as in its attribute.
        policy: &'static str,
        /// When it will admit a call again, if it knows.
        #[cfg_attr(
            feature = "serde",
            serde(rename = "retry_after_s", serialize_with = "crate::base::serialise::seconds")
        )]
        retry_after: Option<Duration>,
    },
    /// A timeout ended a call.
    #[non_exhaustive]
    TimedOut {
        /// The point that was called.
        point: PointName,
        /// The time that the call was given.
        #[cfg_attr(
            feature = "serde",
            serde(rename = "limit_s", serialize_with = "crate::base::serialise::seconds")
        )]
        limit: Duration,
    },
    /// A fallback answered.
    #[non_exhaustive]
    FellBack {
        /// The point that was called.
        point: PointName,
        /// What the error means that the fallback stands in for.
        class: Classification,
        /// Which fallback answered, counted from 1.
        step: u32,
    },
    /// A step's value was recorded.
    #[non_exhaustive]
    StepRecorded {
        /// The point that was called.
        point: PointName,
        /// The step's key.
        key: String,
        /// The id of the job that the step belongs to.
        job: Option<String>,
    },
    /// A recorded value was given in place of a call.
    #[non_exhaustive]
    StepReused {
        /// The point that was called.
        point: PointName,
        /// The step's key.
        key: String,
        /// The id of the job that the step belongs to.
        job: Option<String>,
    },
    /// The body of a job begins to run for the first time.
    #[non_exhaustive]
    JobStarted {
        /// The point of the job.
        point: PointName,
        /// The job's id.
        job: String,
    },
    /// A job that lost its owner begins to run again.
    #[non_exhaustive]
    JobResumed {
        /// The point of the job.
        point: PointName,
        /// The job's id.
        job: String,
    },
    /// The result of a job was recorded.
    #[non_exhaustive]
    JobDone {
        /// The point of the job.
        point: PointName,
        /// The job's id.
        job: String,
    },
    /// A job has ended without a result.
    #[non_exhaustive]
    JobFailed {
        /// The point of the job.
        point: PointName,
        /// The job's id.
        job: String,
        /// What it is from now on: `"failed"`, `"manual"` or `"dead"`.
        status: &'static str,
        /// What the error of its body means, if there was one.
        class: Option<Classification>,
    },
    /// A job has stopped before its end, and goes on when it is recovered.
    #[non_exhaustive]
    JobInterrupted {
        /// The point of the job, or `recover`.
        point: PointName,
        /// The job's id.
        job: String,
        /// Why, in words.
        problem: String,
    },
    /// A job has undone its steps.
    #[non_exhaustive]
    RolledBack {
        /// The point of the job.
        point: PointName,
        /// The job's id.
        job: String,
        /// How many steps were undone.
        steps: usize,
    },
    /// An operator should look at the point.
    #[non_exhaustive]
    Alert {
        /// The point that it is about.
        point: PointName,
        /// The id of the job that it is about, or of the job that the point runs in.
        job: Option<String>,
        /// How bad it is.
        level: AlertLevel,
        /// What happened, in words.
        message: &'static str,
        /// Why, in words: categories and names, never values.
        reason: String,
    },
}

/// The severity of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "UPPERCASE"))]
#[non_exhaustive]
pub enum AlertLevel {
    /// Worth a look.
    Warning,
    /// A person must act.
    Critical,
}

impl AlertLevel {
    /// `"WARNING"` or `"CRITICAL"`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
        }
    }
}

impl Event {
    /// The point, or the policy made by hand, that this event is about.
    pub fn point(&self) -> &str {
        match self {
            Self::AttemptFailed { point, .. }
            | Self::Retrying { point, .. }
            | Self::Recovered { point, .. }
            | Self::GaveUp { point, .. }
            | Self::Opened { point, .. }
            | Self::HalfOpened { point, .. }
            | Self::Closed { point, .. }
            | Self::Rejected { point, .. }
            | Self::TimedOut { point, .. }
            | Self::FellBack { point, .. }
            | Self::StepRecorded { point, .. }
            | Self::StepReused { point, .. }
            | Self::JobStarted { point, .. }
            | Self::JobResumed { point, .. }
            | Self::JobDone { point, .. }
            | Self::JobFailed { point, .. }
            | Self::JobInterrupted { point, .. }
            | Self::RolledBack { point, .. }
            | Self::Alert { point, .. } => point,
        }
    }
}

impl Event {
    /// Returns the key of a keyed policy or of a step, if the event has one.
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::Opened { key, .. }
            | Self::HalfOpened { key, .. }
            | Self::Closed { key, .. }
            | Self::Rejected { key, .. } => key.as_deref(),
            Self::StepRecorded { key, .. } | Self::StepReused { key, .. } => Some(key),
            _ => None,
        }
    }

    /// Returns the id of the job that the event is about or belongs to.
    pub fn job(&self) -> Option<&str> {
        match self {
            Self::JobStarted { job, .. }
            | Self::JobResumed { job, .. }
            | Self::JobDone { job, .. }
            | Self::JobFailed { job, .. }
            | Self::JobInterrupted { job, .. }
            | Self::RolledBack { job, .. } => Some(job),
            Self::StepRecorded { job, .. } | Self::StepReused { job, .. } | Self::Alert { job, .. } => {
                job.as_deref()
            }
            _ => None,
        }
    }
}

/// One line without the key, which is made of arguments: `search: opened after 5 failures, unavailable (503),
/// medium, for 60s`.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.point())?;
        match self {
            Self::AttemptFailed { attempt, attempts_max, class, reason, .. } => {
                write!(f, "attempt {attempt} of {attempts_max} failed: {class}")?;
                reason.map_or(Ok(()), |reason| write!(f, "; {reason}"))
            }
            Self::Retrying { attempt, attempts_max, class, delay, .. } => {
                write!(f, "retrying after attempt {attempt} of {attempts_max}: {class}; in {delay:?}")
            }
            Self::Recovered { attempt, attempts_max, .. } => {
                write!(f, "recovered in attempt {attempt} of {attempts_max}")
            }
            Self::GaveUp { attempt, attempts_max, class, reason, .. } => {
                write!(f, "gave up after attempt {attempt} of {attempts_max}: {class}; {reason}")
            }
            Self::Opened { class, failures, recovery, .. } => {
                match class {
                    Some(class) => write!(f, "opened after {failures} failures, {class}")?,
                    None => f.write_str("opened by hand")?,
                }
                recovery.map_or(Ok(()), |recovery| write!(f, ", for {recovery:?}"))
            }
            Self::HalfOpened { .. } => f.write_str("half-open"),
            Self::Closed { .. } => f.write_str("closed"),
            Self::Rejected { policy, retry_after, .. } => {
                write!(f, "rejected by {policy}")?;
                retry_after.map_or(Ok(()), |wait| write!(f, ", for {wait:?}"))
            }
            Self::TimedOut { limit, .. } => write!(f, "timed out after {limit:?}"),
            Self::FellBack { class, step, .. } => write!(f, "fallback {step} answered: {class}"),
            Self::StepRecorded { job, .. } => {
                f.write_str("step recorded")?;
                job.as_ref().map_or(Ok(()), |job| write!(f, ", job {job}"))
            }
            Self::StepReused { job, .. } => {
                f.write_str("recorded step reused")?;
                job.as_ref().map_or(Ok(()), |job| write!(f, ", job {job}"))
            }
            Self::JobStarted { job, .. } => write!(f, "job {job} started"),
            Self::JobResumed { job, .. } => write!(f, "job {job} resumed"),
            Self::JobDone { job, .. } => write!(f, "job {job} done"),
            Self::JobFailed { job, status, class, .. } => {
                write!(f, "job {job} {status}")?;
                class.map_or(Ok(()), |class| write!(f, ": {class}"))
            }
            Self::JobInterrupted { job, problem, .. } => write!(f, "job {job} interrupted: {problem}"),
            Self::RolledBack { job, steps, .. } => write!(f, "job {job} rolled back, {steps} steps"),
            Self::Alert { job, level, message, reason, .. } => {
                write!(f, "{}: ", level.as_str())?;
                job.as_ref().map_or(Ok(()), |job| write!(f, "job {job}: "))?;
                write!(f, "{message}: {reason}")
            }
        }
    }
}

/// A function that is called with an event.
pub type Hook = fn(&Event);

/// Whether an event worth a debug line would be seen; if not, it need not be made.
#[inline]
pub(crate) fn is_heard(hook: Option<Hook>) -> bool {
    #[cfg(feature = "tracing")]
    if tracing::level_filters::LevelFilter::current() >= tracing::level_filters::LevelFilter::DEBUG {
        return true;
    }
    hook.is_some() || World::here().is_some()
}

/// Every event of a test world so far, in order; outside of one nothing is kept.
pub(crate) static SEEN: Site<Mutex<Vec<Event>>> = Site::new(Mutex::new(Vec::new()), Mutex::default);

/// How an event appears in `tracing`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Log<'a> {
    /// Limits how often a line appears that would repeat itself; without one it always does.
    pub(crate) pace: Option<&'a Pace>,
    /// Whether the key is shown.
    pub(crate) shows_key: bool,
}

/// When something was last logged: part of the policy that logs it.
#[derive(Debug, Default)]
#[cfg_attr(not(feature = "tracing"), expect(dead_code, reason = "only lines of `tracing` are limited"))]
pub(crate) struct Pace(AtomicU64);

impl Pace {
    pub(crate) const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Whether the last `true` was at least `every` ago.
    #[cfg(feature = "tracing")]
    fn allows(&self, every: Duration) -> bool {
        let now = crate::clock::nanos(crate::clock::now()).max(1);
        let last = self.0.load(Ordering::Relaxed);
        // A clock that reads earlier belongs to another test world.
        let is_due = last == 0 || now < last || u128::from(now - last) >= every.as_nanos();
        is_due && self.0.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// One that stands in for a policy without state of its own, chosen by `name`.
    pub(crate) fn shared(name: &str) -> &'static Self {
        #[expect(clippy::declare_interior_mutable_const, reason = "every slot gets a copy of its own")]
        const NEW: Pace = Pace::new();
        static SLOTS: [Pace; 64] = [NEW; 64];
        let hash = name.bytes().fold(0_usize, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
        &SLOTS[hash % SLOTS.len()]
    }
}

/// Whether the environment asks for the keys of all policies in `tracing`; read once.
pub(crate) fn shows_all_keys() -> bool {
    static ALL: OnceLock<bool> = OnceLock::new();
    *ALL.get_or_init(|| std::env::var_os("RESILIENCE_KEY_LABELS").is_some_and(|value| value == "1"))
}

/// Passes `event` to `hook`, to `tracing` and to the test world.
pub(crate) fn emit(event: &Event, hook: Option<Hook>) {
    emit_as(event, hook, Log::default());
}

/// As [`emit`], logged as `log` says.
#[cold]
pub(crate) fn emit_as(event: &Event, hook: Option<Hook>, log: Log<'_>) {
    if let Some(hook) = hook {
        guarded(|| hook(event));
    }
    #[cfg(feature = "tracing")]
    guarded(|| trace::event(event, log));
    #[cfg(not(feature = "tracing"))]
    let _ = (log.pace, log.shows_key);
    if let Some(seen) = World::here().and_then(|world| SEEN.in_world(&world)) {
        locked(seen).push(event.clone());
    }
}

/// A sync function is about to wait on this thread: said once per point where that blocks an executor.
#[cold]
pub(crate) fn blocks(point: &PointName) {
    #[cfg(all(feature = "tokio", feature = "tracing"))]
    if tracing::level_filters::LevelFilter::current() >= tracing::level_filters::LevelFilter::WARN {
        guarded(|| trace::blocks(point));
    }
    #[cfg(not(all(feature = "tokio", feature = "tracing")))]
    let _ = point;
}

#[cfg(feature = "tracing")]
pub(crate) use trace::started;

#[cfg(feature = "tracing")]
mod trace {
    //! Events as `tracing` events: names and fields only, never arguments, values or error texts. Keys are
    //! made of arguments, and shown only where they were asked for.

    use super::{AlertLevel, Event, Log};
    use crate::base::name::PointName;
    use crate::failure::{Classification, Code};
    use std::time::Duration;
    use tracing::field::{DisplayValue, display};
    use tracing::{debug, error, info, trace, warn};

    fn delay_ms(wait: Duration) -> u64 {
        u64::try_from(wait.as_millis()).unwrap_or(u64::MAX)
    }

    fn category(class: &Classification) -> &'static str {
        class.category.as_str()
    }

    fn code(class: &Classification) -> Option<DisplayValue<Code>> {
        class.code.map(display)
    }

    /// Logs that an attempt begins.
    #[cold]
    pub(crate) fn started(point: &PointName, attempt: u32, attempts_max: u32) {
        super::guarded(|| {
            trace!(target: "resilience::retry", point = &**point, attempt, attempts_max, "attempt started");
        });
    }

    /// A sync function waits inside a future.
    #[cfg(feature = "tokio")]
    pub(super) fn blocks(point: &PointName) {
        use std::collections::BTreeSet;
        use std::sync::{Mutex, PoisonError};
        /// The points of which it has been said; the values without a point count as one.
        static SAID: Mutex<BTreeSet<usize>> = Mutex::new(BTreeSet::new());
        let said = || SAID.lock().unwrap_or_else(PoisonError::into_inner);
        if said().contains(&point.stack()) || !crate::clock::is_polled() || !said().insert(point.stack()) {
            return;
        }
        warn!(target: "resilience::retry", point = &**point, "a sync function waits inside a future, and blocks the thread of its runtime: make it async, or call it in `tokio::task::spawn_blocking`");
    }

    pub(super) fn event(event: &Event, log: Log<'_>) {
        let shown = |key: &Option<PointName>| key.as_ref().filter(|_| log.shows_key).map(ToString::to_string);
        let is_due = |every| log.pace.is_none_or(|pace| pace.allows(every));
        match event {
            Event::AttemptFailed { point, attempt, attempts_max, class, delay, reason } => {
                let (category, severity, code) = (category(class), class.severity.as_str(), code(class));
                let delay_ms = delay.map(delay_ms);
                debug!(target: "resilience::retry", point = &**point, attempt, attempts_max, category, severity, code, delay_ms, reason, "attempt failed");
            }
            // One line for a failed attempt and the wait after it: that of `AttemptFailed`.
            Event::Retrying { .. } => {}
            Event::Recovered { point, attempt, attempts_max } => {
                info!(target: "resilience::retry", point = &**point, attempt, attempts_max, "succeeded after retries");
            }
            Event::GaveUp { point, attempt, attempts_max, class, reason } => {
                let (category, severity, code) = (category(class), class.severity.as_str(), code(class));
                warn!(target: "resilience::retry", point = &**point, attempt, attempts_max, category, severity, code, reason, "gave up");
            }
            Event::Opened { point, key, class, failures, recovery } => {
                let key = shown(key);
                let category = class.as_ref().map(category);
                let severity = class.as_ref().map(|class| class.severity.as_str());
                let code = class.as_ref().and_then(code);
                let delay_ms = recovery.map(delay_ms);
                warn!(target: "resilience::breaker", point = &**point, key, category, severity, code, failures, delay_ms, "opened");
            }
            Event::HalfOpened { point, key } => {
                info!(target: "resilience::breaker", point = &**point, key = shown(key), "half-open");
            }
            Event::Closed { point, key } => {
                info!(target: "resilience::breaker", point = &**point, key = shown(key), "closed");
            }
            // Only breakers report rejections so far.
            Event::Rejected { point, key, policy, retry_after } => {
                if is_due(Duration::from_secs(1)) {
                    let (key, delay_ms) = (shown(key), retry_after.map(delay_ms));
                    debug!(target: "resilience::breaker", point = &**point, key, policy, delay_ms, "rejected");
                }
            }
            Event::TimedOut { point, limit } => {
                debug!(target: "resilience::timeout", point = &**point, limit_ms = delay_ms(*limit), "timed out");
            }
            Event::FellBack { point, class, step } => {
                use crate::failure::Category::{Auth, Invalid, Permanent};
                let (category, severity, code) = (category(class), class.severity.as_str(), code(class));
                let hides = matches!(class.category, Auth | Invalid | Permanent);
                if hides && is_due(Duration::from_secs(60)) {
                    warn!(target: "resilience::fallback", point = &**point, category, severity, code, step, "fallback hides an error that will not pass by itself");
                } else {
                    debug!(target: "resilience::fallback", point = &**point, category, severity, code, step, "fell back");
                }
            }
            Event::StepRecorded { point, job, .. } => {
                debug!(target: "resilience::checkpoint", point = &**point, job, "recorded");
            }
            Event::StepReused { point, job, .. } => {
                debug!(target: "resilience::checkpoint", point = &**point, job, "reused");
            }
            Event::JobStarted { point, job } => {
                debug!(target: "resilience::job", point = &**point, job, "started");
            }
            Event::JobDone { point, job } => {
                debug!(target: "resilience::job", point = &**point, job, "done");
            }
            Event::JobFailed { point, job, status, class } => {
                let category = class.as_ref().map(category);
                let severity = class.as_ref().map(|class| class.severity.as_str());
                let code = class.as_ref().and_then(code);
                debug!(target: "resilience::job", point = &**point, job, status, category, severity, code, "ended without a result");
            }
            Event::JobInterrupted { point, job, problem } => {
                warn!(target: "resilience::job", point = &**point, job, problem, "interrupted");
            }
            Event::JobResumed { point, job } => {
                info!(target: "resilience::job", point = &**point, job, "resumed");
            }
            Event::RolledBack { point, job, steps } => {
                warn!(target: "resilience::job", point = &**point, job, steps, "rolled back");
            }
            Event::Alert { point, job, level: level @ AlertLevel::Warning, message, reason } => {
                let level = level.as_str();
                warn!(target: "resilience::alert", point = &**point, job, level, reason, message);
            }
            Event::Alert { point, job, level: level @ AlertLevel::Critical, message, reason } => {
                let level = level.as_str();
                error!(target: "resilience::alert", point = &**point, job, level, reason, message);
            }
        }
    }
}
