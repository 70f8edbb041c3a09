//! A named, recorded call that is found and finished after a crash.

use super::checkpoint::completed;
use super::claim::{Answer, Reads, claim, patience};
use super::codec;
use super::error::{JobError, Place};
use super::key::place;
use super::lease::Lease;
use super::note::{JobEvent, Note};
use super::record::{Record, Status};
use super::rollback;
use super::scope::{self, JobScope, Scope, Wanted};
use super::store::{Claim, Completion, Otherwise, Query, Store, StoreError};
use super::wait::{Mode, block_on};
use super::with_recovery::count_resumed;
use crate::classify::Classification;
use crate::defaults::durable as defaults;
use crate::event::{Event, emit};
use crate::outcome::{Outcome, Refuse};
use crate::point::PointName;
use crate::policy::Verdict;
use crate::rejected::Rejected;
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
    pub(super) name: &'static str,
    pub(super) was: &'static [&'static str],
    pub(super) version: u32,
    pub(super) ttl: Duration,
    pub(super) lease: Duration,
    pub(super) wait: Duration,
    pub(super) max_recoveries: u32,
    pub(super) on_mismatch: Otherwise,
    pub(super) on_corrupt: Otherwise,
    pub(super) rerun: bool,
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

    /// How long a finished job and its steps are kept; default 30 days.
    pub const fn ttl(mut self, ttl: Duration) -> Self {
        self.ttl = ttl;
        self
    }

    /// How long the claim of a process counts without being renewed; renewed every third of it. At least
    /// 3 ms, default 30 s.
    ///
    /// # Panics
    ///
    /// If it is shorter than 3 ms; in a `const` that is a compile error.
    pub const fn lease(mut self, lease: Duration) -> Self {
        assert!(lease.as_millis() >= 3, "a lease is at least 3 ms long");
        self.lease = lease;
        self
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

    /// Runs `body` with `input` as the job `name`, or gives the recorded result.
    ///
    /// Such a job is resumed by calling it again; `recover()` runs only annotated functions.
    ///
    /// # Errors
    ///
    /// The body's own; or the error type made from [`Rejected::Job`].
    pub async fn run<I, R>(name: &str, input: I, body: impl AsyncFnOnce(I) -> R) -> R
    where
        I: Serialize,
        R: Refuse<Value: Serialize + DeserializeOwned, Error: crate::Classify>,
    {
        let job = Self::new("");
        let args = Args::new().argument("input", &input);
        let (who, reads) = (Who::by_hand(name), codec::reads::<R::Value>);
        let running = match job.begin(Mode::Async, &who, name.to_owned(), args, None, reads).await {
            Begun::Run(running) => running,
            other => return other.or_refuse(),
        };
        let outcome = scope::InScope::new(running.scope(), body(input)).await;
        let class = outcome.judge().err().map(crate::Classify::classify);
        match running.settle(Mode::Async, outcome, class, |_| Wanted::Fail).await {
            Ok((outcome, _)) => outcome,
            Err(rejected) => R::refuse(rejected),
        }
    }

    /// As [`run`](Self::run), from sync code.
    ///
    /// # Errors
    ///
    /// The body's own; or the error type made from [`Rejected::Job`].
    pub fn run_blocking<I, R>(name: &str, input: I, body: impl FnOnce(I) -> R) -> R
    where
        I: Serialize,
        R: Refuse<Value: Serialize + DeserializeOwned, Error: crate::Classify>,
    {
        let job = Self::new("");
        let args = Args::new().argument("input", &input);
        let (who, reads) = (Who::by_hand(name), codec::reads::<R::Value>);
        let begun = block_on(job.begin(Mode::Blocking, &who, name.to_owned(), args, None, reads));
        let running = match begun {
            Begun::Run(running) => running,
            other => return other.or_refuse(),
        };
        let outcome = {
            let _entered = running.scope().enter();
            body(input)
        };
        let class = outcome.judge().err().map(crate::Classify::classify);
        match block_on(running.settle(Mode::Blocking, outcome, class, |_| Wanted::Fail)) {
            Ok((outcome, _)) => outcome,
            Err(rejected) => R::refuse(rejected),
        }
    }

    /// Looks the job up, and claims it if it has to run.
    pub(super) async fn begin(
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
        args: Args,
        store: Option<Arc<dyn Store>>,
        reads: Reads,
    ) -> Result<Begun, JobError> {
        if id.len() > defaults::KEY_LIMIT {
            return Err(JobError::KeyTooLong { bytes: id.len(), at });
        }
        let store = match store.map_or_else(super::default_store, Ok) {
            Ok(store) => store,
            Err(error) => return Err(JobError::store(at, error)),
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
            on_mismatch: self.on_mismatch,
            on_corrupt: self.on_corrupt,
            restart: self.rerun,
            ..Claim::new(place::job(&id), store.owner(), who.name.clone())
        };
        match claim(mode, &store, &request, Status::Interrupted, reads, patience(self.wait)).await {
            Ok(Answer::Held(record, turn)) => {
                let key = request.key;
                let lease = Lease::new(store, key, record.fence, self.lease, Some(turn), Status::Interrupted);
                let scope = Arc::new(JobScope::new(id, lease.shared().clone()));
                let running = Running { at, lease, scope: outer.in_job(scope), record };
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
}

/// Whose job it is.
pub(super) struct Who {
    pub(super) point: PointName,
    pub(super) name: String,
}

impl Who {
    fn by_hand(name: &str) -> Self {
        Self { point: PointName::from(name.to_owned()), name: name.to_owned() }
    }
}

/// The arguments of a call, being recorded one by one.
#[derive(Debug, Default)]
#[doc(hidden)]
pub struct Args {
    fields: serde_json::Map<String, serde_json::Value>,
    error: Option<String>,
}

impl Args {
    /// No arguments.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the argument `name`, which is to be read back.
    pub fn argument<T: Serialize + ?Sized>(self, name: &str, value: &T) -> Self {
        self.with(name, codec::to_value(value))
    }

    /// Adds the input `name`, which is only compared.
    pub fn input<T: Serialize + ?Sized>(self, name: &str, value: &T) -> Self {
        self.with(name, serde_json::to_value(value).map_err(|error| error.to_string()))
    }

    fn with(mut self, name: &str, value: Result<serde_json::Value, String>) -> Self {
        match value {
            Ok(value) => {
                self.fields.insert(name.to_owned(), value);
            }
            Err(error) => {
                self.error
                    .get_or_insert_with(|| format!("the argument `{name}` cannot be recorded: {error}"));
            }
        }
        self
    }

    /// The recorded arguments of a job.
    pub(super) fn read(input: &[u8]) -> Result<Self, String> {
        Ok(Self { fields: codec::decode(input)?, error: None })
    }

    /// Takes the argument `name` out.
    ///
    /// # Errors
    ///
    /// That it is missing, or no `T`.
    pub fn take<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, String> {
        let value = self.fields.remove(name).ok_or_else(|| format!("missing argument `{name}`"))?;
        serde_json::from_value(value)
            .map_err(|error| format!("the argument `{name}` cannot be read: {error}"))
    }

    /// The hash of all of them.
    pub(super) fn hash(self) -> Result<u128, String> {
        self.finish().map(|(_, hash)| hash)
    }

    fn finish(self) -> Result<(Vec<u8>, u128), String> {
        if let Some(error) = self.error {
            return Err(error);
        }
        let value = serde_json::Value::Object(self.fields);
        Ok((codec::encode(&value)?, codec::hash_of(&value)))
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
    fn or_refuse<R: Refuse<Value: DeserializeOwned>>(self) -> R {
        let rejected = match self {
            Self::Kept(record, at) => match kept(&record, at) {
                Ok(value) => return R::success(value),
                Err(rejected) => rejected,
            },
            Self::Refused(rejected) => rejected,
            Self::Run(running) => JobError::Fenced { at: running.at }.into(),
        };
        R::refuse(rejected)
    }
}

/// The recorded result of a job.
pub(super) fn kept<T: DeserializeOwned>(record: &Record, at: Box<Place>) -> Result<T, Rejected> {
    codec::decode(&record.value).map_err(|message| {
        JobError::Codec { at, message: format!("the recorded result cannot be read: {message}") }.into()
    })
}

/// A job whose body runs, or whose steps are being undone.
#[derive(Debug)]
#[doc(hidden)]
#[must_use]
pub struct Running {
    pub(super) at: Box<Place>,
    pub(super) lease: Lease,
    scope: Scope,
    pub(super) record: Record,
}

impl Running {
    /// What the body is part of.
    pub fn scope(&self) -> &Scope {
        &self.scope
    }

    pub(super) fn id(&self) -> &str {
        &self.at.key
    }

    pub(super) fn store(&self) -> &Arc<dyn Store> {
        &self.lease.shared().store
    }

    pub(super) fn fence(&self) -> u64 {
        self.lease.shared().fence
    }

    /// What has to be settled before a body may run that ran before.
    async fn admitted(self, mode: Mode, max_recoveries: u32) -> Result<Begun, JobError> {
        super::point("after claim");
        super::recover::remind();
        if self.record.attempts <= 1 {
            return Ok(Begun::Run(self));
        }
        let at = self.at.clone();
        if self.record.recoveries > max_recoveries {
            let reason = "recovered too often";
            alert(&at, "the job is dead", reason);
            self.stop(mode, Status::Dead, None, reason).await?;
            return Err(JobError::Stopped { at, status: Status::Dead, class: None });
        }
        if let Some((recorded, found)) = self.lost().await? {
            alert(&at, "records of the job are lost", "steps that were done are missing");
            self.stop(mode, Status::Manual, None, "records of steps are lost").await?;
            return Err(JobError::Lost { at, recorded, found });
        }
        if self.record.status == Status::RollingBack {
            let status = rollback::finish(self, mode).await?;
            return Err(JobError::Stopped { at, status, class: None });
        }
        emit(&Event::JobRecovered { point: at.point.clone(), job: at.key.clone() }, None);
        Ok(Begun::Run(self))
    }

    /// How many steps were recorded and how many are there, if the two differ.
    async fn lost(&self) -> Result<Option<(u64, u64)>, JobError> {
        let failed = |error| JobError::store(self.at.clone(), error);
        let tally = self.store().get(&place::tally(self.id())).await.map_err(failed)?;
        let recorded = tally.map_or(0, |tally| tally.order);
        let steps = steps(self.store(), self.id()).await.map_err(failed)?;
        let mut places: Vec<_> = steps.iter().map(|step| step.order).filter(|order| *order > 0).collect();
        places.sort_unstable();
        places.dedup();
        let found = places.len() as u64;
        Ok((found < recorded).then_some((recorded, found)))
    }

    /// An entry in the job's history.
    pub(super) fn event(&self, strategy: &str, result: &str, reason: &str) -> JobEvent {
        JobEvent {
            at: self.record.updated,
            step: None,
            attempt: self.record.attempts,
            category: None,
            code: None,
            strategy: strategy.to_owned(),
            result: result.to_owned(),
            owner: self.record.owner.clone(),
            reason: reason.to_owned(),
        }
    }

    /// Ends the job without a result.
    pub(super) async fn stop(
        self,
        mode: Mode,
        status: Status,
        class: Option<Classification>,
        reason: &str,
    ) -> Result<Record, JobError> {
        let event = self.event(status.as_str(), "ok", reason);
        let event = match &class {
            Some(class) => event.because(class),
            None => event,
        };
        let before = Note::read(&self.record.note);
        let note = Note { class: class.or(before.class), events: before.events }.with(event);
        let key = self.lease.shared().key.clone();
        let completion = Completion { note: note.write(), ..Completion::of(key, self.fence(), status) };
        match completed(mode, self.store(), completion).await {
            Ok(record) => {
                if !status.is_held() {
                    self.lease.ended();
                }
                Ok(record)
            }
            Err((error, _)) => Err(JobError::store(self.at.clone(), error)),
        }
    }

    /// Records how the body ended.
    pub(super) async fn settle<R>(
        self,
        mode: Mode,
        outcome: R,
        verdict: Verdict,
        strategy: impl FnOnce(&Classification) -> Wanted,
    ) -> Result<(R, Verdict), Rejected>
    where
        R: Outcome<Value: Serialize + DeserializeOwned>,
    {
        super::point("after body");
        if let Some(class) = &verdict {
            let wanted = self.scope.job.as_ref().and_then(|job| job.wanted());
            let wanted = wanted.unwrap_or_else(|| strategy(class));
            self.fail(mode, *class, wanted).await?;
            return Ok((outcome, verdict));
        }
        let encoded = match outcome.judge() {
            Ok(value) => codec::encode(value),
            Err(_) => return Ok((outcome, verdict)),
        };
        let decoded = encoded.as_ref().map_err(Clone::clone).and_then(|bytes| codec::decode(bytes));
        let at = self.at.clone();
        match (encoded, decoded) {
            (Ok(bytes), Ok(value)) => {
                self.record(mode, bytes).await?;
                Ok((R::success(value), verdict))
            }
            (_, Err(message)) | (Err(message), _) => {
                let class = Classification::new(crate::Category::Permanent);
                self.fail(mode, class, Wanted::Fail).await?;
                let message = format!("the result cannot be recorded: {message}");
                Err(JobError::Codec { at, message }.into())
            }
        }
    }

    async fn record(self, mode: Mode, value: Vec<u8>) -> Result<(), JobError> {
        let is_resumed = self.record.recoveries > 0;
        let ended = is_resumed.then(|| self.event("resume", "ok", "begun again, and done"));
        let Self { at, lease, record, .. } = self;
        let note = match ended {
            Some(event) => Note::read(&record.note).with(event).write(),
            None => record.note,
        };
        let shared = lease.shared().clone();
        let removes = Some(place::cursors(&at.key));
        let completion =
            Completion { note, removes, ..Completion::done(shared.key.clone(), shared.fence, value) };
        match completed(mode, &shared.store, completion).await {
            Ok(_) => {
                lease.ended();
                super::point("after complete");
                if is_resumed {
                    count_resumed(true);
                }
                Ok(())
            }
            Err((error, completion)) if error.is_outage() => {
                let (value, store) = (completion.value, Box::new(error));
                Err(JobError::NotRecorded { at, value, store })
            }
            Err((StoreError::Fenced { .. }, _)) => {
                lease.ended();
                Err(JobError::Fenced { at })
            }
            Err((error, _)) => Err(JobError::store(at, error)),
        }
    }

    async fn fail(self, mode: Mode, class: Classification, wanted: Wanted) -> Result<(), JobError> {
        let at = self.at.clone();
        if self.record.recoveries > 0 {
            count_resumed(false);
        }
        let ended = match wanted {
            Wanted::Fail => self.stop(mode, Status::Failed, Some(class), "the body failed").await.map(drop),
            Wanted::Manual => {
                let ended = self.stop(mode, Status::Manual, Some(class), "parked for a person").await;
                alert(&at, "the job waits for a person", class.category.as_str());
                ended.map(drop)
            }
            Wanted::Rollback => rollback::start(self, mode, class).await.map(drop),
        };
        match ended {
            Err(JobError::Fenced { at }) => Err(JobError::Fenced { at }),
            // The body's own error says more; the record stays as it is, and recovery will find it.
            _ => Ok(()),
        }
    }
}

/// Every step of a job, whatever its state.
pub(super) async fn steps(store: &Arc<dyn Store>, job: &str) -> Result<Vec<Record>, StoreError> {
    all(store, Query::new(place::step(Some(job), ""))).await
}

/// Every record of `query`, page by page; damaged ones are an error.
pub(super) async fn all(store: &Arc<dyn Store>, query: Query) -> Result<Vec<Record>, StoreError> {
    let mut found = Vec::new();
    let mut query = query.limit(1_000);
    loop {
        let page = store.list(query.clone()).await?;
        if let Some((key, reason)) = page.corrupt.into_iter().next() {
            return Err(StoreError::Corrupt { key, reason });
        }
        found.extend(page.records);
        match page.next {
            Some(next) => query.after = next,
            None => return Ok(found),
        }
    }
}

/// A person has to look at this.
pub(super) fn alert(at: &Place, message: &'static str, reason: &str) {
    let event = Event::Alert {
        point: at.point.clone(),
        level: crate::event::AlertLevel::Critical,
        message,
        reason: reason.to_owned(),
    };
    emit(&event, None);
}
