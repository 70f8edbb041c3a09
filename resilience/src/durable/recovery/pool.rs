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
use crate::base::promise::Promise;
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
use std::mem;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
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

/// A job that is queued or runs. It is forgotten when its call has ended and no look has found it at a later revision.
#[derive(Debug, Default)]
struct KnownJob {
    /// What waits for its end.
    ends: Vec<JobEnd>,
    /// Of a job that has left the queue: the revision of the record that was read, 0 before that.
    begun_from: Option<u64>,
    /// The last look that found the job without an owner after it had left the queue, and the revision then.
    found_again: Option<(u64, Arc<RecoveryPass>)>,
}

/// The end of a job, for the recovery that waits for it: the problem, if the job did not run.
pub(crate) type JobEnd = Arc<Promise<Option<JobError>>>;

/// A job to run. Its record is read when its turn comes: a queue of many jobs keeps none of their arguments.
#[derive(Clone, Debug)]
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
    /// `end` is given when it has ended.
    pub(crate) fn has(
        &self,
        pass: &Arc<RecoveryPass>,
        key: &str,
        revision: u64,
        end: Option<&JobEnd>,
    ) -> bool {
        self.state().join(pass, key, revision, end)
    }

    /// Queues the job, unless it is queued or runs, and returns whether it does one of them; then `end` is given when
    /// it has ended.
    pub(crate) fn add(
        &'static self,
        pass: &Arc<RecoveryPass>,
        key: &str,
        revision: u64,
        end: Option<&JobEnd>,
    ) -> bool {
        let needs_starter = {
            let mut state = self.state();
            if state.join(pass, key, revision, end) {
                return true;
            }
            if stopping::has_begun() {
                return false;
            }
            let job = KnownJob { ends: end.cloned().into_iter().collect(), ..KnownJob::default() };
            state.known.entry(pass.store.identity()).or_default().insert(key.to_owned(), job);
            state.queue.push_back(QueuedJob { pass: pass.clone(), key: key.to_owned() });
            !mem::replace(&mut state.has_starter, true)
        };
        self.changed.notify_one();
        if needs_starter {
            self.begin_starting();
        }
        true
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
            job.report(Some(&problem));
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
            let slot = JobPlace { seat, queued, resumption: None, problem: None, moves: false };
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
        let (mut forgotten, mut needs_starter) = (None, false);
        let waiting = {
            let mut state = self.state();
            let waiting = state.places.end(seat);
            if let Some(pass) = again(&mut state, &queued) {
                state.queue.push_front(QueuedJob { pass, ..queued });
                needs_starter = !mem::replace(&mut state.has_starter, true);
            } else {
                forgotten = Some(state.remove(&queued));
            }
            waiting
        };
        self.changed.notify_one();
        waiting.into_iter().for_each(wake);
        if needs_starter {
            self.begin_starting();
        }
        if let Some(job) = forgotten {
            job.report(problem);
        }
    }
}

impl KnownJob {
    fn report(self, problem: Option<&JobError>) {
        for end in self.ends {
            end.give(problem.cloned());
        }
    }
}

impl State {
    fn job(&mut self, store: &Arc<dyn Store>, key: &str) -> Option<&mut KnownJob> {
        self.known.get_mut(&store.identity())?.get_mut(key)
    }

    /// Makes `end` wait for a job that is queued or runs; returns `false` if it does neither.
    ///
    /// A look that finds a job which has left the queue is noted with its revision: the call may have ended already,
    /// and the job have been interrupted again since.
    fn join(&mut self, pass: &Arc<RecoveryPass>, key: &str, revision: u64, end: Option<&JobEnd>) -> bool {
        let Some(job) = self.job(&pass.store, key) else { return false };
        job.ends.extend(end.cloned());
        if job.begun_from.is_some() {
            job.found_again = Some((revision, pass.clone()));
        }
        true
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
    queued: QueuedJob,
    resumption: Option<Arc<Resumption>>,
    problem: Option<JobError>,
    /// Whether a drop before the end means that the runtime of the job is gone.
    moves: bool,
}

impl JobPlace {
    /// Reads the job and starts its call.
    fn fill(mut self) {
        let queued = &self.queued;
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
        let pass = self.queued.pass.clone();
        match call {
            Call::Async(call) => {
                self.moves = pass.runtime.is_borrowed();
                self.problem =
                    Some(not_started(&self.queued.key, "no thread for its runtime could be started"));
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
                self.problem = Some(not_started(&self.queued.key, "no thread could be started"));
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
        let queued = self.queued.clone();
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
            queued.pass.report_refusal(resumption.record(), &problem);
            self.problem = Some(problem);
        }
        self.seat.pool.end(self.seat.number, queued, self.problem.as_ref(), State::found_again);
    }
}
