//! Running the jobs that recoveries have found: one queue for the whole process, and at most 16 jobs at once.
//!
//! Recoveries of several stores, a sweep and `jobs::resume` all end here, so that the bound of 16 holds for the process
//! and no job is queued twice. The queue has one small entry for each interrupted job, its key; a record with its
//! arguments is read when its turn comes, and a job that has changed since is left alone.
//!
//! # States of a job in the pool
//!
//! ```text
//!   add ──▶ queued ──▶ read ──▶ called ──▶ ended ──▶ (forgotten)
//!              ▲                              │
//!              └── found again, at a later revision, since it was read
//! ```
//!
//! A look can find a job between the end of its call and the moment in which the pool forgets it. Such a job is noted
//! with the revision that was found, and goes to the front of the queue if that is later than the one that was read.
//!
//! One thread starts the jobs and ends when there are none. A [`JobPlace`] has one of the 16 [places](super::places):
//! whatever happens to the call (it returns, panics, is dropped with its runtime), dropping the slot frees the place. A
//! runtime that ends while it has a job drops the call; the slot sees that, and the job goes on on a runtime of this
//! crate.
//!
//! A job that sleeps for long leaves its place, and the same thread gives it one again ([`OwnSeat`]).

use crate::base::block_on::block_on;
use crate::base::guarded::{contained, discard, wake};
use crate::base::of_process::OfProcess;
use crate::base::site::Site;
use crate::base::stopping;
use crate::base::sync::locked;
use crate::durable::job::call::Call;
use crate::durable::job::running::CatchPanic;
use crate::durable::record::error::{JobError, Subject};
use crate::durable::record::key::place;
use crate::durable::recovery::pass::RecoveryPass;
use crate::durable::recovery::places::{NextAction, Places};
use crate::durable::recovery::runtime;
use crate::durable::scope::Resumption;
use crate::durable::seat::Seat;
use crate::durable::store::Store;
use crate::point::PointName;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::future::poll_fn;
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Instant;

/// The pool of this process, or of a test world.
static POOL: Site<OfProcess<Pool>> =
    Site::new(OfProcess::new(Pool::new(), |_| Pool::new()), || OfProcess::new(Pool::new(), |_| Pool::new()));

/// Returns the pool of the caller.
///
/// In a test world each world has one, so that the jobs of one test do not wait for those of another.
pub(crate) fn pool() -> &'static Pool {
    let pool: &'static OfProcess<Pool> = &POOL;
    pool
}

/// The jobs to run, and the places of the running ones.
#[derive(Debug)]
pub(crate) struct Pool {
    state: Mutex<State>,
    /// A job was queued, or one has ended.
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    queue: VecDeque<QueuedJob>,
    /// The jobs that are queued or run, by the identity of their store and their key: no job is queued twice.
    known: BTreeMap<String, HashMap<String, KnownJob>>,
    places: Places,
    /// Whether the thread that starts the jobs runs.
    has_starter: bool,
}

/// A job that is queued or runs.
///
/// A job that is queued or runs. It is forgotten when its call has ended and no look has found it at a later revision.
#[derive(Debug, Default)]
struct KnownJob {
    /// The watches that wait for its end.
    watches: Vec<Arc<EndWatch>>,
    /// Of a job that has left the queue: the revision of the record that was read, 0 before that.
    begun_from: Option<u64>,
    /// The last look that found the job without an owner after it had left the queue, and the revision then.
    found_again: Option<(u64, Arc<RecoveryPass>)>,
}

/// A job to run. Its record is read when its turn comes: a queue of many jobs keeps none of their arguments.
#[derive(Debug)]
struct QueuedJob {
    pass: Arc<RecoveryPass>,
    key: String,
}

impl Pool {
    const fn new() -> Self {
        let state = State {
            queue: VecDeque::new(),
            known: BTreeMap::new(),
            places: Places::new(),
            has_starter: false,
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    /// Returns whether the job, which `pass` has found at `revision` without an owner, is queued or runs already; then
    /// `watch` learns of its end.
    pub(crate) fn has(
        &self,
        pass: &Arc<RecoveryPass>,
        key: &str,
        revision: u64,
        watch: Option<&Arc<EndWatch>>,
    ) -> bool {
        self.state().join(pass, key, revision, watch)
    }

    /// Queues the job, unless it is queued or runs; `watch` learns of its end in either case.
    pub(crate) fn add(
        &'static self,
        pass: &Arc<RecoveryPass>,
        key: &str,
        revision: u64,
        watch: Option<&Arc<EndWatch>>,
    ) {
        let needs_starter = {
            let mut state = self.state();
            if state.join(pass, key, revision, watch) || stopping::has_begun() {
                return;
            }
            state.expect(pass, key, watch);
            state.queue.push_back(QueuedJob { pass: pass.clone(), key: key.to_owned() });
            !mem::replace(&mut state.has_starter, true)
        };
        self.changed.notify_one();
        if needs_starter {
            self.begin_starting();
        }
    }

    /// Makes the thread that starts the jobs, for as long as there are any.
    fn begin_starting(&'static self) {
        let thread = std::thread::Builder::new().name("resilience-pool".to_owned());
        let start = runtime::in_this_world(move || self.start_jobs());
        if let Err(error) = thread.spawn(start) {
            self.state().has_starter = false;
            self.give_up(&error.to_string());
        }
    }

    /// Starts none of the queued jobs, and has those in line run on. The queued ones stay interrupted: the next sweep
    /// finds them again.
    fn give_up(&self, reason: &str) {
        let (queue, line) = {
            let mut state = self.state();
            (mem::take(&mut state.queue), state.places.sit_all())
        };
        line.into_iter().for_each(wake);
        for queued in queue {
            let problem = not_started(&queued.key, reason);
            let job = self.state().remove(&queued);
            job.report(&queued.key, Some(&problem));
        }
    }

    /// Starts no further job: the process shuts down.
    pub(crate) fn stop(&self) {
        self.give_up("the process shuts down");
        self.changed.notify_one();
    }

    /// Starts one job after the other, and has those run on that have waited, whenever fewer than 16 run; ends when
    /// none of them is left.
    ///
    /// A job is only begun here; it runs on its own task or thread, and its slot wakes this thread when it ends.
    fn start_jobs(&'static self) {
        while let Some((queued, number)) = self.next() {
            let seat = OwnSeat { pool: self, number };
            let slot = JobPlace { seat, queued: Some(queued), resumption: None, problem: None, moves: false };
            // The store, the arguments and what they drop are foreign code.
            contained(|| slot.fill());
        }
    }

    /// Waits for the next job to start; returns it with the number of its place.
    fn next(&self) -> Option<(QueuedJob, u64)> {
        let mut state = self.state();
        loop {
            let is_queue_empty = state.queue.is_empty();
            let wait = match state.places.turn(is_queue_empty, Instant::now()) {
                NextAction::Admitted(woken) => {
                    drop(state);
                    woken.into_iter().for_each(wake);
                    state = self.state();
                    continue;
                }
                NextAction::Begin => {
                    let Some(queued) = state.queue.pop_front() else { continue };
                    state.begin(&queued, 0);
                    return Some((queued, state.places.take()));
                }
                NextAction::Wait(wait) => wait,
            };
            if is_queue_empty && state.places.is_idle() {
                state.has_starter = false;
                return None;
            }
            state = match wait {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(wait) => {
                    self.changed.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }

    /// Ends a job that the pool had taken from its queue: it is forgotten, or queued before all others if `again` says
    /// by which pass.
    fn end(
        &'static self,
        seat: u64,
        queued: QueuedJob,
        problem: Option<&JobError>,
        again: impl FnOnce(&mut State, &QueuedJob) -> Option<Arc<RecoveryPass>>,
    ) {
        let (waiting, (forgotten, needs_starter)) = {
            let mut state = self.state();
            let waiting = state.places.end(seat);
            let ended = match again(&mut state, &queued) {
                Some(pass) => {
                    state.queue.push_front(QueuedJob { pass, ..queued });
                    (None, !mem::replace(&mut state.has_starter, true))
                }
                None => (Some((state.remove(&queued), queued)), false),
            };
            (waiting, ended)
        };
        self.changed.notify_one();
        waiting.into_iter().for_each(wake);
        if needs_starter {
            self.begin_starting();
        }
        if let Some((job, queued)) = forgotten {
            job.report(&queued.key, problem);
        }
    }
}

impl KnownJob {
    fn report(self, key: &str, problem: Option<&JobError>) {
        for watch in self.watches {
            watch.one_ended(key, problem);
        }
    }
}

impl State {
    fn job(&mut self, store: &Arc<dyn Store>, key: &str) -> Option<&mut KnownJob> {
        self.known.get_mut(&store.identity())?.get_mut(key)
    }

    /// Makes `watch` wait for a job that is queued or runs; returns `false` if it does neither.
    ///
    /// A look that finds a job which has left the queue is noted with its revision: the call may have ended already,
    /// and the job have been interrupted again since.
    fn join(
        &mut self,
        pass: &Arc<RecoveryPass>,
        key: &str,
        revision: u64,
        watch: Option<&Arc<EndWatch>>,
    ) -> bool {
        let Some(job) = self.job(&pass.store, key) else { return false };
        if let Some(watch) = watch {
            watch.expect_one();
            job.watches.push(watch.clone());
        }
        if job.begun_from.is_some() {
            job.found_again = Some((revision, pass.clone()));
        }
        true
    }

    /// Makes the watch wait for one more end.
    fn expect(&mut self, pass: &Arc<RecoveryPass>, key: &str, watch: Option<&Arc<EndWatch>>) {
        let watches = watch.cloned().inspect(|watch| watch.expect_one()).into_iter().collect();
        let job = KnownJob { watches, ..KnownJob::default() };
        self.known.entry(pass.store.identity()).or_default().insert(key.to_owned(), job);
    }

    /// Notes that the job has left the queue, and its record was read at `revision`.
    fn begin(&mut self, queued: &QueuedJob, revision: u64) {
        if let Some(job) = self.job(&queued.pass.store, &queued.key) {
            job.begun_from = Some(revision);
        }
    }

    /// Notes that the job runs no longer. Returns the pass that has found it without an owner since it ran, or since
    /// its record was read: then it has to run again.
    fn found_again(&mut self, queued: &QueuedJob) -> Option<Arc<RecoveryPass>> {
        let job = self.job(&queued.pass.store, &queued.key)?;
        let begun_from = job.begun_from.take();
        let (_, pass) = job.found_again.take().filter(|(revision, _)| begun_from != Some(*revision))?;
        Some(pass)
    }

    /// Removes a job from the known ones.
    fn remove(&mut self, queued: &QueuedJob) -> KnownJob {
        let store = queued.pass.store.identity();
        let Some(jobs) = self.known.get_mut(&store) else { return KnownJob::default() };
        let job = jobs.remove(&queued.key).unwrap_or_default();
        if jobs.is_empty() {
            self.known.remove(&store);
        }
        job
    }
}

fn not_started(key: &str, reason: &str) -> JobError {
    let at = Subject::new(PointName::new("recover"), place::id(key));
    JobError::NotStarted { at, reason: reason.to_owned() }
}

/// The place of one job, by its number.
#[derive(Clone, Copy, Debug)]
struct OwnSeat {
    pool: &'static Pool,
    number: u64,
}

impl Seat for OwnSeat {
    fn leave(&self) {
        let is_free = self.pool.state().places.leave(self.number);
        if is_free {
            self.pool.changed.notify_one();
        }
    }

    fn poll_back(&self, cx: &mut Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        let needs_starter = {
            let mut state = self.pool.state();
            if stopping::has_begun() {
                drop(state);
                self.take_back();
                return Poll::Ready(());
            }
            if state.places.poll_back(self.number, &waker).is_ready() {
                return Poll::Ready(());
            }
            !mem::replace(&mut state.has_starter, true)
        };
        self.pool.changed.notify_one();
        if needs_starter {
            self.pool.begin_starting();
        }
        Poll::Pending
    }

    fn take_back(&self) {
        let woken = self.pool.state().places.sit(self.number);
        woken.into_iter().for_each(wake);
    }
}

/// One of the 16 places, and the job that has it; free again when it is dropped.
#[derive(Debug)]
pub(crate) struct JobPlace {
    seat: OwnSeat,
    queued: Option<QueuedJob>,
    resumption: Option<Arc<Resumption>>,
    problem: Option<JobError>,
    /// Whether a drop before the end means that the runtime of the job is gone.
    moves: bool,
}

impl JobPlace {
    /// Reads the job and starts its call.
    fn fill(mut self) {
        let Some(queued) = &self.queued else { return };
        match block_on(queued.pass.prepare(&queued.key)) {
            Ok(Some((call, resumption))) => {
                self.seat.pool.state().begin(queued, resumption.record().revision);
                resumption.sits(Arc::new(self.seat));
                self.resumption = Some(resumption);
                self.start(call);
            }
            Ok(None) => {}
            Err(problem) => self.problem = Some(problem),
        }
    }

    fn start(mut self, call: Call) {
        let Some(queued) = &self.queued else { return };
        let pass = queued.pass.clone();
        match call {
            Call::Async(call) => {
                self.moves = pass.runtime.is_borrowed();
                self.problem = Some(not_started(&queued.key, "no thread for its runtime could be started"));
                pass.runtime.spawn(async move {
                    let mut slot = self;
                    slot.problem = None;
                    // A panic of the body is the job's: it is left interrupted.
                    let mut call = CatchPanic::new(call);
                    discard((&mut call).await);
                    slot.moves = false;
                    // The end of the job is not to be seen before what it held is given back.
                    drop(call);
                    drop(slot);
                });
            }
            Call::Sync(call) => {
                self.problem = Some(not_started(&queued.key, "no thread could be started"));
                self.seat.pool.state().places.has_thread(self.seat.number);
                runtime::on_thread(move || {
                    let mut slot = self;
                    slot.problem = None;
                    contained(call);
                    drop(slot);
                });
            }
        }
    }
}

impl Drop for JobPlace {
    fn drop(&mut self) {
        let Some(queued) = self.queued.take() else { return };
        if self.moves {
            // The runtime has dropped the call: on another one it goes on.
            queued.pass.runtime.lose();
            let moved = |state: &mut State, queued: &QueuedJob| {
                state.found_again(queued);
                Some(queued.pass.clone())
            };
            return self.seat.pool.end(self.seat.number, queued, None, moved);
        }
        let refused =
            self.resumption.as_ref().and_then(|resumption| Some((resumption, resumption.problem()?)));
        if let Some((resumption, problem)) = refused {
            queued.pass.reports.refused(resumption.record(), &problem);
            self.problem = Some(problem);
        }
        self.seat.pool.end(self.seat.number, queued, self.problem.as_ref(), State::found_again);
    }
}

/// The wait for the jobs that one recovery has found.
#[derive(Debug, Default)]
pub(crate) struct EndWatch {
    state: Mutex<WatchedJob>,
}

#[derive(Debug, Default)]
struct WatchedJob {
    left: usize,
    /// Why jobs were not run, by their keys.
    problems: HashMap<String, JobError>,
    waiting: Option<Waker>,
}

impl EndWatch {
    fn state(&self) -> MutexGuard<'_, WatchedJob> {
        locked(&self.state)
    }

    fn expect_one(&self) {
        self.state().left += 1;
    }

    fn one_ended(&self, key: &str, problem: Option<&JobError>) {
        let waiting = {
            let mut state = self.state();
            state.left -= 1;
            if let Some(problem) = problem {
                state.problems.insert(key.to_owned(), problem.clone());
            }
            if state.left == 0 { state.waiting.take() } else { None }
        };
        if let Some(waiting) = waiting {
            wake(waiting);
        }
    }

    /// Waits until every job that was expected has ended; returns the problems of those that did not run.
    pub(crate) async fn all_ended(&self) -> HashMap<String, JobError> {
        poll_fn(|cx| {
            let waker = cx.waker().clone();
            let mut state = self.state();
            if state.left == 0 {
                return Poll::Ready(mem::take(&mut state.problems));
            }
            let before = state.waiting.replace(waker);
            drop(state);
            discard(before);
            Poll::Pending
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::pin::pin;
    use std::task::{Wake, Waker};

    /// The waker of a task that looks whether the wait is locked when it goes.
    struct Looks(Arc<EndWatch>);

    impl Wake for Looks {
        fn wake(self: Arc<Self>) {}
    }

    impl Drop for Looks {
        fn drop(&mut self) {
            assert!(self.0.state.try_lock().is_ok(), "dropped under the lock");
        }
    }

    #[test]
    fn a_replaced_waker_is_dropped_outside_the_lock() {
        let watch = Arc::new(EndWatch::default());
        watch.expect_one();
        let mut ended = pin!(watch.all_ended());
        for _ in 0..2 {
            let waker = Waker::from(Arc::new(Looks(watch.clone())));
            assert!(ended.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }
        watch.one_ended("import:1", None);
        assert!(ended.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
    }
}
