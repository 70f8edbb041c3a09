//! Group commit: one writer at a time, and one transaction for all operations that arrive at the same time.
//!
//! Each operation is put in a queue. A caller that blocks its thread anyway commits the queue itself if no other
//! thread is committing; for all others one thread does it. Either way everything that is
//! in the queue goes into one transaction, so that many callers share one sync.
//!
//! # Who commits
//!
//! A lone sync caller pays no switch to another thread; an async one never blocks its runtime. While one transaction is
//! being synced, the next one gathers: with `n` callers a sync is shared by up to `n` operations, 512 at most. When the
//! last transactions were shared, the next one waits up to 200 µs for the crowd to come back, which costs a lone caller
//! nothing.
//!
//! # What an answer means
//!
//! No caller is answered before the transaction is on disk. If the commit fails, all operations of it get the error,
//! and none is half done. A write that failed on the disk poisons the store: SQLite cannot know what is on disk then,
//! so every further operation is refused until the store is opened again.
//!
//! # The log
//!
//! It is moved into the tables after a second without writes, when the store is closed, and by a commit that finds it
//! longer than 8 MiB.
//!
//! # Order
//!
//! Operations are applied in the order in which they were queued. A batch that reaches 8 MiB of records ends early,
//! and the rest goes to the front of the queue. In other processes others wait for the same file: they take turns by
//! a lock beside it, and the one in turn waits for SQLite's own lock by polling, since SQLite's pauses are much
//! longer than a sync.
//!
//! # Panics and forks
//!
//! A rule that panics fails its operation, and the transaction if it had written. The code of an executor that panics
//! when it is woken does not keep the other answers from being given. A fork's child has a copy of the queue and no
//! thread: it asks and commits nothing.

use super::place::{Clocks, StorePlace};
use super::tables::{Table, check_version, compact, failed, fold, fold_long, is_busy, shrink};
use crate::base::block_on;
use crate::base::guarded::contained;
use crate::base::promise::Promise;
use crate::base::sync::locked;
use crate::durable::store::{StoreError, Work};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::fmt;
use std::future::ready;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use std::vec;

/// The most operations that share one transaction.
const BATCH: usize = 512;
/// The bytes of records after which a transaction ends: its log is as long, and a record may have some MiB.
const BATCH_BYTES: usize = 8 << 20;
/// The longest wait for a crowd: about as long as a commit takes.
const PATIENCE: Duration = Duration::from_micros(200);
/// The time for which another process's commit is waited for without sleeping: a few times as long as one takes.
const SPIN: Duration = Duration::from_millis(2);
/// The bytes of the log from which a commit waits for it to be moved into the tables.
const LOG_MOST: u64 = 8 << 20;
/// The growth of the log, as a part of its length, after which that is tried again: a reader may be in the way.
const LOG_STEP: u64 = 4;
/// The time without operations after which the log is moved into the tables.
const REST: Duration = Duration::from_secs(1);

/// An operation on its way into a transaction.
type Operation = Box<dyn FnOnce(&mut Table<'_>) -> Reply + Send>;

/// A function that returns the answer once the transaction is committed, or the reason why it is not.
type Reply = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// The way of all operations of this process into the tables.
#[derive(Debug)]
pub(super) struct Committer {
    shared: Arc<CommitState>,
    /// The process that started the thread: a fork's child has none.
    process: u32,
    thread: Option<JoinHandle<()>>,
}

/// The state that the callers and the thread share. The lock of the queue is held for moments only; that of the writer
/// for a whole commit, and never taken by a caller that must not block.
struct CommitState {
    queue: Mutex<Queue>,
    arrived: Condvar,
    writer: Mutex<Writer>,
}

/// The operations, in order, and whether the thread has to be woken for them.
#[derive(Default)]
struct Queue {
    operations: Vec<Operation>,
    /// The store is closed: nothing will be asked for any more.
    is_closed: bool,
    /// The thread waits for work, and has nothing to do at the next rest.
    is_asleep: bool,
}

/// The one connection of this process that writes, and what it knows of the log.
struct Writer {
    connection: Connection,
    place: Arc<StorePlace>,
    /// The time of the last write that has not been moved from the log into the tables.
    written: Option<Instant>,
    /// The bytes of the log when this process last had the right to write.
    log: u64,
    /// The bytes of the log after the last try to shorten it.
    tried: u64,
    /// The number of operations that came together the last two times.
    crowd: (usize, usize),
}

impl Committer {
    /// Starts the thread that commits.
    pub(super) fn start(connection: Connection, place: Arc<StorePlace>) -> Result<Self, StoreError> {
        let (written, crowd) = (Some(Instant::now()), (1, 1));
        let writer = Mutex::new(Writer { connection, place, written, log: 0, tried: 0, crowd });
        let shared = Arc::new(CommitState { queue: Mutex::default(), arrived: Condvar::new(), writer });
        let of_thread = shared.clone();
        let thread = std::thread::Builder::new().name("resilience-store".into());
        let started = thread.spawn(move || of_thread.run());
        let thread = started.map_err(|error| StoreError::Unavailable(format!("no thread: {error}")))?;
        Ok(Self { shared, process: std::process::id(), thread: Some(thread) })
    }

    /// Applies `rule` at the time `now`; it is queued before the future is polled.
    pub(super) fn apply<T: Send + 'static>(
        &self,
        now: Clocks,
        rule: impl FnOnce(&mut Table<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Work<'static, T> {
        let answer = Arc::new(Promise::new());
        let given = answer.clone();
        let run = Box::new(move |table: &mut Table<'_>| -> Reply {
            let result = table.apply(now, rule);
            Box::new(move |committed| given.give(committed.and(result)))
        });
        locked(&self.shared.queue).operations.push(run);
        self.shared.submit();
        // Dropped, it takes nothing back: the operation is in the queue, and is committed without an answer.
        Box::pin(async move { answer.taken().await })
    }
}

/// Runs `work` on a thread of its own; the future waits for its answer.
pub(super) fn on_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
) -> Work<'static, T> {
    let answer = Arc::new(Promise::new());
    let given = answer.clone();
    let thread = std::thread::Builder::new().name("resilience-upkeep".into());
    let started = thread.spawn(move || {
        given.give(contained(work).unwrap_or_else(|| Err(StoreError::Unavailable("it panicked".to_owned()))));
    });
    match started {
        Ok(_) => Box::pin(async move { answer.taken().await }),
        Err(error) => Box::pin(ready(Err(StoreError::Unavailable(format!("no thread: {error}"))))),
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        // A fork has no thread, and the queue may be locked for ever.
        if self.process != std::process::id() {
            return;
        }
        locked(&self.shared.queue).is_closed = true;
        self.shared.arrived.notify_one();
        // The last commit is made, and the files are closed, before the store counts as closed.
        let is_other = |thread: &JoinHandle<()>| thread.thread().id() != std::thread::current().id();
        if let Some(thread) = self.thread.take().filter(is_other) {
            drop(thread.join());
        }
    }
}

impl Committer {
    /// Rewrites the file without free pages; operations that arrive during that wait.
    pub(super) fn compact(&self) -> Result<(), StoreError> {
        self.alone(|writer| {
            let compacted = compact(&writer.connection, &writer.place);
            writer.written = Some(Instant::now());
            compacted
        })
    }

    /// Moves the log into the tables, as far as readers and other processes let it.
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        self.alone(|writer| {
            fold(&writer.connection, &writer.place);
            Ok(())
        })
    }

    /// Runs `work` between two commits of this process.
    fn alone(&self, work: impl FnOnce(&mut Writer) -> Result<(), StoreError>) -> Result<(), StoreError> {
        let mut writer = locked(&self.shared.writer);
        if writer.place.is_poisoned() {
            return Err(StoreError::Poisoned);
        }
        writer.place.check()?;
        let done = work(&mut writer);
        drop(writer);
        // Operations that have arrived wait for the thread.
        self.shared.arrived.notify_one();
        done
    }
}

impl CommitState {
    /// Handles an operation in the queue: commits it here if that may be, or has the thread do it.
    ///
    /// A caller that commits here may find more in the queue afterwards, from callers who saw the writer at work;
    /// the thread commits those, so that no caller works for the others without end.
    fn submit(&self) {
        if block_on::may_block() {
            match self.writer.try_lock() {
                Ok(writer) => self.commit(writer),
                Err(TryLockError::Poisoned(writer)) => self.commit(writer.into_inner()),
                // A running writer may have looked into the queue before: the thread looks again after that.
                Err(TryLockError::WouldBlock) => return self.arrived.notify_one(),
            }
            let mut queue = locked(&self.queue);
            // The thread has a log to move when nothing more comes.
            let was_asleep = std::mem::take(&mut queue.is_asleep);
            if queue.operations.is_empty() && !was_asleep {
                return;
            }
        }
        self.arrived.notify_one();
    }

    /// Commits what comes, until the store is closed; moves the log into the tables when nothing comes for a while.
    fn run(&self) {
        loop {
            let (is_idle, is_closed) = {
                let queue = locked(&self.queue);
                let idle = |queue: &mut Queue| queue.operations.is_empty() && !queue.is_closed;
                let waited = self.arrived.wait_timeout_while(queue, REST, idle);
                let (queue, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
                (timeout.timed_out(), queue.operations.is_empty() && queue.is_closed)
            };
            if is_closed {
                return;
            }
            if is_idle {
                self.sleep();
            } else {
                self.commit(locked(&self.writer));
            }
        }
    }

    /// Waits until something is asked for, if there is nothing to do at rest.
    fn sleep(&self) {
        // First of all: who commits after the look at what there is to do must wake the thread.
        locked(&self.queue).is_asleep = true;
        // A subscriber that receives the warning of a long log may panic.
        let has_more = contained(|| self.rest()).unwrap_or(false);
        let mut queue = locked(&self.queue);
        if !has_more {
            let idle = |queue: &mut Queue| queue.is_asleep && queue.operations.is_empty() && !queue.is_closed;
            queue = self.arrived.wait_while(queue, idle).unwrap_or_else(PoisonError::into_inner);
        }
        queue.is_asleep = false;
    }

    /// Does the work of a store at rest; returns whether there is more to do.
    fn rest(&self) -> bool {
        // A caller that commits just now makes it busy again.
        self.writer.try_lock().map_or(true, |mut writer| writer.rest())
    }

    /// Commits the operations in the queue, and answers.
    fn commit(&self, mut writer: MutexGuard<'_, Writer>) {
        let batch = self.gather(&mut writer);
        if batch.is_empty() {
            return;
        }
        let (done, replies, rest) = writer.commit(batch);
        let (place, bytes) = (writer.place.clone(), writer.log);
        if !rest.is_empty() {
            // Before those that came in between.
            locked(&self.queue).operations.splice(..0, rest);
        }
        drop(writer);
        for reply in replies {
            // An executor's code may panic when it is woken: the others get their answers all the same.
            contained(|| reply(done.clone()));
        }
        contained(|| place.watch_log(bytes));
    }

    /// Takes all operations, and waits a moment for as many as came last time: callers that got their
    /// answers just now are about to ask for the next operation, and then share one commit.
    ///
    /// The crowd is the larger of the last two batches. Each look yields the processor, so that those callers get to
    /// ask; after 200 µs it begins with the present ones.
    fn gather(&self, writer: &mut Writer) -> Vec<Operation> {
        let mut batch = self.take(BATCH);
        let crowd = writer.crowd.0.max(writer.crowd.1);
        let begun = Instant::now();
        while batch.len() < crowd && !batch.is_empty() && begun.elapsed() < PATIENCE {
            std::thread::yield_now();
            batch.append(&mut self.take(BATCH - batch.len()));
        }
        writer.crowd = (batch.len(), writer.crowd.0);
        batch
    }

    /// Returns the first operations of the queue, at most `most`.
    fn take(&self, most: usize) -> Vec<Operation> {
        let mut queue = locked(&self.queue);
        let count = queue.operations.len().min(most);
        queue.operations.drain(..count).collect()
    }
}

impl Writer {
    /// Runs the operations of `batch` in one transaction and commits it, or nothing of it; returns those for which it
    /// had no room, too.
    fn commit(&mut self, batch: Vec<Operation>) -> (Result<(), StoreError>, Vec<Reply>, Vec<Operation>) {
        let mut replies = Vec::with_capacity(batch.len());
        let mut operations = batch.into_iter();
        let done = self.transact(&mut operations, &mut replies);
        if done == Err(StoreError::Poisoned) {
            self.place.poison();
        }
        (done, replies, operations.collect())
    }

    /// Applies waiting operations in one transaction.
    ///
    /// An operation that is refused by its rule has its own error and leaves the others alone. An error of this
    /// function is that of the transaction, and the answer to all of them.
    fn transact(
        &mut self,
        operations: &mut vec::IntoIter<Operation>,
        replies: &mut Vec<Reply>,
    ) -> Result<(), StoreError> {
        let place = self.place.clone();
        let begun = self.begin();
        let mut table = Table::new(begun.as_ref().ok(), &place);
        while table.bytes < BATCH_BYTES
            && let Some(operation) = operations.next()
        {
            replies.push(operation(&mut table));
        }
        let finished = table.finish();
        // A transaction that is not committed is rolled back when it is dropped.
        let tx = begun?;
        let fence = finished?;
        place.check()?;
        tx.commit().map_err(failed)?;
        if let Some(fence) = fence {
            place.acknowledged(fence);
        }
        self.written = Some(Instant::now());
        Ok(())
    }

    fn begin(&mut self) -> Result<Transaction<'_>, StoreError> {
        if self.place.is_poisoned() {
            return Err(StoreError::Poisoned);
        }
        // One process at a time tries to write, the others wait behind it.
        let place = self.place.clone();
        let _turn = place.queue();
        self.tried = self.tried.min(self.log);
        if self.log >= LOG_MOST.max(self.tried + self.tried / LOG_STEP) {
            // The process before has the right to write for as long as its commit takes.
            drop(write(&self.connection, place.busy)?);
            self.shorten();
        }
        let tx = write(&self.connection, place.busy)?;
        check_version(&tx)?;
        self.log = place.prepare_log();
        Ok(tx)
    }

    /// Moves a long log into the tables while it is this process's turn: after a commit others have written more before
    /// all of it is moved, so that with several processes the log would never start over.
    fn shorten(&mut self) {
        fold_long(&self.connection, &self.place);
        self.tried = self.place.log_size();
    }

    /// Returns free pages to the file system and moves the log into the tables, as far as readers and other
    /// processes let it; whether there is more to do.
    fn rest(&mut self) -> bool {
        let Some(written) = self.written else { return false };
        if self.place.is_poisoned() || self.place.check().is_err() {
            return false;
        }
        if written.elapsed() < REST {
            return true;
        }
        let is_shrinking = shrink(&self.connection);
        let is_whole = fold(&self.connection, &self.place);
        if is_whole && !is_shrinking {
            self.written = None;
        }
        self.written.is_some()
    }
}

/// Waits for the right to write, at most for `busy`.
///
/// For 2 ms it yields between two tries, then it sleeps for 200 µs each time. SQLite's own handler is off
/// at that time: its pauses grow to 100 ms.
///
/// # Errors
///
/// What SQLite says; that it is busy once `busy` has passed.
fn write(connection: &Connection, busy: Duration) -> Result<Transaction<'_>, StoreError> {
    connection.busy_timeout(Duration::ZERO).map_err(failed)?;
    let began = Instant::now();
    loop {
        let tx = Transaction::new_unchecked(connection, TransactionBehavior::Immediate);
        let waited = began.elapsed();
        match tx {
            Err(error) if is_busy(&error) && waited < busy => {
                // Nearly always another process waits for its sync, which is over soon.
                if waited < SPIN { std::thread::yield_now() } else { std::thread::sleep(PATIENCE) }
            }
            tx => {
                connection.busy_timeout(busy).map_err(failed)?;
                return tx.map_err(failed);
            }
        }
    }
}

impl fmt::Debug for CommitState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared")
            .field("waiting", &locked(&self.queue).operations.len())
            .finish_non_exhaustive()
    }
}
