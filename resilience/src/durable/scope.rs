//! The scope of the running code: a job, and a step.
//!
//! The scope travels with the code: in a thread-local for sync code, and in [`InScope`] around each future, which sets
//! the thread-local while it is polled and takes it away afterwards. A spawned task or thread has none, unless it is
//! wrapped in [`in_scope`] or [`in_scope_blocking`].
//!
//! A [`Scope`] is cheap to clone: it has pointers to the job and the step. The notes of a job (refusals, occurrences of
//! steps without a key, the strategy of a step's `with_recovery`) are in its [`JobScope`], which all clones share.

mod carried;

pub use carried::{InScope, in_scope, in_scope_blocking};

use crate::base::carry;
use crate::base::digest::hash;
use crate::base::replaced::{Replaced, replace};
use crate::base::site::Site;
use crate::base::stopping;
use crate::base::sync::locked;
use crate::classify::{Category, Classification};
use crate::durable::lease::state::LeaseState;
use crate::durable::record::Record;
use crate::durable::record::error::JobError;
use crate::durable::record::key::place;
use crate::durable::seat::Seat;
use crate::durable::store::{self, Holder, Store};
use crate::policy::refusals;
use std::cell::RefCell;
use std::collections::HashMap;
use std::fmt::Write as _;
use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};

thread_local! {
    static CURRENT: RefCell<Scope> =
        const { RefCell::new(Scope { job: None, step: None, held: None, resumption: None }) };
}

/// The scope of the running code.
#[derive(Clone, Debug, Default)]
#[doc(hidden)]
pub struct Scope {
    pub(crate) job: Option<Arc<JobScope>>,
    pub(crate) step: Option<Step>,
    held: Option<Arc<HeldKey>>,
    /// The recorded job that recovery calls this code for, until its body begins.
    pub(crate) resumption: Option<Arc<Resumption>>,
}

/// The call that recovery makes for a recorded job. The call reads the record; recovery reads afterwards why
/// the body did not run.
#[derive(Debug)]
pub(crate) struct Resumption {
    record: Record,
    /// The store in which it is recorded.
    store: Arc<dyn Store>,
    /// The key that the call rendered first: another key is another job.
    rendered: OnceLock<String>,
    /// Why the body did not run.
    problem: Mutex<Option<JobError>>,
    /// The job's place among the recovered ones that run.
    seat: OnceLock<Arc<dyn Seat>>,
}

impl Resumption {
    pub(crate) fn new(record: Record, store: Arc<dyn Store>) -> Self {
        Self { record, store, rendered: OnceLock::new(), problem: Mutex::default(), seat: OnceLock::new() }
    }

    /// Notes the place that the job has; the first one counts.
    pub(crate) fn sits(&self, seat: Arc<dyn Seat>) {
        self.seat.get_or_init(|| seat);
    }

    pub(crate) fn record(&self) -> &Record {
        &self.record
    }

    /// Returns the recorded job and its store, if a call under `key` of the job that `has_name` means that one.
    pub(crate) fn record_of(
        &self,
        has_name: impl FnOnce(&str) -> bool,
        key: &str,
    ) -> Option<(&Record, &Arc<dyn Store>)> {
        let is_same = has_name(&self.record.function);
        let is_first = is_same && self.rendered.get_or_init(|| key.to_owned()) == key;
        is_first.then_some((&self.record, &self.store))
    }

    /// Notes why the body of the job that `has_name` did not run, if that is the recorded one.
    pub(crate) fn refuse(&self, has_name: impl FnOnce(&str) -> bool, error: &JobError) {
        if has_name(&self.record.function) {
            *locked(&self.problem) = Some(error.clone());
        }
    }

    /// Notes why the job under `key`, if it is this one, was interrupted.
    pub(crate) fn interrupted(&self, key: &str, error: &JobError) {
        if self.record.key == key {
            *locked(&self.problem) = Some(error.clone());
        }
    }

    /// Returns why the body did not run; `None` if it did.
    pub(crate) fn problem(&self) -> Option<JobError> {
        locked(&self.problem).clone()
    }

    /// Returns the scope of the call.
    pub(crate) fn scope(self: &Arc<Self>) -> Scope {
        Scope { resumption: Some(self.clone()), ..Scope::default() }
    }
}

/// A key that is worked on, and those within whose work that is.
///
/// A chain from the innermost outwards: work that asks for a key in it would wait for itself.
#[derive(Debug)]
struct HeldKey {
    store: Arc<dyn Store>,
    key: String,
    outer: Option<Arc<HeldKey>>,
}

/// The running job.
///
/// It lives for one run of the body. A take-over, in this process or another, makes a new one, and the notes
/// here are then known from the records only.
#[derive(Debug)]
pub(crate) struct JobScope {
    pub(crate) id: String,
    pub(crate) lease: Arc<LeaseState>,
    incarnation: u64,
    /// The counter of the running jobs that counts it: it may be dropped elsewhere.
    running: &'static AtomicUsize,
    /// An earlier run of this incarnation may have carried out any step that has no record.
    is_repeated: bool,
    /// The number of runs of each step in this run.
    attempts: Mutex<HashMap<String, u32>>,
    /// The number of calls of each step without a key, and whether a call of it runs.
    occurrences: Mutex<HashMap<String, (u32, bool)>>,
    /// The request of a step's `with_recovery`.
    wanted: Mutex<Option<OnFailure>>,
    calls: Mutex<InnerCalls>,
    /// Whether a shutdown has refused it a call, or has ended a wait of it.
    is_cut: AtomicBool,
    /// Whether it was refused a step because it was cancelled.
    is_cancelled: AtomicBool,
    /// Its place among the recovered jobs that run, or that of the job which called it.
    seat: Option<Arc<dyn Seat>>,
}

/// The ends of the calls that a job made of its steps, cursors and other jobs.
///
/// They decide whether a body that fails does so of its own making: an error that a refused call has returned, passed
/// on by the body, leaves the job interrupted, and any other ends it.
#[derive(Debug, Default)]
struct InnerCalls {
    /// The number of calls that began.
    begun: u64,
    /// The calls that were refused without a fault of the body, and that have not succeeded since.
    refused: Vec<RefusedCall>,
    /// The step whose body panicked last, unless another one began since.
    panicked: Option<String>,
}

/// A call that was refused for no fault of the body.
#[derive(Debug)]
struct RefusedCall {
    key: String,
    problem: String,
    class: Classification,
    /// The number of calls that had begun.
    after: u64,
}

impl RefusedCall {
    /// Returns whether an error of `class` may be this one, or made of it: the refusal of another policy is not.
    fn may_have_class(&self, class: &Classification) -> bool {
        let is_other = class.retry_after.is_some() && class.retry_after != self.class.retry_after;
        let is_other = is_other || class.is_refusal() && !self.class.is_refusal();
        class.category == self.class.category && !is_other
    }
}

/// The treatment of a job whose body fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[doc(hidden)]
pub enum OnFailure {
    /// The job becomes `Failed`.
    Fail,
    /// Its steps are undone.
    Rollback,
    /// The job waits for a person.
    Manual,
    /// The job becomes `Failed`, with a critical alert about it.
    Escalate,
}

impl JobScope {
    /// Creates the scope of the job `id`, whose record is `record`.
    pub(crate) fn new(id: String, lease: Arc<LeaseState>, record: &Record) -> Self {
        let running: &'static AtomicUsize = &RUNNING;
        running.fetch_add(1, Ordering::Relaxed);
        Self {
            id,
            lease,
            incarnation: record.incarnation,
            running,
            is_repeated: record.attempts > 1,
            attempts: Mutex::default(),
            occurrences: Mutex::default(),
            wanted: Mutex::default(),
            calls: Mutex::default(),
            is_cut: AtomicBool::new(false),
            is_cancelled: AtomicBool::new(false),
            seat: current().seat(),
        }
    }

    /// Notes that it was refused a step because it was cancelled.
    pub(crate) fn cancelled(&self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_cancelled(&self) -> bool {
        self.is_cancelled.load(Ordering::Relaxed)
    }

    /// Notes that a shutdown has refused it a call, or has ended a wait of it: the value of its body is not a result.
    pub(crate) fn cut(&self) {
        self.is_cut.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_cut(&self) -> bool {
        self.is_cut.load(Ordering::Relaxed)
    }

    /// Counts a run of the body of the step under `key`; returns its number.
    fn attempt(&self, key: &str) -> u32 {
        let mut attempts = locked(&self.attempts);
        let attempt = attempts.entry(key.to_owned()).or_default();
        *attempt = attempt.saturating_add(1);
        *attempt
    }

    /// Returns the store of the job; its steps are kept there, too, unless they name another one.
    pub(crate) fn store(&self) -> &Arc<dyn Store> {
        &self.lease.store
    }

    /// Returns the key of its step `key` in another store than its own.
    fn place_elsewhere(&self, key: &str) -> String {
        let parts = [self.id.as_str(), &self.incarnation.to_string(), "", ""];
        place::step_elsewhere(&self.id, identify(&self.store().identity(), parts), key)
    }

    /// Returns the holder under which its steps and cursors are written.
    pub(crate) fn holder(&self) -> Holder {
        Holder { key: self.lease.key.clone(), fence: self.lease.fence }
    }

    /// Notes the end that a step asks for. The last step that asks counts: the body returns its error.
    pub(crate) fn want(&self, wanted: OnFailure) {
        *locked(&self.wanted) = Some(wanted);
    }

    pub(crate) fn wanted(&self) -> Option<OnFailure> {
        *locked(&self.wanted)
    }

    fn calls(&self) -> MutexGuard<'_, InnerCalls> {
        locked(&self.calls)
    }

    /// Notes that a call begins.
    pub(crate) fn begins(&self) {
        let mut calls = self.calls();
        calls.begun += 1;
        calls.panicked = None;
    }

    /// Notes that the call of `key` has succeeded.
    pub(crate) fn succeeded(&self, key: &str) {
        self.calls().refused.retain(|refused| refused.key != key);
    }

    /// Notes that the call of `key` was refused without a fault of the body: its error is of `class`.
    pub(crate) fn refused(&self, key: String, problem: &str, class: Classification) {
        let mut calls = self.calls();
        calls.refused.retain(|refused| refused.key != key);
        let after = calls.begun;
        calls.refused.push(RefusedCall { key, problem: problem.to_owned(), class, after });
    }

    /// Returns the refusal that a body has failed with whose error is of `class`. If nothing is known of the error,
    /// it is the refusal after which the body did nothing.
    pub(crate) fn refusal(&self, class: &Classification) -> Option<String> {
        let calls = self.calls();
        let is_it = |refused: &&RefusedCall| match class.category {
            Category::Unknown => refused.after == calls.begun,
            _ => refused.may_have_class(class),
        };
        calls.refused.iter().rev().find(is_it).map(|refused| refused.problem.clone())
    }

    /// Returns whether an error of `class` is a refusal, for a policy that would answer it: the class of one, or what a
    /// type of the program has made of it, after which the body has called nothing else.
    fn is_refusal(&self, class: &Classification) -> bool {
        let calls = self.calls();
        let is_last = |refused: &RefusedCall| {
            let is_known = class.category != Category::Unknown;
            refused.after == calls.begun && (!is_known || refused.may_have_class(class))
        };
        calls.refused.iter().any(|refused| refused.class == *class || is_last(refused))
    }

    /// Notes that the body of the step `key` panics; those around it do so because of it.
    fn panics(&self, key: &str) {
        self.calls().panicked.get_or_insert_with(|| key.to_owned());
    }

    /// Returns the step whose body panicked.
    pub(crate) fn panicked_in(&self) -> Option<String> {
        self.calls().panicked.clone()
    }

    /// Returns the key of the next call of `function`, which has none of its own; `None` while another one runs.
    ///
    /// So the first call is `function#1` in every run, as long as the body calls its steps in the same order.
    ///
    /// # Errors
    ///
    /// The key of the call that runs, if one does: two at once have no order.
    pub(crate) fn occurrence(self: &Arc<Self>, function: &str) -> Result<(String, Occurrence), String> {
        let mut all = locked(&self.occurrences);
        let (count, running) = all.entry(function.to_owned()).or_default();
        if *running {
            return Err(format!("{function}#{count}"));
        }
        *count += 1;
        *running = true;
        let key = format!("{function}#{count}");
        Ok((key, Occurrence { job: self.clone(), function: function.to_owned() }))
    }
}

impl Drop for JobScope {
    fn drop(&mut self) {
        self.running.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The body of a step, while it runs: notes a panic in it.
///
/// Panics travel outwards through the steps around; the first one noted is the innermost.
#[derive(Debug)]
pub(crate) struct StepBody {
    job: Arc<JobScope>,
    key: String,
}

impl StepBody {
    pub(crate) fn new(job: &Arc<JobScope>, key: &str) -> Self {
        Self { job: job.clone(), key: key.to_owned() }
    }
}

impl Drop for StepBody {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.job.panics(&self.key);
        }
    }
}

/// A running call of a step without a key.
#[derive(Debug)]
pub(crate) struct Occurrence {
    job: Arc<JobScope>,
    function: String,
}

impl Drop for Occurrence {
    fn drop(&mut self) {
        let mut all = locked(&self.job.occurrences);
        if let Some((_, running)) = all.get_mut(&self.function) {
            *running = false;
        }
    }
}

/// The running step, for other systems; see [`step()`].
///
/// A step runs at least once: a crash after the effect and before the record repeats it. Its idempotency key
/// lets the service recognise the repetition.
///
/// It refers to the lease, and can be sent to another thread or task, where it returns the same values.
///
/// # Examples
///
/// A payment that is made once:
///
/// ```
/// use resilience::{Checkpoint, Rejected};
///
/// const CHARGE: Checkpoint = Checkpoint::new("shop::charge");
///
/// # let _world = resilience::testing::isolate();
/// # fn charge(_key: &str) -> Result<u32, Rejected> { Ok(4711) }
/// let receipt: Result<u32, Rejected> = CHARGE.call("order:9", || {
///     let step = resilience::step().expect("inside of a step");
///     assert_eq!((step.attempt(), step.may_repeat()), (1, false));
///     charge(&step.idempotency_key()) // sent as the header `Idempotency-Key`
/// });
/// assert_eq!(receipt.unwrap(), 4711);
/// ```
#[derive(Clone, Debug)]
pub struct Step {
    lease: Arc<LeaseState>,
    attempt: u32,
    may_repeat: bool,
    idempotency_key: u128,
}

impl Step {
    /// Creates the step of `record` under a lease of its own.
    pub(crate) fn of_its_own(lease: &Arc<LeaseState>, record: &Record) -> Self {
        let parts = ["", "0", &record.key, &record.incarnation.to_string()];
        Self {
            lease: lease.clone(),
            attempt: record.attempts,
            may_repeat: record.attempts > 1,
            idempotency_key: identify(&lease.store.identity(), parts),
        }
    }

    /// Creates the step of `record` in `job`.
    pub(crate) fn in_job(job: &JobScope, record: &Record) -> Self {
        let attempt = job.attempt(&record.key);
        let parts = [&job.id, &job.incarnation.to_string(), &record.key, &record.incarnation.to_string()];
        Self {
            lease: job.lease.clone(),
            attempt,
            may_repeat: job.is_repeated || attempt > 1,
            idempotency_key: identify(&job.store().identity(), parts.map(String::as_str)),
        }
    }

    /// Returns a text that is the same for all attempts of this step, and that no other step has.
    ///
    /// It is 32 hexadecimal digits. It stays the same over crashes and power cuts, until the step is undone,
    /// removed or started over. Send it with a payment, for example, and the payment is made once.
    ///
    /// It is a SipHash-2-4 of 128 bits over the identity of the store, the job with its incarnation, and the step
    /// with its own. The keys of one step differ between two stores, so that a test system does not spend a key of
    /// the real one; a backup has the identity, and the keys, of its store.
    ///
    /// # Examples
    ///
    /// A step whose body fails is begun again, with the same key:
    ///
    /// ```
    /// use resilience::{Checkpoint, Rejected};
    /// use resilience::testing::rejected;
    ///
    /// const CHARGE: Checkpoint = Checkpoint::new("shop::charge");
    ///
    /// # let _world = resilience::testing::isolate();
    /// let mut keys = Vec::new();
    /// for _ in 0..2 {
    ///     let lost: Result<u32, Rejected> = CHARGE.call("order:7", || {
    ///         keys.push(resilience::step().expect("inside of a step").idempotency_key());
    ///         Err(rejected::timed_out("shop", std::time::Duration::from_secs(2)))
    ///     });
    ///     assert!(lost.is_err());
    /// }
    /// assert_eq!(keys[0], keys[1]);
    /// assert_eq!(keys[0].len(), 32);
    /// ```
    pub fn idempotency_key(&self) -> String {
        format!("{:032x}", self.idempotency_key)
    }

    /// Returns the number of the claim: of the job, inside of one.
    ///
    /// A later claim has a higher number. A service that remembers the highest one it has seen, and refuses
    /// whatever comes with a lower one, cannot be written to by a process that has lost its lease.
    ///
    /// A fence is at least 1 and never given out twice by one store.
    ///
    /// # Examples
    ///
    /// A ledger that refuses what comes with a lower fence than it has seen:
    ///
    /// ```
    /// use resilience::{Checkpoint, Rejected};
    ///
    /// const BOOK: Checkpoint = Checkpoint::new("bank::book");
    ///
    /// # let _world = resilience::testing::isolate();
    /// let mut highest = 0;
    /// for entry in ["order:7", "order:8"] {
    ///     let booked: Result<u64, Rejected> =
    ///         BOOK.call(entry, || Ok(resilience::step().expect("inside of a step").fence()));
    ///     let fence = booked.unwrap();
    ///     assert!(fence > highest, "a later claim has a higher fence");
    ///     highest = fence;
    /// }
    /// ```
    pub fn fence(&self) -> u64 {
        self.lease.fence
    }

    /// Returns the number of times that this step was begun, this time included: in this run of the job, inside of one.
    ///
    /// From 1. A retry around the step begins it again; one inside of its body does not.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::testing::rejected;
    /// use resilience::{Checkpoint, Rejected, Retry};
    /// use std::time::Duration;
    ///
    /// const CHARGE: Checkpoint = Checkpoint::new("shop::charge");
    ///
    /// # let _world = resilience::testing::isolate();
    /// let mut attempts = Vec::new();
    /// let charged: Result<u32, Rejected> = Retry::new().max(2).call(|| {
    ///     CHARGE.call("order:7", || {
    ///         let step = resilience::step().expect("inside of a step");
    ///         attempts.push((step.attempt(), step.may_repeat()));
    ///         if step.attempt() < 3 { Err(rejected::timed_out("shop", Duration::from_secs(2))) } else { Ok(1) }
    ///     })
    /// });
    /// assert_eq!(charged.unwrap(), 1);
    /// assert_eq!(attempts, [(1, false), (2, true), (3, true)]);
    /// ```
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Returns whether an earlier attempt may have done the work already.
    ///
    /// It was begun then, and nothing was recorded. True after every crash of the job, for steps without a
    /// record. If the service has no idempotency keys, ask it first whether the work was done.
    pub fn may_repeat(&self) -> bool {
        self.may_repeat
    }

    /// Returns whether the lease is known to be lost: the result of this step will be discarded.
    ///
    /// It is an estimate: a lease can be lost without being known to be, and a lease that was lost in an outage of the
    /// store can be found again. Only the store decides, when the step is recorded.
    pub fn is_lease_lost(&self) -> bool {
        self.lease.loss.is_lost()
    }

    /// Waits until the lease is known to be lost; select on it beside long work, and stop that work.
    ///
    /// It may be ready because the store did not answer for the length of the lease, although no other process has
    /// taken over: stopping then costs a second run, and going on may cost a second effect.
    ///
    /// For a lease that is kept it never ends, also after the step has: drop it with the work. In a test world no
    /// lease is lost.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Rejected, checkpoint};
    ///
    /// async fn transcode(_frame: u32) {}
    ///
    /// #[checkpoint("video:{id}")]
    /// async fn convert(id: u32) -> Result<u32, Rejected> {
    ///     let lost = resilience::step().expect("inside of a step").lease_lost();
    ///     let work = async {
    ///         let mut frames = 0;
    ///         for frame in 0..3 {
    ///             transcode(frame).await;
    ///             frames += 1;
    ///         }
    ///         frames
    ///     };
    ///     tokio::select! {
    ///         biased;
    ///         frames = work => Ok(frames),
    ///         () = lost => Ok(0), // another process converts it by now, and this value is discarded
    ///     }
    /// }
    ///
    /// # let _world = resilience::testing::isolate();
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// assert_eq!(convert(7).await.unwrap(), 3);
    /// # });
    /// ```
    pub fn lease_lost(&self) -> impl Future<Output = ()> + Send + use<> {
        let lease = self.lease.clone();
        std::future::poll_fn(move |cx| lease.loss.poll_lost(cx))
    }
}

/// The number of jobs that run in this process or test world.
static RUNNING: Site<AtomicUsize> = Site::new(AtomicUsize::new(0), AtomicUsize::default);

/// Returns how many jobs run in this process or test world.
pub(crate) fn running_jobs() -> usize {
    RUNNING.load(Ordering::Relaxed)
}

/// Returns the hash of the store's identity, the job's id and incarnation, the step's key and incarnation.
fn identify(store: &str, parts: [&str; 4]) -> u128 {
    let mut text = store.to_owned();
    for part in parts {
        // Writing to a text does not fail.
        let _ = write!(text, "\n{}:{part}", part.len());
    }
    hash(text.as_bytes())
}

/// Returns the step that is running on this thread or task; `None` outside of one.
///
/// A spawned task or thread is part of it only with [`in_scope`] or [`in_scope_blocking`].
///
/// # Examples
///
/// ```
/// assert!(resilience::step().is_none());
/// ```
pub fn step() -> Option<Step> {
    current().step
}

/// Returns the id of the job that is running; `None` outside of one.
///
/// # Examples
///
/// ```
/// use resilience::{Job, Rejected};
///
/// # let _world = resilience::testing::isolate();
/// assert_eq!(resilience::job_id(), None);
/// let id: Result<Option<String>, Rejected> =
///     Job::run_blocking("report:7", (), |()| Ok(resilience::job_id()));
/// assert_eq!(id.unwrap().as_deref(), Some("report:7"));
/// ```
pub fn job() -> Option<String> {
    current().job.map(|job| job.id.clone())
}

/// Returns a clone of the scope, as the code that asks may begin something inside; empty on a thread whose locals are
/// gone.
pub(crate) fn current() -> Scope {
    CURRENT.try_with(|current| current.borrow().clone()).unwrap_or_default()
}

/// Returns whether an error of `class` is a refusal by the job that the running code is part of: nothing may answer it.
///
/// Once the process shuts down, or the job is known to be cancelled, every error outside of its steps is one: a wait
/// that ended early may be why. A step that runs may end as it can. What the body makes of an error that a shutdown
/// keeps from being answered is not a result.
fn is_refusal(class: &Classification) -> bool {
    let Scope { job: Some(job), step, .. } = current() else { return false };
    let is_between_steps = step.is_none();
    if is_between_steps && stopping::has_begun() {
        job.cut();
        return true;
    }
    let is_cancelled = job.is_cancelled() && (is_between_steps || class.category == Category::Cancelled);
    is_cancelled || job.is_refusal(class)
}

impl Scope {
    /// Returns the scope inside of a job that was begun here.
    pub(crate) fn in_job(self, job: Arc<JobScope>) -> Self {
        let (store, key) = (job.store().clone(), job.lease.key.clone());
        let held = Some(Arc::new(HeldKey { store, key, outer: self.held }));
        Self { job: Some(job), step: None, held, resumption: None }
    }

    /// Returns the scope inside of the step under `key`, which was begun here.
    pub(crate) fn in_step(self, step: Step, key: String) -> Self {
        let held = Some(Arc::new(HeldKey { store: step.lease.store.clone(), key, outer: self.held }));
        Self { job: self.job, step: Some(step), held, resumption: None }
    }

    /// Returns the key in `store` of the step `key` that is called here: the undo around it has steps of its own.
    ///
    /// A store other than the job's knows nothing of the job: neither when it ends, nor when it starts over. There the
    /// step is one outside of jobs, whose key names this very incarnation of the job.
    pub(crate) fn place_of_step(&self, store: &Arc<dyn Store>, key: &str) -> String {
        let outward = std::iter::successors(self.held.as_ref(), |held| held.outer.as_ref());
        let keys = outward.map(|held| held.key.as_str()).take_while(|key| !place::is_job(key));
        let undo = keys.filter(|key| place::is_of_undo(key)).last();
        let Some(job) = &self.job else { return place::step(None, key) };
        let is_elsewhere = !store::same(job.store(), store);
        match undo {
            Some(undo) if is_elsewhere => job.place_elsewhere(&place::step_of_undo(undo, key)),
            Some(undo) => place::step_of_undo(undo, key),
            None if is_elsewhere => job.place_elsewhere(key),
            None => place::step(Some(&job.id), key),
        }
    }

    /// Returns whether this code is part of the work of any key.
    pub(crate) const fn is_inside(&self) -> bool {
        self.held.is_some()
    }

    /// Returns whether this code is part of the work of `key`: a wait for it here would wait for itself.
    pub(crate) fn holds(&self, store: &Arc<dyn Store>, key: &str) -> bool {
        let outward = std::iter::successors(self.held.as_ref(), |held| held.outer.as_ref());
        outward.into_iter().any(|held| held.key == key && store::same(&held.store, store))
    }

    /// Returns the place of the recovered job that this is part of, or is called for.
    pub(crate) fn seat(&self) -> Option<Arc<dyn Seat>> {
        let resumed = self.resumption.as_ref().and_then(|resumption| resumption.seat.get());
        resumed.or_else(|| self.job.as_ref()?.seat.as_ref()).cloned()
    }

    /// Returns the id of the job that this is part of.
    pub(crate) fn job_id(&self) -> Option<String> {
        self.job.as_ref().map(|job| job.id.clone())
    }

    /// Makes this thread part of the scope until the guard is dropped.
    pub(crate) fn enter(&self) -> Replaced<RefCell<Self>> {
        refusals::set(is_refusal);
        carry::set_job_id(|| current().job_id());
        carry::set_job(|| {
            let scope = current();
            Arc::new(move || Box::new(scope.enter()))
        });
        replace(&CURRENT, self.clone())
    }
}
