//! Jobs and checkpoints that survive a crash: recorded work is not done again.
//!
//! | to | use |
//! |---|---|
//! | finish a call after a crash of the process | a *job*: `#[job("import:{id}")]`, or [`Job`] |
//! | avoid repeating an effect | a *checkpoint*: `#[checkpoint("page:{id}:{n}")]`, or [`Checkpoint`] |
//! | continue one long loop where it stopped | a *cursor*: [`Progress`] |
//! | one holder of a name among all processes that share a store | `#[with_lock(.., store = ..)]` (feature `fs`), whose body finds its fence with `lock_lease()` |
//! | wait for days, over restarts | [`sleep_until`] |
//! | find and run interrupted jobs | [`recover`], once at the start of the program |
//! | look at jobs, resume, cancel or remove them | [`jobs`](crate::jobs), [`checkpoints`](crate::checkpoints) |
//! | end the program without interrupting a step | [`shutdown`](crate::shutdown()) |
//!
//! Jobs and steps are identified by name and key, never by their position in the code, so that code can be moved and
//! extended while jobs wait.
//!
//! # Guarantees
//!
//! - Each key has exactly one recorded result. A body runs at least once: a crash between an effect and its
//!   record repeats the effect. [`Step::idempotency_key`] makes the repetition harmless where the service
//!   takes such a key.
//! - Acknowledged records survive `kill -9`, and with [`SqliteStore`] a power cut, if the disk has
//!   written what it acknowledged. Damaged bytes are never returned as a value.
//! - One process at a time works on a key, also among several that share a store. A process that loses its lease
//!   cannot write any more.
//! - A record that was written by other code (another function, version or input) is reported, never returned.
//!
//! # No guarantees
//!
//! - Exactly-once effects on other systems without an idempotency key.
//! - A bound on the time until a job is resumed: the sweep of a living process has to find it, every 30 s by
//!   default.
//!
//! # Where records are
//!
//! In the default store: with the feature `sqlite` a file in the user's state directory, below a directory
//! with the name of the program ([`application`]), or in the directory that `RESILIENCE_STATE` names; in test
//! binaries in memory. [`use_store`] names another one.
//!
//! # What it costs
//!
//! | operation | commits of the store |
//! |---|---|
//! | a job that runs | two: its arguments before the body, its end after it |
//! | a step of a job | one, after its body |
//! | a step outside of jobs | two |
//! | a job or step that is recorded already | none |
//! | a saved cursor | one, and outside of jobs one more at the first; [`Progress::every`] leaves some out |
//!
//! With [`SqliteStore`] a commit is one sync of the disk, which callers that commit at the same time share. While
//! leases are held, the process writes one counter three times in the shortest of them, whatever the number of jobs.
//!
//! # What a program has to bear
//!
//! - A body that runs again. Give effects on other systems a step of their own, with the step's
//!   [idempotency key](Step::idempotency_key), and keep bodies of jobs free of effects outside of steps.
//! - Values that are read back. A recorded value is encoded as JSON and decoded again before the caller gets it, on the
//!   first run, too: NaN, `Some(None)` and values that change on the way are errors.
//! - Other code. A key that was recorded by another function, version or input is an error until the program says
//!   what to do about it: `version`, `was`, or `on_mismatch = rerun`.
//! - Time. A wait for another holder ends after `wait`, 5 minutes by default, or a little before an enclosing timeout.
//!
//! # Examples
//!
//! ```
//! use resilience::{Rejected, checkpoint, job};
//! use resilience::durable::{JobInfo, Status};
//! use resilience::jobs;
//!
//! # let _world = resilience::testing::isolate();
//! #[checkpoint("page:{n}")]
//! fn fetch_page(n: u32) -> Result<u32, Rejected> {
//!     Ok(n * 10) // an expensive call
//! }
//!
//! #[job("catalog:{id}")]
//! fn import_catalog(id: u64, pages: u32) -> Result<u32, Rejected> {
//!     let mut rows = 0;
//!     for n in 1..=pages {
//!         rows += fetch_page(n)?;
//!     }
//!     Ok(rows)
//! }
//!
//! // resilience::recover_blocking()?; at the start of the program
//! assert_eq!(import_catalog(7, 3).unwrap(), 60);
//! assert_eq!(import_catalog(7, 3).unwrap(), 60, "recorded: nothing ran");
//! let job: JobInfo = jobs::blocking::get("catalog:7").unwrap().unwrap();
//! assert_eq!((job.status, job.steps), (Status::Done, Some(3)));
//! ```

pub(crate) mod admin;
mod call;
mod default_store;
pub(crate) mod ending;
#[cfg(feature = "ops")]
pub(crate) mod in_use;
mod job;
mod lease;
mod moment {
    pub(crate) use crate::base::world::reached;
}
pub mod record;
mod recovery;
mod scope;
mod seat;
mod step;
pub mod store;
pub(crate) mod under_way;
#[cfg(feature = "fs")]
mod with_lock;

pub use crate::base::state_dir::application;
#[cfg(feature = "sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub use crate::base::state_dir::state_dir;
pub use crate::failure::durable::{CheckpointError, Contradiction, EncodedValue, JobError, Subject};
pub use admin::jobs::{CursorInfo, JobInfo};
pub use admin::steps::CheckpointInfo;
pub(crate) use default_store::default_store;
pub use default_store::use_store;
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
#[cfg(feature = "fs")]
#[cfg_attr(docsrs, doc(cfg(feature = "fs")))]
pub use with_lock::{LockLease, lock_lease};

#[doc(hidden)]
pub mod __private {
    //! The names that expansions use.

    pub use super::job::call::{Call, Provided};
    pub use super::job::running::{CatchPanic, RunningJob};
    pub use super::job::site::{JOBS_0_1, JobSite};
    pub use super::job::undo::{Undone, recorded, undo_failed};
    pub use super::record::args::{Args, Given};
    pub use super::recovery::strategy::{Condition, RecoverySite, Skip};
    pub use super::scope::OnFailure;
    pub use super::step::running::RunningStep;
    pub use super::step::site::{CheckpointSite, IntoStore, inputs};
    pub use super::{Checkpoint, InScope, Job, OnStoreError, Otherwise, Recovery};
    pub use crate::classify::Severity;
}
