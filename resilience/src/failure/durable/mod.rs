//! Why a checkpoint or a job refused a call, as its [`Rejected`](super::rejected::Rejected) carries it.
//!
//! The errors carry their place in a box: a `Result` with one of them stays small.

mod action;
mod job;
mod step;
mod store;
#[cfg(test)]
#[expect(clippy::unnecessary_box_returns, reason = "as the errors have them")]
mod tests;

pub use job::JobError;
pub use step::CheckpointError;
pub use store::{Corrupt, StoreError};

use crate::base::calendar::rfc_3339;
use crate::base::name::PointName;
use std::fmt;
use std::time::{Duration, UNIX_EPOCH};

/// Milliseconds since 1970 in the store's clock.
pub type Millis = u64;

/// How far the work under a key has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Status {
    /// Claimed before and given back without a result, or undone since; its fence stays used.
    Free,
    /// It has a holder: see [`Record::owner`](crate::durable::Record::owner) and
    /// [`Record::lease`](crate::durable::Record::lease).
    Running,
    /// It has its one recorded result.
    Done,
    /// A job ended with an error.
    Failed,
    /// A job lost its owner, and may be run again.
    Interrupted,
    /// A job waits for a person.
    Manual,
    /// A job undoes its steps.
    RollingBack,
    /// A job has undone its steps.
    RolledBack,
    /// A job was recovered too often.
    Dead,
}

impl Status {
    const ALL: [Self; 9] = [
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

    /// The stable name: `"running"`, `"rolled_back"`, ..
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

    /// The number in the stored bytes; it never changes its meaning.
    pub const fn code(self) -> u8 {
        self as u8
    }

    /// The status of a stored number.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.code() == code)
    }

    /// Whether a process holds a lease on it.
    pub const fn is_held(self) -> bool {
        matches!(self, Self::Running | Self::RollingBack)
    }

    /// Whether it stays as it is until something else is asked for.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Done | Self::Failed | Self::RolledBack | Self::Dead)
    }
}

/// As it reads.
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

/// In what a record contradicts the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Mismatch {
    /// Another function recorded it.
    Function,
    /// Another version of the code recorded it.
    Version,
    /// It was recorded for other inputs.
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

/// Which point it is about, and which key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Place {
    /// The point that was called.
    pub point: PointName,
    /// The key of the step, or the id of the job.
    pub key: String,
}

impl Place {
    #[expect(clippy::unnecessary_box_returns, reason = "every error keeps it boxed")]
    pub(crate) fn new(point: PointName, key: impl Into<String>) -> Box<Self> {
        Box::new(Self { point, key: key.into() })
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` of `{}`", self.key, self.point)
    }
}

/// In what a record contradicts the code.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Contradiction {
    /// In what they differ.
    pub what: Mismatch,
    /// What is recorded.
    pub stored: String,
    /// What the code says.
    pub current: String,
    /// The arguments that differ, where that is known.
    pub names: Vec<String>,
    /// When it was recorded.
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
                write!(f, "; to go on with it, write `version = {stored}`, to begin anew, `on_mismatch = rerun`")
            }
            Mismatch::Inputs => {
                f.write_str("; name what tells two calls apart in the key, or, to begin anew, write `on_mismatch = rerun`")
            }
        }
    }
}
