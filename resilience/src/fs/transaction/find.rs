//! Finding what a killed process has left of a transaction, whatever its directories are called by now.
//!
//! A path says only where something was: directories are renamed, exchanged, copied and mounted elsewhere. So the
//! directory of the opened file is searched first, and another one counts as the noted one by its identity
//! ([`DirIdentity`]), or, in a copy, because the lock in it has noted the same. A journal that is not there means "not
//! committed, or finished" only in the directory that was noted; everything else is an error that names it.
//!
//! A copy of a directory has a journal of its own, which is finished there: never with a file of the original.
//!
//! | where the journal is | how it is known |
//! |---|---|
//! | in the directory of the file, whose lock names it | by its name ([`by_name`]) |
//! | in another directory, and the lock names it | by its name in the noted directory, or where that has moved to ([`places_of`]) |
//! | nowhere, and the lock names it | it is over if the noted directory is there without it ([`is_settled`]) |
//! | in the directory of the file, whose lock does not name it | by an entry for the file ([`beside`]) |

use super::dir::{Dir, DirIdentity};
use super::error::TransactionError;
use super::journal::{Direction, Entry, Journal, id_in};
use super::target::Target;
use crate::base::files::own_user;
use crate::base::template::{part, whole};
use crate::fs::LockGuard;
use crate::fs::lock::NamedJournal;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// A committed transaction that is not finished.
#[derive(Debug)]
pub(super) struct Unfinished {
    /// The directory of the journal.
    dir: Arc<Dir>,
    pub(super) path: PathBuf,
    /// The journal, with the present paths of its directories.
    pub(super) journal: Journal,
    pub(super) targets: Vec<Target>,
}

impl Unfinished {
    /// Returns whether it was finished meanwhile.
    pub(super) fn is_over(&self) -> Result<bool, TransactionError> {
        Ok(Journal::read(&self.dir, &self.journal.file_name())?.is_none())
    }
}

/// Returns the transaction that has to be finished before `target` is opened, whose lock is `guard`; `names` are those
/// in its directory.
///
/// A lock that names a journal without need does so no longer.
pub(super) fn unfinished(
    target: &Target,
    guard: &LockGuard,
    names: &[String],
) -> Result<Option<Unfinished>, TransactionError> {
    if let Some(named) = guard.journal() {
        if let Some(found) = by_name(target, &named)? {
            return Ok(Some(found));
        }
        guard.set_journal(None).map_err(|error| TransactionError::failed(guard.path(), &error))?;
    }
    beside(target, names)
}

/// Returns the journal that the lock of `target` names; `None` if that was not committed, or is finished.
fn by_name(target: &Target, named: &NamedJournal) -> Result<Option<Unfinished>, TransactionError> {
    let path = Path::new(&named.path);
    let name = path.file_name().and_then(|name| name.to_str()).filter(|name| id_in(name).is_some());
    let (Some(name), Some(noted)) = (name, path.parent()) else {
        let words = format!("the lock {} names it, and it is not a journal", target.lock_path().display());
        return Err(TransactionError::corrupt(path, words));
    };
    if let Some((journal, owner)) = Journal::read(&target.dir, name)? {
        return located(target.dir.clone(), journal, owner, target).map(Some);
    }
    let mut refusal = None;
    for dir in places_of(&target.dir.path, noted, name) {
        let Some((journal, owner)) = Journal::read(&dir, name)? else { continue };
        match located(dir, journal, owner, target) {
            Ok(found) => return Ok(Some(found)),
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    refusal.map_or_else(|| is_settled(target, named, noted, name).map(|()| None), Err)
}

/// Returns the directories with a journal `name` that may be the one at `noted`, if a directory above it and `from` has
/// another name: the nearest first. The last is `noted` itself.
fn places_of(from: &Path, noted: &Path, name: &str) -> impl Iterator<Item = Arc<Dir>> {
    let above: Vec<_> = noted.ancestors().collect();
    let ends: Vec<_> = above.into_iter().rev().filter_map(|above| noted.strip_prefix(above).ok()).collect();
    let paths = from.ancestors().flat_map(move |above| ends.clone().into_iter().map(|end| above.join(end)));
    paths.filter(move |dir| dir.join(name).symlink_metadata().is_ok()).filter_map(|dir| opened(&dir))
}

/// Opens the directory at `path`, whose links are resolved.
fn opened(path: &Path) -> Option<Arc<Dir>> {
    let real = path.canonicalize().ok()?;
    Dir::open(&real).ok().map(Arc::new)
}

/// The content of a lock file about the directories of the transaction whose journal it names.
#[derive(Debug, Default)]
struct NotedTransaction {
    /// The directory of the journal.
    there: Option<DirIdentity>,
    /// The directory of the lock file, and its path.
    here: Option<(DirIdentity, PathBuf)>,
}

/// Returns the words for a lock file: the directory of the journal, and that of the lock file.
pub(super) fn describe_dirs(there: DirIdentity, here: &Entry) -> Option<String> {
    here.place.map(|place| format!("{there} {place} {}", part(&here.dir.to_string_lossy())))
}

impl NotedTransaction {
    fn of(named: &NamedJournal) -> Self {
        let mut words = named.places.iter().flat_map(|places| places.split(' '));
        let there = words.next().and_then(DirIdentity::parse);
        let here = words.next().and_then(DirIdentity::parse);
        Self { there, here: here.zip(words.next().map(|path| PathBuf::from(whole(path)))) }
    }
}

/// Checks that a journal which is not found was not committed, or is finished.
fn is_settled(target: &Target, named: &NamedJournal, at: &Path, name: &str) -> Result<(), TransactionError> {
    let (NotedTransaction { there, here }, now) = (NotedTransaction::of(named), opened(at));
    let is_beside = there.zip(here.as_ref()).is_some_and(|(there, (here, _))| there.is(*here));
    let is_copy = here.as_ref().is_some_and(|(here, _)| !target.dir.is(*here));
    // Where it is if both directories have moved, or were copied, together.
    let along = here.as_ref().and_then(|(_, here)| along(here, &target.dir.path, at));
    let along = along.filter(|along| along != at).and_then(|along| opened(&along));
    let is_known = |there| {
        target.dir.is(there)
            || now.as_ref().is_some_and(|now| now.is(there))
            || along.as_ref().is_some_and(|along| is_copy || along.is(there))
    };
    let is_apart = is_copy && !is_beside && along.is_none();
    let has_neighbour = |id| target.dir.neighbours().map_or(true, |names| target.has_neighbour(&names, id));
    let needs = || id_in(name).is_some_and(has_neighbour);
    let words = match (&now, is_beside || there.map_or(now.is_some(), is_known)) {
        (_, true) if is_apart && needs() => {
            "is named by a lock in a copy of its directory, which was made before the transaction was finished"
        }
        (_, true) => return Ok(()),
        (None, false) => "the directory of this journal is not there: put it back, then try again",
        (Some(_), false) => {
            "the directory of this journal is not there, and another one has its name: put it back, then try again"
        }
    };
    let lock = target.lock_path();
    let words = format!("{words}; or, if {} is right, remove {}", target.path.display(), lock.display());
    Err(TransactionError::corrupt(&at.join(name), words))
}

/// Returns a journal beside `target` that its lock does not name, because the lock file was removed for example.
fn beside(target: &Target, names: &[String]) -> Result<Option<Unfinished>, TransactionError> {
    for name in names {
        let Some(id) = id_in(name) else { continue };
        match Journal::read(&target.dir, name) {
            // Anyone may put a file into a shared directory.
            Ok(Some((journal, owner)))
                if is_about(&journal, target) && is_trusted(&target.dir, true, owner) =>
            {
                return located(target.dir.clone(), journal, owner, target).map(Some);
            }
            Err(error) if target.has_neighbour(names, id) => return Err(error),
            _ => {}
        }
    }
    Ok(None)
}

/// Returns whether `journal`, which is beside `target`, has an entry for it.
fn is_about(journal: &Journal, target: &Target) -> bool {
    let first = journal.entries.first();
    journal
        .entries
        .iter()
        .any(|entry| entry.name == target.name && first.is_some_and(|first| first.dir == entry.dir))
}

/// Returns whether the user `owner` of a journal could change the files of `dir` without it.
fn is_trusted(dir: &Dir, has_journal: bool, owner: u32) -> bool {
    const STICKY: u32 = 0o1000;
    owner == 0
        || own_user().is_none_or(|own| own == owner)
        || dir
            .status()
            .is_ok_and(|found| found.st_uid == owner || (has_journal && found.st_mode & STICKY == 0))
}

/// Returns the transaction of `journal`, which is in `dir`, with the present places of its files. One of them has to be
/// `target`.
fn located(
    dir: Arc<Dir>,
    mut journal: Journal,
    owner: u32,
    target: &Target,
) -> Result<Unfinished, TransactionError> {
    let path = dir.path.join(journal.file_name());
    let corrupt = |words: String| Err(TransactionError::corrupt(&path, words));
    let Some(first) = journal.entries.first().cloned() else { return corrupt("names no file".to_owned()) };
    let moved = MovedDir { is_copy: is_copy(&dir, &first, &journal), dir: &dir, first: &first, target };
    let mut targets = Vec::new();
    for entry in &mut journal.entries {
        let Some(found) = moved.dir_of(entry, &journal.id) else {
            let words = format!(
                "its file {} is not found: put the directory {} back, then try again",
                entry.name,
                entry.dir.display()
            );
            return corrupt(words);
        };
        if !is_trusted(&found, Arc::ptr_eq(&found, &dir), owner) {
            let words = format!(
                "belongs to user {owner}, who does not own the directory {}: finish it as that user",
                found.path.display()
            );
            return Err(TransactionError::refused(&path, words));
        }
        entry.dir.clone_from(&found.path);
        targets.push(Target::sibling(found, &entry.name));
    }
    if !targets.iter().any(|other| other.is(target)) {
        let words = format!(
            "is named by the lock of {}, which is a copy of one of its files: if that is right, remove {}",
            target.path.display(),
            target.lock_path().display()
        );
        return corrupt(words);
    }
    let is_copy = moved.is_copy;
    let unfinished = Unfinished { dir, path, journal, targets };
    if is_copy { unfinished.with_copies() } else { Ok(unfinished) }
}

/// Returns whether `dir` is a copy of the directory that the journal was written into.
fn is_copy(dir: &Dir, first: &Entry, journal: &Journal) -> bool {
    dir.path != first.dir
        && match first.place {
            Some(noted) => !dir.is(noted),
            None => opened(&first.dir).is_some_and(|other| {
                !other.is_same(dir) && other.stat(&journal.file_name()).is_ok_and(|found| found.is_some())
            }),
        }
}

/// The present and the former place of the directory of a journal.
struct MovedDir<'a> {
    dir: &'a Arc<Dir>,
    first: &'a Entry,
    is_copy: bool,
    target: &'a Target,
}

impl MovedDir<'_> {
    /// Returns the present directory of `entry`; `None` if it is not found.
    fn dir_of(&self, entry: &Entry, id: &str) -> Option<Arc<Dir>> {
        if entry.dir == self.first.dir {
            return Some(self.dir.clone());
        }
        let along = along(&self.first.dir, &self.dir.path, &entry.dir).and_then(|path| opened(&path));
        // The files of the original are none of a copy's business.
        let at_path = (!self.is_copy).then(|| opened(&entry.dir)).flatten();
        if entry.place.is_none() && self.dir.path == self.first.dir {
            return at_path;
        }
        let all: Vec<_> = along.into_iter().chain(at_path).collect();
        let Some(noted) = entry.place else {
            return all.into_iter().find(|dir| names(dir, entry, id).is_some());
        };
        let own = self.target.dir.clone();
        let is_noted = |dir: &&Arc<Dir>| dir.is(noted);
        // The lock in a copy still says which directory it was in.
        let is_copied = |dir: &&Arc<Dir>| {
            let here = names(dir, entry, id).and_then(|named| NotedTransaction::of(&named).here);
            here.is_some_and(|(here, _)| here.is(noted))
        };
        let all: Vec<_> = all.into_iter().chain([own]).collect();
        all.iter().find(is_noted).or_else(|| all.iter().find(is_copied)).cloned()
    }
}

/// Returns what the lock for `entry` in `dir` says about the journal `id`, if it names that.
fn names(dir: &Arc<Dir>, entry: &Entry, id: &str) -> Option<NamedJournal> {
    let named = Target::sibling(dir.clone(), &entry.name).named_journal()?;
    (id_in(Path::new(&named.path).file_name()?.to_str()?) == Some(id)).then_some(named)
}

/// Returns where `other` is if a directory above it has moved as `was` has to `is`.
fn along(was: &Path, is: &Path, other: &Path) -> Option<PathBuf> {
    let (mut was, mut is) = (was, is);
    while was.file_name().is_some() && was.file_name() == is.file_name() {
        (was, is) = (was.parent()?, is.parent()?);
    }
    other.strip_prefix(was).ok().map(|rest| is.join(rest))
}

impl Unfinished {
    /// Checks that the files which the journal needs were copied with it.
    fn with_copies(self) -> Result<Self, TransactionError> {
        for (target, entry) in self.targets.iter().zip(&self.journal.entries) {
            let content = |name: &str| {
                target.content(name).map_err(|error| TransactionError::failed(&target.path, &error))
            };
            let is_there = match self.journal.direction {
                Direction::Forward => {
                    content(&target.name)? == entry.new || content(&entry.temp)? == entry.new
                }
                Direction::Back(_) => entry.old.is_none() || content(&entry.temp)? == entry.old,
            };
            if !is_there && entry.new.is_some() {
                let words = format!(
                    "this journal was copied without the file {} that it needs: compare the files with those that were \
                     copied, then remove it",
                    entry.temp
                );
                return Err(TransactionError::corrupt(&self.path, words));
            }
        }
        Ok(self)
    }
}
