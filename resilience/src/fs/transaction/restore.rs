//! Putting files back: what a journal asks for that goes back.
//!
//! Every step looks first at the present files, so that it can be repeated: after an error, and by the process that
//! finds the journal of a killed one.

use super::dir::sync;
use super::error::TransactionError;
use super::files::{Files, alert, raise, tried};
use super::journal::{Entry, Journal};
use super::listing::Listing;
use super::meta::Meta;
use super::target::Target;
use crate::base::digest::hash_of;
use crate::event::AlertLevel;
use rustix::fs::{FileType, fstat};
use std::io::{self, Seek as _};
use std::path::{Path, PathBuf};

/// Puts back the files of the process `by`, which was killed. This process holds their locks, so that process and the
/// children that have inherited them have ended.
pub(super) fn put_back_for(
    files: &Files,
    journal: &Journal,
    path: &Path,
    by: &str,
) -> Result<Vec<PathBuf>, TransactionError> {
    let changed = tried(|| put_back(files, journal, true)).inspect_err(not_put_back)?;
    files.remove(journal, path)?;
    let mut listing = Listing::default();
    for (target, entry) in pairs(files, journal) {
        let _ = target.dir.remove(&entry.temp);
        if !changed.is_empty() {
            let _ = target.forget_backups(entry.keep, &mut listing);
        }
    }
    if !changed.is_empty() {
        let names: Vec<_> = changed.iter().map(|path| path.display().to_string()).collect();
        let process = by.split(' ').next().unwrap_or_default();
        let reason = format!("{}, of process {process}", names.join(", "));
        let message =
            "files were put back that a killed process had let other code change; what was there is a backup";
        raise(AlertLevel::Warning, message, &reason);
    }
    Ok(changed)
}

pub(super) fn not_put_back(error: &TransactionError) {
    let message = "files could not be put back: the next transaction on one of them tries again";
    alert(message, &error.to_string());
}

pub(super) fn pairs<'a>(
    files: &'a Files,
    journal: &'a Journal,
) -> impl Iterator<Item = (&'a Target, &'a Entry)> {
    journal.entries.iter().filter_map(|entry| Some((files.target_of(entry)?, entry)))
}

/// Puts all files back; returns those that had another content. With `keeps`, that content is kept as a backup.
pub(super) fn put_back(
    files: &Files,
    journal: &Journal,
    keeps: bool,
) -> Result<Vec<PathBuf>, TransactionError> {
    let (mut changed, mut listing) = (Vec::new(), Listing::default());
    for (target, entry) in pairs(files, journal) {
        let failed = |error: io::Error| TransactionError::failed(&target.path, &error);
        // The file that an earlier try has displaced.
        clear(target, entry, &journal.id, &mut listing, keeps).map_err(failed)?;
        if !is_as_before(target, entry).map_err(failed)? {
            replace(target, entry, &journal.id).map_err(failed)?;
            clear(target, entry, &journal.id, &mut listing, keeps).map_err(failed)?;
            changed.push(target.path.clone());
        }
    }
    files.sync(&journal.entries)?;
    Ok(changed)
}

/// Returns the metadata of the file `name`; `None` if there is none.
pub(super) fn meta_of(target: &Target, name: &str) -> io::Result<Option<Meta>> {
    let Some(file) = target.dir.read(name)? else { return Ok(None) };
    let stat = fstat(&file)?;
    Meta::of(&file, &stat).map(Some)
}

fn is_as_before(target: &Target, entry: &Entry) -> io::Result<bool> {
    if target.content(&target.name)? != entry.old {
        return Ok(false);
    }
    Ok(entry.old.is_none() || meta_of(target, &target.name)? == meta_of(target, &entry.temp)?)
}

/// Replaces the file by its former content; the present one gets the name of a temporary file.
fn replace(target: &Target, entry: &Entry, id: &str) -> io::Result<()> {
    let (dir, name, temp, draft) = (&target.dir, &*target.name, target.temp(id), target.draft_of_copy(id));
    let is_there = dir.stat(name)?.is_some();
    let Some(old) = entry.old else {
        return if is_there { dir.rename_new(name, &temp) } else { Ok(()) };
    };
    let copy = dir.read(&entry.temp)?;
    let damaged = || {
        let words = format!(
            "the backup of the file is damaged or was removed: restore the file yourself, then remove \
             `.resilience-{id}.journal` beside it or beside the first of the files that were to change together"
        );
        io::Error::new(io::ErrorKind::InvalidData, words)
    };
    let mut copy = copy.ok_or_else(damaged)?;
    let meta = Meta::of(&copy, &fstat(&copy)?)?;
    dir.remove(&draft)?;
    let mut file = dir.create(&draft)?;
    io::copy(&mut copy, &mut file)?;
    file.rewind()?;
    if hash_of(&file)? != old {
        dir.remove(&draft)?;
        return Err(damaged());
    }
    meta.give(&file).map_err(io::Error::other)?;
    sync(&file)?;
    // From here on the file called `temp` is whole: the old content, or the displaced one.
    dir.rename_new(&draft, &temp)?;
    if is_there { dir.exchange(&temp, name, &target.displaced(id)) } else { dir.rename_new(&temp, name) }
}

/// Keeps or removes the displaced file.
fn clear(target: &Target, entry: &Entry, id: &str, listing: &mut Listing, keeps: bool) -> io::Result<()> {
    for name in [target.temp(id), target.displaced(id)] {
        let Some(content) = target.content(&name)? else { continue };
        let is_dir = target
            .dir
            .stat(&name)?
            .is_some_and(|found| FileType::from_raw_mode(found.st_mode) == FileType::Directory);
        if is_dir || (keeps && Some(content) != entry.old) {
            target.add_backup(id, true, listing, |backup| target.dir.rename_new(&name, backup))?;
        } else {
            target.dir.remove(&name)?;
        }
    }
    Ok(())
}
