//! Reading alerts: the last ones, and following the file across rotations.

use super::alert::{Alert, LINE};
use super::file::{Lock, paths};
use super::place;
use crate::base::files::{self, Inode, inode_of, is_at};
use crate::base::regular_file::open_to_read;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

/// The number of times that a reader tries to get the lock before it reads without it.
const TRIES: u32 = 1_000;
/// The bytes that are read first from the end of a file.
const BLOCK: u64 = 64 << 10;

/// The last alerts of a directory, as [`recent`] found them.
///
/// # Examples
///
/// ```
/// use resilience::alerts;
/// use std::io::Write as _;
/// # let dir = std::env::temp_dir().join(format!("resilience-recent-struct-{}", std::process::id()));
/// # std::fs::create_dir_all(&dir)?;
///
/// let mut file = std::fs::File::create(dir.join("alerts.jsonl"))?;
/// file.write_all(b"{\"timestamp\": \"2026-11-06T08:4")?; // its writer was killed
/// let recent = alerts::recent_in(&dir, 100)?;
/// assert_eq!((recent.alerts.len(), recent.skipped), (0, 1));
/// # std::fs::remove_dir_all(dir)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Recent {
    /// The alerts, oldest first.
    pub alerts: Vec<Alert>,
    /// The number of lines that are no alerts: those of a writer that was killed, or of another program.
    pub skipped: usize,
}

/// Returns the last `limit` alerts of this program, oldest first; `limit` is at least 1 and at most 1,000.
///
/// Reads the file and the rotated ones, which all processes with one state directory share. Lines that
/// are not alerts are skipped and counted. Without a file there are no alerts.
///
/// # Errors
///
/// Those of reading the files, and [`NotFound`](io::ErrorKind::NotFound) if there is no home directory and nothing
/// else says where the alerts are.
///
/// # Examples
///
/// ```
/// use resilience::alerts::{self, AlertLevel};
/// # let _world = resilience::testing::isolate();
/// # let dir = std::env::temp_dir().join(format!("resilience-recent-{}", std::process::id()));
/// # alerts::use_dir(&dir);
///
/// alerts::raise(AlertLevel::Warning, "importer", "the feed is empty", &[]);
/// alerts::raise(AlertLevel::Critical, "importer", "the feed is gone", &[]);
/// let messages: Vec<_> = alerts::recent(100)?.alerts.into_iter().map(|alert| alert.message).collect();
/// assert_eq!(messages, ["the feed is empty", "the feed is gone"]);
/// # std::fs::remove_dir_all(dir)?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn recent(limit: usize) -> io::Result<Recent> {
    recent_in(place::dir()?, limit)
}

/// Returns the last `limit` alerts in the state directory `dir`, which may be that of another program; see [`recent`].
///
/// Only the end of each file is read, in growing blocks, so that the cost follows `limit` and not the size of the
/// files.
///
/// # Errors
///
/// Those of reading the files.
///
/// # Examples
///
/// ```
/// use resilience::alerts;
///
/// assert!(alerts::recent_in("/no/such/directory", 100)?.alerts.is_empty());
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn recent_in(dir: impl AsRef<Path>, limit: usize) -> io::Result<Recent> {
    let (dir, limit) = (dir.as_ref(), limit.clamp(1, 1_000));
    let _lock = (0..TRIES).find_map(|_| {
        let lock = Lock::shared(dir).ok();
        if lock.is_none() {
            std::thread::yield_now();
        }
        lock
    });
    let (mut newest_first, mut skipped) = (Vec::new(), 0);
    for path in paths(dir) {
        let missing = limit.saturating_sub(newest_first.len());
        match open_to_read(&path) {
            Ok(file) if missing > 0 => skipped += last(file, missing, &mut newest_first)?,
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    newest_first.reverse();
    Ok(Recent { alerts: newest_first, skipped })
}

/// Adds the last `most` alerts of `file`, the newest first; returns how many lines are not alerts.
fn last(mut file: File, most: usize, newest_first: &mut Vec<Alert>) -> io::Result<usize> {
    let length = file.metadata()?.len();
    let mut block = BLOCK;
    loop {
        let from = length.saturating_sub(block);
        file.seek(SeekFrom::Start(from))?;
        let mut bytes = Vec::new();
        (&file).take(length - from).read_to_end(&mut bytes)?;
        let mut lines = bytes.split(|byte| *byte == b'\n');
        if from > 0 {
            // The rest of a line that begins before the block.
            lines.next();
        }
        let (mut found, mut skipped) = (Vec::new(), 0);
        for line in lines.rev().filter(|line| !line.is_empty()) {
            if found.len() == most {
                break;
            }
            match Alert::of_line(line) {
                Some(alert) => found.push(alert),
                None => skipped += 1,
            }
        }
        if from == 0 || found.len() == most {
            newest_first.append(&mut found);
            return Ok(skipped);
        }
        block = block.saturating_mul(4);
    }
}

/// The identity of a file: still equal after its name has changed, and different from a file that got its inode later.
type Identity = (Option<Inode>, Vec<u8>);

fn identity(file: &File) -> Identity {
    let mut first = Vec::new();
    let mut start = file;
    if start.seek(SeekFrom::Start(0)).is_ok() {
        let _ = BufReader::new(start.take(LINE as u64)).read_until(b'\n', &mut first);
    }
    (inode_of(file), first)
}

/// A follower of the alerts of a directory: each call of [`next`](Self::next) returns the alerts since the call before.
///
/// Each alert is returned once, also when the file is rotated in between, or renamed by another program: a file is
/// read to its end before the next one is opened. A follower that is five files behind misses what was removed.
///
/// # Examples
///
/// ```
/// use resilience::alerts::{self, AlertLevel, Follower};
/// # let _world = resilience::testing::isolate();
/// # let dir = std::env::temp_dir().join(format!("resilience-follower-{}", std::process::id()));
/// # alerts::use_dir(&dir);
///
/// let mut follower = Follower::new(&dir);
/// assert!(follower.next()?.is_empty());
/// alerts::raise(AlertLevel::Warning, "importer", "the feed is empty", &[]);
/// assert_eq!(follower.next()?[0].message, "the feed is empty");
/// assert!(follower.next()?.is_empty());
/// # std::fs::remove_dir_all(dir)?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct Follower {
    dir: PathBuf,
    /// The file that is read, and where its next line begins.
    at: Option<(File, u64)>,
    /// The files that were read before it, as far as they are still there.
    known: Vec<Identity>,
    skipped: u64,
}

impl Follower {
    /// Creates a follower of the state directory `dir` that returns all alerts of its files first, oldest first.
    ///
    /// It opens nothing; a directory that does not exist yet has no alerts until it does.
    ///
    /// # Examples
    ///
    /// Following from now on, without the present alerts:
    ///
    /// ```
    /// use resilience::alerts::Follower;
    /// # let dir = std::env::temp_dir().join(format!("resilience-follower-new-{}", std::process::id()));
    ///
    /// let mut follower = Follower::new(&dir);
    /// let _known = follower.next()?;
    /// assert!(follower.next()?.is_empty());
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: files::absolute(dir), at: None, known: Vec::new(), skipped: 0 }
    }

    /// Returns the number of lines since the follower was made that are not alerts.
    pub const fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Returns the alerts since the last call, oldest first, without waiting for one; the list may be empty.
    ///
    /// Call it at an interval, such as once a second. While a writer has the lock at the change of files, it returns
    /// nothing, and the next call goes on. Memory is taken for all that has come since the last call.
    ///
    /// # Errors
    ///
    /// Those of reading the files; a later call goes on where the last one ended.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::alerts::{self, AlertLevel, Follower};
    /// # let _world = resilience::testing::isolate();
    /// # let dir = std::env::temp_dir().join(format!("resilience-next-{}", std::process::id()));
    /// # alerts::use_dir(&dir);
    ///
    /// let mut follower = Follower::new(&dir);
    /// for feed in ["prices", "rates"] {
    ///     alerts::raise(AlertLevel::Warning, feed, "the feed is empty", &[]);
    ///     let components: Vec<_> = follower.next()?.into_iter().map(|alert| alert.component).collect();
    ///     assert_eq!(components, [feed], "each alert once");
    /// }
    /// assert_eq!(follower.skipped(), 0);
    /// # std::fs::remove_dir_all(dir)?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[expect(clippy::should_implement_trait, reason = "an iterator would end where this one goes on later")]
    pub fn next(&mut self) -> io::Result<Vec<Alert>> {
        let mut alerts = self.read(false)?;
        if !alerts.is_empty() {
            return Ok(alerts);
        }
        // Nothing is renamed or written while a reader has the lock; while a writer has it, the next call tries
        // again.
        let Ok(_lock) = Lock::shared(&self.dir) else { return Ok(alerts) };
        let newest = paths(&self.dir).into_iter().next().unwrap_or_default();
        if self.at.as_ref().is_some_and(|(file, _)| is_at(file, &newest)) {
            return self.read(false);
        }
        alerts = self.read(true)?;
        for file in self.later()? {
            let is_last = is_at(&file, &newest);
            if let Some((over, _)) = self.at.replace((file, 0)) {
                self.known.push(identity(&over));
            }
            alerts.append(&mut self.read(!is_last)?);
        }
        Ok(alerts)
    }

    /// Opens the files that are newer than the open one, the oldest first.
    fn later(&mut self) -> io::Result<Vec<File>> {
        let mut files = Vec::new();
        for path in paths(&self.dir) {
            match open_to_read(&path) {
                Ok(file) => files.push(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
        let current = self.at.as_ref().map(|(file, _)| identity(file));
        let identities: Vec<_> = files.iter().map(identity).collect();
        self.known.retain(|known| identities.contains(known));
        let is_new = |file: &&Identity| current.as_ref() != Some(*file) && !self.known.contains(file);
        files.truncate(identities.iter().take_while(is_new).count());
        files.reverse();
        Ok(files)
    }

    /// Reads the lines of the open file that are whole; at `the_end` of a file the rest, too.
    fn read(&mut self, the_end: bool) -> io::Result<Vec<Alert>> {
        let Some((file, from)) = &mut self.at else { return Ok(Vec::new()) };
        if file.metadata()?.len() < *from {
            // Another program has emptied it.
            *from = 0;
        }
        file.seek(SeekFrom::Start(*from))?;
        let mut bytes = Vec::new();
        (&*file).read_to_end(&mut bytes)?;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        let whole = if the_end { bytes.len() } else { whole };
        *from += whole as u64;
        bytes.truncate(whole);
        let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let found: Vec<_> = lines.map(Alert::of_line).collect();
        self.skipped += found.iter().filter(|alert| alert.is_none()).count() as u64;
        Ok(found.into_iter().flatten().collect())
    }
}
