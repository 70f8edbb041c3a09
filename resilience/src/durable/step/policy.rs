//! A step whose success is recorded under a key, as a plain value: its settings.

use crate::defaults::durable as defaults;
use crate::durable::lease::hold::judged;
use crate::durable::store::Otherwise;
use crate::policy::InvalidPolicy;
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
}
