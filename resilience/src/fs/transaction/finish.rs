//! What follows the commit: replacing the files, keeping what was displaced, and removing the journal.
//!
//! Every step looks first at what is there, so that it can be repeated: after an error, and by the process that finishes
//! the transaction of one that has died. A file that is neither the old nor the new content was written by another
//! program without the lock: it is kept as a backup, with an alert.

use super::dir::Dir;
use super::error::TransactionError;
use super::journal::{Entry, Journal};
use super::target::Target;
use crate::event::{AlertLevel, Event, emit};
use crate::fs::{LockGuard, lock_all};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

/// How often the rest of a committed transaction is tried.
const TRIES: u32 = 3;

/// The files of a transaction, and their locks.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) targets: Vec<Target>,
    pub(super) guards: Vec<LockGuard>,
}

impl Files {
    pub(super) fn target_of(&self, entry: &Entry) -> Option<&Target> {
        self.targets.iter().find(|target| target.dir.path == entry.dir && target.name == entry.name)
    }

    pub(super) fn guard_of(&self, target: &Target) -> Option<&LockGuard> {
        self.guards.iter().find(|guard| guard.path() == target.lock_path())
    }

    /// The directory and the path of the journal.
    pub(super) fn journal_of(&self, journal: &Journal) -> Option<(Target, PathBuf)> {
        let first = self.target_of(journal.entries.first()?)?;
        Some((first.clone(), first.dir.path.join(journal.file_name())))
    }

    /// Syncs the directories of `entries`, each once.
    pub(super) fn sync(&self, entries: &[Entry]) -> Result<(), TransactionError> {
        self.dirs(entries)
            .try_for_each(|dir| dir.sync().map_err(|error| TransactionError::failed(&dir.path, &error)))
    }

    fn dirs<'a>(&'a self, entries: &'a [Entry]) -> impl Iterator<Item = &'a Arc<Dir>> {
        let first_of = |at: usize, entry: &Entry| entries.iter().take(at).all(|other| other.dir != entry.dir);
        let firsts = entries.iter().enumerate().filter(move |(at, entry)| first_of(*at, entry));
        firsts.filter_map(|(_, entry)| self.target_of(entry).map(|target| &target.dir))
    }
}

/// Finishes the transaction whose journal is at `path`, whoever has begun it.
pub(super) fn recover(path: &Path, wait: Duration) -> Result<(), TransactionError> {
    let Some(journal) = Journal::read(path)? else { return Ok(()) };
    let targets = journal.entries.iter().map(|entry| Target::at(&entry.dir, &entry.name));
    let targets: Vec<_> = targets.collect::<Result<_, _>>()?;
    let guards = lock_all(targets.iter().map(Target::lock), wait)?;
    // Another process may have finished it before the locks were free.
    let Some(journal) = Journal::read(path)? else { return Ok(()) };
    finish(&Files { targets, guards }, &journal, path)
}

/// Goes forward from the journal at `path`, which is committed.
pub(super) fn finish(files: &Files, journal: &Journal, path: &Path) -> Result<(), TransactionError> {
    let mut tries = 0;
    let reason = loop {
        match forward(files, journal, path) {
            Ok(()) => return Ok(()),
            Err(error) => {
                tries += 1;
                if tries == TRIES {
                    break error.to_string();
                }
                thread::sleep(Duration::from_millis(10));
            }
        }
    };
    alert("a transaction is committed, but not finished: the next one on its files tries again", &reason);
    Err(TransactionError::Unfinished { journal: Some(path.to_owned()), reason })
}

fn forward(files: &Files, journal: &Journal, path: &Path) -> Result<(), TransactionError> {
    let (entries, id) = (&journal.entries, &*journal.id);
    let each = |work: &dyn Fn(&Target, &Entry) -> io::Result<()>| {
        entries.iter().filter_map(|entry| Some((files.target_of(entry)?, entry))).try_for_each(
            |(target, entry)| {
                work(target, entry).map_err(|error| TransactionError::failed(&target.path, &error))
            },
        )
    };
    each(&|target, entry| place(target, entry, id, true).map(drop))?;
    files.sync(entries)?;
    each(&|target, entry| keep(target, entry, id))?;
    if entries.iter().any(|entry| entry.keep > 0) {
        files.sync(entries)?;
    }
    if let Some((first, _)) = files.journal_of(journal) {
        let failed = |error: io::Error| TransactionError::failed(path, &error);
        first.dir.remove(&journal.file_name()).map_err(failed)?;
        first.dir.sync().map_err(failed)?;
    }
    for guard in
        files.guards.iter().filter(|guard| guard.journal().is_some_and(|named| Path::new(&named) == path))
    {
        // A lock that names a journal which is gone is put right by the next transaction.
        let _ = guard.set_journal(None);
    }
    // Older backups are only room on the disk.
    let _ = each(&|target, entry| target.forget_backups(entry.keep));
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
    let rest = target.dir.sync().and_then(|()| keep(target, entry, id));
    rest.map_err(|error| TransactionError::Unfinished { journal: None, reason: error.to_string() })
}

/// Puts the new content in its place, or takes the old one away; whether it could, which after the commit it always can.
fn place(target: &Target, entry: &Entry, id: &str, is_committed: bool) -> io::Result<bool> {
    let (dir, name, temp) = (&target.dir, &*target.name, &*entry.temp);
    let (now, new) = (target.content(name)?, target.content(temp)?);
    if now == entry.old && now != entry.new && new.is_none() && entry.new.is_some() {
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

/// Keeps or removes what was displaced.
fn keep(target: &Target, entry: &Entry, id: &str) -> io::Result<()> {
    for name in [&entry.temp, &target.displaced(id)] {
        let Some(content) = target.content(name)? else { continue };
        let is_foreign = Some(content) != entry.old && Some(content) != entry.new;
        if is_foreign {
            let reason = format!("{} is kept as a backup", target.path.display());
            alert("another program has changed a file of a transaction without the lock", &reason);
        }
        if is_foreign || (entry.keep > 0 && Some(content) == entry.old) {
            target.dir.rename_new(name, &target.backup(target.next_backup()?, id, true))?;
        } else {
            target.dir.remove(name)?;
        }
    }
    // That there was no file is kept as well.
    if entry.old.is_none() && entry.keep > 0 && !target.backups()?.iter().any(|backup| backup.id == id) {
        target.dir.create(&target.backup(target.next_backup()?, id, false))?;
    }
    Ok(())
}

fn alert(message: &'static str, reason: &str) {
    let (point, reason) = ("transaction".into(), reason.to_owned());
    let alert = Event::Alert { point, job: None, level: AlertLevel::Critical, message, reason };
    emit(&alert, None);
}
