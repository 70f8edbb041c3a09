//! The jobs, steps and undos whose code runs in this process: what a shutdown waits for, and what it had to leave.
//!
//! Once [`close`] was called no job begins, and no step of a job but inside of a step that runs. An entry is made
//! before the store is asked, under the lock under which the table is closed, so that a shutdown sees every claim that
//! was not refused.

use crate::base::of_process::OfProcess;
use crate::base::site::Site;
use crate::base::stopping::PROBLEM;
use crate::base::sync::locked;
use crate::base::{clock, wakers};
use crate::durable::lease::end;
use crate::durable::lease::state::LeaseState;
use crate::durable::record::Record;
use crate::durable::record::history::JobHistory;
use crate::durable::record::key::place;
use crate::durable::scope::Scope;
use crate::durable::store::Store;
use crate::point::PointName;
use crate::rejected::{Origin, Rejected};
use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, Mutex, Weak};
use std::task::Waker;
use std::time::{Duration, Instant};

/// The code that runs in this process, or in a test world.
static TABLE: Site<OfProcess<Mutex<Table>>> =
    Site::new(OfProcess::locked(Table::new()), || OfProcess::locked(Table::new()));

/// The entries by a number that only grows: a list of them is in the order in which they began.
#[derive(Debug, Default)]
struct Table {
    running: BTreeMap<u64, RunningWork>,
    last: u64,
    is_closed: bool,
    /// Woken when something has ended.
    waiting: Vec<Waker>,
}

/// Code that runs, and the record and lease by which a shutdown releases it.
#[derive(Debug)]
pub(crate) struct RunningWork {
    pub(crate) point: PointName,
    pub(crate) job: Option<String>,
    /// The key of a step.
    pub(crate) key: Option<String>,
    since: Instant,
    store: Arc<dyn Store>,
    /// The key in the store.
    full: String,
    lease: Weak<LeaseState>,
}

impl RunningWork {
    /// Returns how long it has run, by the clock of the calling thread.
    pub(crate) fn age(&self) -> Duration {
        clock::now().saturating_duration_since(self.since)
    }
}

impl Table {
    const fn new() -> Self {
        Self { running: BTreeMap::new(), last: 0, is_closed: false, waiting: Vec::new() }
    }

    /// Returns the keys of the entries that are `such`, with their leases.
    ///
    /// Copied out, since what the caller does with a store must not happen under the lock.
    fn keys(&self, such: impl Fn(&RunningWork) -> bool) -> Vec<(Arc<dyn Store>, String, Weak<LeaseState>)> {
        let entries = self.running.values().filter(|entry| such(entry));
        entries.map(|entry| (entry.store.clone(), entry.full.clone(), entry.lease.clone())).collect()
    }
}

/// Returns the table of the process or of the test world of this thread; an entry keeps the one that it was made in.
fn table() -> &'static Mutex<Table> {
    let table: &'static OfProcess<Mutex<Table>> = &TABLE;
    table
}

/// A guard that keeps its entry in the table until it is dropped.
#[derive(Debug)]
pub(crate) struct UnderWay {
    table: &'static Mutex<Table>,
    number: u64,
}

impl UnderWay {
    /// Begins the job `id` of `point`.
    ///
    /// # Errors
    ///
    /// That the process shuts down.
    pub(crate) fn job(store: &Arc<dyn Store>, point: &PointName, id: &str) -> Result<Self, Rejected> {
        let job = Some(id.to_owned());
        Self::begin(store, point, job, None, place::job(id), true)
    }

    /// Begins the step `key` of `point`, or its undo, in `scope`; `full` is its key in the store.
    ///
    /// # Errors
    ///
    /// That the process shuts down, for a step of a job.
    pub(crate) fn step(
        scope: &Scope,
        store: &Arc<dyn Store>,
        point: &PointName,
        key: &str,
        full: String,
    ) -> Result<Self, Rejected> {
        let is_refusable = scope.job.is_some() && scope.step.is_none();
        Self::begin(store, point, scope.job_id(), Some(key.to_owned()), full, is_refusable)
    }

    /// Adds an entry, unless the table is closed and the call may be refused; both are decided under one lock, so that
    /// [`close`] is a clean cut.
    ///
    /// # Errors
    ///
    /// That the process shuts down.
    fn begin(
        store: &Arc<dyn Store>,
        point: &PointName,
        job: Option<String>,
        key: Option<String>,
        full: String,
        is_refusable: bool,
    ) -> Result<Self, Rejected> {
        let (point_name, since, lease) = (point.clone(), clock::now(), Weak::new());
        let running = RunningWork { point: point_name, job, key, since, store: store.clone(), full, lease };
        let of = table();
        let mut table = locked(of);
        if table.is_closed && is_refusable {
            return Err(refusal(point));
        }
        table.last += 1;
        let number = table.last;
        table.running.insert(number, running);
        Ok(Self { table: of, number })
    }

    /// Notes that the job holds `lease` from now on.
    pub(crate) fn holds(&self, lease: &Arc<LeaseState>) {
        if let Some(entry) = locked(self.table).running.get_mut(&self.number) {
            entry.lease = Arc::downgrade(lease);
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let (_ended, waiting) = {
            let mut table = locked(self.table);
            (table.running.remove(&self.number), std::mem::take(&mut table.waiting))
        };
        waiting.into_iter().for_each(crate::base::guarded::wake);
    }
}

/// Returns the error of a call of `point` that comes too late.
pub(crate) fn refusal(point: &PointName) -> Rejected {
    Rejected::ShuttingDown { point: Origin::from(point.clone()) }
}

/// Admits no further job, and no further step of a job.
///
/// What began before goes on; a step of it that begins later is refused, and its job is interrupted by that.
pub(crate) fn close() {
    locked(table()).is_closed = true;
}

/// Returns whether nothing runs but code that one of `callers` is part of; else `waker` is woken when an entry has
/// ended.
pub(crate) fn is_over(callers: &[Scope], waker: &Waker) -> bool {
    let running = {
        let mut table = locked(table());
        wakers::add(&mut table.waiting, waker.clone());
        // It is asked after each end: most callers are part of nothing, and need no list.
        if !callers.iter().any(Scope::is_inside) {
            return table.running.is_empty();
        }
        table.keys(|_| true)
    };
    // The code of a store runs without the lock.
    running.iter().all(|(store, full, _)| is_of(callers, store, full))
}

/// Returns the running code, without the jobs whose steps run, as `shown` describes it.
///
/// A job with a running step is shown by that step, which says more.
pub(crate) fn left<T>(shown: impl Fn(&RunningWork) -> T) -> Vec<T> {
    let table = locked(table());
    let is_step = |running: &&RunningWork| running.key.is_some();
    let with_steps: HashSet<_> = table.running.values().filter(is_step).map(|step| &step.job).collect();
    let is_shown = |running: &&RunningWork| is_step(running) || !with_steps.contains(&running.job);
    table.running.values().filter(is_shown).map(shown).collect()
}

/// Releases the leases of the jobs that run on, except those that one of `callers` is part of: their records become
/// `Interrupted`, and the further work of their bodies is not recorded.
pub(crate) async fn interrupt(callers: &[Scope]) {
    let jobs = locked(table()).keys(|running| running.key.is_none());
    let left = jobs.into_iter().filter(|(store, full, _)| !is_of(callers, store, full));
    let leases: Vec<_> = left.filter_map(|(_, _, lease)| lease.upgrade()).collect();
    for lease in leases {
        // If the store does not take it, the lease ends with the process.
        if end::give_back(&lease, left_by_shutdown).await.is_ok() {
            lease.loss.lose();
        }
    }
}

/// Returns whether one of `callers` is part of the work on this record: a job that asks for the shutdown is not waited
/// for.
fn is_of(callers: &[Scope], store: &Arc<dyn Store>, full: &str) -> bool {
    callers.iter().any(|scope| scope.holds(store, full))
}

/// Returns the note of a job that a shutdown has left.
fn left_by_shutdown(record: &Record) -> Vec<u8> {
    JobHistory::interrupted(record, PROBLEM, PROBLEM).write()
}
