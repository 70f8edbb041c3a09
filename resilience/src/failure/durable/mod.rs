//! Why a checkpoint or a job refused a call, as its [`Rejected`](super::rejected::Rejected) carries it.
//!
//! The errors carry their place in a box: a `Result` with one of them stays small.

mod facts;
mod job;
mod step;
mod store;
#[cfg(test)]
#[expect(clippy::unnecessary_box_returns, reason = "as the errors have them")]
mod tests;

pub use job::JobError;
pub use step::CheckpointError;
pub(crate) use step::{CHECKPOINTS, CURSOR};
pub use store::{Corrupt, StoreError};

use crate::base::calendar::rfc_3339;
use crate::base::name::PointName;
use crate::base::visible::Visible;
use std::fmt;
use std::ops::Deref;
use std::time::{Duration, UNIX_EPOCH};

/// Milliseconds since 1970-01-01 UTC, by the clock of the store.
///
/// The times of records are numbers, because they are compared, stored and serialised as such. They are for people, and
/// for how long a finished record is kept; nothing else is decided by them. A time that has not come is 0.
///
/// # Examples
///
/// As a time of std, from which any time library makes a text:
///
/// ```
/// use resilience::durable::record::Millis;
/// use std::time::{Duration, SystemTime, UNIX_EPOCH};
///
/// let completed: Millis = 1_700_000_000_000;
/// let at: SystemTime = UNIX_EPOCH + Duration::from_millis(completed);
/// let age = at.elapsed().unwrap_or_default(); // zero if the clock was set back since
/// assert!(age > Duration::from_secs(86_400));
/// ```
pub type Millis = u64;

/// The progress of the work under a key: of a job, a step or a cursor.
///
/// ```text
///            begin                 result
///  (none) ----------> Running ----------------> Done
///                      |  ^  \  error
///       owner is gone  |  |   +------> Failed | Manual | RollingBack -> RolledBack
///                      v  | recover
///                  Interrupted -- too often --> Dead
/// ```
///
/// `Done`, `Failed`, `RolledBack` and `Dead` are [final](Self::is_final): a further call returns the recorded
/// end. `jobs::resume` starts a job again that ended without a result.
///
/// # Examples
///
/// ```
/// use resilience::durable::Status;
///
/// assert_eq!(Status::RolledBack.as_str(), "rolled_back");
/// assert!(Status::RollingBack.is_held() && !Status::RollingBack.is_final());
/// assert!(Status::Dead.is_final());
/// assert_eq!(Status::from_code(Status::Manual.code()), Some(Status::Manual));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Status {
    /// The key was claimed before and given back without a result, or undone since. Its fence stays used.
    Free,
    /// A process works on it: see [`Record::owner`](crate::durable::Record::owner) and
    /// [`Record::lease`](crate::durable::Record::lease).
    ///
    /// The lease can have ended, when its owner has died and no sweep has found it yet.
    Running,
    /// Its one result is recorded; further calls return it. Final.
    Done,
    /// The body of a job returned an error, which is recorded. Final until `jobs::resume`.
    Failed,
    /// A job lost its owner, or stopped before its end. The next sweep of a `recover()` runs it again.
    Interrupted,
    /// A job is parked until a person has decided, with `jobs::resume` or `jobs::cancel`.
    Manual,
    /// A job undoes its recorded steps, the last one first; a process holds a lease on it.
    RollingBack,
    /// A job has undone its recorded steps. Final.
    RolledBack,
    /// A job was recovered as often as it may be, 10 times unless set otherwise. Final, with a critical
    /// alert.
    Dead,
}

impl Status {
    pub(crate) const ALL: [Self; 9] = [
        Self::Free,
        Self::Running,
        Self::Done,
        Self::Failed,
        Self::Interrupted,
        Self::Manual,
        Self::RollingBack,
        Self::RolledBack,
        Self::Dead,
    ];

    /// Returns the stable name, in snake case: `"running"`, `"rolled_back"`, ..
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
            Self::Manual => "manual",
            Self::RollingBack => "rolling_back",
            Self::RolledBack => "rolled_back",
            Self::Dead => "dead",
        }
    }

    /// Returns the number in the stored bytes; it never changes its meaning.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// Returns the status of a stored number; `None` for a number that this release does not know.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.code() == code)
    }

    /// Returns whether a process holds a lease on it: `Running` and `RollingBack`.
    pub const fn is_held(self) -> bool {
        matches!(self, Self::Running | Self::RollingBack)
    }

    /// Returns whether it stays as it is until a person asks for something else.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::RolledBack | Self::Dead)
    }
}

/// Serialises like its `Display`.
impl serde::Serialize for Status {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The way in which a record contradicts the code.
///
/// The library compares in this order, and reports the first difference: function, version, inputs.
///
/// # Examples
///
/// ```
/// use resilience::durable::store::Mismatch;
///
/// assert_eq!(Mismatch::Version.to_string(), "another version");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mismatch {
    /// Another function recorded it: the function was renamed, or two functions have one key.
    Function,
    /// Another `version` of the code recorded it.
    Version,
    /// The record is of other inputs: the key does not tell two calls apart.
    Inputs,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Function => "another function",
            Self::Version => "another version",
            Self::Inputs => "other inputs",
        })
    }
}

/// The encoded value, as JSON, that a store did not keep.
///
/// [`Rejected::not_recorded`](crate::Rejected::not_recorded) decodes it. `Debug` writes only how many bytes it has: it may
/// have many, and belongs in no log.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct EncodedValue(Vec<u8>);

impl From<Vec<u8>> for EncodedValue {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl Deref for EncodedValue {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for EncodedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// The step or job that an error is about.
///
/// It reads as `` `page:7` of `shop::fetch_page` ``.
///
/// # Examples
///
/// ```
/// use resilience::testing::rejected;
///
/// let busy = rejected::job_busy("shop::import", "import:7", std::time::Duration::from_secs(3));
/// let resilience::Rejected::Job(error) = busy else { unreachable!() };
/// assert_eq!(error.place().to_string(), "`import:7` of `shop::import`");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Subject {
    /// The point that was called, as [`points()`](crate::points()) spells it.
    pub point: PointName,
    /// The key of the step, or the id of the job; empty for functions about all jobs, such as `recover`.
    pub key: String,
}

impl Subject {
    #[expect(clippy::unnecessary_box_returns, reason = "every error keeps it boxed")]
    pub(crate) fn new(point: PointName, key: impl Into<String>) -> Box<Self> {
        Box::new(Self { point, key: key.into() })
    }

    /// Returns the key as texts show it.
    const fn shown_key(&self) -> Visible<'_> {
        Visible(self.key.as_str())
    }

    /// Returns the job that was not run, or the function about all jobs.
    fn not_run(&self) -> String {
        if self.key.is_empty() {
            format!("`{}`", self.shown_point())
        } else {
            format!("job {self} was not run")
        }
    }

    /// Returns the name of the point as texts show it.
    fn shown_point(&self) -> Visible<'_> {
        Visible(&self.point)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` of `{}`", self.shown_key(), self.shown_point())
    }
}

/// A contradiction between a record and the code: the recorded value, and that of the code now.
///
/// Its text ends with what to write: `was = ".."` after a renaming, `version = ..` to go on with records of
/// an earlier version, `on_mismatch = rerun` to start over.
///
/// # Examples
///
/// A key that does not distinguish two calls, whose inputs differ:
///
/// ```
/// use resilience::durable::{CheckpointError, store::Mismatch};
/// use resilience::{Rejected, checkpoint};
///
/// #[checkpoint("price", inputs(id))]
/// fn price(id: u32) -> Result<u32, Rejected> {
///     Ok(id * 10)
/// }
///
/// # let _world = resilience::testing::isolate();
/// price(1).unwrap();
/// let Err(Rejected::Checkpoint(error)) = price(2) else { panic!("a wrong value") };
/// let CheckpointError::Mismatch { contradiction, .. } = *error else { panic!("{error}") };
/// assert_eq!((contradiction.what, &*contradiction.names[0]), (Mismatch::Inputs, "id"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Contradiction {
    /// The kind of the contradiction.
    pub what: Mismatch,
    /// The recorded value: a function's name, a version, or the arguments.
    pub stored: String,
    /// The value of the code, in the same form.
    pub current: String,
    /// The arguments that differ; empty where that is not known, and for another function or version.
    pub names: Vec<String>,
    /// The time of the record.
    pub recorded: Millis,
}

impl fmt::Display for Contradiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, stored, current, names, recorded } = self;
        match &**names {
            [] => write!(f, "{what}: recorded {stored}, now {current}")?,
            [name] => write!(f, "{what}: `{name}` differs")?,
            names => write!(f, "{what}: `{}` differ", names.join("`, `"))?,
        }
        let recorded = UNIX_EPOCH.checked_add(Duration::from_millis(*recorded)).and_then(rfc_3339);
        recorded.map_or(Ok(()), |recorded| write!(f, " (recorded at {recorded})"))?;
        match what {
            Mismatch::Function => {
                write!(f, "; if it was renamed, write `was = \"{}\"`", stored.trim_matches('`'))
            }
            Mismatch::Version => {
                write!(f, "; to continue it, write `version = {stored}`; to start over, `on_mismatch = rerun`")
            }
            Mismatch::Inputs => {
                f.write_str("; put what distinguishes the two calls into the key, or, to start over, write `on_mismatch = rerun`")
            }
        }
    }
}
