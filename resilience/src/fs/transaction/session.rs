//! One transaction on its way to the commit.
//!
//! # The order
//!
//! 1. All locks are taken, in the fixed order; a journal that one of them names is finished first.
//! 2. Private copies are made, with the metadata of their files.
//! 3. The caller's code edits the copies.
//! 4. The copies are synced. Locks and files are compared with what they were.
//! 5. The lock files name the journal, and the directories are synced.
//! 6. The journal is written: the commit. From here on the transaction only goes forward (`finish.rs`).
//!
//! One file without backups needs no journal: its replacement is the commit. Before the commit an error, a panic or a
//! drop removes the copies, and no file was touched. In a forked child nothing is committed and nothing removed: the
//! copies are those of its parent.

use super::Transaction;
use super::error::TransactionError;
use super::files::Files;
use super::find::unfinished;
use super::finish::{finish, finish_one, recover};
use super::journal::{Direction, Entry, Journal};
use super::listing::Listing;
use super::target::{Draft, Target};
use crate::base::holding::Holds;
use crate::base::scope;
use crate::fs::{LockError, LockGuard, lock_all};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub(super) struct Session {
    id: String,
    keep: u32,
    files: Files,
    drafts: Vec<Draft>,
    /// The copies belong to the journal, or are gone.
    is_committed: bool,
}

impl Session {
    /// Takes the locks of the files, finishes what earlier transactions have left, and makes the copies.
    pub(super) fn begin(transaction: &Transaction) -> Result<Self, TransactionError> {
        let (id, files) = open(transaction)?;
        let keep = transaction.keep;
        let mut session = Self { id, keep, files, drafts: Vec::new(), is_committed: false };
        for target in &session.files.targets {
            let temp = target.temp(&session.id);
            session.drafts.push(target.copy(temp, transaction)?);
        }
        Ok(session)
    }

    /// Runs the caller's code, which holds the locks.
    pub(super) fn edit<R>(&mut self, body: impl FnOnce(&mut [Draft]) -> R) -> R {
        let _holding: Vec<_> = self.files.guards.iter().map(|guard| scope::holding(guard.number())).collect();
        body(&mut self.drafts)
    }

    /// Makes all changes, or none. `may_commit` is asked at the last moment.
    pub(super) fn commit(mut self, may_commit: impl FnOnce() -> bool) -> Result<(), TransactionError> {
        self.files.are_ours()?;
        let mut changed = Vec::new();
        for draft in &mut self.drafts {
            let new = draft.new_content();
            let new = new.map_err(|error| TransactionError::failed(draft.path(), &error))?;
            if new == draft.old {
                // No entry of the journal names this copy.
                let _ = draft.target.dir.remove(&draft.temp);
            } else {
                changed.push(ready(draft, new, self.keep)?);
            }
        }
        let Some(first) = changed.first() else { return Ok(()) };
        self.check(&changed)?;
        if !may_commit() {
            let reason = "the caller has dropped the transaction before its commit".to_owned();
            return Err(TransactionError::Failed { kind: io::ErrorKind::Interrupted, reason });
        }
        if changed.len() == 1 && self.keep == 0 {
            self.files.sync(&changed)?;
            self.is_committed = true;
            return finish_one(&self.files, first, &self.id);
        }
        let (id, direction) = (self.id.clone(), Direction::Forward);
        self.write(&Journal { id, direction, entries: changed })
    }

    /// Checks that the locks are held, that the files are equal to the copies, of which each may have been read, and
    /// that the copies with the new content are there.
    fn check(&self, changed: &[Entry]) -> Result<(), TransactionError> {
        if let Some(lost) = self.files.guards.iter().find(|guard| !guard.still_ours()) {
            let words = "was removed while the transaction held it: nothing was changed";
            return Err(LockError::refused(lost.path(), words).into());
        }
        for draft in &self.drafts {
            let path = &draft.target.path;
            let failed = |error: io::Error| TransactionError::failed(path, &error);
            if !draft.target.is_unchanged(draft.old, draft.seen).map_err(failed)? {
                return Err(TransactionError::Conflict { path: path.clone() });
            }
            let is_changed = changed.iter().any(|entry| entry.temp == draft.temp);
            if is_changed && !draft.has_copy().map_err(failed)? {
                let words = "its new content was removed by another program: nothing was changed";
                return Err(failed(io::Error::new(io::ErrorKind::NotFound, words)));
            }
        }
        Ok(())
    }

    /// Writes the journal, and goes forward.
    fn write(&mut self, journal: &Journal) -> Result<(), TransactionError> {
        let Some((path, unsynced)) = self.files.commit(journal)? else { return Ok(()) };
        self.is_committed = true;
        match unsynced {
            Some(error) => {
                Err(TransactionError::Unfinished { journal: Some(path), reason: error.to_string() })
            }
            None => finish(&self.files, journal, &path),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if self.is_committed || self.files.are_ours().is_err() {
            return;
        }
        for target in &self.files.targets {
            let _ = target.dir.remove(&target.temp(&self.id));
        }
    }
}

/// Syncs the copy, and returns the change of its file.
fn ready(draft: &mut Draft, new: Option<u128>, keep: u32) -> Result<Entry, TransactionError> {
    let failed = |error: io::Error| TransactionError::failed(&draft.target.path, &error);
    match &draft.file {
        Some(file) => {
            if !draft.meta.may_be_read_again() {
                let words = "the process's mask (`umask`) takes the right to read a new file from its owner, which \
                    transactions need";
                return Err(TransactionError::refused(&draft.target.path, words));
            }
            draft.meta.give(file).map_err(|words| TransactionError::refused(&draft.target.path, words))?;
            super::dir::sync(file).map_err(failed)?;
        }
        None => draft.target.dir.remove(&draft.temp).map_err(failed)?,
    }
    let (dir, name) = (draft.target.dir.path.clone(), draft.target.name.clone());
    let place = Some(draft.target.dir.place().map_err(failed)?);
    Ok(Entry { dir, place, name, temp: draft.temp.clone(), old: draft.old, new, keep })
}

/// Takes the locks of the files, finishes what earlier transactions have left, and draws the id of a new one.
pub(super) fn open(transaction: &Transaction) -> Result<(String, Files), TransactionError> {
    let targets = transaction.paths.iter().map(|path| Target::resolve(path, transaction.follows));
    let targets: Vec<_> = targets.collect::<Result<_, _>>()?;
    for (at, target) in targets.iter().enumerate() {
        if targets.iter().take(at).any(|other| other.is(target)) {
            return Err(TransactionError::refused(&target.path, "it is named twice"));
        }
    }
    let Locked { guards, mut listing } = lock(&targets, transaction.wait, &mut Vec::new())?;
    let files = Files { targets, guards };
    for target in &files.targets {
        // Under the lock, and without a journal: no transaction needs them.
        let cleaned = listing.of(&target.dir).and_then(|names| {
            target.leftovers(names).into_iter().try_for_each(|left| target.dir.remove(left))
        });
        cleaned.map_err(|error| TransactionError::failed(&target.path, &error))?;
        if let Some(guard) = files.guard_of(target) {
            target.adopt(guard.path());
        }
    }
    Ok((format!("{:016x}", RandomState::new().hash_one(std::process::id())), files))
}

/// The locks of files in which nothing is left to finish.
#[derive(Debug)]
pub(super) struct Locked {
    guards: Vec<LockGuard>,
    listing: Listing,
}

/// Takes the locks of `targets`, once nothing is left to finish in them; adds the files that were `put_back`.
pub(super) fn lock(
    targets: &[Target],
    wait: Duration,
    put_back: &mut Vec<PathBuf>,
) -> Result<Locked, TransactionError> {
    let began = Instant::now();
    loop {
        let left = wait.saturating_sub(began.elapsed());
        let guards = lock_all(targets.iter().map(Target::lock), left)?;
        let (mut found, mut listing) = (None, Listing::default());
        for target in targets {
            let failed = |error| TransactionError::failed(&target.dir.path, &error);
            let names = listing.of(&target.dir).map_err(failed)?;
            let path = target.lock_path();
            if let Some(guard) = guards.iter().find(|guard| guard.path() == path) {
                check_format(guard)?;
                found = unfinished(target, guard, names)?;
            }
            if found.is_some() {
                break;
            }
        }
        let Some(found) = found else { return Ok(Locked { guards, listing }) };
        drop(guards);
        put_back.extend(recover(found, wait.saturating_sub(began.elapsed()))?);
    }
}

/// Checks that this version can read what the lock file says.
fn check_format(guard: &LockGuard) -> Result<(), TransactionError> {
    let Some(format) = guard.later_format() else { return Ok(()) };
    let words = format!(
        "a later version of `resilience` has written it, in format {format}, and it may name a transaction that is not \
         finished: open the file with that version, or remove this one once no program uses it"
    );
    Err(TransactionError::refused(guard.path(), words))
}
