//! Backups beside a file: numbered, never dated, because a clock may go back and a number does not.
//!
//! A backup is the very file that was displaced, renamed, so that it costs no copy and has its owner, mode and
//! attributes. Its name has the number, the id of the transaction, and whether there was a file: an empty one with the
//! end `absent` says that there was none.

use super::Transaction;
use super::error::TransactionError;
use super::listing::Listing;
use super::meta::Meta;
use super::session::Session;
use super::target::Target;
use crate::fs::lock::file_stem;
use rustix::fs::fstat;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

/// One backup of a file, which [`backups`] lists and [`restore`] puts back.
///
/// It is an ordinary file beside the original, whose name begins with a dot. Reading it needs no lock; a later
/// transaction may remove it.
///
/// # Examples
///
/// ```
/// use resilience::fs::{Transaction, backups};
///
/// # let dir = std::env::temp_dir().join(format!("resilience-backup-{}", std::process::id()));
/// # std::fs::create_dir_all(&dir).unwrap();
/// # let path = dir.join("settings");
/// Transaction::of(&path).keep(3).apply(|file| file.write("first"))?;
/// Transaction::of(&path).keep(3).apply(|file| file.write("second"))?;
///
/// let [absent, first] = &backups(&path)?[..] else { panic!("two backups") };
/// assert!(!absent.was_there, "before the first change there was no file");
/// assert_eq!(std::fs::read_to_string(&first.path)?, "first");
/// # std::fs::remove_dir_all(dir).unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Backup {
    /// Its number: a later backup has a higher one.
    pub number: u64,
    /// The path of the backup.
    pub path: PathBuf,
    /// Whether there was a file; a backup also records an absent one.
    pub was_there: bool,
}

/// A backup by the parts of its name.
pub(super) struct BackupName {
    number: u64,
    pub(super) id: String,
    pub(super) name: String,
    pub(super) was_there: bool,
}

impl Target {
    /// Returns the backups of the file, the oldest first.
    pub(super) fn backups(&self, listing: &mut Listing) -> io::Result<Vec<BackupName>> {
        let stem = format!(".{}-", file_stem(&self.name));
        let parsed = |name: &String| {
            let (middle, end) = name.strip_prefix(&stem)?.split_once('.')?;
            let was_there = match end.trim_end_matches('_') {
                "backup" => true,
                "absent" => false,
                _ => return None,
            };
            let (number, id) = middle.split_once('-')?;
            // No backup has the last number, which none could follow.
            let number = number.parse().ok().filter(|number| *number < u64::MAX)?;
            Some(BackupName { number, id: id.to_owned(), name: name.clone(), was_there })
        };
        let mut all: Vec<_> = listing.of(&self.dir)?.iter().filter_map(parsed).collect();
        all.sort_by_key(|backup| backup.number);
        Ok(all)
    }

    /// Makes the newest backup, under the name that `make` gets.
    pub(super) fn add_backup(
        &self,
        id: &str,
        was_there: bool,
        listing: &mut Listing,
        make: impl FnOnce(&str) -> io::Result<()>,
    ) -> io::Result<()> {
        let number = self.backups(listing)?.last().map_or(1, |last| last.number + 1);
        let name = self.backup(number, id, was_there);
        make(&name)?;
        listing.of(&self.dir)?.push(name);
        Ok(())
    }

    /// Removes all backups but the newest `keep`, unless none are kept at all: those are of other transactions.
    pub(super) fn forget_backups(&self, keep: u32, listing: &mut Listing) -> io::Result<()> {
        if keep == 0 {
            return Ok(());
        }
        let all = self.backups(listing)?;
        let old = all.len().saturating_sub(keep as usize);
        all.iter().take(old).try_for_each(|backup| self.dir.remove(&backup.name))
    }
}

/// Lists the backups of the file at `path`, the oldest first.
///
/// It takes no lock: during a transaction it may list a backup that is removed right after it. `path` is not followed
/// if it is a link; name the real file.
///
/// # Errors
///
/// If its directory cannot be read.
///
/// # Examples
///
/// ```
/// use resilience::fs::{TransactionError, backups};
///
/// # let dir = std::env::temp_dir().join(format!("resilience-no-backups-{}", std::process::id()));
/// # std::fs::create_dir_all(&dir).unwrap();
/// assert!(backups(dir.join("never changed"))?.is_empty());
/// assert!(matches!(backups(dir.join("no/such/file")), Err(TransactionError::Failed { .. })));
/// # std::fs::remove_dir_all(dir).unwrap();
/// # Ok::<(), TransactionError>(())
/// ```
pub fn backups(path: impl AsRef<Path>) -> Result<Vec<Backup>, TransactionError> {
    let target = Target::resolve(path.as_ref(), false)?;
    let all = target
        .backups(&mut Listing::default())
        .map_err(|error| TransactionError::failed(&target.path, &error))?;
    let backup = |found: BackupName| Backup {
        number: found.number,
        path: target.dir.path.join(found.name),
        was_there: found.was_there,
    };
    Ok(all.into_iter().map(backup).collect())
}

/// Makes the file at `path` again what its backup `number` is: content, owner and mode, or absent.
///
/// It is a transaction: it takes the lock, and keeps what it replaces as the newest backup.
///
/// # Errors
///
/// [`TransactionError::Refused`] if there is no such backup, else same as [`Transaction::run`].
///
/// # Examples
///
/// ```
/// use resilience::fs::{Transaction, backups, restore};
///
/// # let dir = std::env::temp_dir().join(format!("resilience-restore-{}", std::process::id()));
/// # std::fs::create_dir_all(&dir).unwrap();
/// # let path = dir.join("settings");
/// std::fs::write(&path, "old")?;
/// Transaction::of(&path).keep(3).apply(|file| file.write("new"))?;
/// restore(&path, backups(&path)?[0].number)?;
/// assert_eq!(std::fs::read_to_string(&path)?, "old");
/// assert_eq!(backups(&path)?.len(), 2);
/// # std::fs::remove_dir_all(dir).unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn restore(path: impl AsRef<Path>, number: u64) -> Result<(), TransactionError> {
    let mut session = Session::begin(&Transaction::of(path.as_ref()).keep(u32::MAX))?;
    session.edit(|drafts| {
        drafts.iter_mut().try_for_each(|draft| {
            let target = draft.target.clone();
            let failed = |error: io::Error| TransactionError::failed(&target.path, &error);
            let all = target.backups(&mut Listing::default()).map_err(failed)?;
            let Some(backup) = all.into_iter().find(|backup| backup.number == number) else {
                return Err(TransactionError::refused(&target.path, format!("it has no backup {number}")));
            };
            if !backup.was_there {
                draft.remove();
                return Ok(());
            }
            let mut content = Vec::new();
            let file = target.dir.read(&backup.name).map_err(failed)?;
            let mut file = file.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
            file.read_to_end(&mut content).map_err(failed)?;
            let stat = fstat(&file).map_err(|error| failed(error.into()))?;
            draft.meta = Meta::of(&file, &stat).map_err(failed)?;
            draft.write(content).map_err(failed)
        })
    })?;
    session.commit(|| true)
}
