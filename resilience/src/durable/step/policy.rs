//! A step whose success is recorded under a key: it runs once, and afterwards the recorded value is given.

use crate::base::of_process::OfProcess;
use crate::classify::Classify;
use crate::defaults::durable as defaults;
use crate::durable::lease::acquire::{Answer, Reads, claim, patience};
use crate::durable::lease::block_on::{Mode, block_on};
use crate::durable::lease::end::completed;
use crate::durable::lease::hold::{Lease, judged};
use crate::durable::lease::turn::Turn;
use crate::durable::record::args::Inputs;
use crate::durable::record::codec;
use crate::durable::record::error::{CheckpointError, Place};
use crate::durable::record::key::place;
use crate::durable::record::{Record, Status};
use crate::durable::scope::{self, JobScope, Occurrence, Scope, Step, StepBody};
use crate::durable::store::{self, Claim, Completion, Otherwise, Release, Store, StoreError};
use crate::event::{Event, emit};
use crate::outcome::{Outcome, Refuse};
use crate::point::PointName;
use crate::policy::{InvalidPolicy, Verdict};
use crate::rejected::Rejected;
use crate::sync::locked;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a store that cannot be used means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnStoreError {
    /// The body does not run, or its value comes back as `NotRecorded`.
    #[default]
    Fail,
    /// The body runs unprotected; a warning reports it.
    Run,
}

/// A step as a plain value: how its results are kept.
///
/// # Examples
///
/// ```
/// use resilience::durable::Checkpoint;
///
/// const CHARGE: Checkpoint = Checkpoint::new("shop::charge").version(2);
///
/// # let _world = resilience::testing::isolate();
/// let mut charged = 0;
/// for _ in 0..2 {
///     let receipt: Result<u32, resilience::Rejected> = CHARGE.call("order:7", || {
///         charged += 1;
///         Ok(4711)
///     });
///     assert_eq!(receipt.unwrap(), 4711);
/// }
/// assert_eq!(charged, 1, "the second call was given the recorded value");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Checkpoint {
    pub(crate) name: &'static str,
    pub(crate) was: &'static [&'static str],
    pub(crate) version: u32,
    pub(crate) ttl: Duration,
    pub(crate) lease: Duration,
    pub(crate) wait: Duration,
    pub(crate) on_mismatch: Otherwise,
    pub(crate) on_corrupt: Otherwise,
    pub(crate) on_store_error: OnStoreError,
    pub(crate) in_job: bool,
}

impl Checkpoint {
    /// A step that belongs to `name`; one key cannot be recorded by two names.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            was: &[],
            version: 1,
            ttl: Duration::ZERO,
            lease: defaults::LEASE,
            wait: defaults::WAIT,
            on_mismatch: Otherwise::Error,
            on_corrupt: Otherwise::Error,
            on_store_error: OnStoreError::Fail,
            in_job: false,
        }
    }

    /// Earlier names, whose records count as this step's own.
    pub const fn was(mut self, names: &'static [&'static str]) -> Self {
        self.was = names;
        self
    }

    /// The version of what the step does; a record of another one contradicts the code. Default 1.
    pub const fn version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// How long a result counts; default for ever. In a job it begins to age when the job has ended.
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// How long the claim of a process counts without being renewed; renewed every third of it. At least
    /// 3 ms, default 30 s.
    ///
    /// # Panics
    ///
    /// If it is shorter than 3 ms; in a `const` that is a compile error. See [`try_lease`](Self::try_lease).
    #[track_caller]
    pub const fn lease(self, lease: Duration) -> Self {
        match self.try_lease(lease) {
            Ok(set) => set,
            Err(invalid) => panic!("{}", invalid.message()),
        }
    }

    /// As [`lease`](Self::lease), for a length known only at run time.
    ///
    /// # Errors
    ///
    /// If it is shorter than 3 ms.
    pub const fn try_lease(mut self, lease: Duration) -> Result<Self, InvalidPolicy> {
        match judged(lease) {
            Ok(lease) => self.lease = lease,
            Err(invalid) => return Err(invalid),
        }
        Ok(self)
    }

    /// How long a call waits for another holder; default 5 minutes, or what a timeout around it leaves.
    pub const fn wait(mut self, wait: Duration) -> Self {
        self.wait = wait;
        self
    }

    /// What a record of another function, version or input under the key means; default an error.
    pub const fn on_mismatch(mut self, otherwise: Otherwise) -> Self {
        self.on_mismatch = otherwise;
        self
    }

    /// What damaged bytes under the key mean; default an error.
    pub const fn on_corrupt(mut self, otherwise: Otherwise) -> Self {
        self.on_corrupt = otherwise;
        self
    }

    /// Refuses the step outside of every job. Without it a step that is called outside of a job, by a spawned task
    /// that forgot [`in_scope`](crate::in_scope), say, belongs to the store as a whole: all jobs share its result. A
    /// WARN reports that once for each function, while jobs run in this process.
    pub const fn in_job(mut self, in_job: bool) -> Self {
        self.in_job = in_job;
        self
    }

    /// What a store that cannot be used means; by default the body does not run.
    pub const fn on_store_error(mut self, otherwise: OnStoreError) -> Self {
        self.on_store_error = otherwise;
        self
    }

    /// The recorded value of `key`, or what `body` gives, recorded.
    ///
    /// The key is `key` as it prints; inside a job it belongs to that job, else to the store.
    ///
    /// # Errors
    ///
    /// The body's own, which is not recorded; or the error type made from [`Rejected::Checkpoint`].
    pub fn call<R>(&self, key: impl Display, body: impl FnOnce() -> R) -> R
    where
        R: Refuse<Value: Serialize + DeserializeOwned>,
    {
        let ask = Ask::new::<R::Value>(Some(key.to_string()));
        let running = match block_on(self.begin(Mode::Blocking, &self.named(), ask)).noted() {
            Begun::Run(running) => running,
            other => return other.or_refuse(),
        };
        let outcome = {
            let _entered = running.scope().enter();
            body()
        };
        match block_on(running.settle(Mode::Blocking, outcome, None)) {
            Ok((outcome, _)) => outcome,
            Err(rejected) => R::refuse(rejected),
        }
    }

    /// As [`call`](Self::call), for a body that is awaited.
    ///
    /// # Errors
    ///
    /// The body's own, which is not recorded; or the error type made from [`Rejected::Checkpoint`].
    pub async fn call_async<R>(&self, key: impl Display, body: impl AsyncFnOnce() -> R) -> R
    where
        R: Refuse<Value: Serialize + DeserializeOwned>,
    {
        let ask = Ask::new::<R::Value>(Some(key.to_string()));
        let running = match self.begin(Mode::Async, &self.named(), ask).await.noted() {
            Begun::Run(running) => running,
            other => return other.or_refuse(),
        };
        let outcome = scope::InScope::new(running.scope(), body()).await;
        match running.settle(Mode::Async, outcome, None).await {
            Ok((outcome, _)) => outcome,
            Err(rejected) => R::refuse(rejected),
        }
    }

    fn named(&self) -> Who {
        Who { point: PointName::new(self.name), function: self.name.to_owned() }
    }

    /// Looks the step up, and claims it if it has to run.
    pub(crate) async fn begin(&self, mode: Mode, who: &Who, ask: Ask) -> Begun {
        let reads = ask.reads;
        match self.prepare(who, ask) {
            Ok((store, key, scope, request, occurrence)) => {
                let answer = claim(mode, &store, &request, Status::Free, reads, patience(self.wait)).await;
                let place = Place::new(who.point.clone(), key);
                self.answered(answer, place, store, scope, request, occurrence)
            }
            Err(CheckpointError::Store { .. }) if self.on_store_error == OnStoreError::Run => {
                Begun::Run(Running::unprotected(who))
            }
            Err(error) => Begun::Refused(error.into()),
        }
    }

    #[expect(clippy::type_complexity, reason = "taken apart again at once")]
    fn prepare(
        &self,
        who: &Who,
        ask: Ask,
    ) -> Result<(Arc<dyn Store>, String, Scope, Claim, Option<Occurrence>), CheckpointError> {
        let scope = scope::current();
        let place = |key: &str| Place::new(who.point.clone(), key);
        let (key, occurrence) = match (ask.key, &scope.job) {
            (Some(key), _) => (key, None),
            (None, None) => return Err(CheckpointError::NoKey { at: place("") }),
            (None, Some(job)) => {
                let (key, occurrence) = job
                    .occurrence(&who.function)
                    .map_err(|key| CheckpointError::Overlap { at: place(&key) })?;
                (key, Some(occurrence))
            }
        };
        if scope.job.is_none() {
            if self.in_job {
                return Err(CheckpointError::OutsideJob { at: place(&key) });
            }
            warn_outside(&who.point);
        }
        check_key(place(&key))?;
        let inputs = ask.inputs.transpose();
        let inputs = inputs.map_err(|message| CheckpointError::Encode { at: place(&key), message })?;
        let store = match (ask.store, &scope.job) {
            (Some(store), _) => store,
            (None, Some(job)) => job.store().clone(),
            (None, None) => {
                crate::durable::default_store().map_err(|error| CheckpointError::store(place(&key), error))?
            }
        };
        let id = scope.job.as_ref().map(|job| job.id.as_str());
        let full = place::step(id, &key);
        if scope.holds(&store, &full) {
            return Err(CheckpointError::Recursive { at: place(&key) });
        }
        // A step in another store than its job's is not under the job's lease.
        let job = scope.job.as_ref().filter(|job| store::same(job.store(), &store));
        let request = Claim {
            lease: self.lease,
            was: earlier(&who.function, self.was),
            version: self.version,
            inputs: inputs.as_ref().map(|inputs| inputs.hash),
            input: inputs.map_or(Vec::new(), |inputs| inputs.each),
            ttl: self.ttl,
            holder: job.map(|job| job.holder()),
            on_mismatch: self.on_mismatch,
            on_corrupt: self.on_corrupt,
            ..Claim::new(full, store.owner(), who.function.clone())
        };
        Ok((store, key, scope, request, occurrence))
    }

    fn answered(
        &self,
        answer: Result<Answer, StoreError>,
        at: Box<Place>,
        store: Arc<dyn Store>,
        scope: Scope,
        request: Claim,
        occurrence: Option<Occurrence>,
    ) -> Begun {
        let error = match answer {
            Ok(Answer::Held(record, turn)) => {
                let body = scope.job.as_ref().map(|job| StepBody::new(job, &at.key));
                let job = scope.job.clone().filter(|_| request.holder.is_some());
                let (held, step) = if let Some(job) = job {
                    let step = Step::in_job(&job, &record);
                    (Held::ByJob { job, record: Box::new(record), _turn: turn }, step)
                } else {
                    let (key, length) = (request.key.clone(), request.lease);
                    let lease = Lease::new(store, key, record.fence, length, Some(turn), Status::Free);
                    let step = Step::of_its_own(lease.shared(), &record);
                    (Held::ByItself(lease), step)
                };
                let scope = scope.in_step(step, request.key);
                return Begun::Run(Running {
                    at,
                    held,
                    scope,
                    on_store_error: self.on_store_error,
                    _occurrence: occurrence,
                    _body: body,
                });
            }
            Ok(Answer::Done(record)) => {
                let (point, key, job) = (at.point.clone(), at.key.clone(), scope.job_id());
                emit(&Event::StepReused { point, key, job }, None);
                return Begun::Kept(record, at);
            }
            Ok(Answer::Busy { owner, left }) => CheckpointError::Busy { at, owner, retry_after: left },
            Ok(Answer::Mismatch(contradiction)) => CheckpointError::Mismatch { at, contradiction },
            Ok(Answer::Stopped(record)) => {
                let owner = record.owner;
                CheckpointError::Busy { at, owner, retry_after: Duration::ZERO }
            }
            Err(error) if error.is_outage() && self.on_store_error == OnStoreError::Run => {
                warn_unprotected(&at.point, &error);
                let who = Who { point: at.point.clone(), function: String::new() };
                return Begun::Run(Running { scope, ..Running::unprotected(&who) });
            }
            Err(error) => CheckpointError::store(at, error),
        };
        Begun::Refused(error.into())
    }
}

/// The place, if a step or cursor can be recorded under its key.
pub(crate) fn check_key(at: Box<Place>) -> Result<Box<Place>, CheckpointError> {
    match at.key.len() {
        0 => Err(CheckpointError::EmptyKey { at }),
        bytes if bytes > defaults::KEY_LIMIT => Err(CheckpointError::KeyTooLong { at, bytes }),
        _ => Ok(at),
    }
}

/// Reports once for each function that its step runs outside of every job while jobs run: its result belongs to none
/// of them.
fn warn_outside(point: &PointName) {
    static WARNED: OfProcess<Mutex<BTreeSet<String>>> =
        OfProcess::new(Mutex::new(BTreeSet::new()), |_| Mutex::default());
    if scope::running_jobs() == 0 {
        return;
    }
    let is_first = {
        let mut warned = locked(&WARNED);
        !warned.contains(&**point) && warned.insert(point.to_string())
    };
    #[cfg(not(feature = "tracing"))]
    let _ = is_first;
    #[cfg(feature = "tracing")]
    if is_first {
        crate::event::guarded(|| {
            tracing::warn!(
                target: "resilience::checkpoint", point = &**point,
                "a step runs outside of every job while jobs run: make the task that calls it part of its job with \
                 `resilience::in_scope(..)`; `in_job` makes this an error"
            );
        });
    }
}

fn warn_unprotected(point: &PointName, error: &StoreError) {
    #[cfg(feature = "tracing")]
    crate::event::guarded(|| {
        tracing::warn!(target: "resilience::checkpoint", point = &**point, reason = error.as_str(), "runs unprotected");
    });
    #[cfg(not(feature = "tracing"))]
    let _ = (point, error);
}

/// Earlier names as records have them: a name without a crate is one of the same crate.
pub(crate) fn earlier(function: &str, was: &[&str]) -> Vec<String> {
    let home = function.split("::").next().unwrap_or(function);
    let full = |name: &&str| if name.contains("::") { (*name).to_owned() } else { format!("{home}::{name}") };
    was.iter().map(full).chain(was.iter().map(|name| (*name).to_owned())).collect()
}

/// Whose step it is.
pub(crate) struct Who {
    pub(crate) point: PointName,
    pub(crate) function: String,
}

/// What a call says of itself.
pub(crate) struct Ask {
    /// `None` for a step without a key of its own.
    pub(crate) key: Option<String>,
    pub(crate) inputs: Option<Result<Inputs, String>>,
    pub(crate) store: Option<Arc<dyn Store>>,
    pub(crate) reads: Reads,
}

impl Ask {
    /// A step with this key, whose value is a `T`.
    pub(crate) fn new<T: DeserializeOwned>(key: Option<String>) -> Self {
        Self { key, inputs: None, store: None, reads: codec::reads::<T> }
    }
}

/// What the look-up says.
#[derive(Debug)]
#[doc(hidden)]
pub enum Begun {
    /// The body has to run.
    Run(Running),
    /// It ran before: its record.
    Kept(Record, Box<Place>),
    /// It may not run.
    Refused(Rejected),
}

impl Begun {
    /// Notes the answer in the job that the call is part of.
    pub(crate) fn noted(self) -> Self {
        if let Some(job) = scope::current().job {
            job.begins();
            match &self {
                Self::Run(_) => {}
                Self::Kept(_, at) => job.succeeded(&at.key),
                Self::Refused(rejected) => note_refusal(&job, rejected.key().unwrap_or_default(), rejected),
            }
        }
        self
    }

    /// The outcome of a call whose body does not run.
    fn or_refuse<R: Refuse<Value: DeserializeOwned>>(self) -> R {
        let rejected = match self {
            Self::Kept(record, at) => match kept(&record, at) {
                Ok(value) => return R::success(value),
                Err(rejected) => rejected,
            },
            Self::Refused(rejected) => rejected,
            Self::Run(running) => running.never(),
        };
        R::refuse(rejected)
    }
}

/// Notes in `job` that a step or cursor of it was refused, unless its body is what is wrong.
pub(crate) fn note_refusal(job: &JobScope, key: &str, rejected: &Rejected) {
    if let Rejected::Checkpoint(error) = rejected
        && error.is_interruption()
    {
        job.refused(key.to_owned(), &error.to_string(), rejected.classify());
    }
}

/// The recorded value of a step.
pub(crate) fn kept<T: DeserializeOwned>(record: &Record, at: Box<Place>) -> Result<T, Rejected> {
    codec::decode(&record.value).map_err(|message| {
        let key = at.key.clone();
        let rejected = CheckpointError::Undecodable { at, message }.into();
        if let Some(job) = scope::current().job {
            note_refusal(&job, &key, &rejected);
        }
        rejected
    })
}

/// A step whose body runs.
#[derive(Debug)]
#[doc(hidden)]
#[must_use]
pub struct Running {
    at: Box<Place>,
    held: Held,
    scope: Scope,
    on_store_error: OnStoreError,
    _occurrence: Option<Occurrence>,
    _body: Option<StepBody>,
}

/// What guards a step while its body runs.
#[derive(Debug)]
enum Held {
    /// Nothing: the store cannot be used.
    Unprotected,
    /// A lease of its own.
    ByItself(Lease),
    /// The lease of its job.
    ByJob {
        job: Arc<JobScope>,
        /// The record to be written when it ends.
        record: Box<Record>,
        /// Kept until it has ended.
        _turn: Turn,
    },
}

impl Running {
    fn unprotected(who: &Who) -> Self {
        Self {
            at: Place::new(who.point.clone(), ""),
            held: Held::Unprotected,
            scope: scope::current(),
            on_store_error: OnStoreError::Run,
            _occurrence: None,
            _body: None,
        }
    }

    /// What the body is part of.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    /// For a place that the types cannot rule out.
    fn never(self) -> Rejected {
        CheckpointError::Fenced { at: self.at }.into()
    }

    /// Records the outcome, if it is a success, and returns what was recorded.
    pub(crate) async fn settle<R>(
        self,
        mode: Mode,
        outcome: R,
        verdict: Verdict,
    ) -> Result<(R, Verdict), Rejected>
    where
        R: Outcome<Value: Serialize + DeserializeOwned>,
    {
        let (job, key) = (self.scope.job.clone(), self.at.key.clone());
        let settled = self.try_settle(mode, outcome, verdict).await;
        if let Some(job) = job {
            match &settled {
                Ok((outcome, None)) if outcome.is_success() => job.succeeded(&key),
                Ok(_) => {}
                Err(rejected) => note_refusal(&job, &key, rejected),
            }
        }
        settled
    }

    async fn try_settle<R>(self, mode: Mode, outcome: R, verdict: Verdict) -> Result<(R, Verdict), Rejected>
    where
        R: Outcome<Value: Serialize + DeserializeOwned>,
    {
        let (None, Ok(value)) = (&verdict, outcome.judge()) else {
            self.give_back().await;
            return Ok((outcome, verdict));
        };
        if matches!(self.held, Held::Unprotected) {
            return Ok((outcome, verdict));
        }
        // What cannot be read back is not recorded in the first place.
        match codec::read_back(value) {
            Ok((bytes, value)) => self.record(mode, bytes).await.map(|()| (R::success(value), verdict)),
            Err(message) => Err(self.unrecordable(message).await),
        }
    }

    async fn give_back(self) {
        crate::durable::moment::reached("after body");
        if let Held::ByItself(lease) = self.held {
            lease.give_back().await;
        }
    }

    async fn unrecordable(self, message: String) -> Rejected {
        let at = self.at.clone();
        self.give_back().await;
        CheckpointError::Encode { at, message }.into()
    }

    /// Has the store keep `value`, durable when this returns.
    async fn record(self, mode: Mode, value: Vec<u8>) -> Result<(), Rejected> {
        let Self { at, held, scope, on_store_error, .. } = self;
        crate::durable::moment::reached("after body");
        let (store, completion, mut lease) = match held {
            Held::Unprotected => return Ok(()),
            Held::ByItself(lease) => {
                let shared = lease.shared();
                let completion = Completion::done(shared.key.clone(), shared.fence, value);
                (shared.store.clone(), completion, Some(lease))
            }
            Held::ByJob { job, record, .. } => {
                let completion = Completion {
                    holder: Some(job.holder()),
                    tally: Some(place::tally(&job.id)),
                    ..Completion::done(record.key.clone(), record.fence, value)
                };
                (job.store().clone(), Completion { record: Some(record), ..completion }, None)
            }
        };
        let completion = Arc::new(completion);
        let completed = match &mut lease {
            Some(lease) => lease.complete(mode, &completion).await,
            None => completed(mode, &store, &completion).await,
        };
        match completed {
            Ok(_) => {
                crate::durable::moment::reached("after complete");
                let (point, key, job) = (at.point.clone(), at.key.clone(), scope.job_id());
                emit(&Event::StepRecorded { point, key, job }, None);
                Ok(())
            }
            Err(error) if error.is_outage() && on_store_error == OnStoreError::Run => {
                warn_unprotected(&at.point, &error);
                Ok(())
            }
            Err(error) if error.is_outage() => {
                // The caller has the value, and decides what is done with it.
                if let Some(lease) = lease {
                    lease.release_later(Release::new(completion.key.clone(), completion.fence, Status::Free));
                }
                let (value, store) = (completion.value.clone(), Box::new(error));
                Err(CheckpointError::NotRecorded { at, value, store }.into())
            }
            Err(StoreError::TooLarge { bytes }) => {
                if let Some(lease) = lease {
                    lease.give_back().await;
                }
                Err(CheckpointError::TooLarge { at, bytes, value: completion.value.clone() }.into())
            }
            Err(error) => {
                if let Some(lease) = lease {
                    lease.give_back().await;
                }
                Err(CheckpointError::store(at, error).into())
            }
        }
    }
}
