//! Changes of files that happen whole or not at all, in all files or in none.

mod backup;
mod dir;
mod error;
mod files;
mod finish;
mod journal;
#[cfg(all(feature = "serde", feature = "serde_json"))]
mod json;
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

use session::Session;
use std::path::PathBuf;
use std::time::Duration;

/// Edits one or several files so that all changes happen, or none: also after a crash, a full disk, or a power cut.
///
/// The closure edits private copies. If it returns an error or panics, no file was touched. Otherwise the copies replace
/// the files, with owner, group, mode, access lists and extended attributes kept; several files change together by a
/// journal. Once `run` has returned, the change survives a power cut. What a crash has interrupted after the commit is
/// finished by the next transaction on any of the files.
///
/// Each file has a lock beside it (`.<name>-<hash>.lock`), which transactions of all processes take, in a fixed order;
/// other neighbours begin with a dot as well, and never end like the file, so that a program which reads all `*.conf` of
/// a directory sees none of them. A program that changes a file without the lock is noticed: before the commit the
/// transaction fails with `Conflict`, and after it the other content is kept as a backup, with an alert.
///
/// Readers need no lock to see one whole file. It works on Linux, on local file systems. On `tmpfs` nothing survives the
/// power.
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
    options: Options,
}

/// What is set once.
#[derive(Clone, Debug)]
struct Options {
    wait: Duration,
    keep: u32,
    limit: u64,
    follows: bool,
    breaks_links: bool,
}

impl Transaction {
    /// Prepares a transaction on one file, which may be absent. Its directory has to be there.
    pub fn of(path: impl Into<PathBuf>) -> Self {
        Self::many([path])
    }

    /// Prepares a transaction on several files, in one or in several directories or file systems.
    pub fn many<P: Into<PathBuf>>(paths: impl IntoIterator<Item = P>) -> Self {
        let options = Options {
            wait: Duration::from_secs(30),
            keep: 0,
            limit: 1 << 30,
            follows: false,
            breaks_links: false,
        };
        Self { paths: paths.into_iter().map(Into::into).collect(), options }
    }

    /// Edits the file at `path` with the default settings.
    ///
    /// # Errors
    ///
    /// Same as [`run`](Self::run).
    pub fn edit<T, E: From<TransactionError>>(
        path: impl Into<PathBuf>,
        body: impl FnOnce(&mut Draft) -> Result<T, E>,
    ) -> Result<T, E> {
        Self::of(path).apply(body)
    }

    /// Sets how long to wait for the locks of all files together; 30 s by default.
    pub fn wait(mut self, wait: Duration) -> Self {
        self.options.wait = wait;
        self
    }

    /// Sets how many backups of each file are kept beside it; none by default. See [`backups`] and [`restore`].
    pub fn keep(mut self, keep: u32) -> Self {
        self.options.keep = keep;
        self
    }

    /// Sets how many bytes a file may have to be copied; 1 GiB by default.
    pub fn limit(mut self, limit: u64) -> Self {
        self.options.limit = limit;
        self
    }

    /// Sets whether a path that is a link means the file that it leads to, found once at the beginning; otherwise a link
    /// is refused.
    pub fn follow(mut self, follows: bool) -> Self {
        self.options.follows = follows;
        self
    }

    /// Sets whether a file with several hard links may be replaced: the other links then keep the old content. Otherwise
    /// it is refused.
    pub fn break_links(mut self, breaks_links: bool) -> Self {
        self.options.breaks_links = breaks_links;
        self
    }

    /// Runs `body` with a copy of each file, in the order in which they were named, and commits what it has changed.
    ///
    /// A transaction inside of `body` on one of the files is refused at once.
    ///
    /// # Errors
    ///
    /// The body's own, and then no file was touched; or a [`TransactionError`]. Only after
    /// [`Unfinished`](TransactionError::Unfinished) files have changed.
    pub fn run<T, E: From<TransactionError>>(
        &self,
        body: impl FnOnce(&mut [Draft]) -> Result<T, E>,
    ) -> Result<T, E> {
        self.run_unless(body, || true)
    }

    /// Runs `body` with the copy of the first file: that of a transaction on one.
    ///
    /// # Errors
    ///
    /// Same as [`run`](Self::run).
    pub fn apply<T, E: From<TransactionError>>(
        &self,
        body: impl FnOnce(&mut Draft) -> Result<T, E>,
    ) -> Result<T, E> {
        self.run(|files| match files {
            [first, ..] => body(first),
            [] => Err(TransactionError::refused("".as_ref(), "a transaction needs a file").into()),
        })
    }

    /// As [`run`](Self::run), unless `may_commit` says no at the last moment.
    fn run_unless<T, E: From<TransactionError>>(
        &self,
        body: impl FnOnce(&mut [Draft]) -> Result<T, E>,
        may_commit: impl FnOnce() -> bool,
    ) -> Result<T, E> {
        let mut session = Session::begin(&self.paths, &self.options)?;
        let value = session.edit(body)?;
        session.commit(may_commit)?;
        Ok(value)
    }

    /// As [`run`](Self::run), on a thread of its own, so that no reactor waits for the disk.
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
