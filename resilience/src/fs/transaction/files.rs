//! The files of a transaction with their locks, and writing and removing its journal.

use super::dir::Dir;
use super::error::TransactionError;
use super::find::describe_dirs;
use super::journal::{Entry, Journal};
use super::target::Target;
use crate::base::clock;
use crate::event::{AlertLevel, Event, emit};
use crate::fs::lock::NamedJournal;
use crate::fs::{LockError, LockGuard};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The number of times that the rest of a committed transaction is tried.
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
        let path = target.lock_path();
        self.guards.iter().find(|guard| guard.path() == path)
    }

    /// Checks that this is the process which has taken the locks, and not a forked child.
    pub(super) fn are_ours(&self) -> Result<(), TransactionError> {
        let Some(guard) = self.guards.iter().find(|guard| !guard.is_of_this_process()) else { return Ok(()) };
        let words =
            "is held by the process from which this one was forked: only that one ends the transaction";
        Err(LockError::refused(guard.path(), words).into())
    }

    /// Returns the directory and the path of the journal.
    fn journal_of(&self, journal: &Journal) -> Option<(Target, PathBuf)> {
        let first = self.target_of(journal.entries.first()?)?;
        Some((first.clone(), first.dir.path.join(journal.file_name())))
    }

    /// Syncs the directories of `entries`, each once.
    pub(super) fn sync(&self, entries: &[Entry]) -> Result<(), TransactionError> {
        self.dirs(entries)
            .try_for_each(|dir| dir.sync().map_err(|error| TransactionError::failed(&dir.path, &error)))
    }

    /// Removes the journal at `path`: the transaction is over. After an error it is there as before.
    pub(super) fn remove(&self, journal: &Journal, path: &Path) -> Result<(), TransactionError> {
        if let Some((first, _)) = self.journal_of(journal) {
            let (name, over) = (journal.file_name(), first.draft_of_journal(&journal.id));
            let removed = first.dir.rename_new(&name, &over).and_then(|()| {
                first.dir.sync().inspect_err(|_| {
                    // A power cut could bring it back, after other transactions perhaps: so it is there.
                    let _ = first.dir.rename_new(&over, &name);
                })
            });
            match removed {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(TransactionError::failed(path, &error));
                }
                // A file with such a name counts for nothing.
                _ => drop(first.dir.remove(&over)),
            }
        }
        // By its name: the directory may have had another one.
        let names_it = |guard: &&LockGuard| {
            guard.journal().is_some_and(|named| Path::new(&named.path).file_name() == path.file_name())
        };
        for guard in self.guards.iter().filter(names_it) {
            // A lock that names a journal which is gone is put right by the next transaction.
            let _ = guard.set_journal(None);
        }
        Ok(())
    }

    fn dirs<'a>(&'a self, entries: &'a [Entry]) -> impl Iterator<Item = &'a Arc<Dir>> {
        let first_of = |at: usize, entry: &Entry| entries.iter().take(at).all(|other| other.dir != entry.dir);
        let firsts = entries.iter().enumerate().filter(move |(at, entry)| first_of(*at, entry));
        firsts.filter_map(|(_, entry)| self.target_of(entry).map(|target| &target.dir))
    }
}

impl Files {
    /// Writes the journal, which the locks of its files name before: its path, and why its directory could not be
    /// synced afterwards. `None` if it has no files.
    pub(super) fn commit(
        &self,
        journal: &Journal,
    ) -> Result<Option<(PathBuf, Option<io::Error>)>, TransactionError> {
        let Some((first, path)) = self.journal_of(journal) else { return Ok(None) };
        let named = self.name(journal, Some(&path)).and_then(|()| self.sync(&journal.entries));
        let committed = named.and_then(|()| {
            journal
                .commit(&first.dir, &first.draft_of_journal(&journal.id))
                .map_err(|error| TransactionError::failed(&path, &error))
        });
        match committed {
            Err(error) => {
                // No journal is there: what names it means nothing, and is put right by the next one otherwise.
                let _ = self.name(journal, None);
                Err(error)
            }
            Ok(unsynced) => Ok(Some((path, unsynced))),
        }
    }

    /// Makes the locks of the files in `journal` name it.
    fn name(&self, journal: &Journal, path: Option<&Path>) -> Result<(), TransactionError> {
        let path = path.map(|path| path.to_string_lossy().into_owned());
        let first = journal.entries.first().and_then(|first| first.place);
        for entry in &journal.entries {
            let Some(guard) = self.target_of(entry).and_then(|target| self.guard_of(target)) else {
                continue;
            };
            let places = first.and_then(|first| describe_dirs(first, entry));
            let named = path.clone().map(|path| NamedJournal { path, places });
            guard
                .set_journal(named.as_ref())
                .map_err(|error| TransactionError::failed(guard.path(), &error))?;
        }
        Ok(())
    }
}

/// Tries `work` up to three times: what has to happen may meet an error that passes.
pub(super) fn tried<T>(work: impl Fn() -> Result<T, TransactionError>) -> Result<T, TransactionError> {
    let mut tries = 1;
    loop {
        match work() {
            Err(_) if tries < TRIES => {
                tries += 1;
                clock::sleep(Duration::from_millis(10));
            }
            done => return done,
        }
    }
}

pub(super) fn alert(message: &'static str, reason: &str) {
    raise(AlertLevel::Critical, message, reason);
}

pub(super) fn raise(level: AlertLevel, message: &'static str, reason: &str) {
    let (point, reason) = ("transaction".into(), reason.to_owned());
    emit(&Event::Alert { point, job: None, level, message, reason }, None);
}
