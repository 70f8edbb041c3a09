//! The events of all policies.

use super::AlertLevel;
use super::health::HealthLevel;
use crate::base::name::PointName;
use crate::failure::Classification;
use std::time::Duration;

/// A report from a policy: a retry, an opened breaker, a finished job.
///
/// # Kinds
///
/// | event | target in `tracing` | level |
/// |---|---|---|
/// | `AttemptFailed` | `resilience::retry` | DEBUG |
/// | `Retrying` | in the line of `AttemptFailed`, as `delay_ms` | |
/// | `Recovered` | `resilience::retry` | INFO |
/// | `GaveUp` | `resilience::retry` | WARN |
/// | `Opened` | `resilience::breaker` | WARN |
/// | `HalfOpened`, `Closed` | `resilience::breaker` | INFO |
/// | `Rejected` | `resilience::breaker`, `::bulkhead`, `::rate_limit`, `::lock`, `::retry` | DEBUG, at most one line a second |
/// | `TimedOut` | `resilience::timeout` | DEBUG |
/// | `FellBack` | `resilience::fallback` | DEBUG; WARN at most once a minute where it hides `Auth`, `Invalid` or `Permanent` |
/// | `FailedOver` | `resilience::failover` | DEBUG |
/// | `Simplified` | `resilience::degrade` | DEBUG |
/// | `Hedged` | `resilience::hedge` | DEBUG |
/// | `ServedStale` | `resilience::cache` | DEBUG |
/// | `Injected` | `resilience::chaos` | DEBUG |
/// | `ChaosArmed` | `resilience::chaos` | WARN |
/// | `Locked` | `resilience::lock` | DEBUG |
/// | `Lost` | `resilience::lock` | WARN |
/// | `StepRecorded`, `StepReused`, `StepRefused` | `resilience::checkpoint` | DEBUG |
/// | `JobStarted`, `JobDone`, `JobFailed` | `resilience::job` | DEBUG |
/// | `JobResumed` | `resilience::job` | INFO |
/// | `JobInterrupted`, `RolledBack` | `resilience::job` | WARN |
/// | `Alert` | `resilience::alert` | WARN, or ERROR if it is critical |
/// | `Health` | `resilience::health` | INFO if the component is well, else WARN |
/// | `Config` | `resilience::config` | INFO if the settings are in force, else WARN |
///
/// Fields in `tracing` have the names of the fields here, durations as milliseconds (`delay_ms`, `limit_ms`),
/// and a class as `category`, `severity` and `code`. What a policy does for a call that a job makes has the job's id
/// in the field `job`, too.
///
/// The enum and its variants are `non_exhaustive`: match them with `..` and a `_` arm.
/// [`point`](Self::point), [`key`](Self::key) and [`job`](Self::job) read what most events have. `Display`
/// writes one line without the key. With the feature `serde` it serialises as a map with the name of the
/// variant as `kind`, in snake case.
///
/// # Examples
///
/// ```
/// use resilience::{Event, Retry};
/// use std::io::{Error, ErrorKind};
/// use std::sync::Mutex;
/// use std::time::Duration;
///
/// static LINES: Mutex<Vec<String>> = Mutex::new(Vec::new());
///
/// fn note(event: &Event) {
///     LINES.lock().unwrap().push(event.to_string());
/// }
///
/// const RETRY: Retry =
///     Retry::new().max(1).base(Duration::ZERO).name("quote").on_retry(note).on_give_up(note);
///
/// let failed: Result<(), Error> = RETRY.call(|| Err(ErrorKind::TimedOut.into()));
/// assert!(failed.is_err());
/// assert_eq!(
///     *LINES.lock().unwrap(),
///     [
///         "quote: retrying after attempt 1 of 2: timeout, medium; in 0s",
///         "quote: gave up after attempt 2 of 2: timeout, medium; no retry is left",
///     ]
/// );
/// ```
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(tag = "kind", rename_all = "snake_case"))]
#[non_exhaustive]
pub enum Event {
    /// An attempt failed, whether or not a retry follows.
    ///
    /// Every failed attempt below a retry makes one; DEBUG.
    #[non_exhaustive]
    AttemptFailed {
        /// The point that was called.
        point: PointName,
        /// The key, where each key has a budget of its own.
        key: Option<PointName>,
        /// The attempt that failed, counted from 1.
        attempt: u32,
        /// The number of attempts that the call may make, those under `on(category, ..)` included.
        attempts_max: u32,
        /// What the error means.
        class: Classification,
        /// The wait before the next attempt, with jitter; `None` if no attempt follows.
        #[cfg_attr(
            feature = "serde",
            serde(rename = "delay_s", serialize_with = "crate::base::serialise::seconds")
        )]
        delay: Option<Duration>,
        /// Why no attempt follows, in words: `"no retry is left"`; `None` if one does.
        reason: Option<&'static str>,
        /// The points whose retries repeat this call, outermost first; empty where none does.
        inside: Vec<PointName>,
    },
    /// A retry begins its wait. `on_retry` gets it.
    ///
    /// `tracing` has one line for a failed attempt and the wait after it: that of
    /// [`AttemptFailed`](Self::AttemptFailed).
    #[non_exhaustive]
    Retrying {
        /// The point that was called.
        point: PointName,
        /// The key, where each key has a budget of its own.
        key: Option<PointName>,
        /// The attempt that failed, counted from 1.
        attempt: u32,
        /// The number of attempts that the call may make, those under `on(category, ..)` included.
        attempts_max: u32,
        /// What the error means.
        class: Classification,
        /// The wait before the retry, with jitter, or the wait that the service asked for.
        #[cfg_attr(
            feature = "serde",
            serde(rename = "delay_s", serialize_with = "crate::base::serialise::seconds")
        )]
        delay: Duration,
        /// The points whose retries repeat this call, outermost first; empty where none does.
        inside: Vec<PointName>,
    },
    /// A call succeeded after at least one retry; INFO.
    #[non_exhaustive]
    Recovered {
        /// The point that was called.
        point: PointName,
        /// The key, where each key has a budget of its own.
        key: Option<PointName>,
        /// The attempt that succeeded, counted from 1.
        attempt: u32,
        /// The number of attempts that the call may make, those under `on(category, ..)` included.
        attempts_max: u32,
        /// The points whose retries repeat this call, outermost first; empty where none does.
        inside: Vec<PointName>,
    },
    /// A call failed permanently after at least one retry, or although its error would have been retried.
    /// `on_give_up` gets it; WARN.
    ///
    /// The second case is a budget that is used up, or a wait that does not fit into `give_up_after`,
    /// `retry_after_cap` or a timeout. A call whose first error is not retryable is only an
    /// [`AttemptFailed`](Self::AttemptFailed).
    #[non_exhaustive]
    GaveUp {
        /// The point that was called.
        point: PointName,
        /// The key, where each key has a budget of its own.
        key: Option<PointName>,
        /// The number of attempts that were made.
        attempt: u32,
        /// The number of attempts that the call may make, those under `on(category, ..)` included.
        attempts_max: u32,
        /// What the last error means.
        class: Classification,
        /// Why no further attempt follows, in words: `"the retry budget is used up"`.
        reason: &'static str,
        /// The points whose retries repeat this call, outermost first; empty where none does.
        inside: Vec<PointName>,
    },
    /// A circuit breaker opened: calls are rejected from now on. `on_open` gets it; WARN.
    #[non_exhaustive]
    Opened {
        /// The point whose breaker it is.
        point: PointName,
        /// The key, on a keyed breaker.
        key: Option<PointName>,
        /// The meaning of the error that opened it; `None` if a slow success, a person or the program did.
        class: Option<Classification>,
        /// The number of failures that opened it: in a row, or within the window.
        failures: u32,
        /// The number of slow calls that opened it; 0 if failures, a person or the program did.
        slow: u32,
        /// The time for which it stays open; `None` if only a person closes it.
        #[cfg_attr(
            feature = "serde",
            serde(rename = "recovery_s", serialize_with = "crate::base::serialise::seconds")
        )]
        recovery: Option<Duration>,
    },
    /// A circuit breaker became half-open: the next calls are probes. `on_half_open` gets it; INFO.
    ///
    /// The first call after the open time makes this event; no timer runs in the background.
    #[non_exhaustive]
    HalfOpened {
        /// The point whose breaker it is.
        point: PointName,
        /// The key, on a keyed breaker.
        key: Option<PointName>,
    },
    /// A circuit breaker closed: enough probes have succeeded, or it was reset. `on_close` gets it; INFO.
    #[non_exhaustive]
    Closed {
        /// The point whose breaker it is.
        point: PointName,
        /// The key, on a keyed breaker.
        key: Option<PointName>,
    },
    /// A policy rejected a call without running the body. `on_reject` gets it; DEBUG.
    ///
    /// Each rejected call makes the event, but `tracing` gets at most one line a second and point.
    #[non_exhaustive]
    Rejected {
        /// The point that was called.
        point: PointName,
        /// The key, on a keyed policy.
        key: Option<PointName>,
        /// The policy that refused, as in its attribute.
        policy: &'static str,
        /// The time for which the policy will reject calls, if known.
        #[cfg_attr(
            feature = "serde",
            serde(rename = "retry_after_s", serialize_with = "crate::base::serialise::seconds")
        )]
        retry_after: Option<Duration>,
    },
    /// A timeout ended a call or an attempt; DEBUG.
    #[non_exhaustive]
    TimedOut {
        /// The point that was called.
        point: PointName,
        /// The key, on a keyed timeout.
        key: Option<PointName>,
        /// The time that the call was given.
        #[cfg_attr(
            feature = "serde",
            serde(rename = "limit_s", serialize_with = "crate::base::serialise::seconds")
        )]
        limit: Duration,
    },
    /// A fallback answered in place of an error. `on_fallback` gets it; DEBUG.
    ///
    /// Where the error will not pass by itself (`Auth`, `Invalid`, `Permanent`), the line is a WARN at most
    /// once a minute: a fallback should not hide a wrong password for weeks.
    #[non_exhaustive]
    FellBack {
        /// The point that was called.
        point: PointName,
        /// What the error means that the fallback answered.
        class: Classification,
        /// Which fallback answered, counted from 1.
        step: u32,
    },
    /// A call with another value of an argument follows one that failed or was refused; DEBUG.
    #[non_exhaustive]
    FailedOver {
        /// The point that was called.
        point: PointName,
        /// What the error of the call before means.
        class: Classification,
        /// The listed value of the next call; `None` where that is the caller's own and not listed.
        value: Option<PointName>,
        /// Which further call it is, counted from 1.
        step: u32,
    },
    /// A simpler call follows one that failed; DEBUG.
    #[non_exhaustive]
    Simplified {
        /// The point that was called.
        point: PointName,
        /// What the error of the call before means.
        class: Classification,
        /// The level of simplification of the next call, counted from 1.
        level: u32,
    },
    /// An extra call of a hedge began, because those that run are slow; DEBUG.
    #[non_exhaustive]
    Hedged {
        /// The point that was called.
        point: PointName,
        /// The key, on a keyed hedge.
        key: Option<PointName>,
        /// Which extra call of its call it is, counted from 1.
        number: u32,
        /// The time that the hedge has waited since the call before.
        #[cfg_attr(
            feature = "serde",
            serde(rename = "after_s", serialize_with = "crate::base::serialise::seconds")
        )]
        after: Duration,
    },
    /// A fault was injected into a call on purpose; DEBUG.
    #[non_exhaustive]
    Injected {
        /// The point that was called.
        point: PointName,
        /// The kind of fault: `"error"`, `"lost_answer"`, `"latency"` or `"panic"`.
        fault: &'static str,
    },
    /// The program has armed faults; WARN.
    #[non_exhaustive]
    ChaosArmed {
        /// The point that gets them; `*` for all.
        point: PointName,
        /// After which time they end by themselves.
        #[cfg_attr(
            feature = "serde",
            serde(rename = "limit_s", serialize_with = "crate::base::serialise::seconds")
        )]
        limit: Duration,
    },
    /// A cache answered with a value older than its `ttl`, because the service failed or has just failed; DEBUG.
    #[non_exhaustive]
    ServedStale {
        /// The point that was called, or the name of the cache.
        point: PointName,
        /// What the error means that the value answered, or the last error before.
        class: Classification,
        /// The age of the value.
        #[cfg_attr(
            feature = "serde",
            serde(rename = "age_s", serialize_with = "crate::base::serialise::seconds")
        )]
        age: Duration,
    },
    /// A call has taken its lock; DEBUG.
    #[non_exhaustive]
    Locked {
        /// The point that was called.
        point: PointName,
        /// The name of the lock.
        key: PointName,
        /// The time that the call waited for it.
        #[cfg_attr(
            feature = "serde",
            serde(rename = "waited_s", serialize_with = "crate::base::serialise::seconds")
        )]
        waited: Duration,
    },
    /// A lock was lost while a call held it; WARN.
    ///
    /// Other processes may have worked under the same lock since then.
    #[non_exhaustive]
    Lost {
        /// The point that was called.
        point: PointName,
        /// The name of the lock.
        key: PointName,
        /// The way in which it was lost: `its file was removed`, also where it was replaced, or `its lease was taken
        /// over`.
        reason: &'static str,
    },
    /// The value of a checkpoint was recorded after its body ran; DEBUG.
    #[non_exhaustive]
    StepRecorded {
        /// The point that was called.
        point: PointName,
        /// The step's key.
        key: String,
        /// The id of the job that the step belongs to.
        job: Option<String>,
    },
    /// A checkpoint returned its recorded value, and its body did not run; DEBUG.
    #[non_exhaustive]
    StepReused {
        /// The point that was called.
        point: PointName,
        /// The step's key.
        key: String,
        /// The id of the job that the step belongs to.
        job: Option<String>,
    },
    /// A checkpoint rejected a call, or the value of its body was not recorded; DEBUG.
    #[non_exhaustive]
    StepRefused {
        /// The point that was called.
        point: PointName,
        /// The step's key.
        key: String,
        /// The id of the job that the step belongs to.
        job: Option<String>,
        /// Why: the variant of `durable::CheckpointError` in snake case, such as `"busy"`,
        /// `"mismatch"` or `"not_recorded"`.
        reason: &'static str,
    },
    /// The body of a job begins to run for the first time; DEBUG.
    #[non_exhaustive]
    JobStarted {
        /// The point of the job.
        point: PointName,
        /// The job's id.
        job: String,
    },
    /// The body of a job begins to run again after an interruption; INFO.
    #[non_exhaustive]
    JobResumed {
        /// The point of the job.
        point: PointName,
        /// The job's id.
        job: String,
    },
    /// The result of a job was recorded; DEBUG.
    #[non_exhaustive]
    JobDone {
        /// The point of the job.
        point: PointName,
        /// The job's id.
        job: String,
    },
    /// A job has ended without a result; DEBUG.
    ///
    /// A job that is parked or dead raises an [`Alert`](Self::Alert), too.
    #[non_exhaustive]
    JobFailed {
        /// The point of the job.
        point: PointName,
        /// The job's id.
        job: String,
        /// The new state of the job: `"failed"`, `"manual"` or `"dead"`.
        status: &'static str,
        /// What the error of its body means, if there was one.
        class: Option<Classification>,
    },
    /// A job has stopped before its end, and goes on when it is recovered; WARN.
    ///
    /// For instance the store could not be reached, or the lease was lost.
    #[non_exhaustive]
    JobInterrupted {
        /// The point of the job, or `recover`.
        point: PointName,
        /// The job's id.
        job: String,
        /// Why, in words.
        problem: String,
    },
    /// A job has undone its recorded steps, the last one first; WARN.
    #[non_exhaustive]
    RolledBack {
        /// The point of the job.
        point: PointName,
        /// The job's id.
        job: String,
        /// The number of undone steps.
        steps: usize,
    },
    /// An operator should look: a job is dead or parked, an undo failed, a record is damaged.
    ///
    /// WARN or ERROR, by its level. There is no hook for alerts: subscribe to the target `resilience::alert`.
    #[non_exhaustive]
    Alert {
        /// The point that it is about; `recover` for the recovery of the process.
        point: PointName,
        /// The id of the job that it is about, or of the job that the point runs in.
        job: Option<String>,
        /// The level of the alert.
        level: AlertLevel,
        /// What happened, in words.
        message: &'static str,
        /// Why, in words: categories and names, never values.
        reason: String,
    },
    /// A health check found another level than before; INFO if that is `Pass`, else WARN.
    ///
    /// The first look makes one only where it does not pass.
    #[non_exhaustive]
    Health {
        /// The component.
        point: PointName,
        /// What the check found now.
        level: HealthLevel,
        /// The level of the look before; `None` for the first look.
        before: Option<HealthLevel>,
    },
    /// A configuration changed something (INFO), has a warning, or was refused (WARN).
    #[non_exhaustive]
    Config {
        /// Always `config`.
        point: PointName,
        /// The number of settings in force; 0 beside a problem.
        settings: u32,
        /// The mistakes or warnings, with the line or the variable; a line for each.
        problem: Option<String>,
        /// Whether the configuration was refused, so that nothing has changed.
        refused: bool,
    },
}

impl Event {
    /// Returns the point, or the name of the policy that is used as a value.
    ///
    /// For [`ChaosArmed`](Self::ChaosArmed) it may be `*`, for [`Health`](Self::Health) it is the component, and for
    /// [`Config`](Self::Config) always `config`.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{CircuitBreaker, Event};
    /// use std::sync::Mutex;
    ///
    /// static OPENED: Mutex<Vec<String>> = Mutex::new(Vec::new());
    ///
    /// fn note(event: &Event) {
    ///     OPENED.lock().unwrap().push(event.point().to_owned());
    /// }
    ///
    /// let breaker = CircuitBreaker::new("search").on_open(note);
    /// breaker.force_open();
    /// assert_eq!(*OPENED.lock().unwrap(), ["search"]);
    /// ```
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
            | Self::FailedOver { point, .. }
            | Self::Simplified { point, .. }
            | Self::Hedged { point, .. }
            | Self::ServedStale { point, .. }
            | Self::Injected { point, .. }
            | Self::ChaosArmed { point, .. }
            | Self::Locked { point, .. }
            | Self::Lost { point, .. }
            | Self::StepRecorded { point, .. }
            | Self::StepReused { point, .. }
            | Self::StepRefused { point, .. }
            | Self::JobStarted { point, .. }
            | Self::JobResumed { point, .. }
            | Self::JobDone { point, .. }
            | Self::JobFailed { point, .. }
            | Self::JobInterrupted { point, .. }
            | Self::RolledBack { point, .. }
            | Self::Alert { point, .. }
            | Self::Health { point, .. }
            | Self::Config { point, .. } => point,
        }
    }
}

impl Event {
    /// Returns the key of a keyed policy or of a step, or the name of a lock, if the event has one.
    ///
    /// Keys are made of arguments, which can be personal: `Display` leaves them out, and `tracing` shows them only on
    /// request.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{CircuitBreakers, Event};
    /// use std::sync::Mutex;
    ///
    /// static OPENED: Mutex<Vec<Option<String>>> = Mutex::new(Vec::new());
    ///
    /// fn note(event: &Event) {
    ///     OPENED.lock().unwrap().push(event.key().map(str::to_owned));
    /// }
    ///
    /// let hosts = CircuitBreakers::new().name("hosts").on_open(note);
    /// hosts.get("api.example").force_open();
    /// assert_eq!(*OPENED.lock().unwrap(), [Some("api.example".to_owned())]);
    /// ```
    pub fn key(&self) -> Option<&str> {
        match self {
            Self::AttemptFailed { key, .. }
            | Self::Retrying { key, .. }
            | Self::Recovered { key, .. }
            | Self::GaveUp { key, .. }
            | Self::Opened { key, .. }
            | Self::HalfOpened { key, .. }
            | Self::Closed { key, .. }
            | Self::Hedged { key, .. }
            | Self::TimedOut { key, .. }
            | Self::Rejected { key, .. } => key.as_deref(),
            Self::Locked { key, .. } | Self::Lost { key, .. } => Some(key),
            Self::StepRecorded { key, .. } | Self::StepReused { key, .. } | Self::StepRefused { key, .. } => {
                Some(key)
            }
            _ => None,
        }
    }

    /// Returns the points whose retries repeat the call that the event is about, outermost first.
    ///
    /// Their number is the depth. It is 0 for most calls, also for one inside the first attempt of another retry:
    /// nothing has been repeated there yet. A retry at depth 1 or more multiplies the attempts of the one around it;
    /// the log has the number as `depth`, and the last name as `inside`.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Event, with_retry};
    /// use std::sync::atomic::{AtomicUsize, Ordering};
    ///
    /// static DEEPEST: AtomicUsize = AtomicUsize::new(0);
    ///
    /// fn note(event: &Event) {
    ///     DEEPEST.fetch_max(event.inside().len(), Ordering::Relaxed);
    /// }
    ///
    /// #[with_retry(max = 1, base = 0s, name = "nested::place")]
    /// fn place() -> std::io::Result<()> {
    ///     reserve()
    /// }
    ///
    /// #[with_retry(max = 1, base = 0s, name = "nested::reserve", on_retry = note)]
    /// fn reserve() -> std::io::Result<()> {
    ///     Err(std::io::ErrorKind::ConnectionRefused.into())
    /// }
    ///
    /// place().unwrap_err();
    /// assert_eq!(DEEPEST.load(Ordering::Relaxed), 1, "`place` repeats the retries of `reserve`");
    /// ```
    pub fn inside(&self) -> &[PointName] {
        match self {
            Self::AttemptFailed { inside, .. }
            | Self::Retrying { inside, .. }
            | Self::Recovered { inside, .. }
            | Self::GaveUp { inside, .. } => inside,
            _ => &[],
        }
    }

    /// Returns the id of the job that the event is about or belongs to.
    ///
    /// It is `None` for events of calls; the record of an event (`events::EventRecord::job`) also knows the job in
    /// which such a call was made.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{CircuitBreaker, Event};
    /// use std::sync::atomic::{AtomicBool, Ordering};
    ///
    /// static HAS_JOB: AtomicBool = AtomicBool::new(true);
    ///
    /// fn note(event: &Event) {
    ///     HAS_JOB.store(event.job().is_some(), Ordering::Relaxed);
    /// }
    ///
    /// CircuitBreaker::new("search").on_open(note).force_open();
    /// assert!(!HAS_JOB.load(Ordering::Relaxed), "an event of a call");
    /// ```
    pub fn job(&self) -> Option<&str> {
        match self {
            Self::JobStarted { job, .. }
            | Self::JobResumed { job, .. }
            | Self::JobDone { job, .. }
            | Self::JobFailed { job, .. }
            | Self::JobInterrupted { job, .. }
            | Self::RolledBack { job, .. } => Some(job),
            Self::StepRecorded { job, .. }
            | Self::StepReused { job, .. }
            | Self::StepRefused { job, .. }
            | Self::Alert { job, .. } => job.as_deref(),
            _ => None,
        }
    }
}

/// A function that is called with an event: a plain `fn`, so that policies stay `const` and `Copy`.
///
/// A hook runs on the thread of the call, which waits for it: count, or send to a channel, and return. It
/// must not block. In async code it runs inside a poll. State goes into a `static`. A panic in it is caught,
/// and counted by [`hook_panics`](crate::event::hook_panics).
///
/// # Examples
///
/// ```
/// use resilience::event::Hook;
/// use resilience::{Event, Retry};
///
/// const LOG: Hook = |event: &Event| eprintln!("{event}");
/// const RETRY: Retry = Retry::new().on_give_up(LOG);
/// # let _ = RETRY;
/// ```
pub type Hook = fn(&Event);
