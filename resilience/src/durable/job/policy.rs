//! A named, recorded call that is found and finished after a crash.

use super::running::CatchPanic;
use crate::base::block_on::{Mode, block_on};
use crate::base::setting::InvalidPolicy;
use crate::base::settings::{Count, Settings, Switch, Time, Ttl, settings};
use crate::durable::call::Identity;
use crate::durable::record::args::Args;
use crate::durable::record::codec;
use crate::durable::scope::{self, OnFailure};
use crate::durable::store::{LEASE, Otherwise};
use crate::outcome::Refuse;
use crate::policy::verdict_of;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// A job as a plain value, which records its calls.
///
/// A job is a named, recorded call: its arguments are written before the body runs, its result afterwards.
/// Called again with the same id it returns the recorded result, or continues where a crash has stopped it,
/// with all recorded steps. Prefer the attribute `#[job("import:{id}")]`:
/// [`recover()`](crate::recover()) finds and runs those by itself, while a job that is a value continues when
/// it is called again.
///
/// Errors of the body end the job as `Failed`: calling it again returns the error's category without running
/// it, until `jobs::resume`. A retry above the job cannot repeat it for the same reason; put the retry on the
/// steps.
///
/// # How a call ends
///
/// | what happens | the job is | calling it again |
/// |---|---|---|
/// | the body succeeds | `Done` | returns the recorded value |
/// | the body returns an error or panics | `Failed` | is rejected with the recorded category |
/// | a step inside is refused through no fault of the body: its store is down, another process works on it | `Interrupted` | goes on |
/// | the call is dropped, or the process ends | `Interrupted`, or held by a dead owner | goes on |
/// | the process has died more than `max_recoveries` times without progress | `Dead` | is rejected |
/// | a record of other arguments, version or name is there | as it was | is rejected |
///
/// Rejections are a [`JobError`](crate::durable::JobError), which names the job and says what to do; once the process
/// shuts down, [`Rejected::ShuttingDown`](crate::Rejected::ShuttingDown).
///
/// # Cost
///
/// Two commits of the store: one before the body, which records the arguments, and one after it. While a job runs, the
/// process raises one counter three times in a lease, however many jobs it holds.
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
    pub(super) settings: Settings<JobConfig>,
}

settings! {
    /// The settings of a [`Job`], for [`try_new`](Job::try_new).
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Job;
    /// use resilience::durable::JobConfig;
    /// use std::time::Duration;
    ///
    /// let config = JobConfig { max_recoveries: 3, ..JobConfig::default() };
    /// assert!(Job::try_new("import", config).is_ok());
    /// let config = JobConfig { lease: Duration::ZERO, ..config };
    /// assert!(Job::try_new("import", config).is_err());
    /// ```
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct JobConfig {
        for policy Job(settings) {
            /// A record of another version contradicts the code.
            version: Count = 1, "the version of what the job does";
            /// Only deaths of its process count; a dropped call or a shutdown does not. With zero the first recovery makes
            /// the job `Dead` without running it.
            max_recoveries: Count = 10, "how often a job is recovered without progress before it is `Dead`";
            /// A job that waits for a person is kept until it is removed.
            ttl: Ttl = 30d, "how long a job that is done or undone is kept, with its steps";
            /// The lease is renewed every third of this.
            lease: Time from 3ms = 30s, "how long the claim of a process counts without being renewed";
            /// A timeout around the call can end the wait earlier.
            wait: Time = 5m, "how long a call waits for another holder";
            on_mismatch: Otherwise = error, "what to do about a record of another name, version or arguments";
            on_corrupt: Otherwise = error, "what to do about a damaged record";
            rerun: Switch = false, "whether a call runs a job again that ended without a result";
        }
    }
}

const _: () = assert!(JobConfig::DEFAULT.lease.as_nanos() == LEASE.as_nanos());

impl Default for JobConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Job {
    /// Creates a job of the name `name`, under which its calls are recorded and listed.
    ///
    /// The settings are the defaults of [`JobConfig`]. Records are found by the name: choose one that stays when
    /// code moves.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Job;
    ///
    /// const IMPORT: Job = Job::new("import").version(2).max_recoveries(3);
    /// # let _ = IMPORT;
    /// ```
    pub const fn new(name: &'static str) -> Self {
        Self { name, was: &[], settings: JobConfig::DEFAULT.into_settings() }
    }

    /// Creates a job with settings known only at run time.
    ///
    /// # Errors
    ///
    /// If a setting is out of range or contradicts another one, with the message of the compiler.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Job;
    /// use resilience::durable::JobConfig;
    /// use std::time::Duration;
    ///
    /// let lease = Duration::from_secs(10); // from a command line
    /// let import = Job::try_new("import", JobConfig { lease, ..JobConfig::default() })?;
    ///
    /// let invalid = Job::try_new("import", JobConfig { lease: Duration::from_millis(1), ..JobConfig::default() });
    /// assert!(invalid.unwrap_err().message().starts_with("`lease` must be at least 3ms"));
    /// # let _ = import;
    /// # Ok::<(), resilience::policy::InvalidPolicy>(())
    /// ```
    pub const fn try_new(name: &'static str, config: JobConfig) -> Result<Self, InvalidPolicy> {
        InvalidPolicy::judged(Self { name, was: &[], settings: Settings::whole(config) }, config.complaint())
    }

    pub(crate) const fn config(&self) -> &JobConfig {
        &self.settings.config
    }

    /// Returns the job with other settings.
    #[cfg(feature = "config")]
    pub(super) const fn with(mut self, config: JobConfig) -> Self {
        self.settings.config = config;
        self
    }

    /// Sets earlier names, whose records count as this job's own: write the old name here when you rename a
    /// job.
    ///
    /// A record keeps the earlier name until its job is claimed again.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Job, Rejected};
    ///
    /// const BEFORE: Job = Job::new("load");
    /// const NOW: Job = Job::new("import").was(&["load"]);
    ///
    /// # let _world = resilience::testing::isolate();
    /// let rows = |job: Job| job.call("import:7", (), |()| Ok::<u32, Rejected>(5));
    /// assert_eq!(rows(BEFORE).unwrap(), 5);
    /// assert_eq!(rows(NOW).unwrap(), 5, "the record of the earlier name");
    /// assert!(rows(Job::new("import")).is_err(), "another job under that key");
    /// ```
    pub const fn was(mut self, names: &'static [&'static str]) -> Self {
        self.was = names;
        self
    }

    /// Sets the lease to a length known only at run time; see [`lease`](Self::lease).
    ///
    /// # Errors
    ///
    /// If it is shorter than 3 ms.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Job;
    /// use std::time::Duration;
    ///
    /// const IMPORT: Job = Job::new("import");
    /// assert!(IMPORT.try_lease(Duration::from_secs(10)).is_ok());
    /// assert!(IMPORT.try_lease(Duration::from_millis(2)).is_err());
    /// ```
    pub const fn try_lease(mut self, lease: Duration) -> Result<Self, InvalidPolicy> {
        self.settings.config.lease = lease;
        InvalidPolicy::judged(self, self.config().complaint())
    }

    /// Runs `body` with `input` as the job `id`, or returns the recorded result, with the settings of this value.
    ///
    /// The job is listed under the value's name, and its id under that: two values of one name with one id are one job.
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
        self.run_as_blocking(&Identity::of_value(self.name), id, input, body)
    }

    /// Runs the async `body` with `input` as the job `id`, or returns the recorded result; see
    /// [`call`](Self::call).
    ///
    /// A future that is dropped before its end leaves the job interrupted; calling it again goes on with it.
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
    /// const IMPORT: Job = Job::new("import");
    ///
    /// # let _world = resilience::testing::isolate();
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let rows: Result<u32, Rejected> =
    ///     IMPORT.call_async("import:8", "a.csv", async |file: &str| Ok(file.len() as u32)).await;
    /// assert_eq!(rows.unwrap(), 5);
    /// # });
    /// ```
    pub async fn call_async<I, R>(&self, id: &str, input: I, body: impl AsyncFnOnce(I) -> R) -> R
    where
        I: Serialize,
        R: Refuse<Value: Serialize + DeserializeOwned, Error: crate::Classify>,
    {
        self.run_as(&Identity::of_value(self.name), id, input, body).await
    }

    /// Runs `body` with `input` as the job `name`, or returns the recorded result, with the default settings.
    ///
    /// Such a job is resumed by calling it again; `recover()` runs only annotated functions.
    ///
    /// `name` is both the name and the id of the job: give each invocation its own (`"report:2026-11"`), of 1 to 512
    /// bytes. A future that is dropped before its end leaves the job interrupted. For settings, or for many ids under
    /// one name, use [`call_async`](Self::call_async).
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Job, Rejected};
    ///
    /// # let _world = resilience::testing::isolate();
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let months = vec![3, 4, 5];
    /// let sum = Job::run("report:2026-11", months, async |months: Vec<u32>| {
    ///     Ok::<u32, Rejected>(months.iter().sum())
    /// });
    /// assert_eq!(sum.await.unwrap(), 12);
    /// # });
    /// ```
    ///
    /// # Errors
    ///
    /// The body's own; or the error type made from [`Rejected::Job`](crate::Rejected::Job).
    pub async fn run<I, R>(name: &str, input: I, body: impl AsyncFnOnce(I) -> R) -> R
    where
        I: Serialize,
        R: Refuse<Value: Serialize + DeserializeOwned, Error: crate::Classify>,
    {
        Self::new("").run_as(&Identity::of_value(name), name, input, body).await
    }

    /// Runs `body` with `input` as the job `name` from sync code; see [`run`](Self::run).
    ///
    /// # Errors
    ///
    /// The body's own; or the error type made from [`Rejected::Job`](crate::Rejected::Job).
    ///
    /// # Examples
    ///
    /// Another input under the same name contradicts the record, and is not run:
    ///
    /// ```
    /// use resilience::durable::JobError;
    /// use resilience::{Job, Rejected};
    ///
    /// # let _world = resilience::testing::isolate();
    /// let double = |n: u32| Job::run_blocking("double", n, |n: u32| Ok::<u32, Rejected>(2 * n));
    /// assert_eq!(double(4).unwrap(), 8);
    /// let Err(Rejected::Job(error)) = double(5) else { unreachable!("another input") };
    /// assert!(matches!(*error, JobError::Mismatch { .. }));
    /// ```
    pub fn run_blocking<I, R>(name: &str, input: I, body: impl FnOnce(I) -> R) -> R
    where
        I: Serialize,
        R: Refuse<Value: Serialize + DeserializeOwned, Error: crate::Classify>,
    {
        Self::new("").run_as_blocking(&Identity::of_value(name), name, input, body)
    }

    /// Runs the body as a job. An error of the body ends the job as `Failed`: a plain value has no strategy.
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
        let judged = async {
            let outcome = body(input).await;
            let class = verdict_of(&outcome);
            (outcome, class)
        };
        let caught = scope::InScope::new(running.scope(), CatchPanic::new(judged)).await;
        let (running, (outcome, class)) = running.ran(caught).await;
        let running = running.saying(|| outcome.judge().err().and_then(crate::Classify::recorded_text));
        match running.settle(Mode::Async, outcome, class, |_| OnFailure::Fail).await {
            Ok((outcome, _)) => outcome,
            Err(rejected) => R::refuse(rejected),
        }
    }

    /// Runs the job with a body that blocks: only the requests to the store are futures.
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
        let (running, (outcome, class)) = running.run(|| {
            let outcome = body(input);
            let class = verdict_of(&outcome);
            (outcome, class)
        });
        let running = running.saying(|| outcome.judge().err().and_then(crate::Classify::recorded_text));
        match block_on(running.settle(Mode::Blocking, outcome, class, |_| OnFailure::Fail)) {
            Ok((outcome, _)) => outcome,
            Err(rejected) => R::refuse(rejected),
        }
    }
}
