//! A named, recorded call that is found and finished after a crash.

use super::running::Caught;
use crate::defaults::durable as defaults;
use crate::durable::call::Identity;
use crate::durable::lease::block_on::{Mode, block_on};
use crate::durable::lease::hold::judged;
use crate::durable::record::args::Args;
use crate::durable::record::codec;
use crate::durable::scope::{self, Wanted};
use crate::durable::store::Otherwise;
use crate::outcome::Refuse;
use crate::policy::InvalidPolicy;
use serde::Serialize;
use serde::de::DeserializeOwned;
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
        self.run_as_blocking(&Identity::by_hand(self.name), id, input, body)
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
        self.run_as(&Identity::by_hand(self.name), id, input, body).await
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
        Self::new("").run_as(&Identity::by_hand(name), name, input, body).await
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
        Self::new("").run_as_blocking(&Identity::by_hand(name), name, input, body)
    }

    async fn run_as<I, R>(&self, identity: &Identity, id: &str, input: I, body: impl AsyncFnOnce(I) -> R) -> R
    where
        I: Serialize,
        R: Refuse<Value: Serialize + DeserializeOwned, Error: crate::Classify>,
    {
        let (args, reads) = (Args::new().argument("input", &input), codec::reads::<R::Value>);
        let running = match self.begin(Mode::Async, identity, id.to_owned(), args, None, reads).await {
            Ok(running) => running,
            Err(other) => return other.or_refuse(),
        };
        let caught = scope::InScope::new(running.scope(), Caught::new(body(input))).await;
        let (running, outcome) = running.ran(caught).await;
        let class = outcome.judge().err().map(crate::Classify::classify);
        match running.settle(Mode::Async, outcome, class, |_| Wanted::Fail).await {
            Ok((outcome, _)) => outcome,
            Err(rejected) => R::refuse(rejected),
        }
    }

    fn run_as_blocking<I, R>(&self, identity: &Identity, id: &str, input: I, body: impl FnOnce(I) -> R) -> R
    where
        I: Serialize,
        R: Refuse<Value: Serialize + DeserializeOwned, Error: crate::Classify>,
    {
        let (args, reads) = (Args::new().argument("input", &input), codec::reads::<R::Value>);
        let begun = block_on(self.begin(Mode::Blocking, identity, id.to_owned(), args, None, reads));
        let running = match begun {
            Ok(running) => running,
            Err(other) => return other.or_refuse(),
        };
        let (running, outcome) = running.run(|| body(input));
        let class = outcome.judge().err().map(crate::Classify::classify);
        match block_on(running.settle(Mode::Blocking, outcome, class, |_| Wanted::Fail)) {
            Ok((outcome, _)) => outcome,
            Err(rejected) => R::refuse(rejected),
        }
    }
}
