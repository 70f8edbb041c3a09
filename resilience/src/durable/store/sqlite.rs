//! Records in one SQLite file: durable, and shared by any number of processes of one host.
//!
//! One thread of each process writes: it takes whatever is asked for at the moment into one transaction,
//! so that many callers share one `fdatasync`.

use super::rules::{self, Rows};
use super::{Aside, Capabilities, Claim, Claimed, Completion, Cursor, Page, Query, Store, StoreError, Work};
use crate::durable::owner::Owners;
use crate::durable::place;
use crate::durable::record::{Corrupt, Millis, Record, Status};
use rusqlite::{
    Connection, ErrorCode, OpenFlags, OptionalExtension, Transaction, TransactionBehavior, params,
};
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, UNIX_EPOCH};

/// The file in the store's directory.
const FILE: &str = "store.sqlite";
/// The version of the tables; a file of a later one is refused.
const SCHEMA: i64 = 1;
/// How far the fence counter is moved on at each start: claims that were not yet on disk when the power
/// went took numbers below that.
const FENCE_STEP: u64 = 1_000_000;
/// How many operations share one transaction at most.
const BATCH: usize = 512;

const TABLES: &str = "
    CREATE TABLE records (
        key TEXT PRIMARY KEY,
        status INTEGER NOT NULL,
        fence INTEGER NOT NULL,
        cancelled INTEGER NOT NULL,
        completed INTEGER NOT NULL,
        record BLOB NOT NULL
    ) WITHOUT ROWID;
    CREATE INDEX open_records ON records (status, key) WHERE status NOT IN (2);
    CREATE TABLE aside (
        id INTEGER PRIMARY KEY,
        key TEXT NOT NULL,
        at INTEGER NOT NULL,
        why TEXT NOT NULL,
        record BLOB NOT NULL
    );
    CREATE TABLE meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
    INSERT INTO meta VALUES ('fence', 0), ('clock', 0);
";

/// How a store is opened; see [`SqliteStore::options`].
#[derive(Clone, Debug)]
#[must_use]
pub struct SqliteOptions {
    busy: Duration,
    network: bool,
}

impl SqliteOptions {
    /// How long to wait for another process that writes; default 10 s.
    pub const fn busy_timeout(mut self, wait: Duration) -> Self {
        self.busy = wait;
        self
    }

    /// Opens a store on a network file system, too, where several hosts would damage it.
    pub const fn allow_network_fs(mut self) -> Self {
        self.network = true;
        self
    }

    /// Opens the store in `dir`, which is made if it is not there.
    ///
    /// # Errors
    ///
    /// [`StoreError::Refused`] if the directory is somebody else's, others may write to it, it is a link or
    /// on a network file system, or the file is of a later release; else whatever SQLite says.
    pub fn open(self, dir: impl AsRef<Path>) -> Result<SqliteStore, StoreError> {
        let dir = dir.as_ref();
        place::prepare(dir, self.network)?;
        let file = dir.join(FILE);
        place::prepare_file(&file)?;
        let mut writer = connect(&file, self.busy, false)?;
        let reader = connect(&file, self.busy, true);
        migrate(&mut writer)?;
        let owners = Arc::new(Owners::join(&dir.join("owners"))?);
        let shared = Arc::new(Shared {
            clock: AtomicU64::new(0),
            poisoned: AtomicBool::new(false),
            volatile: place::is_volatile(dir),
        });
        let (send, receive) = channel();
        let committer = Committer { writer, receive, owners: owners.clone(), shared: shared.clone() };
        let thread = std::thread::Builder::new().name("resilience-store".into());
        let started = thread.spawn(move || committer.run());
        started.map_err(|error| StoreError::Unavailable(format!("no thread: {error}")))?;
        Ok(SqliteStore {
            dir: dir.to_owned(),
            send: Mutex::new(send),
            reader: Mutex::new(reader?),
            owners,
            shared,
        })
    }
}

/// A store in one SQLite file.
///
/// Write-ahead log with `synchronous=FULL`: what was acknowledged survives `kill -9` and, as far as the
/// disk keeps its word, a power cut. Any number of processes of one host may have it open; each holds a
/// lock beside it, by which the others know at once that it has died.
///
/// # Examples
///
/// ```
/// use resilience::durable::SqliteStore;
///
/// # let dir = std::env::temp_dir().join(format!("resilience-doc-{}", std::process::id()));
/// let store = std::sync::Arc::new(SqliteStore::open(&dir)?);
/// # std::fs::remove_dir_all(&dir).unwrap();
/// # Ok::<(), resilience::durable::StoreError>(())
/// ```
#[derive(Debug)]
pub struct SqliteStore {
    dir: PathBuf,
    send: Mutex<Sender<Job>>,
    reader: Mutex<Connection>,
    owners: Arc<Owners>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// The latest reading of the clock, so that it never goes back.
    clock: AtomicU64,
    /// A write could not be made durable.
    poisoned: AtomicBool,
    volatile: bool,
}

impl Shared {
    /// The time of day on the calling thread, never earlier than before.
    fn now(&self) -> Millis {
        let since = crate::clock::time_of_day().duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = Millis::try_from(since.as_millis()).unwrap_or(Millis::MAX);
        self.clock.fetch_max(now, Ordering::Relaxed).max(now)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn connect(file: &Path, busy: Duration, read_only: bool) -> Result<Connection, StoreError> {
    let flags = if read_only {
        OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX
    } else {
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX
    };
    let connection = Connection::open_with_flags(file, flags).map_err(failed)?;
    connection.busy_timeout(busy).map_err(failed)?;
    connection.set_prepared_statement_cache_capacity(32);
    if !read_only {
        connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
        connection.pragma_update(None, "synchronous", "FULL").map_err(failed)?;
    }
    Ok(connection)
}

/// Makes the tables, or sees that they are those of this release; moves the fences on.
fn migrate(writer: &mut Connection) -> Result<(), StoreError> {
    let tx = writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
    let version: i64 = tx.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(failed)?;
    match version {
        0 => {
            tx.execute_batch(TABLES).map_err(failed)?;
            tx.pragma_update(None, "user_version", SCHEMA).map_err(failed)?;
        }
        SCHEMA => {}
        later => {
            return Err(StoreError::Refused(format!(
                "its tables are of version {later}, this release knows {SCHEMA}: use the release that made it, or a later one"
            )));
        }
    }
    let step = i64::try_from(FENCE_STEP).unwrap_or(0);
    tx.execute("UPDATE meta SET value = value + ?1 WHERE name = 'fence'", [step]).map_err(failed)?;
    tx.commit().map_err(failed)
}

/// What an error of SQLite means for the caller.
#[expect(clippy::needless_pass_by_value, reason = "for `map_err`")]
fn failed(error: rusqlite::Error) -> StoreError {
    const IOERR_FSYNC: i32 = 1034;
    const IOERR_DIR_FSYNC: i32 = 1290;
    let rusqlite::Error::SqliteFailure(code, _) = &error else {
        return StoreError::Unavailable(error.to_string());
    };
    match (code.code, code.extended_code) {
        (_, IOERR_FSYNC | IOERR_DIR_FSYNC) => StoreError::Poisoned,
        (ErrorCode::DiskFull, _) => StoreError::Full,
        (ErrorCode::ReadOnly, _) => StoreError::ReadOnly,
        (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _) => {
            StoreError::Unavailable("another process has it locked".to_owned())
        }
        (ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt, _) => {
            StoreError::Unavailable(format!("its file is damaged ({error}); nothing in it was changed"))
        }
        _ => StoreError::Unavailable(error.to_string()),
    }
}

/// One operation on its way to the committer, and the way its answer goes back.
type Job = Box<dyn FnOnce(&mut Table<'_>) -> Option<Reply> + Send>;
/// Hands the answer out once the transaction is on disk, or the reason why it is not.
type Reply = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

struct Committer {
    writer: Connection,
    receive: Receiver<Job>,
    owners: Arc<Owners>,
    shared: Arc<Shared>,
}

impl Committer {
    fn run(mut self) {
        while let Ok(first) = self.receive.recv() {
            let more = self.receive.try_iter().take(BATCH - 1);
            let batch: Vec<Job> = std::iter::once(first).chain(more).collect();
            self.commit(batch);
        }
    }

    /// Runs the operations of `batch` in one transaction, and answers when it is on disk.
    fn commit(&mut self, batch: Vec<Job>) {
        let mut replies = Vec::with_capacity(batch.len());
        let done = self.transact(batch, &mut replies);
        if done == Err(StoreError::Poisoned) {
            self.shared.poisoned.store(true, Ordering::Release);
        }
        for reply in replies {
            reply(done.clone());
        }
    }

    fn transact(&mut self, batch: Vec<Job>, replies: &mut Vec<Reply>) -> Result<(), StoreError> {
        let poisoned = self.shared.poisoned.load(Ordering::Acquire);
        let tx = match self.writer.transaction_with_behavior(TransactionBehavior::Immediate) {
            Ok(tx) if !poisoned => tx,
            other => {
                let error = other.map_or_else(failed, |_| StoreError::Poisoned);
                let mut table = Table { tx: None, owners: &self.owners, now: 0, is_dirty: false };
                replies.extend(batch.into_iter().filter_map(|job| job(&mut table)));
                return Err(error);
            }
        };
        let mut table = Table { tx: Some(&tx), owners: &self.owners, now: 0, is_dirty: false };
        for job in batch {
            replies.extend(job(&mut table));
        }
        tx.commit().map_err(failed)
    }
}

/// One operation inside the committer's transaction.
struct Table<'a> {
    /// `None` if there is no transaction to be had.
    tx: Option<&'a Transaction<'a>>,
    owners: &'a Owners,
    /// The caller's reading of the clock.
    now: Millis,
    is_dirty: bool,
}

impl<'a> Table<'a> {
    fn tx(&self) -> Result<&'a Transaction<'a>, StoreError> {
        self.tx.ok_or_else(|| StoreError::Unavailable("it cannot be written to right now".to_owned()))
    }

    /// Runs `rule` so that an error leaves nothing of it behind.
    fn whole<T>(&mut self, rule: impl FnOnce(&mut Self) -> Result<T, StoreError>) -> Result<T, StoreError> {
        self.is_dirty = false;
        let tx = self.tx()?;
        tx.prepare_cached("SAVEPOINT one").and_then(|mut save| save.execute([])).map_err(failed)?;
        let result = catch_unwind(AssertUnwindSafe(|| rule(self)))
            .unwrap_or_else(|_| Err(StoreError::Unavailable("a rule panicked".to_owned())));
        if result.is_err() && self.is_dirty {
            tx.prepare_cached("ROLLBACK TO one").and_then(|mut back| back.execute([])).map_err(failed)?;
        }
        tx.prepare_cached("RELEASE one").and_then(|mut release| release.execute([])).map_err(failed)?;
        result
    }
}

fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// The columns of a row, held against the record that they are taken from.
struct Row {
    key: String,
    status: i64,
    fence: i64,
    bytes: Vec<u8>,
}

impl Row {
    const COLUMNS: &'static str = "key, status, fence, record";

    fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self { key: row.get(0)?, status: row.get(1)?, fence: row.get(2)?, bytes: row.get(3)? })
    }

    fn record(&self) -> Result<Record, Corrupt> {
        let record = Record::decode(&self.key, &self.bytes)?;
        let agrees = i64::from(record.status.code()) == self.status && number(record.fence) == self.fence;
        if agrees { Ok(record) } else { Err(Corrupt::Contradiction) }
    }
}

fn get(connection: &Connection, key: &str) -> Result<Option<Record>, StoreError> {
    let sql = "SELECT key, status, fence, record FROM records WHERE key = ?1";
    let row = connection.prepare_cached(sql).map_err(failed)?.query_row([key], Row::read).optional();
    let corrupt = |reason| StoreError::Corrupt { key: key.to_owned(), reason };
    row.map_err(failed)?.map(|row| row.record().map_err(corrupt)).transpose()
}

/// The first text after all that begin with `prefix`, in the order of bytes.
fn end_of(prefix: &str) -> String {
    let mut end: Vec<char> = prefix.chars().collect();
    while let Some(last) = end.pop() {
        // A range of characters steps over what is none.
        if let Some(next) = (last..=char::MAX).nth(1) {
            end.push(next);
            return end.into_iter().collect();
        }
    }
    char::MAX.to_string().repeat(64)
}

impl Rows for Table<'_> {
    fn get(&mut self, key: &str) -> Result<Option<Record>, StoreError> {
        get(self.tx()?, key)
    }

    fn put(&mut self, record: &Record) -> Result<(), StoreError> {
        self.is_dirty = true;
        let sql = "INSERT INTO records (key, status, fence, cancelled, completed, record)
            VALUES (?1, ?2, ?3, ?4, ?5, ?6)
            ON CONFLICT (key) DO UPDATE SET status = ?2, fence = ?3, cancelled = ?4, completed = ?5, record = ?6";
        let values = params![
            record.key,
            record.status.code(),
            number(record.fence),
            record.cancelled,
            number(record.completed),
            record.encode()
        ];
        self.tx()?.prepare_cached(sql).map_err(failed)?.execute(values).map_err(failed).map(drop)
    }

    fn set_aside(&mut self, key: &str, why: &'static str) -> Result<(), StoreError> {
        self.is_dirty = true;
        let sql =
            "INSERT INTO aside (key, at, why, record) SELECT key, ?2, ?3, record FROM records WHERE key = ?1";
        self.tx()?.execute(sql, params![key, number(self.now), why]).map_err(failed)?;
        self.remove(key)
    }

    fn remove_all(&mut self, prefix: &str) -> Result<(), StoreError> {
        self.is_dirty = true;
        let sql = "DELETE FROM records WHERE key >= ?1 AND key < ?2";
        let mut delete = self.tx()?.prepare_cached(sql).map_err(failed)?;
        delete.execute([prefix, &end_of(prefix)]).map_err(failed).map(drop)
    }

    fn remove(&mut self, key: &str) -> Result<(), StoreError> {
        self.is_dirty = true;
        self.tx()?.execute("DELETE FROM records WHERE key = ?1", [key]).map_err(failed).map(drop)
    }

    fn next_fence(&mut self) -> Result<u64, StoreError> {
        self.is_dirty = true;
        let sql = "UPDATE meta SET value = value + 1 WHERE name = 'fence' RETURNING value";
        let fence: i64 = self
            .tx()?
            .prepare_cached(sql)
            .map_err(failed)?
            .query_row([], |row| row.get(0))
            .map_err(failed)?;
        u64::try_from(fence).map_err(|_| StoreError::Unavailable("its fences are used up".to_owned()))
    }

    fn now(&self) -> Millis {
        self.now
    }

    fn is_gone(&self, owner: &str) -> bool {
        self.owners.is_gone(owner)
    }

    fn lease(&mut self, key: &str) -> Result<Option<(Status, u64, bool)>, StoreError> {
        let sql = "SELECT status, fence, cancelled FROM records WHERE key = ?1";
        let mut select = self.tx()?.prepare_cached(sql).map_err(failed)?;
        let row = select.query_row([key], |row| {
            Ok((row.get::<_, u8>(0)?, row.get::<_, i64>(1)?, row.get::<_, bool>(2)?))
        });
        let Some((status, fence, cancelled)) = row.optional().map_err(failed)? else { return Ok(None) };
        let status = Status::from_code(status)
            .ok_or_else(|| StoreError::Corrupt { key: key.to_owned(), reason: Corrupt::Field })?;
        Ok(Some((status, u64::try_from(fence).unwrap_or(0), cancelled)))
    }
}

/// The place where an answer is waited for.
struct Answer<T> {
    state: Mutex<Waiting<T>>,
}

struct Waiting<T> {
    value: Option<Result<T, StoreError>>,
    waker: Option<Waker>,
}

struct Pending<T> {
    answer: Arc<Answer<T>>,
}

impl<T> Answer<T> {
    fn give(&self, value: Result<T, StoreError>) {
        let waker = {
            let mut state = locked(&self.state);
            if state.value.is_none() {
                state.value = Some(value);
            }
            state.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T, StoreError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = locked(&self.answer.state);
        let value = state.value.take();
        if value.is_none() {
            state.waker = Some(cx.waker().clone());
        }
        value.map_or(Poll::Pending, Poll::Ready)
    }
}

impl SqliteStore {
    /// Opens the store in `dir`, which is made if it is not there, for this user alone.
    ///
    /// # Errors
    ///
    /// As [`SqliteOptions::open`].
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, StoreError> {
        Self::options().open(dir)
    }

    /// The options with which a store is opened.
    pub const fn options() -> SqliteOptions {
        SqliteOptions { busy: Duration::from_secs(10), network: false }
    }

    /// The store's directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Has the committer apply `rule`; it is on its way before the future is polled.
    fn apply<T: Send + 'static>(
        &self,
        rule: impl FnOnce(&mut Table<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Work<'_, T> {
        let answer = Arc::new(Answer { state: Mutex::new(Waiting { value: None, waker: None }) });
        let (now, given) = (self.shared.now(), answer.clone());
        let job: Job = Box::new(move |table| {
            table.now = now;
            let result = table.whole(rule);
            let reply: Reply = Box::new(move |committed| given.give(committed.and(result)));
            Some(reply)
        });
        if locked(&self.send).send(job).is_err() {
            answer.give(Err(StoreError::Unavailable("its thread has ended".to_owned())));
        }
        Box::pin(Pending { answer })
    }

    fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Work<'_, T> {
        Box::pin(std::future::ready(read(&locked(&self.reader))))
    }
}

fn list(connection: &Connection, query: &Query) -> Result<Page, StoreError> {
    let statuses: Vec<_> = query.statuses.iter().map(|status| status.code().to_string()).collect();
    let only =
        if statuses.is_empty() { String::new() } else { format!("AND status IN ({})", statuses.join(",")) };
    let is_open = !query.statuses.is_empty() && !query.statuses.contains(&Status::Done);
    // The planner uses a partial index only where its condition is spelled out.
    let open = if is_open { "AND status NOT IN (2)" } else { "" };
    let sql = format!(
        "SELECT {} FROM records WHERE key >= ?1 AND key < ?2 AND key > ?3 {only} {open} ORDER BY key LIMIT ?4",
        Row::COLUMNS
    );
    let mut select = connection.prepare_cached(&sql).map_err(failed)?;
    let size = query.size();
    let limit = i64::try_from(size).unwrap_or(i64::MAX);
    let rows = select
        .query_map(params![query.prefix, end_of(&query.prefix), query.after, limit], Row::read)
        .map_err(failed)?;
    let mut page = Page::default();
    let mut last = None;
    for row in rows {
        let row = row.map_err(failed)?;
        match row.record() {
            Ok(record) => page.records.push(record),
            Err(reason) => page.corrupt.push((row.key.clone(), reason)),
        }
        last = Some(row.key);
    }
    if page.records.len() + page.corrupt.len() == size {
        page.next = last;
    }
    Ok(page)
}

impl Store for SqliteStore {
    fn get<'a>(&'a self, key: &'a str) -> Work<'a, Option<Record>> {
        self.read(|connection| get(connection, key))
    }

    fn claim(&self, claim: Claim) -> Work<'_, Claimed> {
        self.apply(move |table| rules::claim(table, &claim))
    }

    fn renew<'a>(&'a self, key: &'a str, fence: u64, lease: Duration) -> Work<'a, ()> {
        let key = key.to_owned();
        self.apply(move |table| rules::renew(table, &key, fence, lease))
    }

    fn complete(&self, completion: Completion) -> Work<'_, Record> {
        self.apply(move |table| rules::complete(table, &completion))
    }

    fn put_cursor(&self, cursor: Cursor) -> Work<'_, ()> {
        self.apply(move |table| rules::put_cursor(table, &cursor))
    }

    fn release<'a>(&'a self, key: &'a str, fence: u64, status: Status) -> Work<'a, ()> {
        let key = key.to_owned();
        self.apply(move |table| rules::release(table, &key, fence, status))
    }

    fn cas(&self, expected: Option<u64>, record: Record) -> Work<'_, Record> {
        self.apply(move |table| rules::cas(table, expected, record))
    }

    fn list(&self, query: Query) -> Work<'_, Page> {
        self.read(|connection| list(connection, &query))
    }

    fn delete_older_than<'a>(&'a self, prefix: &'a str, before: Millis, limit: usize) -> Work<'a, usize> {
        let prefix = prefix.to_owned();
        self.apply(move |table| {
            table.is_dirty = true;
            let sql = "DELETE FROM records WHERE key IN (
                SELECT key FROM records WHERE key >= ?1 AND key < ?2 AND completed > 0 AND completed < ?3
                    AND status IN (2, 3, 7, 8) LIMIT ?4)";
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            table.tx()?.execute(sql, params![prefix, end_of(&prefix), number(before), limit]).map_err(failed)
        })
    }

    fn remove(&self, key: String, with: Vec<String>) -> Work<'_, bool> {
        self.apply(move |table| rules::remove(table, &key, &with))
    }

    fn aside(&self, limit: usize) -> Work<'_, Vec<Aside>> {
        self.read(|connection| {
            let sql = "SELECT key, at, why, record FROM aside ORDER BY id DESC LIMIT ?1";
            let mut select = connection.prepare_cached(sql).map_err(failed)?;
            let rows = select.query_map([i64::try_from(limit).unwrap_or(i64::MAX)], |row| {
                let at: i64 = row.get(1)?;
                let at = Millis::try_from(at).unwrap_or(0);
                Ok(Aside { key: row.get(0)?, at, why: row.get(2)?, bytes: row.get(3)? })
            });
            rows.and_then(Iterator::collect).map_err(failed)
        })
    }

    fn now(&self) -> Work<'_, Millis> {
        Box::pin(std::future::ready(Ok(self.shared.now())))
    }

    fn capabilities(&self) -> Capabilities {
        let capabilities = Capabilities::new().sees_dead_owners();
        if self.shared.volatile { capabilities } else { capabilities.durable() }
    }

    fn is_gone(&self, owner: &str) -> bool {
        self.owners.is_gone(owner)
    }
}

impl fmt::Debug for Committer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Committer")
    }
}
