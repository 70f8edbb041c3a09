//! Alerts: what an operator should see, in a file that all processes of the program share.
//!
//! [`raise`] appends a line of JSON to `alerts.jsonl` in the state directory, and returns whether it is there.
//! [`recent`] returns the last ones, and a [`Follower`] what comes.
//!
//! ```
//! use resilience::alerts::{self, AlertLevel};
//! # let _world = resilience::testing::isolate();
//! # let dir = std::env::temp_dir().join(format!("resilience-alerts-{}", std::process::id()));
//! # alerts::use_dir(&dir);
//!
//! let raised = alerts::raise(AlertLevel::Critical, "importer", "the feed is gone", &[("feed", "prices")]);
//! assert!(raised.is_written());
//! assert_eq!(alerts::recent(1)?.alerts[0].message, "the feed is gone");
//! # std::fs::remove_dir_all(dir)?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # The file
//!
//! - Each line is `{timestamp, level, component, message, details}`; [`Alert`] says what is in the details. A line has
//!   at most 16 KiB, for which texts of the details are shortened.
//! - Files are for this user alone (mode 0600). At 10 MiB the file is renamed to `alerts.jsonl.1`, that one to
//!   `alerts.jsonl.2`, and so on; there are at most five.
//! - Processes append and rename under a lock on `alerts.lock`, which stays where it is. The kernel frees the lock of a
//!   process that is killed; what it had written of a line is skipped by readers.
//! - One thread of the process writes. While the disk is full or gone, alerts go to `tracing` (target
//!   `resilience::alert`) and stderr; once it is back, one line has the number of lost alerts and the time of the
//!   first.
//!
//! # Raised by themselves
//!
//! | level | message | when |
//! |---|---|---|
//! | WARNING | `a circuit breaker opened` | a breaker of an annotated function or of the program opens |
//! | WARNING | `the retry budget is used up` | a call gives up because its retry budget is empty |
//! | WARNING | `the store is down` | a call of a step or job finds its store down |
//! | WARNING | `an alert sink failed` | a [sink](add_sink) returns an error or panics |
//! | WARNING | `a job was interrupted` | a job stops before its end, because its store is down for instance; not for a shutdown |
//! | WARNING | `a configuration was refused`, `settings have no effect` | a load finds mistakes, or names of functions that the program does not have |
//! | CRITICAL, WARNING | `the same error keeps coming` and others | the [`supervisor`](crate::supervisor) runs and finds frequent errors |
//! | as the event | that of [`Event::Alert`](crate::Event::Alert) | a job is dead or waits for a person, an undo failed, a record is damaged, an error is escalated, a transaction of the module `fs` has put files back or cannot |
//!
//! They go through a queue of 1,000 to a thread, and never make a call wait or fail. When the queue is full, the oldest
//! warning is lost, and counted. [`flush`] waits until it is empty.
//!
//! # Where else they go
//!
//! To `tracing`, to every sink of the program ([`add_sink`]), and to webhooks (the module `webhook`, with the feature
//! of that name).
//!
//! # What waits for a person
//!
//! [`escalate`] raises a critical alert and keeps a record of it until someone [acknowledges](acknowledge) it. So do
//! the critical alerts that the library raises about jobs. [`escalations`] lists the records, and so does `resilience
//! alerts --escalations`.
//!
//! # Limits
//!
//! One line a minute for each component and message, and 60 a minute for each component. Alerts that are held back are
//! counted: as `suppressed` in the next line of their kind, or in a line of its own after the minute, which has the
//! details of the first of them and the time of the last. A critical alert
//! about another job is never held back. 1,000 kinds are remembered; a kind that is evicted for a new one gets its line
//! at once.
//!
//! # Secrets
//!
//! Texts are without what looks like a secret: passwords in addresses, `Bearer` tokens, keys of known services, and the
//! values of details that are named like one (`password`, `api_key`). No filter recognises a secret that looks like a
//! common word, so put no secrets into alerts.

pub(crate) mod alert;
mod deliver;
mod escalation;
mod file;
mod limits;
mod place;
mod read;
pub(crate) mod sink;
pub(crate) mod writer;

pub use crate::base::alert_level::AlertLevel;
pub use alert::Alert;
pub use escalation::{Escalation, acknowledge, acknowledge_in, escalate, escalations, escalations_in};
#[cfg(feature = "testing")]
#[doc(hidden)]
pub use place::rotate_at;
pub use place::use_dir;
pub use read::{Follower, Recent, recent, recent_in};
pub use sink::{Sink, add_sink};
pub(crate) use writer::counts;
pub use writer::flush;

use crate::base::carry;
use crate::base::clock::real_time;
use alert::AlertKind;
use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use writer::Ticket;

/// The answer to a raised alert: whether it is in the file.
///
/// # Examples
///
/// ```
/// use resilience::alerts::{self, AlertLevel, Raised};
/// # let _world = resilience::testing::isolate();
/// # let dir = std::env::temp_dir().join(format!("resilience-raised-{}", std::process::id()));
/// # alerts::use_dir(&dir);
///
/// let raise = || alerts::raise(AlertLevel::Warning, "importer", "the feed is empty", &[]);
/// assert_eq!([raise(), raise()], [Raised::Written, Raised::HeldBack]);
/// # std::fs::remove_dir_all(dir).unwrap();
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Raised {
    /// Its line is in the file.
    Written,
    /// The alert is [over the limit](crate::alerts#limits), and counted in a later line.
    HeldBack,
    /// The alert is not known to be in the file: the disk is full or gone, or has not answered within a second.
    NotWritten,
}

impl Raised {
    /// Returns whether its line is in the file.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::alerts::{self, AlertLevel};
    /// # let _world = resilience::testing::isolate();
    ///
    /// let raised = alerts::raise(AlertLevel::Critical, "importer", "the feed is gone", &[]);
    /// assert!(!raised.is_written(), "a test has no file until `use_dir`");
    /// ```
    pub fn is_written(self) -> bool {
        self == Self::Written
    }
}

/// The time for which [`raise`] waits for the file.
const WAIT: Duration = Duration::from_secs(1);

/// Raises an alert, waits for at most one second until its line is in the file, and returns whether it is.
///
/// `component` is the part of the program that it is about. `message` says what happened in the same words each time;
/// differing values belong in `details`, pairs of a name and a text. A detail `job`, `point`, `attempt`, `category`,
/// `code` or `key` sets that of the [`Alert`]; `id`, `process` and `suppressed` are set by the library. A
/// critical alert that is written survives a power cut.
///
/// After [`Raised::NotWritten`] the alert is in `tracing` and on stderr. Where the second has passed while the disk was
/// busy, the line may still appear later.
///
/// Within async code use [`raise_async`], which does not block the thread.
///
/// # Examples
///
/// ```
/// use resilience::alerts::{self, AlertLevel, Raised};
/// # let _world = resilience::testing::isolate();
///
/// let details = [("job", "import:7"), ("feed", "prices")];
/// let raised = alerts::raise(AlertLevel::Critical, "importer", "the feed is gone", &details);
/// if raised == Raised::NotWritten {
///     eprintln!("is the disk full?");
/// }
/// ```
pub fn raise(level: AlertLevel, component: &str, message: &str, details: &[(&str, &str)]) -> Raised {
    raised(level, component, message, details, |_| ())
}

/// Raises an alert to which `describe` adds what callers cannot.
fn raised(
    level: AlertLevel,
    component: &str,
    message: &str,
    details: &[(&str, &str)],
    describe: impl FnOnce(&mut Alert),
) -> Raised {
    let (alert, ticket) = submitted(level, component, message, details, describe);
    ticket.wait(WAIT).unwrap_or_else(|| late(&alert))
}

/// Raises an alert as [`raise`] does, without blocking the thread.
///
/// The alert is raised when the future is first polled, and is written even if the future is dropped later.
///
/// # Examples
///
/// ```
/// use resilience::alerts::{self, AlertLevel};
/// # let _world = resilience::testing::isolate();
///
/// # async fn example() {
/// alerts::raise_async(AlertLevel::Warning, "importer", "the feed is empty", &[("feed", "prices")]).await;
/// # }
/// ```
pub async fn raise_async(
    level: AlertLevel,
    component: &str,
    message: &str,
    details: &[(&str, &str)],
) -> Raised {
    let (alert, ticket) = submitted(level, component, message, details, |_| ());
    let mut limit = std::pin::pin!(real_time(WAIT));
    let done = poll_fn(|cx| match ticket.poll(cx) {
        Poll::Ready(done) => Poll::Ready(Some(done)),
        Poll::Pending => limit.as_mut().poll(cx).map(|()| None),
    });
    done.await.unwrap_or_else(|| late(&alert))
}

/// Submits the alert to the writer and returns the alert, and the ticket that its caller waits for.
fn submitted(
    level: AlertLevel,
    component: &str,
    message: &str,
    details: &[(&str, &str)],
    describe: impl FnOnce(&mut Alert),
) -> (Alert, Arc<Ticket>) {
    let job = job();
    let kind = AlertKind { level, component, message, job: job.as_deref() };
    let mut alert = Alert::new(kind, details);
    describe(&mut alert);
    log(&alert);
    let ticket = Arc::new(Ticket::default());
    writer::submit(alert.kind(), || alert.clone(), Some(Arc::clone(&ticket)));
    (alert, ticket)
}

fn late(alert: &Alert) -> Raised {
    writer::not_written(
        alert,
        &io::Error::new(io::ErrorKind::TimedOut, "the disk did not answer within a second"),
    );
    Raised::NotWritten
}

/// Returns the id of the job that the running code is part of.
pub(crate) fn job() -> Option<String> {
    carry::job_id()
}

/// Writes an alert of the program to `tracing`.
fn log(alert: &Alert) {
    #[cfg(feature = "tracing")]
    crate::base::guarded::guarded(|| {
        let (component, id, job) = (&*alert.component, alert.id(), alert.job());
        match alert.level {
            AlertLevel::Warning => {
                tracing::warn!(target: "resilience::alert", component, id, job, "{}", alert.message);
            }
            AlertLevel::Critical => {
                tracing::error!(target: "resilience::alert", component, id, job, "{}", alert.message);
            }
        }
    });
    #[cfg(not(feature = "tracing"))]
    let _ = alert;
}
