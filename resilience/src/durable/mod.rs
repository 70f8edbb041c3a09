//! Jobs and checkpoints that survive a crash: what was recorded once is not done again.
//!
//! A *job* is a named, recorded call: `#[job("import:{id}")]`. A *checkpoint* is a step whose success is
//! recorded under a key: `#[checkpoint("page:{id}:{n}")]`. [`Progress`] is a cursor inside one long
//! function. They are told apart by name and key, never by their position in the code. Bodies run at
//! least once; each key has exactly one recorded result.

mod checkpoint;
pub mod checkpoints;
mod claim;
mod codec;
mod error;
mod finite;
mod job;
pub mod jobs;
mod key;
mod lease;
mod note;
mod owner;
mod place;
mod progress;
pub mod record;
mod recover;
mod rollback;
mod runner;
mod running;
mod scope;
pub(crate) mod site;
mod sleep;
pub mod store;
mod turn;
mod wait;
mod with_recovery;

pub use checkpoint::{Checkpoint, OnStoreError};
pub use checkpoints::CheckpointInfo;
pub use error::{CheckpointError, Contradiction, JobError, Place};
pub use job::Job;
pub use jobs::JobInfo;
pub use note::JobEvent;
pub(crate) use place::default_store;
pub use place::{application, use_store};
pub use progress::Progress;
pub use record::{Record, Status};
pub use recover::{Recover, Recovered, RecoveredJob, recover, recover_blocking};
pub use scope::{InScope, Step, in_scope, in_scope_blocking, job, step};
pub use sleep::{sleep_until, sleep_until_blocking};
#[cfg(feature = "sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub use store::SqliteStore;
pub use store::{MemoryStore, Otherwise, Store, StoreError};
pub use with_recovery::{Recovery, RecoveryStats, recovery_stats};

#[doc(hidden)]
pub mod __private {
    //! What expansions name.

    pub use super::checkpoint::{Begun as StepBegun, Running as RunningStep};
    pub use super::job::{Args, Given};
    pub use super::recover::Provided;
    pub use super::rollback::{UNDOS_0_1, UndoSite, Undoing, Undone, recorded, undone};
    pub use super::runner::Call;
    pub use super::running::{Begun as JobBegun, Running as RunningJob};
    pub use super::scope::Wanted;
    pub use super::site::{CheckpointSite, IntoStore, JOBS_0_1, JobSite, inputs};
    pub use super::with_recovery::{Condition, RecoverySite, Skip};
    pub use super::{Checkpoint, InScope, Job, OnStoreError, Otherwise, Recovery};
    pub use crate::classify::Severity;
}

/// A named moment at which a crash test may strike.
#[inline]
pub(crate) fn point(name: &'static str) {
    #[cfg(feature = "testing")]
    crate::testing::reached(name);
    #[cfg(not(feature = "testing"))]
    let _ = name;
}
