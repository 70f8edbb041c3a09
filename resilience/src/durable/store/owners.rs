//! Which processes there are: each is known to the stores by a name of its own, and holds a kernel lock
//! beside every file store for as long as it lives.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

/// `pid-random`: the number is for people, the rest is new for each start of a process.
pub(crate) fn this_process() -> &'static str {
    static OWNER: OnceLock<String> = OnceLock::new();
    OWNER.get_or_init(|| {
        let random = || RandomState::new().hash_one(std::process::id());
        format!("{}-{:016x}{:016x}", std::process::id(), random(), random())
    })
}

#[cfg(feature = "sqlite")]
pub(crate) use locks::Owners;

#[cfg(feature = "sqlite")]
mod locks {
    use super::this_process;
    use crate::durable::store::StoreError;
    use crate::durable::store::sqlite::files;
    use std::collections::HashMap;
    use std::fs::{File, OpenOptions};
    use std::path::{Path, PathBuf};
    use std::sync::{Mutex, PoisonError};

    /// The locks of the processes that share one store.
    #[derive(Debug)]
    pub(crate) struct Owners {
        dir: PathBuf,
    }

    /// The locks that this process holds: closing one would say that the process has ended.
    static HELD: Mutex<Option<HashMap<PathBuf, File>>> = Mutex::new(None);

    fn name(owner: &str) -> Option<String> {
        let is_plain = owner.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        (is_plain && !owner.is_empty()).then(|| format!("{owner}.lock"))
    }

    impl Owners {
        /// Joins the processes whose locks are in `dir`, and clears away those of processes that have ended.
        pub(crate) fn join(dir: &Path) -> Result<Self, StoreError> {
            files::prepare(dir, true)?;
            let owners = Self { dir: dir.to_owned() };
            owners.hold()?;
            owners.clear();
            Ok(owners)
        }

        fn hold(&self) -> Result<(), StoreError> {
            let failed = |error: std::io::Error| StoreError::Unavailable(format!("its owner lock: {error}"));
            let Some(name) = name(this_process()) else { return Ok(()) };
            let path = self.dir.join(name);
            let mut held = HELD.lock().unwrap_or_else(PoisonError::into_inner);
            let held = held.get_or_insert_default();
            // The directory may have been made anew meanwhile: then the old lock says nothing to anybody.
            if held.contains_key(&path) && path.exists() {
                return Ok(());
            }
            let file = files::open_file(&path).map_err(failed)?;
            file.try_lock().map_err(|error| StoreError::Unavailable(format!("its owner lock: {error}")))?;
            held.insert(path, file);
            Ok(())
        }

        /// Removes the files of the dead, each under its own lock: their names are never used again.
        fn clear(&self) {
            let Ok(entries) = std::fs::read_dir(&self.dir) else { return };
            for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
                let is_own = name(this_process()).is_some_and(|own| path.ends_with(own));
                if is_own || path.extension().is_none_or(|end| end != "lock") {
                    continue;
                }
                if let Ok(file) = OpenOptions::new().write(true).open(&path)
                    && file.try_lock().is_ok()
                {
                    let _ = std::fs::remove_file(&path);
                }
            }
        }

        /// Whether the process of `owner` has ended: nobody holds its lock.
        pub(crate) fn is_gone(&self, owner: &str) -> bool {
            if owner == this_process() {
                return false;
            }
            // Not a name of ours: only its lease decides.
            let Some(name) = name(owner) else { return false };
            match OpenOptions::new().write(true).open(self.dir.join(name)) {
                Ok(file) => file.try_lock().is_ok(),
                Err(error) => error.kind() == std::io::ErrorKind::NotFound,
            }
        }
    }
}
