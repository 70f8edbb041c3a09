//! A named, recorded call that is found and finished after a crash.

use super::run::Begun;
use super::running::{Caught, Running, Unfinished, dropped};
use crate::defaults::durable as defaults;
use crate::durable::lease::acquire::{Answer, Reads, claim, patience};
use crate::durable::lease::block_on::{Mode, block_on};
use crate::durable::lease::hold::{Lease, judged};
use crate::durable::record::Status;
use crate::durable::record::args::Args;
use crate::durable::record::codec;
use crate::durable::record::error::{JobError, Place};
use crate::durable::record::history::Note;
use crate::durable::record::key::place;
use crate::durable::scope::{self, JobScope, Wanted};
use crate::durable::store::{Claim, Mismatch, Otherwise, Store, StoreError};
use crate::outcome::Refuse;
use crate::point::PointName;
use crate::policy::InvalidPolicy;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use std::time::Duration;

/// A job as a plain value: how its calls are recorded.
///
/// # Examples
///
/// ```
/// use resilience::Job;
///
/// # let _world = resilience::testing::isolate();
/// let total = || {
///     Job::run_blocking("sum:7", vec![1, 2, 3], |numbers: Vec<u32>| {
///         Ok::<u32, resilience::Rejected>(numbers.iter().sum())
///     })
/// };
/// assert_eq!(total().unwrap(), 6);
/// assert_eq!(total().unwrap(), 6, "recorded: the body did not run again");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Job {
    pub(crate) name: &'static str,
    pub(crate) was: &'static [&'static str],
    pub(crate) version: u32,
    pub(crate) ttl: Duration,
    pub(crate) lease: Duration,
    pub(crate) wait: Duration,
    pub(crate) max_recoveries: u32,
    pub(crate) on_mismatch: Otherwise,
    pub(crate) on_corrupt: Otherwise,
    pub(crate) rerun: bool,
}

impl Job {
    /// A job of the name `name`, under which its calls are recorded and listed.
    pub const fn new(name: &'static str) -> Self {
        Self {
            name,
            was: &[],
            version: 1,
            ttl: defaults::JOB_TTL,
            lease: defaults::LEASE,
            wait: defaults::WAIT,
            max_recoveries: defaults::MAX_RECOVERIES,
            on_mismatch: Otherwise::Error,
            on_corrupt: Otherwise::Error,
            rerun: false,
        }
    }

    /// Earlier names, whose records count as this job's own.
    pub const fn was(mut self, names: &'static [&'static str]) -> Self {
        self.was = names;
        self
    }

    /// The version of what the job does; a record of another one contradicts the code. Default 1.
    pub const fn version(mut self, version: u32) -> Self {
        self.version = version;
        self
    }

    /// How long a job that is done or undone is kept, with its steps; default 30 days. One that waits for a person
    /// is kept until it is removed.
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

    /// How often it is recovered before it is `Dead`; default 10.
    pub const fn max_recoveries(mut self, max: u32) -> Self {
        self.max_recoveries = max;
        self
    }

    /// What a record of another name, version or arguments under the key means; default an error.
    pub const fn on_mismatch(mut self, otherwise: Otherwise) -> Self {
        self.on_mismatch = otherwise;
        self
    }

    /// What damaged bytes under the key mean; default an error.
    pub const fn on_corrupt(mut self, otherwise: Otherwise) -> Self {
        self.on_corrupt = otherwise;
        self
    }

    /// Starts a job that ended otherwise than with a result again when it is called.
    pub const fn rerun(mut self, rerun: bool) -> Self {
        self.rerun = rerun;
        self
    }

    /// Runs `body` with `input` as the job `id`, or returns the recorded result, with the settings of this value. The
    /// job is listed under the value's name, and its id under that: two values of one name with one id are one job.
    ///
    /// Such a job is resumed by calling it again; `recover()` runs only annotated functions.
    ///
    /// # Errors
    ///
    /// The body's own; or the error type made from [`Rejected::Job`](crate::Rejected::Job).
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Job, Rejected};
    ///
    /// const IMPORT: Job = Job::new("import").version(2).max_recoveries(3);
    ///
    /// # let _world = resilience::testing::isolate();
    /// let rows: Result<u32, Rejected> = IMPORT.call("import:7", "a.csv", |file| Ok(file.len() as u32));
    /// assert_eq!(rows.unwrap(), 5);
    /// ```
    pub fn call<I, R>(&self, id: &str, input: I, body: impl FnOnce(I) -> R) -> R
    where
        I: Serialize,
        R: Refuse<Value: Serialize + DeserializeOwned, Error: crate::Classify>,
    {
        self.run_as_blocking(&Who::by_hand(self.name), id, input, body)
    }

    /// As [`call`](Self::call), for async code.
    ///
    /// # Errors
    ///
    /// The body's own; or the error type made from [`Rejected::Job`](crate::Rejected::Job).
    pub async fn call_async<I, R>(&self, id: &str, input: I, body: impl AsyncFnOnce(I) -> R) -> R
    where
        I: Serialize,
        R: Refuse<Value: Serialize + DeserializeOwned, Error: crate::Classify>,
    {
        self.run_as(&Who::by_hand(self.name), id, input, body).await
    }

    /// Runs `body` with `input` as the job `name`, or returns the recorded result, with the default settings.
    ///
    /// Such a job is resumed by calling it again; `recover()` runs only annotated functions.
    ///
    /// # Errors
    ///
    /// The body's own; or the error type made from [`Rejected::Job`](crate::Rejected::Job).
    pub async fn run<I, R>(name: &str, input: I, body: impl AsyncFnOnce(I) -> R) -> R
    where
        I: Serialize,
        R: Refuse<Value: Serialize + DeserializeOwned, Error: crate::Classify>,
    {
        Self::new("").run_as(&Who::by_hand(name), name, input, body).await
    }

    /// As [`run`](Self::run), from sync code.
    ///
    /// # Errors
    ///
    /// The body's own; or the error type made from [`Rejected::Job`](crate::Rejected::Job).
    pub fn run_blocking<I, R>(name: &str, input: I, body: impl FnOnce(I) -> R) -> R
    where
        I: Serialize,
        R: Refuse<Value: Serialize + DeserializeOwned, Error: crate::Classify>,
    {
        Self::new("").run_as_blocking(&Who::by_hand(name), name, input, body)
    }

    async fn run_as<I, R>(&self, who: &Who, id: &str, input: I, body: impl AsyncFnOnce(I) -> R) -> R
    where
        I: Serialize,
        R: Refuse<Value: Serialize + DeserializeOwned, Error: crate::Classify>,
    {
        let (args, reads) = (Args::new().argument("input", &input), codec::reads::<R::Value>);
        let running = match self.begin(Mode::Async, who, id.to_owned(), args, None, reads).await.noted() {
            Begun::Run(running) => running,
            other => return other.or_refuse(),
        };
        let caught = scope::InScope::new(running.scope(), Caught::new(body(input))).await;
        let (running, outcome) = running.ran(caught).await;
        let class = outcome.judge().err().map(crate::Classify::classify);
        match running.settle(Mode::Async, outcome, class, |_| Wanted::Fail).await {
            Ok((outcome, _)) => outcome,
            Err(rejected) => R::refuse(rejected),
        }
    }

    fn run_as_blocking<I, R>(&self, who: &Who, id: &str, input: I, body: impl FnOnce(I) -> R) -> R
    where
        I: Serialize,
        R: Refuse<Value: Serialize + DeserializeOwned, Error: crate::Classify>,
    {
        let (args, reads) = (Args::new().argument("input", &input), codec::reads::<R::Value>);
        let begun = block_on(self.begin(Mode::Blocking, who, id.to_owned(), args, None, reads));
        let running = match begun.noted() {
            Begun::Run(running) => running,
            other => return other.or_refuse(),
        };
        let (running, outcome) = running.run(|| body(input));
        let class = outcome.judge().err().map(crate::Classify::classify);
        match block_on(running.settle(Mode::Blocking, outcome, class, |_| Wanted::Fail)) {
            Ok((outcome, _)) => outcome,
            Err(rejected) => R::refuse(rejected),
        }
    }

    /// Looks the job up, and claims it if it has to run.
    pub(crate) async fn begin(
        &self,
        mode: Mode,
        who: &Who,
        id: String,
        args: Args,
        store: Option<Arc<dyn Store>>,
        reads: Reads,
    ) -> Begun {
        let at = Place::new(who.point.clone(), id.clone());
        match self.try_begin(mode, who, (id, at.clone()), args, store, reads).await {
            Ok(begun) => begun,
            Err(error) => Begun::Refused(error.into()),
        }
    }

    async fn try_begin(
        &self,
        mode: Mode,
        who: &Who,
        (id, at): (String, Box<Place>),
        mut args: Args,
        store: Option<Arc<dyn Store>>,
        reads: Reads,
    ) -> Result<Begun, JobError> {
        if id.is_empty() {
            return Err(JobError::EmptyKey { at });
        }
        if id.len() > defaults::KEY_LIMIT {
            return Err(JobError::KeyTooLong { bytes: id.len(), at });
        }
        let store = match store.map_or_else(crate::durable::default_store, Ok) {
            Ok(store) => store,
            Err(error) => return Err(JobError::store(at, error)),
        };
        let (id, at) = match args.earlier.take() {
            Some(earlier) => match self.is_under(&store, &id, &earlier).await {
                Ok(true) => (earlier.clone(), Place::new(who.point.clone(), earlier)),
                Ok(false) => (id, at),
                Err(error) => return Err(JobError::store(at, error)),
            },
            None => (id, at),
        };
        let outer = scope::current();
        if outer.holds(&store, &place::job(&id)) {
            return Err(JobError::Recursive { at });
        }
        let (input, inputs) = match args.finish() {
            Ok(args) => args,
            Err(message) => return Err(JobError::Codec { at, message }),
        };
        let request = Claim {
            lease: self.lease,
            was: self.was.iter().map(|name| (*name).to_owned()).collect(),
            version: self.version,
            inputs: Some(inputs),
            input,
            ttl: self.ttl,
            on_corrupt: self.on_corrupt,
            restart: self.rerun,
            ..Claim::new(place::job(&id), store.owner(), who.name.clone())
        };
        let request = Request { mode, store: &store, claim: request, reads, patience: patience(self.wait) };
        let (key, answer) = request.answer(self.on_mismatch).await;
        match answer {
            Ok(Answer::Held(record, turn)) => {
                let lease = Lease::new(store, key, record.fence, self.lease, Some(turn), Status::Interrupted);
                let lease = lease.noted(dropped);
                let scope = Arc::new(JobScope::new(id, lease.shared().clone(), &record));
                let unfinished = Unfinished::new(&at);
                let running = Running { at, lease, scope: outer.in_job(scope), record, unfinished };
                running.admitted(mode, self.max_recoveries).await
            }
            Ok(Answer::Done(record)) => Ok(Begun::Kept(record, at)),
            Ok(Answer::Busy { owner, left }) => Err(JobError::Busy { at, owner, retry_after: left }),
            Ok(Answer::Mismatch(contradiction)) => Err(JobError::Mismatch { at, contradiction }),
            Ok(Answer::Stopped(record)) => {
                let class = Note::read(&record.note).class.map(Box::new);
                Err(JobError::Stopped { at, status: record.status, class })
            }
            Err(error) => Err(JobError::store(at, error)),
        }
    }

    /// Whether the job is recorded under its `earlier` key, and not under `id`. What is damaged is recorded:
    /// the claim decides about it.
    async fn is_under(&self, store: &Arc<dyn Store>, id: &str, earlier: &str) -> Result<bool, StoreError> {
        match store.get(&place::job(id)).await {
            Ok(None) => {}
            Ok(Some(_)) | Err(StoreError::Corrupt { .. }) => return Ok(false),
            Err(error) => return Err(error),
        }
        let stored = match store.get(&place::job(earlier)).await {
            Ok(None) => return Ok(false),
            Ok(Some(stored)) => stored,
            Err(StoreError::Corrupt { .. }) => return Ok(true),
            Err(error) => return Err(error),
        };
        let name = stored.function.as_str();
        let is_own = name == self.name || self.was.contains(&name);
        Ok(is_own && !stored.is_expired(store.now().await?))
    }
}

/// A claim of a job, and how it is made.
struct Request<'a> {
    mode: Mode,
    store: &'a Arc<dyn Store>,
    claim: Claim,
    reads: Reads,
    patience: Duration,
}

impl Request<'_> {
    /// The key, and the answer to the claim. The hash of the recorded arguments decides nothing by itself: the
    /// code may have more or fewer of them by now.
    async fn answer(mut self, on_mismatch: Otherwise) -> (String, Result<Answer, StoreError>) {
        let mut answer = self.ask().await;
        if let Ok(Answer::Mismatch(contradiction)) = &mut answer
            && contradiction.what == Mismatch::Inputs
            && let Ok(Some(recorded)) = self.store.get(&self.claim.key).await
            && let Some(difference) = codec::difference(&recorded.input, &self.claim.input)
        {
            contradiction.names = difference.changed;
            if contradiction.names.is_empty() {
                self.claim.inputs = recorded.inputs;
                answer = self.ask().await;
            }
        }
        let is_other = match &answer {
            Ok(Answer::Mismatch(_)) => true,
            Ok(Answer::Done(record)) => !(self.reads)(&record.value),
            _ => false,
        };
        if is_other && on_mismatch == Otherwise::Rerun {
            self.claim.on_mismatch = on_mismatch;
            answer = self.ask().await;
        }
        (self.claim.key, answer)
    }

    async fn ask(&self) -> Result<Answer, StoreError> {
        claim(self.mode, self.store, &self.claim, Status::Interrupted, self.reads, self.patience).await
    }
}

/// Whose job it is.
pub(crate) struct Who {
    pub(crate) point: PointName,
    pub(crate) name: String,
}

impl Who {
    fn by_hand(name: &str) -> Self {
        Self { point: PointName::from(name.to_owned()), name: name.to_owned() }
    }
}
