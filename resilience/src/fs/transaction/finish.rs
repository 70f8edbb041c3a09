//! The work after the commit: replacing the files, keeping the displaced ones, and removing the journal.
//!
//! Every step looks first at the present files, so that it can be repeated: after an error, and by the process that
//! finishes the transaction of a dead process. A file that is neither the old nor the new content was written by
//! another program without the lock: it is kept as a backup, with an alert.

use super::error::TransactionError;
use super::files::{Files, alert, tried};
use super::find::Unfinished;
use super::journal::{Direction, Entry, Journal};
use super::listing::Listing;
use super::restore::put_back_for;
use super::target::Target;
use crate::fs::lock_all;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Finishes the transaction that was `found`, whoever has begun it; returns the files that were put back.
pub(super) fn recover(found: Unfinished, wait: Duration) -> Result<Vec<PathBuf>, TransactionError> {
    let guards = lock_all(found.targets.iter().map(Target::lock), wait)?;
    // Another process may have finished it before the locks were free.
    if found.is_over()? {
        return Ok(Vec::new());
    }
    let Unfinished { path, journal, targets, .. } = found;
    let files = Files { targets, guards };
    match &journal.direction {
        Direction::Forward => finish(&files, &journal, &path).map(|()| Vec::new()),
        Direction::Back(by) => put_back_for(&files, &journal, &path, by),
    }
}

/// Goes forward from the journal at `path`, which is committed.
pub(super) fn finish(files: &Files, journal: &Journal, path: &Path) -> Result<(), TransactionError> {
    tried(|| forward(files, journal, path)).map_err(|error| {
        let reason = error.to_string();
        alert("a transaction is committed, but not finished: the next one on its files tries again", &reason);
        TransactionError::Unfinished { journal: Some(path.to_owned()), reason }
    })
}

fn forward(files: &Files, journal: &Journal, path: &Path) -> Result<(), TransactionError> {
    let (entries, id) = (&journal.entries, &*journal.id);
    let each = |work: &mut dyn FnMut(&Target, &Entry) -> io::Result<()>| {
        entries.iter().filter_map(|entry| Some((files.target_of(entry)?, entry))).try_for_each(
            |(target, entry)| {
                work(target, entry).map_err(|error| TransactionError::failed(&target.path, &error))
            },
        )
    };
    each(&mut |target, entry| place(target, entry, id, true).map(drop))?;
    files.sync(entries)?;
    let mut listing = Listing::default();
    each(&mut |target, entry| keep(target, entry, id, &mut listing))?;
    if entries.iter().any(|entry| entry.keep > 0) {
        files.sync(entries)?;
    }
    files.remove(journal, path)?;
    // Older backups are only room on the disk.
    let mut listing = Listing::default();
    let _ = each(&mut |target, entry| target.forget_backups(entry.keep, &mut listing));
    Ok(())
}

/// Replaces the one file of a transaction without a journal: that is its commit.
pub(super) fn finish_one(files: &Files, entry: &Entry, id: &str) -> Result<(), TransactionError> {
    let Some(target) = files.target_of(entry) else { return Ok(()) };
    let failed = |error: io::Error| TransactionError::failed(&target.path, &error);
    match place(target, entry, id, false) {
        Ok(true) => {}
        outcome => {
            let _ = target.dir.remove(&entry.temp);
            outcome.map_err(failed)?;
            return Err(TransactionError::Conflict { path: target.path.clone() });
        }
    }
    let rest = target.dir.sync().and_then(|()| keep(target, entry, id, &mut Listing::default()));
    rest.map_err(|error| TransactionError::Unfinished { journal: None, reason: error.to_string() })
}

/// Puts the new content in its place, or removes the old one; returns whether it could, which after the commit it
/// always can.
fn place(target: &Target, entry: &Entry, id: &str, is_committed: bool) -> io::Result<bool> {
    let (dir, name, temp) = (&target.dir, &*target.name, &*entry.temp);
    let (now, new) = (target.content(name)?, target.content(temp)?);
    if now == entry.old && now != entry.new && new.is_none() && entry.new.is_some() {
        if !is_committed {
            return Ok(false);
        }
        // Its copy was removed, or another program has put the old content back.
        let reason = format!("{} has its old content", target.path.display());
        alert("the new content of a committed transaction is not there", &reason);
    }
    match entry.new {
        // Already there, or replaced since by a program without the lock.
        Some(_) if now == entry.new || new != entry.new => Ok(true),
        Some(_) => {
            if now.is_none() {
                match dir.rename_new(temp, name) {
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists && is_committed => {}
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(false),
                    renamed => return renamed.map(|()| true),
                }
            }
            dir.exchange(temp, name, &target.displaced(id)).map(|()| true)
        }
        None if now.is_some() && new.is_none() => dir.rename_new(name, temp).map(|()| true),
        None => Ok(true),
    }
}

/// Keeps or removes the displaced file.
fn keep(target: &Target, entry: &Entry, id: &str, listing: &mut Listing) -> io::Result<()> {
    for name in [&entry.temp, &target.displaced(id)] {
        let Some(content) = target.content(name)? else { continue };
        let is_foreign = Some(content) != entry.old && Some(content) != entry.new;
        if is_foreign {
            let reason = format!("{} is kept as a backup", target.path.display());
            alert("another program has changed a file of a transaction without the lock", &reason);
        }
        if is_foreign || (entry.keep > 0 && Some(content) == entry.old) {
            target.add_backup(id, true, listing, |backup| target.dir.rename_new(name, backup))?;
        } else {
            target.dir.remove(name)?;
        }
    }
    // An absent file is recorded as well.
    if entry.old.is_none() && entry.keep > 0 && !target.backups(listing)?.iter().any(|backup| backup.id == id)
    {
        target.add_backup(id, false, listing, |backup| target.dir.create(backup).map(drop))?;
    }
    Ok(())
}
