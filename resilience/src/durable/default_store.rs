//! Where the store of this program is, and whether that is a safe place.

use crate::durable::store::{MemoryStore, Store, StoreError};
use crate::site::Site;
#[cfg(feature = "sqlite")]
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

/// The store of jobs and steps that name none: of the process, or of a test world.
static DEFAULT: Site<Default> = Site::new(Default { store: Mutex::new(None), in_world: false }, || Default {
    store: Mutex::new(None),
    in_world: true,
});

#[derive(Debug)]
struct Default {
    store: Mutex<Option<Arc<dyn Store>>>,
    in_world: bool,
}

fn store() -> (MutexGuard<'static, Option<Arc<dyn Store>>>, bool) {
    let default: &'static Default = leak(&DEFAULT);
    (default.store.lock().unwrap_or_else(PoisonError::into_inner), default.in_world)
}

/// The site's value of now, whether the static itself or a world's copy, lives as long as the process.
fn leak(site: &'static Site<Default>) -> &'static Default {
    site
}

static APPLICATION: OnceLock<String> = OnceLock::new();

/// Names this program: its store is in a directory of that name. Without it the name is that of the
/// executable's file. Call it before the first job or step; later calls change nothing.
pub fn application(name: impl Into<String>) {
    let _ = APPLICATION.set(name.into());
}

/// Makes `store` the one of all jobs and steps that name none, in this process or test world.
pub fn use_store(new: Arc<dyn Store>) {
    *store().0 = Some(new);
}

/// The store of jobs and steps that name none.
pub(crate) fn default_store() -> Result<Arc<dyn Store>, StoreError> {
    let (mut store, in_world) = store();
    if let Some(store) = &*store {
        return Ok(store.clone());
    }
    // What failed now is tried again by the next call.
    let opened = if in_world { Arc::new(MemoryStore::new()) } else { open()? };
    Ok(store.insert(opened).clone())
}

#[cfg(not(feature = "sqlite"))]
#[expect(clippy::unnecessary_wraps, reason = "it may fail with another feature")]
fn open() -> Result<Arc<dyn Store>, StoreError> {
    Ok(Arc::new(MemoryStore::new()))
}

#[cfg(feature = "sqlite")]
fn open() -> Result<Arc<dyn Store>, StoreError> {
    let dir = state_dir().ok_or_else(|| {
        StoreError::Refused("there is no home directory: set RESILIENCE_STATE to a directory".to_owned())
    })?;
    Ok(Arc::new(crate::durable::store::SqliteStore::open(dir)?))
}

/// `RESILIENCE_STATE`, or `<platform state>/resilience/<application>`.
#[cfg(feature = "sqlite")]
fn state_dir() -> Option<PathBuf> {
    let given = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(dir) = given("RESILIENCE_STATE") {
        return Some(dir);
    }
    let base = if cfg!(windows) {
        given("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        given("HOME").map(|home| home.join("Library/Application Support"))
    } else {
        // The XDG base directory specification: a relative path there is ignored.
        let state = given("XDG_STATE_HOME").filter(|state| state.is_absolute());
        state.or_else(|| given("HOME").map(|home| home.join(".local/state")))
    };
    let executable = || Some(std::env::current_exe().ok()?.file_stem()?.to_string_lossy().into_owned());
    let application = APPLICATION.get().cloned().or_else(executable).unwrap_or_else(|| "program".to_owned());
    Some(base?.join("resilience").join(crate::durable::record::key::part(&application)))
}
