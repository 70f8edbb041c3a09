//! The processes that have a store open: each has a name of its own and, beside a store on disk, holds a kernel lock
//! for as long as it lives.
//!
//! Two ways to judge a process, in this order:
//!
//! - Its *lock* (`Owners`): a file beside the store that it holds locked. The kernel takes the lock away when the
//!   process ends, whatever ends it, so that a lock which can be taken means a dead process, at once. The file that was
//!   locked has to be the one that the owner's row names: another file at the path proves nothing.
//! - Its *counter* ([`CounterWatch`]), where the lock cannot be judged: an owner is dead when the observer has seen the
//!   counter unchanged for a whole lease of the observer's own monotonic clock. A gap in the observer's looks counts
//!   for half a lease at most, since an observer that was stopped has seen nothing.
//!
//! No time of day takes part, and no clock of another machine.

use super::rules::Life;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

/// Returns 64 random bits.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

/// Returns a new owner's name, `pid-random`: the number is for people, the rest is new for each store that is opened.
pub(crate) fn new_name() -> String {
    format!("{}-{:016x}{:016x}", std::process::id(), random(), random())
}

/// The counters of owners whose locks an observer cannot judge, as it has seen them.
#[derive(Debug, Default)]
pub(crate) struct CounterWatch {
    seen: HashMap<String, LastLook>,
}

/// The last look at one counter, and for how long the looks before it saw the same number.
#[derive(Debug)]
struct LastLook {
    counter: Option<u64>,
    last: Instant,
    unchanged: Duration,
}

impl CounterWatch {
    /// Looks at the counter of `owner`, which is dead once it was seen unchanged for `lease`. A gap between two
    /// looks counts for at most `most`: an observer that was stopped itself has not watched.
    pub(crate) fn look(
        &mut self,
        owner: &str,
        counter: Option<u64>,
        lease: Duration,
        most: Duration,
        now: Instant,
    ) -> Life {
        let Some(seen) = self.seen.get_mut(owner).filter(|seen| seen.counter == counter) else {
            self.seen.insert(owner.to_owned(), LastLook { counter, last: now, unchanged: Duration::ZERO });
            return Life::Alive(lease);
        };
        let gap = now.saturating_duration_since(seen.last).min(most);
        (seen.last, seen.unchanged) = (now, seen.unchanged.saturating_add(gap));
        match lease.checked_sub(seen.unchanged) {
            Some(left) if !left.is_zero() => Life::Alive(left),
            _ => Life::Dead,
        }
    }

    /// Forgets `owner`.
    pub(crate) fn forget(&mut self, owner: &str) {
        self.seen.remove(owner);
    }
}

#[cfg(feature = "sqlite")]
pub(crate) use locks::Owners;

#[cfg(feature = "sqlite")]
mod locks {
    use super::new_name;
    use crate::base::sync::locked;
    use crate::durable::store::files::{self, Inode};
    use crate::durable::store::{Liveness, StoreError};
    use std::collections::HashSet;
    use std::fs::{File, OpenOptions, TryLockError};
    use std::path::{Path, PathBuf};
    use std::sync::Mutex;
    use std::thread;
    use std::time::Duration;

    /// The number of tries to lock the own file, while others look whether this process is dead.
    const TRIES: u32 = 1_000;

    /// The locks of the processes that share one store, and the one of this process.
    #[derive(Debug)]
    pub(crate) struct Owners {
        dir: PathBuf,
        own: String,
        /// The process that joined: a fork's child has a copy, which is not its own.
        process: u32,
        /// The own file, and before it those that were at its path earlier: the own row may still name one of them,
        /// and closing that would mean that this owner is dead. Empty for an observer of the store.
        locks: Mutex<Vec<File>>,
    }

    fn file_name(owner: &str) -> Option<String> {
        let is_plain = owner.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        (is_plain && !owner.is_empty()).then(|| format!("{owner}.lock"))
    }

    /// Makes the file of `owner`, locks it, and looks whether it is still the one at its path.
    fn hold(dir: &Path, owner: &str) -> Result<File, StoreError> {
        let path = dir.join(file_name(owner).unwrap_or_default());
        for _ in 0..TRIES {
            match files::try_lock(&path, false, files::open_file) {
                Ok(Some(file)) => return Ok(file),
                // Another process is looking whether this one is dead.
                Ok(None) => thread::sleep(Duration::from_millis(1)),
                Err(error) => return Err(files::failed(&path)(error)),
            }
        }
        let words = format!("its owner lock {}: other processes keep it locked", path.display());
        Err(StoreError::Unavailable(words))
    }

    impl Owners {
        /// Joins the processes whose locks are in `dir`.
        pub(crate) fn join(dir: PathBuf) -> Result<Self, StoreError> {
            files::prepare(&dir, true)?;
            let own = new_name();
            let locks = Mutex::new(vec![hold(&dir, &own)?]);
            Ok(Self { dir, own, process: std::process::id(), locks })
        }

        /// Judges the processes whose locks are in `dir`, without joining them.
        pub(crate) fn look(dir: PathBuf) -> Self {
            Self { dir, own: String::new(), process: std::process::id(), locks: Mutex::default() }
        }

        /// Returns whether `dir` has nothing but the locks of owners.
        pub(crate) fn are_all_in(dir: &Path) -> bool {
            let is_lock = |path: PathBuf| path.extension().is_some_and(|end| end == "lock");
            std::fs::read_dir(dir).is_ok_and(|entries| entries.flatten().all(|entry| is_lock(entry.path())))
        }

        pub(crate) fn own(&self) -> &str {
            &self.own
        }

        /// Returns the inode of the own file, for the own row.
        pub(crate) fn inode(&self) -> Option<Inode> {
            let locks = locked(&self.locks);
            locks.last().and_then(files::inode_of)
        }

        /// Makes the own file again if it was removed or replaced: once the own row names it, other processes can judge
        /// this one by its lock again.
        pub(crate) fn keep(&self) {
            let mut locks = locked(&self.locks);
            let (Some(name), Some(lock)) = (file_name(&self.own), locks.last()) else { return };
            if !files::is_at(lock, &self.dir.join(name))
                && let Ok(file) = hold(&self.dir, &self.own)
            {
                locks.push(file);
            }
        }

        /// Removes the files of the dead that have no row in `named`, each under its own lock: no record is judged by
        /// them, and their names are never used again.
        pub(crate) fn clear(&self, named: &HashSet<String>) {
            let Ok(entries) = std::fs::read_dir(&self.dir) else { return };
            for path in entries.filter_map(|entry| Some(entry.ok()?.path())) {
                let owner = path.file_stem().and_then(|owner| owner.to_str());
                let is_named = owner.is_none_or(|owner| owner == self.own || named.contains(owner));
                if is_named || path.extension().is_none_or(|end| end != "lock") {
                    continue;
                }
                files::remove_unlocked(&path, |_| true);
            }
        }

        /// Returns whether the process of `owner`, whose row names the file `named`, lives, judged by its lock.
        pub(crate) fn liveness(&self, owner: &str, named: Option<Inode>) -> Liveness {
            if owner == self.own {
                return Liveness::Alive;
            }
            let Some(name) = file_name(owner) else { return Liveness::Unknown };
            let path = self.dir.join(name);
            // Opening a pipe waits for whoever has its other end.
            if !std::fs::metadata(&path).is_ok_and(|found| found.is_file()) {
                return Liveness::Unknown;
            }
            // An observer without write access can lock a file that is open for reading, if the system allows that.
            let opened = OpenOptions::new().write(true).open(&path).or_else(|_| File::open(&path));
            let Ok(file) = opened else { return Liveness::Unknown };
            let tried = file.try_lock();
            // Not only closed: a process that was forked meanwhile has the descriptor, too, and the owner would seem to
            // live for as long as that one does.
            let _ = file.unlock();
            match tried {
                // While that process lives it has its file open, and no other file can have the inode.
                Ok(()) if named.is_some() && files::inode_of(&file) == named => Liveness::Dead,
                Err(TryLockError::WouldBlock) => Liveness::Alive,
                _ => Liveness::Unknown,
            }
        }

        /// Returns whether some process holds the lock of `owner`, which has no row.
        pub(crate) fn holds_lock(&self, owner: &str) -> bool {
            self.liveness(owner, None) == Liveness::Alive
        }
    }

    impl Drop for Owners {
        fn drop(&mut self) {
            if let Some(name) = file_name(&self.own).filter(|_| self.process == std::process::id()) {
                let _ = std::fs::remove_file(self.dir.join(name));
            }
        }
    }
}
