//! The store of jobs and steps that name none, and where it is.

use crate::base::of_process::OfProcess;
use crate::base::site::Site;
use crate::base::sync::locked;
use crate::durable::store::{MemoryStore, Store, StoreError};
#[cfg(feature = "sqlite")]
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, TryLockError};

/// The store of jobs and steps that name none: of the process, or of a test world.
static DEFAULT: Site<Default> = Site::new(Default::new(false), || Default::new(true));

#[derive(Debug)]
struct Default {
    store: OfProcess<Mutex<Option<Arc<dyn Store>>>>,
    in_world: bool,
}

impl Default {
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
        Self { store: OfProcess::new(Mutex::new(None), of_child), in_world }
    }
}

fn store() -> (MutexGuard<'static, Option<Arc<dyn Store>>>, bool) {
    let default: &'static Default = leak(&DEFAULT);
    (locked(&default.store), default.in_world)
}

/// The site's value of now, whether the static itself or a world's copy, lives as long as the process.
fn leak(site: &'static Site<Default>) -> &'static Default {
    site
}

static APPLICATION: OnceLock<String> = OnceLock::new();

/// Names this program: its store is in a directory of that name below the platform's directory for state.
///
/// Without it the name is that of the file by which the program was started, whole: a file that is called by
/// its version (`importer-1.4.0`) has another store after an update, so set the name. Call this before the
/// first job or step; later calls change nothing. `RESILIENCE_STATE` names the whole directory instead.
///
/// # Examples
///
/// ```
/// // At the start of `main`:
/// resilience::application("importer");
/// ```
pub fn application(name: impl Into<String>) {
    let _ = APPLICATION.set(name.into());
}

/// Makes `store` the one of all jobs and steps that name none, in this process or test world.
///
/// Call it at the start of the program, before `recover()`. Steps that run meanwhile keep the store that they
/// began with.
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
    let before = store().0.replace(new);
    drop(before);
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
    if is_test() && given("RESILIENCE_STATE").is_none() && APPLICATION.get().is_none() {
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

/// Whether cargo built this program as a test.
#[cfg(feature = "sqlite")]
fn is_test() -> bool {
    std::env::current_exe().is_ok_and(|program| is_test_binary(&program))
}

/// Whether cargo built `program` as a test: `target/debug/deps/name-0123456789abcdef`.
#[cfg(feature = "sqlite")]
fn is_test_binary(program: &Path) -> bool {
    let name = program.file_stem().unwrap_or_default().to_string_lossy();
    let hash = name.rsplit_once('-').map_or("", |(_, hash)| hash);
    let is_hash = hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_hash && program.parent().is_some_and(|dir| dir.ends_with("deps"))
}

/// The name of the file by which this program was started: also after that file was replaced or removed.
#[cfg(feature = "sqlite")]
fn program() -> String {
    let started = std::env::args_os().next().and_then(|started| name_of(started.as_ref()));
    let name = started.or_else(|| name_of(&std::env::current_exe().ok()?));
    name.unwrap_or_else(|| "program".to_owned())
}

/// The name of a program that is at `path`.
#[cfg(feature = "sqlite")]
fn name_of(path: &Path) -> Option<String> {
    let file = path.file_name()?.to_string_lossy();
    let file = file.strip_suffix(" (deleted)").unwrap_or(&file);
    Some(file.strip_suffix(".exe").unwrap_or(file).to_owned())
}

#[cfg(feature = "sqlite")]
fn given(name: &str) -> Option<PathBuf> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from)
}

/// The directory of this program's store.
#[cfg(feature = "sqlite")]
fn own_state_dir() -> Option<PathBuf> {
    given("RESILIENCE_STATE").or_else(|| state_dir(&APPLICATION.get().cloned().unwrap_or_else(program)))
}

/// Returns the directory in which the program of this name keeps its state, as long as `RESILIENCE_STATE` names none:
/// `~/.local/state/resilience/<application>` on Linux, below `XDG_STATE_HOME` where that is set.
///
/// `None` if the environment names no home directory.
///
/// # Examples
///
/// ```
/// if let Some(dir) = resilience::durable::state_dir("importer") {
///     assert!(dir.ends_with("resilience/importer"));
/// }
/// ```
#[cfg(feature = "sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub fn state_dir(application: &str) -> Option<PathBuf> {
    state_dir_of(given, application)
}

/// `<platform state>/resilience/<application>`, as the variables of the environment `given` say.
#[cfg(feature = "sqlite")]
fn state_dir_of(given: impl Fn(&str) -> Option<PathBuf>, application: &str) -> Option<PathBuf> {
    let base = if cfg!(windows) {
        given("LOCALAPPDATA")
    } else if cfg!(target_os = "macos") {
        given("HOME").map(|home| home.join("Library/Application Support"))
    } else {
        // The XDG base directory specification: a relative path there is ignored.
        let state = given("XDG_STATE_HOME").filter(|state| state.is_absolute());
        state.or_else(|| given("HOME").map(|home| home.join(".local/state")))
    };
    Some(base?.join("resilience").join(crate::durable::record::key::part(application)))
}

#[cfg(all(test, feature = "sqlite"))]
mod tests {
    use super::*;

    #[test]
    fn a_program_has_the_whole_name_of_its_file() {
        for (path, name) in [
            ("/usr/bin/importer", Some("importer")),
            ("importer", Some("importer")),
            ("./importer", Some("importer")),
            ("/usr/bin/importer (deleted)", Some("importer")),
            ("importer.exe", Some("importer")),
            ("/opt/importer-1.4.0", Some("importer-1.4.0")),
            ("/opt/importer.blue", Some("importer.blue")),
            ("/opt/importer.green", Some("importer.green")),
            ("target/release/importer-0123456789abcdef", Some("importer-0123456789abcdef")),
            ("", None),
            ("/", None),
        ] {
            assert_eq!(name_of(path.as_ref()).as_deref(), name, "{path}");
        }
    }

    #[test]
    fn a_test_binary_is_known_by_its_directory_and_hash() {
        for (path, is_test) in [
            ("/importer/target/debug/deps/importer-0123456789abcdef", true),
            ("/importer/target/debug/deps/importer-0123456789abcdef.exe", true),
            ("/importer/target/debug/importer-0123456789abcdef", false),
            ("/importer/target/debug/deps/importer-0123456789abcde", false),
            ("/importer/target/debug/deps/importer-0123456789abcdeg", false),
            ("/importer/target/debug/importer", false),
        ] {
            assert_eq!(is_test_binary(path.as_ref()), is_test, "{path}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_store_is_where_the_environment_says() {
        let all = [("XDG_STATE_HOME", "/state"), ("HOME", "/home/a")];
        for (variables, application, dir) in [
            (&all[..], "importer", Some("/state/resilience/importer")),
            (&all[..], "importer-1.4.0", Some("/state/resilience/importer-1.4.0")),
            (&all[..], "a/b c", Some("/state/resilience/a%2Fb%20c")),
            (&all[1..], "importer", Some("/home/a/.local/state/resilience/importer")),
            (
                &[("XDG_STATE_HOME", "state"), all[1]],
                "importer",
                Some("/home/a/.local/state/resilience/importer"),
            ),
            (&[], "importer", None),
        ] {
            let given = |name: &str| {
                let value = variables.iter().find(|(variable, _)| *variable == name)?.1;
                Some(PathBuf::from(value))
            };
            let found = state_dir_of(given, application);
            assert_eq!(found, dir.map(PathBuf::from), "{variables:?}");
        }
    }
}
