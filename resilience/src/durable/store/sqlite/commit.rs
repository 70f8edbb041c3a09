//! One writer at a time, and one commit for everybody who asks meanwhile.
//!
//! Whoever asks puts an operation in the queue. A caller that blocks its thread anyway commits the queue
//! itself if nobody else does just then; for all others one thread does it. Either way everything that is
//! in the queue goes into one transaction, so that many callers share one sync.

use super::tables::{Table, failed};
use crate::durable::lease::block_on;
use crate::durable::store::owners::Owners;
use crate::durable::store::{StoreError, Work};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, TryLockError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// How many operations share one transaction at most.
const BATCH: usize = 512;
/// How long a crowd is waited for at most: about as long as a commit takes.
const PATIENCE: Duration = Duration::from_micros(200);

pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a commit waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Commit {
    /// The disk: it survives a power cut.
    Disk,
    /// The kernel: it survives `kill -9`, and a power cut once something later has waited for the disk.
    Kernel,
}

impl Commit {
    pub(super) fn prepare(self, connection: &Connection) -> Result<(), StoreError> {
        let sql = match self {
            Self::Disk => "PRAGMA synchronous = FULL",
            Self::Kernel => "PRAGMA synchronous = NORMAL",
        };
        connection.execute_batch(sql).map_err(failed)
    }
}

/// One operation on its way into a transaction.
struct Job {
    waits_for: Commit,
    run: Box<dyn FnOnce(&mut Table<'_>) -> Reply + Send>,
}

/// Hands the answer out once the transaction is committed, or the reason why it is not.
type Reply = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// The way of all operations of this process into the tables.
#[derive(Debug)]
pub(super) struct Committer {
    shared: Arc<Shared>,
}

struct Shared {
    queue: Mutex<Queue>,
    arrived: Condvar,
    writer: Mutex<Writer>,
}

#[derive(Default)]
struct Queue {
    jobs: Vec<Job>,
    /// Nobody will ask for anything any more.
    is_closed: bool,
}

struct Writer {
    connection: Connection,
    owners: Arc<Owners>,
    /// How the connection is set.
    commit: Commit,
    /// A write could not be made durable.
    is_poisoned: bool,
    /// How many operations came together the last two times.
    crowd: (usize, usize),
}

impl Committer {
    /// Starts the thread that commits.
    pub(super) fn start(connection: Connection, owners: Arc<Owners>) -> Result<Self, StoreError> {
        let (commit, is_poisoned, crowd) = (Commit::Disk, false, (1, 1));
        let writer = Mutex::new(Writer { connection, owners, commit, is_poisoned, crowd });
        let shared = Arc::new(Shared { queue: Mutex::default(), arrived: Condvar::new(), writer });
        let of_thread = shared.clone();
        let thread = std::thread::Builder::new().name("resilience-store".into());
        let started = thread.spawn(move || of_thread.run());
        started.map_err(|error| StoreError::Unavailable(format!("no thread: {error}")))?;
        Ok(Self { shared })
    }

    /// Has `rule` applied at the time `now`; it is on its way before the future is polled.
    pub(super) fn apply<T: Send + 'static>(
        &self,
        waits_for: Commit,
        now: u64,
        rule: impl FnOnce(&mut Table<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Work<'static, T> {
        let answer = Arc::new(Answer { state: Mutex::new(Waiting { value: None, waker: None }) });
        let given = answer.clone();
        let run = Box::new(move |table: &mut Table<'_>| -> Reply {
            let result = table.apply(now, rule);
            Box::new(move |committed| given.give(committed.and(result)))
        });
        locked(&self.shared.queue).jobs.push(Job { waits_for, run });
        self.shared.see_to_it();
        Box::pin(Pending { answer })
    }
}

impl Drop for Committer {
    fn drop(&mut self) {
        locked(&self.shared.queue).is_closed = true;
        self.shared.arrived.notify_one();
    }
}

impl Shared {
    /// Something is in the queue: commits it here if that may be, or has the thread do it.
    fn see_to_it(&self) {
        if block_on::may_block() {
            match self.writer.try_lock() {
                Ok(writer) => self.commit(writer),
                Err(TryLockError::Poisoned(writer)) => self.commit(writer.into_inner()),
                // Whoever writes may have looked into the queue before: the thread looks again after that.
                Err(TryLockError::WouldBlock) => return self.arrived.notify_one(),
            }
            if locked(&self.queue).jobs.is_empty() {
                return;
            }
        }
        self.arrived.notify_one();
    }

    /// Commits what comes, until nobody can ask any more.
    fn run(&self) {
        loop {
            {
                let queue = locked(&self.queue);
                let idle = |queue: &mut Queue| queue.jobs.is_empty() && !queue.is_closed;
                let queue = self.arrived.wait_while(queue, idle).unwrap_or_else(PoisonError::into_inner);
                if queue.jobs.is_empty() {
                    return;
                }
            }
            self.commit(locked(&self.writer));
        }
    }

    /// Commits what is in the queue, and answers.
    fn commit(&self, mut writer: MutexGuard<'_, Writer>) {
        let batch = self.gather(&mut writer);
        if batch.is_empty() {
            return;
        }
        let (done, replies) = writer.commit(batch);
        drop(writer);
        for reply in replies {
            reply(done.clone());
        }
    }

    /// Takes whatever is asked for, and waits a moment for as many as came last time: those who got their
    /// answers just now are about to ask for the next thing, and then share one commit.
    fn gather(&self, writer: &mut Writer) -> Vec<Job> {
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

    fn take(&self, most: usize) -> Vec<Job> {
        let mut queue = locked(&self.queue);
        let count = queue.jobs.len().min(most);
        queue.jobs.drain(..count).collect()
    }
}

impl Writer {
    /// Runs the operations of `batch` in one transaction and commits it, or nothing of it.
    fn commit(&mut self, batch: Vec<Job>) -> (Result<(), StoreError>, Vec<Reply>) {
        let mut replies = Vec::with_capacity(batch.len());
        let done = self.transact(batch, &mut replies);
        self.is_poisoned |= done == Err(StoreError::Poisoned);
        (done, replies)
    }

    fn transact(&mut self, batch: Vec<Job>, replies: &mut Vec<Reply>) -> Result<(), StoreError> {
        let waits = batch.iter().any(|job| job.waits_for == Commit::Disk);
        let owners = self.owners.clone();
        let begun = self.begin(if waits { Commit::Disk } else { Commit::Kernel });
        let mut table = Table::new(begun.as_ref().ok(), &owners);
        replies.extend(batch.into_iter().map(|job| (job.run)(&mut table)));
        let whole = table.finish();
        // What is not committed is rolled back when it is dropped.
        let tx = begun?;
        whole?;
        tx.commit().map_err(failed)
    }

    fn begin(&mut self, commit: Commit) -> Result<Transaction<'_>, StoreError> {
        if self.is_poisoned {
            return Err(StoreError::Poisoned);
        }
        if commit != self.commit {
            commit.prepare(&self.connection)?;
            self.commit = commit;
        }
        self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("waiting", &locked(&self.queue).jobs.len()).finish_non_exhaustive()
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
