//! One file of a transaction: its place, the names of its neighbours, and the private copy.

use super::Transaction;
use super::dir::{Dir, Seen};
use super::error::TransactionError;
use super::journal::{Content, id_in};
use super::meta::{Meta, unreplaceable};
use crate::base::digest::hash_of;
use crate::fs::lock::{FileLock, NamedJournal, file_stem, journal_named_in};
use rustix::fs::{FileType, fstat};
use rustix::io::Errno;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The number of tries to copy a file that changes during the copy.
const TRIES: u32 = 3;

/// A file, by the descriptor of its directory and its name there.
#[derive(Clone, Debug)]
pub(super) struct Target {
    pub(super) dir: Arc<Dir>,
    pub(super) name: String,
    pub(super) path: PathBuf,
}

impl Target {
    /// Returns the file at `path`, whose directory has to exist; with `follows`, the file that a link leads to.
    pub(super) fn resolve(path: &Path, follows: bool) -> Result<Self, TransactionError> {
        let failed = |error: io::Error| TransactionError::failed(path, &error);
        let real =
            if follows && path.exists() { path.canonicalize().map_err(failed)? } else { path.to_owned() };
        let Some(name) = real.file_name() else {
            return Err(TransactionError::refused(path, "it names no file"));
        };
        let dir = real.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let dir = dir.canonicalize().map_err(failed)?;
        let (Some(name), Some(_)) = (name.to_str(), dir.to_str()) else {
            return Err(TransactionError::refused(path, "its path is not valid UTF-8"));
        };
        let opened = Dir::open(&dir).map_err(|error| TransactionError::failed(&dir, &error))?;
        Ok(Self::sibling(Arc::new(opened), name))
    }

    /// Returns the file `name` in the directory `dir`.
    pub(super) fn sibling(dir: Arc<Dir>, name: &str) -> Self {
        let path = dir.path.join(name);
        Self { dir, name: name.to_owned(), path }
    }

    /// Returns whether both are one file, by whatever path.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.name == other.name && self.dir.is_same(&other.dir)
    }

    /// Returns the name of a neighbour: it begins with a dot, never ends like the target, and fits whatever the
    /// target's name.
    fn neighbour(&self, middle: &str, end: &str) -> String {
        let is_same = Path::new(&self.name).extension().is_some_and(|extension| extension == end);
        let end = if is_same { format!("{end}_") } else { end.to_owned() };
        format!(".{}{middle}.{end}", file_stem(&self.name))
    }

    pub(super) fn temp(&self, id: &str) -> String {
        self.neighbour(&format!("-{id}"), "new")
    }

    /// Returns the name of a journal until it is whole.
    pub(super) fn draft_of_journal(&self, id: &str) -> String {
        self.neighbour(&format!("-{id}-journal"), "new")
    }

    /// Returns the name of the copy from which a rollback puts the file back.
    pub(super) fn before(&self, id: &str) -> String {
        self.neighbour(&format!("-{id}-before"), "old")
    }

    /// Returns the name of a copy of that copy until it is whole.
    pub(super) fn draft_of_copy(&self, id: &str) -> String {
        self.neighbour(&format!("-{id}-copy"), "new")
    }

    /// Returns the name of the old file for a moment, if two files cannot be exchanged at once.
    pub(super) fn displaced(&self, id: &str) -> String {
        self.neighbour(&format!("-{id}"), "old")
    }

    /// Returns the name of a backup; an absent file has an empty one with another end.
    pub(super) fn backup(&self, number: u64, id: &str, was_there: bool) -> String {
        self.neighbour(&format!("-{number:08}-{id}"), if was_there { "backup" } else { "absent" })
    }

    /// Returns the lock beside it.
    pub(super) fn lock(&self) -> FileLock {
        FileLock::at(self.lock_path())
    }

    pub(super) fn lock_path(&self) -> PathBuf {
        self.dir.path.join(self.lock_name())
    }

    fn lock_name(&self) -> String {
        self.neighbour("", "lock")
    }

    /// Returns the journal that the lock beside it names, whoever holds that.
    pub(super) fn named_journal(&self) -> Option<NamedJournal> {
        self.dir.read(&self.lock_name()).ok().flatten().and_then(|lock| journal_named_in(&lock))
    }

    /// Returns whether a file beside it, of those called `names`, belongs to the transaction `id`.
    pub(super) fn has_neighbour(&self, names: &[String], id: &str) -> bool {
        let stem = format!(".{}-", file_stem(&self.name));
        names.iter().any(|name| name.strip_prefix(&stem).is_some_and(|rest| rest.contains(id)))
    }

    fn failed(&self) -> impl Fn(io::Error) -> TransactionError {
        |error| TransactionError::failed(&self.path, &error)
    }

    /// Returns the content of the file `name` beside it, or of itself.
    ///
    /// Anything but a file, such as a link or a directory, has a content that no transaction has seen.
    pub(super) fn content(&self, name: &str) -> io::Result<Content> {
        const NO_FILE: Content = Some(u128::MAX);
        let read = self.dir.read(name).and_then(|file| file.map(hash_of).transpose());
        match read {
            Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => Ok(NO_FILE),
            Err(error) if error.kind() == io::ErrorKind::IsADirectory => Ok(NO_FILE),
            read => read,
        }
    }

    /// Returns the neighbours, of the files called `names`, that uncommitted transactions have left behind.
    pub(super) fn leftovers<'a>(&self, names: &'a [String]) -> Vec<&'a String> {
        let (stem, ends) = (format!(".{}-", file_stem(&self.name)), [".new", ".old", ".new_", ".old_"]);
        // A lock file that was removed names no journal: a journal that exists needs its files all the same.
        let needed: Vec<_> = names.iter().filter_map(|name| id_in(name)).collect();
        let is_left = |name: &String| name.starts_with(&stem) && ends.iter().any(|end| name.ends_with(end));
        let is_needed = |name: &String| needed.iter().any(|id| name.contains(id));
        names.iter().filter(|name| is_left(name) && !is_needed(name)).collect()
    }

    /// Sets owner, group and mode of the lock file and its turn to those of the target, so that its writers may lock
    /// it.
    pub(super) fn adopt(&self, lock: &Path) {
        let Ok(Some(target)) = self.dir.stat(&self.name) else { return };
        let Some(name) = lock.file_name().and_then(|name| name.to_str()) else { return };
        for name in [name.to_owned(), format!("{name}.turn")] {
            if let Ok(Some(found)) = self.dir.stat(&name) {
                self.dir.adopt(&name, &found, &target);
            }
        }
    }

    /// Makes a private copy called `temp`; nothing is made of a file that is not there.
    ///
    /// What could not be kept of the file is refused here, before the caller's code runs.
    pub(super) fn copy(&self, temp: String, transaction: &Transaction) -> Result<Draft, TransactionError> {
        for _ in 0..TRIES {
            let Some(mut source) = self.checked(transaction)? else {
                let (target, meta) = (self.clone(), Meta::default());
                return Ok(Draft { target, temp, file: None, meta, old: None, seen: None });
            };
            let before = fstat(&source).map_err(|error| self.failed()(error.into()))?;
            let seen = Seen::of(&before);
            if seen.size > transaction.limit {
                let words = format!("it has {} bytes, and `limit` is {}", seen.size, transaction.limit);
                return Err(TransactionError::refused(&self.path, words));
            }
            if self.dir.free().map_err(self.failed())? < seen.size {
                return Err(self.failed()(io::ErrorKind::StorageFull.into()));
            }
            let meta = Meta::of(&source, &before).map_err(self.failed())?;
            let mut file = self.dir.create(&temp).map_err(self.failed())?;
            let copied =
                io::copy(&mut (&mut source).take(transaction.limit), &mut file).map_err(self.failed())?;
            let hash = |mut file: &File| file.rewind().and_then(|()| hash_of(file)).map_err(self.failed());
            let (one, other) = (hash(&source)?, hash(&file)?);
            meta.give(&file).map_err(|words| TransactionError::refused(&self.path, words))?;
            let now = self.dir.stat(&self.name).map_err(self.failed())?;
            if copied == seen.size && one == other && now.is_some_and(|now| Seen::of(&now) == seen) {
                let (target, file, old, seen) = (self.clone(), Some(file), Some(one), Some(seen));
                return Ok(Draft { target, temp, file, meta, old, seen });
            }
            self.dir.remove(&temp).map_err(self.failed())?;
        }
        Err(TransactionError::Conflict { path: self.path.clone() })
    }

    /// Opens the file for reading, once it is known that it can be replaced.
    fn checked(&self, transaction: &Transaction) -> Result<Option<File>, TransactionError> {
        let refused = |words: &str| Err(TransactionError::refused(&self.path, words));
        let Some(found) = self.dir.stat(&self.name).map_err(self.failed())? else { return Ok(None) };
        match FileType::from_raw_mode(found.st_mode) {
            FileType::RegularFile => {}
            FileType::Symlink if transaction.follows => return refused("it is a link that leads to no file"),
            FileType::Symlink => {
                return refused("it is a link: `follow(true)` edits the file that it leads to");
            }
            FileType::Directory => return refused("it is a directory"),
            _ => return refused("it is not a regular file"),
        }
        if found.st_nlink > 1 && !transaction.breaks_links {
            let words = format!(
                "it has {} hard links, and the others would keep the old content: `break_links(true)` allows that",
                found.st_nlink
            );
            return refused(&words);
        }
        if let Some(words) = unreplaceable(&self.dir.statx(&self.name).map_err(self.failed())?) {
            return refused(words);
        }
        self.dir.read(&self.name).map_err(self.failed())
    }

    /// Checks that the file is equal to its copy.
    pub(super) fn is_unchanged(&self, old: Content, seen: Option<Seen>) -> io::Result<bool> {
        let now = self.dir.stat(&self.name)?.map(|now| Seen::of(&now));
        Ok(now == seen && self.content(&self.name)? == old)
    }
}

/// The private copy of one file of a transaction, to edit.
///
/// A file that is absent has no copy until it is written; a file removed here is absent after the commit. Nothing that
/// is done to a draft shows at the path before the commit, and nothing of it is left if the closure fails.
///
/// # Examples
///
/// ```
/// use resilience::fs::Transaction;
/// use std::io::{Seek, SeekFrom, Write};
///
/// # let dir = std::env::temp_dir().join(format!("resilience-draft-{}", std::process::id()));
/// # std::fs::create_dir_all(&dir).unwrap();
/// # let path = dir.join("log");
/// std::fs::write(&path, "one\n")?;
/// Transaction::edit(&path, |draft| -> std::io::Result<()> {
///     let file = draft.file()?;
///     file.seek(SeekFrom::End(0))?;
///     file.write_all(b"two\n")?;
///     assert_eq!(std::fs::read_to_string(draft.path())?, "one\n", "not before the commit");
///     Ok(())
/// })?;
/// assert_eq!(std::fs::read_to_string(&path)?, "one\ntwo\n");
/// # std::fs::remove_dir_all(dir).unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Draft {
    pub(super) target: Target,
    pub(super) temp: String,
    pub(super) file: Option<File>,
    pub(super) meta: Meta,
    pub(super) old: Content,
    pub(super) seen: Option<Seen>,
}

impl Draft {
    /// Returns the path of the file that is edited, with its directory's links resolved.
    ///
    /// With [`follow`](super::Transaction::follow) it is the file that a link leads to.
    pub fn path(&self) -> &Path {
        &self.target.path
    }

    /// Returns whether there is a file: at first whether there is one at the path, later what the commit will leave
    /// there.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::fs::Transaction;
    ///
    /// # let dir = std::env::temp_dir().join(format!("resilience-exists-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir).unwrap();
    /// Transaction::edit(dir.join("new"), |file| -> std::io::Result<()> {
    ///     assert!(!file.exists());
    ///     file.write("content")?;
    ///     assert!(file.exists());
    ///     file.remove();
    ///     assert!(!file.exists());
    ///     Ok(())
    /// })?;
    /// # std::fs::remove_dir_all(dir).unwrap();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn exists(&self) -> bool {
        self.file.is_some()
    }

    /// Returns the whole content.
    ///
    /// The content includes earlier writes to the draft. All of it is in memory, up to the
    /// [limit](super::Transaction::limit); use [`file`](Self::file) to read parts.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no file, or an error of reading the copy.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::fs::Transaction;
    /// use std::io::ErrorKind;
    ///
    /// # let dir = std::env::temp_dir().join(format!("resilience-draft-read-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir).unwrap();
    /// Transaction::edit(dir.join("new"), |file| -> std::io::Result<()> {
    ///     assert_eq!(file.read().unwrap_err().kind(), ErrorKind::NotFound);
    ///     file.write([0, 159, 146, 150])?;
    ///     assert_eq!(file.read()?, [0, 159, 146, 150]);
    ///     assert_eq!(file.read_to_string().unwrap_err().kind(), ErrorKind::InvalidData);
    ///     Ok(())
    /// })?;
    /// # std::fs::remove_dir_all(dir).unwrap();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn read(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let file = self.file.as_mut().ok_or(io::ErrorKind::NotFound)?;
        file.rewind()?;
        file.read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    /// Returns the whole content as text.
    ///
    /// # Errors
    ///
    /// Same as [`read`](Self::read), and `InvalidData` if it is not valid UTF-8.
    pub fn read_to_string(&mut self) -> io::Result<String> {
        String::from_utf8(self.read()?).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// Replaces the whole content; makes the file if there is none.
    ///
    /// Each call replaces what the one before has written. A new file gets the rights of any file
    /// that this process makes in the directory.
    ///
    /// # Errors
    ///
    /// An error of writing the copy, such as a full disk.
    pub fn write(&mut self, content: impl AsRef<[u8]>) -> io::Result<()> {
        let file = self.file()?;
        file.set_len(0)?;
        file.write_all(content.as_ref())
    }

    /// Returns the open copy, at its beginning, to read and write parts of it; makes the file if there is none.
    ///
    /// It is the file's content before the transaction, unless it was changed or removed here. Each call goes back to
    /// the beginning.
    ///
    /// # Errors
    ///
    /// An error of the file system.
    pub fn file(&mut self) -> io::Result<&mut File> {
        let file = if let Some(file) = self.file.take() {
            file
        } else {
            self.target.dir.remove(&self.temp)?;
            if self.meta.is_of_new() {
                let (file, mode) = self.target.dir.create_new(&self.temp)?;
                self.meta = Meta::of_new(mode);
                file
            } else {
                self.target.dir.create(&self.temp)?
            }
        };
        let file = self.file.insert(file);
        file.rewind()?;
        Ok(file)
    }

    /// Makes the file absent.
    ///
    /// A later [`write`](Self::write) makes an empty file of it again, with its former metadata. Removing an
    /// absent file does nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::fs::Transaction;
    ///
    /// # let dir = std::env::temp_dir().join(format!("resilience-draft-remove-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir).unwrap();
    /// # let (old, new) = (dir.join("old"), dir.join("new"));
    /// std::fs::write(&old, "content")?;
    /// Transaction::many([&old, &new]).run(|files| -> std::io::Result<()> {
    ///     let content = files[0].read()?;
    ///     files[0].remove();
    ///     files[1].write(content)
    /// })?;
    /// assert!(!old.exists() && new.exists(), "both or none");
    /// # std::fs::remove_dir_all(dir).unwrap();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn remove(&mut self) {
        self.file = None;
    }

    /// Returns whether the copy is still the file of its name; true without one.
    pub(super) fn has_copy(&self) -> io::Result<bool> {
        let Some(file) = &self.file else { return Ok(true) };
        let (own, found) = (fstat(file)?, self.target.dir.stat(&self.temp)?);
        Ok(found.is_some_and(|found| (found.st_dev, found.st_ino) == (own.st_dev, own.st_ino)))
    }

    /// Returns the content that the commit will leave there.
    pub(super) fn new_content(&mut self) -> io::Result<Content> {
        let Some(file) = &mut self.file else { return Ok(None) };
        file.rewind()?;
        hash_of(file).map(Some)
    }
}
