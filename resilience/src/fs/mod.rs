//! Locks between processes that no crash leaves behind, and changes of files that happen whole or not at all.
//!
//! # Which one
//!
//! | to | write |
//! |---|---|
//! | let one call at a time work on something that has a name | `#[with_lock("task:{id}")]`, or [`lock::task`] |
//! | guard a file that other users or programs know by its path | [`FileLock::at`] |
//! | guard a directory | [`DirLock::at`] |
//! | take several at once | [`lock_all`] |
//! | change a file whole or not at all | [`Transaction::edit`] |
//! | change several files whole or not at all | [`Transaction`] |
//! | let another program change files, and put them back if it fails | [`Transaction::back_up`] |
//! | reduce overlaps on a file system without locks | [`MarkerLock`] |
//!
//! # How the locks hold
//!
//! A lock is the kernel's lock on an open file (`flock`), not the existence of that file. The kernel takes it away when
//! its process ends, whatever ends it: no lock is ever stale, and none is ever broken because it is old. The file stays
//! when the lock is released. It holds a text for people, which says who has taken the lock last.
//!
//! Locks work on file systems of one host. Network file systems are refused, by a list of types (`nfs`, `cifs`, `9p`,
//! `virtiofs`, `gpfs`, `fuse.sshfs`, ..; not `overlay` or `fuse-overlayfs`) and by a test that a second descriptor
//! cannot take a lock that is held. Between hosts use a store with leases.
//!
//! In one process waiters are served in the order of their arrival. Between processes a waiter holds a second file
//! (`.turn`) while it tries, which everyone passes first: a busy process cannot starve another one.
//!
//! In a test world the locks are real files in a directory of that world, and waits take real time.
//!
//! # Examples
//!
//! ```
//! use resilience::lock;
//! use std::time::Duration;
//!
//! # let _world = resilience::testing::isolate();
//! let guard = lock::task("TASK-123").wait(Duration::from_secs(30)).acquire()?;
//! // Only this process works on the task now.
//! guard.unlock();
//! # Ok::<(), resilience::fs::LockError>(())
//! ```

pub mod lock;
#[cfg(target_os = "linux")]
mod transaction;
#[doc(hidden)]
pub mod with_lock;

pub use lock::FileLock;
pub use lock::dir::DirLock;
pub use lock::error::LockError;
pub use lock::guard::LockGuard;
pub use lock::holder::Holder;
pub use lock::many::{lock_all, lock_all_async};
pub use lock::marker::{MarkerGuard, MarkerLock};
#[cfg_attr(docsrs, doc(cfg(all(feature = "serde", feature = "serde_json"))))]
#[cfg(all(target_os = "linux", feature = "serde", feature = "serde_json"))]
pub use transaction::Json;
#[cfg(target_os = "linux")]
pub use transaction::{Backup, Draft, Rollback, Transaction, TransactionError, backups, recover, restore};
pub use with_lock::WithLockConfig;
