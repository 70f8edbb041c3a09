//! Jobs and checkpoints that survive a crash: what was recorded once is not done again.
//!
//! A *job* is a named, recorded call: `#[job("import:{id}")]`. A *checkpoint* is a step whose success is
//! recorded under a key: `#[checkpoint("page:{id}:{n}")]`. [`Progress`] is a cursor inside one long
//! function. They are told apart by name and key, never by their position in the code. Bodies run at
//! least once; each key has exactly one recorded result.

mod admin;
mod call;
mod default_store;
mod job;
mod lease;
mod moment {
    pub(crate) use crate::base::world::reached;
}
pub mod record;
mod recovery;
mod scope;
mod step;
pub mod store;

pub use crate::failure::durable::{CheckpointError, Contradiction, JobError, Place};
pub use admin::jobs::{self, CursorInfo, JobInfo};
pub use admin::steps::{self as checkpoints, CheckpointInfo};
pub(crate) use default_store::default_store;
pub use default_store::{application, use_store};
pub use job::policy::{Job, JobConfig};
pub use record::history::JobEvent;
pub use record::{Record, Status};
pub use recovery::strategy::{Recovery, RecoveryStats, recovery_stats};
pub use recovery::value::WithRecovery;
pub use recovery::{Recover, Recovered, RecoveredJob, recover, recover_blocking};
pub use scope::{InScope, Step, in_scope, in_scope_blocking, job, step};
pub use step::policy::{Checkpoint, CheckpointConfig, OnStoreError};
pub use step::progress::Progress;
pub use step::sleep::{sleep_until, sleep_until_blocking};
#[cfg(feature = "sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub use store::SqliteStore;
pub use store::{MemoryStore, Otherwise, Store, StoreError};

#[doc(hidden)]
pub mod __private {
    //! What expansions name.

    pub use super::job::call::{Call, Provided};
    pub use super::job::running::{Caught, RunningJob};
    pub use super::job::site::{JOBS_0_1, JobSite};
    pub use super::job::undo::{UNDOS_0_1, UndoSite, Undoing, Undone, recorded, undone};
    pub use super::record::args::{Args, Given};
    pub use super::recovery::strategy::{Condition, RecoverySite, Skip};
    pub use super::scope::Wanted;
    pub use super::step::running::RunningStep;
    pub use super::step::site::{CheckpointSite, IntoStore, inputs};
    pub use super::{Checkpoint, InScope, Job, OnStoreError, Otherwise, Recovery};
    pub use crate::classify::Severity;
}
