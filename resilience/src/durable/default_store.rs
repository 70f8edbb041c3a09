//! The store of jobs and steps that name none.

use crate::base::of_process::OfProcess;
use crate::base::site::Site;
#[cfg(feature = "sqlite")]
use crate::base::state_dir::{is_bare_test, own_state_dir};
use crate::base::sync::locked;
use crate::durable::store::{MemoryStore, Store, StoreError};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, TryLockError};

/// The store of jobs and steps that name none: of the process, or of a test world.
static DEFAULT: Site<DefaultStore> = Site::new(DefaultStore::new(false), || DefaultStore::new(true));

/// The store, once it was set or opened. A test world always has one in memory; a process opens the one that its
/// features and environment say.
#[derive(Debug)]
struct DefaultStore {
    store: OfProcess<Mutex<Option<Arc<dyn Store>>>>,
    /// Whether a job or a step has requested it, even if it could not be opened.
    is_asked: AtomicBool,
    in_world: bool,
}

impl DefaultStore {
    const fn new(in_world: bool) -> Self {
        // A fork's child has the store of its parent, which refuses it: another one would not have the parent's jobs.
        let of_child = |of_parent: &Mutex<Option<Arc<dyn Store>>>| {
            Mutex::new(match of_parent.try_lock() {
                Ok(store) => store.clone(),
                Err(TryLockError::Poisoned(store)) => store.into_inner().clone(),
                // The parent was opening the store.
                Err(TryLockError::WouldBlock) => None,
            })
        };
        Self { store: OfProcess::new(Mutex::new(None), of_child), is_asked: AtomicBool::new(false), in_world }
    }
}

/// Returns the site's present value, whether the static itself or a world's copy, which lives as long as the process.
fn leak(site: &'static Site<DefaultStore>) -> &'static DefaultStore {
    site
}

/// Makes `store` the one of all jobs and steps that name none, in this process or test world.
///
/// Call it at the start of the program, before `recover()`. Running steps keep the store that they began with.
///
/// A job of the earlier store is not found by a call that looks in the new one.
///
/// # Examples
///
/// ```
/// use resilience::durable::{MemoryStore, use_store};
/// use std::sync::Arc;
///
/// # let _world = resilience::testing::isolate();
/// use_store(Arc::new(MemoryStore::new()));
/// ```
pub fn use_store(new: Arc<dyn Store>) {
    // The one before is dropped without the lock: closing it may take long.
    let default = leak(&DEFAULT);
    let before = locked(&default.store).replace(new);
    default.is_asked.store(true, Ordering::Relaxed);
    crate::point::notes::of_store(None);
    drop(before);
}

/// Returns the store of jobs and steps that name none.
///
/// # Errors
///
/// Why the store of the program could not be opened; the failure is not remembered. The lock is held during the
/// opening, so that it is opened once.
pub(crate) fn default_store() -> Result<Arc<dyn Store>, StoreError> {
    let default = leak(&DEFAULT);
    default.is_asked.store(true, Ordering::Relaxed);
    let mut store = locked(&default.store);
    if let Some(store) = &*store {
        return Ok(store.clone());
    }
    // A failed opening is tried again by the next call.
    let opened = if default.in_world { Arc::new(MemoryStore::new()) } else { open()? };
    Ok(store.insert(opened).clone())
}

/// Returns the default store, if a job or a step has requested it before, or the program has set it.
#[cfg(feature = "ops")]
pub(crate) fn asked_default() -> Option<Result<Arc<dyn Store>, StoreError>> {
    leak(&DEFAULT).is_asked.load(Ordering::Relaxed).then(default_store)
}

/// Opens a store in memory, and says so: without a store on disk jobs live as long as the process.
#[cfg(not(feature = "sqlite"))]
#[expect(clippy::unnecessary_wraps, reason = "it may fail with another feature")]
fn open() -> Result<Arc<dyn Store>, StoreError> {
    const IN_MEMORY: &str =
        "records of jobs and steps are in memory: enable the feature `sqlite`, or call `use_store`";
    crate::point::notes::of_store(Some(IN_MEMORY));
    #[cfg(feature = "tracing")]
    crate::base::guarded::guarded(|| tracing::warn!(target: "resilience::store", "{IN_MEMORY}"));
    Ok(Arc::new(MemoryStore::new()))
}

/// Opens the store. A test binary that is in no world and has no directory is kept away from the state of the real
/// program.
#[cfg(feature = "sqlite")]
fn open() -> Result<Arc<dyn Store>, StoreError> {
    if is_bare_test() {
        #[cfg(feature = "tracing")]
        crate::base::guarded::guarded(|| {
            tracing::warn!(
                target: "resilience::store",
                "this is a test binary outside of a test world: jobs and steps are kept in memory. Begin tests with \
                 `resilience::testing::isolate()`, or set RESILIENCE_STATE to a directory"
            );
        });
        return Ok(Arc::new(MemoryStore::new()));
    }
    let dir = own_state_dir().ok_or_else(|| {
        StoreError::Refused("there is no home directory: set RESILIENCE_STATE to a directory".to_owned())
    })?;
    Ok(Arc::new(crate::durable::store::SqliteStore::open(dir)?))
}

#[cfg(all(test, not(feature = "sqlite"), not(loom)))]
mod tests {
    use super::*;
    use crate::snapshot;

    #[test]
    fn the_default_memory_store_adds_a_note() {
        let notes = || snapshot().notes;
        assert_eq!(notes(), [""; 0], "nothing is recorded yet");
        drop(default_store());
        assert_eq!(
            notes(),
            ["records of jobs and steps are in memory: enable the feature `sqlite`, or call `use_store`"]
        );
        use_store(Arc::new(MemoryStore::new()));
        assert_eq!(notes(), [""; 0], "the program has chosen it");
    }
}
