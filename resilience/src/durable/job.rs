//! A named, recorded call that is found and finished after a crash.

use super::claim::{Answer, Reads, claim, patience};
use super::codec;
use super::error::{JobError, Place};
use super::key::place;
use super::lease::{Lease, judged};
use super::note::Note;
use super::record::{Record, Status};
use super::running::{Begun, Running};
use super::scope::{self, JobScope, Wanted};
use super::store::{Claim, Otherwise, Store, StoreError};
use super::wait::{Mode, block_on};
use crate::defaults::durable as defaults;
use crate::outcome::Refuse;
use crate::point::PointName;
use crate::policy::InvalidPolicy;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::ops::Deref;
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

    /// Runs `body` with `input` as the job `name`, or gives the recorded result.
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
    /// The body's own; or the error type made from [`Rejected::Job`](crate::Rejected::Job).
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
        mut args: Args,
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

    /// Whether the job is recorded under its `earlier` key, and not under `id`. What is damaged is recorded:
    /// the claim says what becomes of it.
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
    /// The hash of what was recorded before, where these are the recorded arguments.
    recorded: Option<u128>,
    /// The job's key as it was before.
    earlier: Option<String>,
}

/// An argument of a step without a key, which is compared if it is a plain value: steps that are told apart
/// by their order must not be given the values of others when the order changes.
///
/// Method lookup takes the first type in a chain of dereferences whose method fits.
#[derive(Debug)]
#[doc(hidden)]
pub struct Given<'a, T: ?Sized>(&'a T, NotGiven);

/// An argument that cannot be compared.
#[derive(Debug)]
#[doc(hidden)]
pub struct NotGiven;

impl<'a, T: ?Sized> Given<'a, T> {
    /// Looks at `value`.
    pub const fn new(value: &'a T) -> Self {
        Self(value, NotGiven)
    }
}

impl<T: Plain + ?Sized> Given<'_, T> {
    /// Adds the argument `name`.
    pub fn added_to(&self, args: Args, name: &str) -> Args {
        args.input(name, self.0)
    }
}

/// A value that is written in one way only, now and after a crash: a number, a truth value or a text. Sets are
/// not, nor is what others change meanwhile.
#[doc(hidden)]
pub trait Plain: Serialize {}

macro_rules! plain {
    ($($ty:ty),*) => { $(impl Plain for $ty {})* };
}
plain!(bool, char, str, String, i8, i16, i32, i64, isize, u8, u16, u32, u64, usize, f32, f64);

impl<T: Plain + ?Sized> Plain for &T {}
impl<T: Plain> Plain for Option<T> {}

impl NotGiven {
    /// Adds nothing.
    #[expect(clippy::unused_self, reason = "method lookup finds it by its receiver")]
    pub fn added_to(&self, args: Args, _: &str) -> Args {
        args
    }
}

impl<T: ?Sized> Deref for Given<'_, T> {
    type Target = NotGiven;

    fn deref(&self) -> &NotGiven {
        &self.1
    }
}

/// What the record of a job can hold as an argument.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be recorded as an argument of a job",
    label = "does not implement `serde::Serialize`",
    note = "derive `serde::Serialize` and `serde::Deserialize` for it",
    note = "or leave it out of the record: name the argument in `provided(..)`, and hand the value in with `recover().provide(..)`"
)]
pub trait Recordable: Serialize {}

#[diagnostic::do_not_recommend]
impl<T: Serialize + ?Sized> Recordable for T {}

/// What can be read back from the record of a job.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from the record of a job",
    label = "does not implement `serde::Deserialize`",
    note = "derive `serde::Serialize` and `serde::Deserialize` for it",
    note = "or leave it out of the record: name the argument in `provided(..)`, and hand the value in with `recover().provide(..)`"
)]
pub trait Readable: DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> Readable for T {}

impl Args {
    /// No arguments.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the argument `name`, which is to be read back.
    pub fn argument<T: Recordable + ?Sized>(self, name: &str, value: &T) -> Self {
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

    /// The key under which the job was known before.
    pub fn earlier(self, key: String) -> Self {
        Self { earlier: Some(key), ..self }
    }

    /// The recorded arguments of a job.
    pub(super) fn read(input: &[u8]) -> Result<Self, String> {
        Ok(Self { fields: codec::decode(input)?, ..Self::default() })
    }

    /// As the arguments that `record` has, if they are of the same names: read from there, they may be
    /// written in another order now.
    pub(super) fn read_from(self, record: &Record) -> Self {
        let names = Self::read(&record.input).map(|recorded| recorded.fields);
        let is_same = names.is_ok_and(|recorded| {
            recorded.len() == self.fields.len() && recorded.keys().all(|name| self.fields.contains_key(name))
        });
        Self { recorded: record.inputs.filter(|_| is_same), earlier: None, ..self }
    }

    /// Takes the argument `name` out.
    ///
    /// # Errors
    ///
    /// That it is missing, or no `T`.
    pub fn take<T: Readable>(&mut self, name: &str) -> Result<T, String> {
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
        Ok((codec::encode(&value)?, self.recorded.unwrap_or_else(|| codec::hash_of(&value))))
    }
}
