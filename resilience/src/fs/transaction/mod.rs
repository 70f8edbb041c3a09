//! Changes of files that happen whole or not at all, in all files or in none.
//!
//! # How the parts work together
//!
//! | part | does |
//! |---|---|
//! | `session` | the way to the commit: locks, copies, the caller's code, syncs |
//! | `target` | names the neighbours of one file, copies it, and compares it with the copy |
//! | `dir` | every operation on the disk, through the descriptor of a directory |
//! | `journal` | the promised changes of a commit as text, with a checksum |
//! | `find` | what a killed process has left, whatever its directories are called by now |
//! | `finish` | the work after the commit, by this process or the next one |
//! | `rollback`, `restore` | the other direction: files that are changed in place, and put back |
//! | `backup` | numbered copies of earlier contents |
//!
//! # Invariants
//!
//! - Before the commit no target is touched; after it the transaction only goes forward.
//! - Each step after the commit looks first at the present files, so that any process can repeat it.
//! - A file that no transaction has written is kept as a backup, never overwritten.

mod backup;
mod dir;
mod error;
mod files;
mod find;
mod finish;
mod journal;
#[cfg(all(feature = "serde", feature = "serde_json"))]
mod json;
mod listing;
mod meta;
mod restore;
mod rollback;
mod session;
mod target;
mod thread;

pub use backup::{Backup, backups, restore};
pub use error::TransactionError;
#[cfg(all(feature = "serde", feature = "serde_json"))]
pub use json::Json;
pub use rollback::{Rollback, recover};
pub use target::Draft;

use crate::base::files::absolute;
use session::Session;
use std::path::PathBuf;
use std::time::Duration;

/// A transaction on one or several files: all changes happen, or none, also after a crash, a full disk, or a power cut.
///
/// The closure edits private copies. If it returns an error or panics, no file was touched. Otherwise the copies
/// replace the files, with owner, group, mode, access lists and extended attributes kept; several files change together
/// by a journal. Once `run` has returned, the change survives a power cut. What a crash has interrupted after the
/// commit is finished by the next transaction on any of the files, also where their directories were renamed, or were
/// copied together; if the others are not found, it fails with `Corrupt`, which names the journal.
///
/// Each file has a lock beside it (`.<name>-<hash>.lock`), which transactions of all processes take, in a fixed order;
/// other neighbours begin with a dot as well, and never end like the file, so that a program which reads all `*.conf`
/// of a directory sees none of them. A program that changes a file without the lock is noticed: before the commit the
/// transaction fails with `Conflict`, also if it only reads that file and changes another, and after it the other
/// content is kept as a backup, with an alert.
///
/// Readers need no lock to see one whole file. It works on Linux, on local file systems. On `tmpfs` nothing survives
/// the power.
///
/// See also [`back_up`](Self::back_up) for another program that changes the files in place,
/// [`run_async`](Self::run_async) for async code, and `Draft::edit_json` for single values of a JSON file.
///
/// # Examples
///
/// ```
/// use resilience::fs::{Draft, Transaction, TransactionError};
///
/// # let dir = std::env::temp_dir().join(format!("resilience-transaction-{}", std::process::id()));
/// # std::fs::create_dir_all(&dir).unwrap();
/// # let (task, log) = (dir.join("task.json"), dir.join("log.txt"));
/// Transaction::edit(&task, |file| file.write("{}")).map_err(std::io::Error::from)?;
///
/// let both = Transaction::many([&task, &log]).keep(3);
/// both.run(|files| {
///     let [task, log] = files else { unreachable!("two files") };
///     task.write(r#"{"done": true}"#)?;
///     log.write("done\n")
/// })?;
/// assert_eq!(std::fs::read_to_string(&log)?, "done\n");
///
/// let failed: std::io::Result<()> = both.run(|files| {
///     files[0].remove();
///     Err(std::io::Error::other("on second thought"))
/// });
/// assert!(failed.is_err() && task.exists());
/// # std::fs::remove_dir_all(dir).unwrap();
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "nothing happens before `run`"]
pub struct Transaction {
    paths: Vec<PathBuf>,
    wait: Duration,
    keep: u32,
    limit: u64,
    follows: bool,
    breaks_links: bool,
}

impl Transaction {
    /// Prepares a transaction on one file, which may be absent. Its directory has to exist.
    ///
    /// [`apply`](Self::apply) runs a body with the copy of the file, [`run`](Self::run) with a slice of one;
    /// [`edit`](Self::edit) does both with the default settings.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::fs::Transaction;
    ///
    /// # let dir = std::env::temp_dir().join(format!("resilience-of-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir).unwrap();
    /// let counter = dir.join("counter");
    /// let next = || -> std::io::Result<u32> {
    ///     Transaction::of(&counter).apply(|file| {
    ///         let last: u32 = if file.exists() { file.read_to_string()?.parse().unwrap_or(0) } else { 0 };
    ///         file.write((last + 1).to_string())?;
    ///         Ok(last + 1)
    ///     })
    /// };
    /// assert_eq!([next()?, next()?], [1, 2]);
    /// # std::fs::remove_dir_all(dir).unwrap();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn of(path: impl Into<PathBuf>) -> Self {
        Self::many([path])
    }

    /// Prepares a transaction on several files, in one or in several directories or file systems.
    ///
    /// Naming a file twice is refused by [`run`](Self::run), and so is naming none. A path that is not UTF-8 is
    /// refused, too.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::fs::{Transaction, TransactionError};
    ///
    /// # let dir = std::env::temp_dir().join(format!("resilience-many-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir).unwrap();
    /// let twice = Transaction::many([dir.join("a"), dir.join("a")]);
    /// let refused = twice.run(|_| Ok::<(), TransactionError>(())).unwrap_err();
    /// assert!(refused.to_string().ends_with("it is named twice"));
    /// # std::fs::remove_dir_all(dir).unwrap();
    /// ```
    pub fn many<P: Into<PathBuf>>(paths: impl IntoIterator<Item = P>) -> Self {
        Self {
            paths: paths.into_iter().map(absolute).collect(),
            wait: Duration::from_secs(30),
            keep: 0,
            limit: 1 << 30,
            follows: false,
            breaks_links: false,
        }
    }

    /// Edits the file at `path` with the default settings.
    ///
    /// # Errors
    ///
    /// Same as [`run`](Self::run).
    ///
    /// # Examples
    ///
    /// Adding a line to a file:
    ///
    /// ```
    /// use resilience::fs::Transaction;
    ///
    /// # let dir = std::env::temp_dir().join(format!("resilience-edit-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir).unwrap();
    /// # let path = dir.join("hosts");
    /// std::fs::write(&path, "127.0.0.1 localhost\n")?;
    /// Transaction::edit(&path, |file| -> std::io::Result<()> {
    ///     let before = file.read_to_string()?;
    ///     file.write(before + "10.0.0.7 store\n")
    /// })?;
    /// assert_eq!(std::fs::read_to_string(&path)?.lines().count(), 2);
    /// # std::fs::remove_dir_all(dir).unwrap();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn edit<T, E: From<TransactionError>>(
        path: impl Into<PathBuf>,
        body: impl FnOnce(&mut Draft) -> Result<T, E>,
    ) -> Result<T, E> {
        Self::of(path).apply(body)
    }

    /// Sets how long to wait for the locks of all files together; 30 s by default.
    ///
    /// A shorter timeout around the code ends the wait earlier. Finishing what an earlier transaction has left is part
    /// of it.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// Sets the number of backups of each file that are kept beside it; 0 by default. See [`backups`] and [`restore`].
    ///
    /// They are made of the replaced files, and numbered from 1. Older ones are removed after the commit, when the
    /// newer one is safe. Zero makes none, and leaves those alone that other transactions have made.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::fs::{Transaction, backups};
    ///
    /// # let dir = std::env::temp_dir().join(format!("resilience-keep-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir).unwrap();
    /// # let path = dir.join("settings");
    /// for content in ["one", "two", "three"] {
    ///     Transaction::of(&path).keep(2).apply(|file| file.write(content))?;
    /// }
    /// let kept: Vec<_> = backups(&path)?.iter().map(|backup| backup.number).collect();
    /// assert_eq!(kept, [2, 3], "1 was that there was no file");
    /// # std::fs::remove_dir_all(dir).unwrap();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn keep(mut self, keep: u32) -> Self {
        self.keep = keep;
        self
    }

    /// Sets the most bytes of a file that is copied; 1 GiB by default.
    ///
    /// A larger file is refused before the closure runs. What the closure writes is not limited.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::fs::{Transaction, TransactionError};
    ///
    /// # let dir = std::env::temp_dir().join(format!("resilience-limit-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir).unwrap();
    /// # let path = dir.join("log");
    /// std::fs::write(&path, "0123456789").unwrap();
    /// let too_large = Transaction::of(&path).limit(4).apply(|_| Ok::<(), TransactionError>(())).unwrap_err();
    /// assert!(too_large.to_string().ends_with("it has 10 bytes, and `limit` is 4"));
    /// # std::fs::remove_dir_all(dir).unwrap();
    /// ```
    pub fn limit(mut self, limit: u64) -> Self {
        self.limit = limit;
        self
    }

    /// Sets whether a path that is a link means the file that it leads to, found once at the beginning; otherwise a
    /// link is refused.
    ///
    /// The lock, the copies and the backups are beside the real file. A link that leads nowhere is refused in either
    /// case.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::fs::Transaction;
    ///
    /// # let dir = std::env::temp_dir().join(format!("resilience-follow-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir).unwrap();
    /// # let (real, link) = (dir.join("real"), dir.join("link"));
    /// std::fs::write(&real, "old")?;
    /// std::os::unix::fs::symlink(&real, &link)?;
    ///
    /// let refused: Result<(), std::io::Error> = Transaction::of(&link).apply(|file| file.write("new"));
    /// assert!(refused.is_err());
    /// Transaction::of(&link).follow(true).apply(|file| file.write("new"))?;
    /// assert_eq!(std::fs::read_to_string(&real)?, "new");
    /// assert!(link.is_symlink(), "the link is what it was");
    /// # std::fs::remove_dir_all(dir).unwrap();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn follow(mut self, follows: bool) -> Self {
        self.follows = follows;
        self
    }

    /// Sets whether a file with several hard links may be replaced: the other links then keep the old content.
    /// Otherwise it is refused.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::fs::Transaction;
    ///
    /// # let dir = std::env::temp_dir().join(format!("resilience-links-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir).unwrap();
    /// # let (path, other) = (dir.join("settings"), dir.join("other"));
    /// std::fs::write(&path, "old")?;
    /// std::fs::hard_link(&path, &other)?;
    ///
    /// let edit = |breaks| Transaction::of(&path).break_links(breaks).apply(|file| file.write("new"));
    /// assert!(edit(false).is_err());
    /// edit(true)?;
    /// assert_eq!(std::fs::read_to_string(&other)?, "old", "the other link is a file of its own now");
    /// # std::fs::remove_dir_all(dir).unwrap();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn break_links(mut self, breaks_links: bool) -> Self {
        self.breaks_links = breaks_links;
        self
    }

    /// Runs `body` with a copy of each file, in the order in which they were named, and commits what it has changed.
    ///
    /// A transaction inside of `body` on one of the files is refused at once.
    ///
    /// A copy that the body has not changed is not committed: its file, with its times, stays as it is. It blocks the
    /// thread for the locks, the copies and the syncs; in async code use [`run_async`](Self::run_async).
    ///
    /// # Errors
    ///
    /// The body's own, and then no file was touched; or a [`TransactionError`]. Only after
    /// [`Unfinished`](TransactionError::Unfinished) files have changed.
    ///
    /// # Examples
    ///
    /// Moving an amount between two files, of which no crash leaves one without the other:
    ///
    /// ```
    /// use resilience::fs::Transaction;
    ///
    /// # let dir = std::env::temp_dir().join(format!("resilience-run-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir).unwrap();
    /// # let (from, to) = (dir.join("from"), dir.join("to"));
    /// std::fs::write(&from, "10")?;
    /// std::fs::write(&to, "0")?;
    /// Transaction::many([&from, &to]).run(|files| -> std::io::Result<()> {
    ///     files[0].write("7")?;
    ///     files[1].write("3")
    /// })?;
    /// assert_eq!(std::fs::read_to_string(&to)?, "3");
    /// # std::fs::remove_dir_all(dir).unwrap();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn run<T, E: From<TransactionError>>(
        &self,
        body: impl FnOnce(&mut [Draft]) -> Result<T, E>,
    ) -> Result<T, E> {
        self.run_unless(body, || true)
    }

    /// Runs `body` with the copy of the first file, for a transaction on one.
    ///
    /// The other files of a transaction on several are locked and copied all the same. Without any file it is refused.
    ///
    /// # Errors
    ///
    /// Same as [`run`](Self::run).
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::fs::Transaction;
    /// use std::time::Duration;
    ///
    /// # let dir = std::env::temp_dir().join(format!("resilience-apply-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir).unwrap();
    /// # let path = dir.join("state");
    /// let state = Transaction::of(&path).wait(Duration::from_secs(5)).keep(3);
    /// state.apply(|file| file.write("ready"))?;
    /// assert_eq!(std::fs::read_to_string(&path)?, "ready");
    /// # std::fs::remove_dir_all(dir).unwrap();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn apply<T, E: From<TransactionError>>(
        &self,
        body: impl FnOnce(&mut Draft) -> Result<T, E>,
    ) -> Result<T, E> {
        self.run(|files| match files {
            [first, ..] => body(first),
            [] => Err(TransactionError::refused("".as_ref(), "a transaction needs a file").into()),
        })
    }

    /// Runs like [`run`](Self::run), unless `may_commit` refuses at the last moment.
    fn run_unless<T, E: From<TransactionError>>(
        &self,
        body: impl FnOnce(&mut [Draft]) -> Result<T, E>,
        may_commit: impl FnOnce() -> bool,
    ) -> Result<T, E> {
        let mut session = Session::begin(self)?;
        let value = session.edit(body)?;
        session.commit(may_commit)?;
        Ok(value)
    }

    /// Runs like [`run`](Self::run), on a thread of its own, so that no reactor waits for the disk.
    ///
    /// A future that is dropped before the commit rolls back; after it the transaction finishes without its caller, and
    /// holds the locks until then.
    ///
    /// # Errors
    ///
    /// Same as [`run`](Self::run); `Failed` if the thread could not be started.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::fs::Transaction;
    ///
    /// # let dir = std::env::temp_dir().join(format!("resilience-run-async-{}", std::process::id()));
    /// # std::fs::create_dir_all(&dir).unwrap();
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let path = dir.join("state");
    /// Transaction::of(&path).run_async(|files| files[0].write("new")).await?;
    /// assert_eq!(std::fs::read_to_string(path)?, "new");
    /// # Ok::<(), std::io::Error>(())
    /// # }).unwrap();
    /// # std::fs::remove_dir_all(dir).unwrap();
    /// ```
    pub async fn run_async<T, E>(
        self,
        body: impl FnOnce(&mut [Draft]) -> Result<T, E> + Send + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<TransactionError> + Send + 'static,
    {
        let work = move |may_commit: &dyn Fn() -> bool| self.run_unless(body, may_commit);
        match thread::run(work).await {
            Ok(outcome) => outcome,
            Err(error) => {
                let reason = format!("the thread of a transaction: {error}");
                Err(TransactionError::Failed { kind: error.kind(), reason }.into())
            }
        }
    }
}
