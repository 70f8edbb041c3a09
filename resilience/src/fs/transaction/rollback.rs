//! Files that are changed in place by code which knows nothing of transactions, and put back if it fails.
//!
//! Copies come first, then a journal with their places; both are synced before anything may change. While the
//! journal exists, the files have to be put back (`restore.rs`): by this process, or, if it was killed, by the next
//! process that opens one of them. Removing the journal ends that: the changes stay.

use super::Transaction;
use super::dir::sync;
use super::error::TransactionError;
use super::files::{Files, tried};
use super::journal::{Direction, Entry, Journal, id_in};
use super::listing::Listing;
use super::restore::{meta_of, not_put_back, pairs, put_back};
use super::session::{lock, open};
use super::target::{Draft, Target};
use crate::fs::LockGuard;
use crate::fs::lock::this_process;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The locks of files, and the copies to put them back, while other code changes them in place; see
/// [`Transaction::back_up`].
///
/// Dropping it puts the files back, as [`roll_back`](Self::roll_back) does. In a forked child it does nothing, and its
/// methods fail: the files are those of its parent.
///
/// Until it ends, other transactions on the files wait. A power cut, or a killed process, leaves the journal, by which
/// the next transaction or [`recover`] puts the files back.
///
/// # Examples
///
/// A program that edits a file in place, and leaves it half done:
///
/// ```
/// use resilience::fs::Transaction;
///
/// # let dir = std::env::temp_dir().join(format!("resilience-rollback-{}", std::process::id()));
/// # std::fs::create_dir_all(&dir).unwrap();
/// # let path = dir.join("settings");
/// std::fs::write(&path, "old")?;
/// let rollback = Transaction::of(&path).back_up()?;
/// std::fs::write(&path, "half of the n")?; // the other program
/// let has_succeeded = false; // what its exit status says
/// if has_succeeded {
///     rollback.accept()?;
/// } else {
///     rollback.roll_back()?;
/// }
/// assert_eq!(std::fs::read_to_string(&path)?, "old");
/// # std::fs::remove_dir_all(dir).unwrap();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
#[must_use = "the files are put back when this is dropped"]
pub struct Rollback {
    files: Files,
    journal: Journal,
    stage: Stage,
    keep: u32,
}

#[derive(Debug)]
enum Stage {
    /// Nothing may change before all backups and the journal are on the disk.
    Begins,
    /// The files may change; this is the path of the journal.
    Active(PathBuf),
    Over,
}

impl Transaction {
    /// Backs up the files, and holds their locks while code that knows nothing of transactions changes them in place:
    /// another program, for example.
    ///
    /// If this process is killed, the next transaction on one of the files puts them back first. A child process that
    /// is to change the files inherits duplicates of the [`locks`](Rollback::locks), so that this does not happen while
    /// it still runs.
    ///
    /// # Errors
    ///
    /// Same as [`run`](Self::run); then nothing was changed.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::fs::Transaction;
    ///
    /// # let dir = std::env::temp_dir().join(format!("resilience-back-up-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir).unwrap();
    /// # let (settings, cache) = (dir.join("settings"), dir.join("cache"));
    /// std::fs::write(&settings, "old")?;
    /// let rollback = Transaction::many([&settings, &cache]).back_up()?;
    /// std::fs::write(&settings, "half of the n")?;
    /// std::fs::write(&cache, "new")?;
    /// rollback.roll_back()?;
    /// assert_eq!(std::fs::read_to_string(&settings)?, "old");
    /// assert!(!cache.exists());
    /// # std::fs::remove_dir_all(dir).unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn back_up(&self) -> Result<Rollback, TransactionError> {
        let (id, files) = open(self)?;
        let journal = Journal { id, direction: Direction::Back(this_process()), entries: Vec::new() };
        let mut rollback = Rollback { files, journal, stage: Stage::Begins, keep: self.keep };
        for target in &rollback.files.targets {
            rollback.journal.entries.push(copy(target, &rollback.journal.id, self)?);
        }
        let Some((path, unsynced)) = rollback.files.commit(&rollback.journal)? else {
            return Err(TransactionError::refused("".as_ref(), "a transaction needs a file"));
        };
        rollback.stage = Stage::Active(path.clone());
        match unsynced {
            // Dropped here: nothing has changed yet.
            Some(error) => Err(TransactionError::failed(&path, &error)),
            None => Ok(rollback),
        }
    }
}

impl Rollback {
    /// Returns the locks of the files, for child processes that are to keep them.
    ///
    /// A lock is inherited through a duplicate of its descriptor ([`AsFd`](std::os::fd::AsFd)): while the child has it
    /// open, no other process takes the lock, even if this one is killed.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::fs::Transaction;
    /// use std::os::fd::AsFd;
    ///
    /// # let dir = std::env::temp_dir().join(format!("resilience-rollback-locks-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir).unwrap();
    /// # let path = dir.join("settings");
    /// let rollback = Transaction::of(&path).back_up()?;
    /// let duplicates: Vec<_> =
    ///     rollback.locks().iter().map(|lock| lock.as_fd().try_clone_to_owned()).collect::<Result<_, _>>()?;
    /// assert_eq!(duplicates.len(), 1, "one for each file");
    /// // .. start the child, which inherits them ..
    /// rollback.accept()?;
    /// # std::fs::remove_dir_all(dir).unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn locks(&self) -> &[LockGuard] {
        &self.files.guards
    }

    /// Puts the files back now: content, owner, mode and attributes, or absence. They may be changed again afterwards.
    ///
    /// It is for a second attempt: `restore`, then run the program again under the same locks. What the attempt has
    /// left in the files is not kept.
    ///
    /// # Errors
    ///
    /// What the file system refuses, after three tries, with an alert. Then the files may be partly put back, and the
    /// next transaction on one of them tries again.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::fs::Transaction;
    ///
    /// # let dir = std::env::temp_dir().join(format!("resilience-attempts-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir).unwrap();
    /// # let path = dir.join("settings");
    /// std::fs::write(&path, "old")?;
    /// let rollback = Transaction::of(&path).back_up()?;
    /// std::fs::write(&path, "the first attempt")?;
    /// rollback.restore()?;
    /// assert_eq!(std::fs::read_to_string(&path)?, "old");
    /// std::fs::write(&path, "the second attempt")?;
    /// rollback.accept()?;
    /// assert_eq!(std::fs::read_to_string(&path)?, "the second attempt");
    /// # std::fs::remove_dir_all(dir).unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn restore(&self) -> Result<(), TransactionError> {
        self.files.are_ours()?;
        tried(|| put_back(&self.files, &self.journal, false)).map(drop).inspect_err(not_put_back)
    }

    /// Puts the files back, and releases their locks.
    ///
    /// Dropping the value does the same, but can report an error only by an alert.
    ///
    /// # Errors
    ///
    /// Same as [`restore`](Self::restore).
    pub fn roll_back(mut self) -> Result<(), TransactionError> {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Active(path) => self.end(&path),
            Stage::Begins | Stage::Over => Ok(()),
        }
    }

    fn end(&self, journal: &Path) -> Result<(), TransactionError> {
        self.restore()?;
        self.files.remove(&self.journal, journal)?;
        self.forget();
        Ok(())
    }

    /// Lets the changes stay, once they are on the disk, and releases the locks.
    ///
    /// If the transaction [keeps](Transaction::keep) backups, the former content becomes one, unless the newest
    /// backup is the same.
    ///
    /// # Errors
    ///
    /// What the file system refuses. Then the files are put back, here or by the next transaction on one of them.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::fs::{Transaction, backups};
    ///
    /// # let dir = std::env::temp_dir().join(format!("resilience-accept-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir).unwrap();
    /// # let path = dir.join("settings");
    /// std::fs::write(&path, "old")?;
    /// let rollback = Transaction::of(&path).keep(1).back_up()?;
    /// std::fs::write(&path, "new")?;
    /// rollback.accept()?;
    /// assert_eq!(std::fs::read_to_string(&path)?, "new");
    /// assert_eq!(std::fs::read_to_string(&backups(&path)?[0].path)?, "old");
    /// # std::fs::remove_dir_all(dir).unwrap();
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn accept(mut self) -> Result<(), TransactionError> {
        self.files.are_ours()?;
        let Stage::Active(path) = &self.stage else { return Ok(()) };
        for target in &self.files.targets {
            let synced = target.dir.read(&target.name).and_then(|file| file.as_ref().map_or(Ok(()), sync));
            synced.map_err(|error| TransactionError::failed(&target.path, &error))?;
        }
        if self.keep > 0 {
            let mut listing = Listing::default();
            for (target, entry) in pairs(&self.files, &self.journal) {
                let kept = keep(target, entry, &self.journal.id, &mut listing);
                kept.map_err(|error| TransactionError::failed(&target.path, &error))?;
            }
        }
        self.files.sync(&self.journal.entries)?;
        self.files.remove(&self.journal, path)?;
        self.stage = Stage::Over;
        self.forget();
        let mut listing = Listing::default();
        for target in &self.files.targets {
            // Older backups are only room on the disk.
            let _ = target.forget_backups(self.keep, &mut listing);
        }
        Ok(())
    }

    /// Removes the copies. Those that stay are leftovers, which the next transaction removes.
    fn forget(&self) {
        for target in &self.files.targets {
            let _ = target.dir.remove(&target.before(&self.journal.id));
        }
    }
}

impl Drop for Rollback {
    fn drop(&mut self) {
        match std::mem::replace(&mut self.stage, Stage::Over) {
            _ if self.files.are_ours().is_err() => {}
            Stage::Over => {}
            Stage::Begins => self.forget(),
            // Reported by an alert.
            Stage::Active(path) => drop(self.end(&path)),
        }
    }
}

/// Puts back the files that killed processes had to put back; returns those.
///
/// It also finishes the transactions of killed processes, as every transaction on one of the files does first.
///
/// It waits up to `wait` for their locks. Files without a lock and without a journal
/// beside them have nothing to finish. The replaced content
/// is kept as a backup: it may be the work of another program.
///
/// # Errors
///
/// Same as [`Transaction::run`].
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// # let dir = std::env::temp_dir().join(format!("resilience-recover-{}", std::process::id()));
/// # std::fs::create_dir_all(&dir).unwrap();
/// # let settings = dir.join("settings");
/// let put_back = resilience::fs::recover([&settings], Duration::from_secs(30))?;
/// assert!(put_back.is_empty());
/// # std::fs::remove_dir_all(dir).unwrap();
/// # Ok::<(), resilience::fs::TransactionError>(())
/// ```
pub fn recover<P: AsRef<Path>>(
    paths: impl IntoIterator<Item = P>,
    wait: Duration,
) -> Result<Vec<PathBuf>, TransactionError> {
    let targets = paths.into_iter().map(|path| Target::resolve(path.as_ref(), true));
    let mut targets = targets.collect::<Result<Vec<_>, _>>()?;
    let mut listing = Listing::default();
    let mut has_journal = |target: &Target| {
        listing.of(&target.dir).is_ok_and(|names| names.iter().any(|name| id_in(name).is_some()))
    };
    targets.retain(|target| target.lock_path().exists() || has_journal(target));
    let mut restored = Vec::new();
    lock(&targets, wait, &mut restored)?;
    Ok(restored)
}

/// Makes the copy of one file, and syncs it.
fn copy(target: &Target, id: &str, transaction: &Transaction) -> Result<Entry, TransactionError> {
    let Draft { temp, file, old, .. } = target.copy(target.before(id), transaction)?;
    let synced = file.as_ref().map_or(Ok(()), sync);
    synced.map_err(|error| TransactionError::failed(&target.path, &error))?;
    let (dir, keep) = (target.dir.path.clone(), transaction.keep);
    let place = target.dir.place().map_err(|error| TransactionError::failed(&target.path, &error))?;
    Ok(Entry { dir, place: Some(place), name: target.name.clone(), temp, old, new: old, keep })
}

/// Makes the former content the newest backup, unless that is the same.
fn keep(target: &Target, entry: &Entry, id: &str, listing: &mut Listing) -> io::Result<()> {
    if let Some(newest) = target.backups(listing)?.last() {
        let is_same = match entry.old {
            None => !newest.was_there,
            Some(_) => {
                target.content(&newest.name)? == entry.old
                    && meta_of(target, &newest.name)? == meta_of(target, &entry.temp)?
            }
        };
        if is_same {
            return Ok(());
        }
    }
    target.add_backup(id, entry.old.is_some(), listing, |backup| match entry.old {
        // The copy is needed until the journal is gone.
        Some(_) => target.dir.link(&entry.temp, backup),
        None => target.dir.create(backup).map(drop),
    })
}
