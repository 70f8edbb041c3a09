//! A step whose success is recorded under a key, as a plain value: its settings.

use crate::base::setting::{Complaint, InvalidPolicy, Kind, Value};
use crate::base::settings::{Count, Settings, Switch, Time, Ttl, settings};
use crate::durable::store::{LEASE, Otherwise};
use std::time::Duration;

/// The handling of a step when the store cannot be used.
///
/// It is asked only for outages ([`StoreError::is_outage`](crate::durable::StoreError::is_outage)): a contradiction,
/// a lost lease or a value that is too large are errors of the call, whatever is chosen here.
///
/// # Examples
///
/// ```
/// use resilience::durable::OnStoreError;
/// use resilience::{Checkpoint, Rejected};
///
/// // A thumbnail: made twice is better than not made.
/// const THUMBNAIL: Checkpoint = Checkpoint::new("shop::thumbnail").on_store_error(OnStoreError::Run);
/// assert_eq!(OnStoreError::default(), OnStoreError::Fail);
///
/// # let _world = resilience::testing::isolate();
/// let made: Result<u32, Rejected> = THUMBNAIL.call("cat.png", || Ok(1));
/// assert_eq!(made.unwrap(), 1);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnStoreError {
    /// The step is rejected: the body does not run, or its value comes back as `NotRecorded`. The default.
    #[default]
    Fail,
    /// The body runs unprotected, and a crash may repeat it; a warning reports it.
    Run,
}

/// The texts of a setting.
impl OnStoreError {
    const KIND: Kind = Kind::Word;
    const TAKES: &str = "\"fail\" or \"run\"";

    const fn complaint(self) -> Complaint {
        let _ = self;
        None
    }

    const fn read(text: &str) -> Option<Self> {
        match text.as_bytes() {
            b"fail" => Some(Self::Fail),
            b"run" => Some(Self::Run),
            _ => None,
        }
    }

    fn value(self) -> Value {
        Value::Word(if self == Self::Fail { "fail" } else { "run" }.into())
    }

    fn of(value: &Value) -> Option<Self> {
        if let Value::Word(word) = value { Self::read(word) } else { None }
    }
}

/// A checkpoint as a plain value, which records the result of a step under a key.
///
/// A step that succeeded once returns its recorded value from then on, also in another process and after a
/// crash; an error is not recorded, so that the step runs again. Inside a job the key belongs to that job,
/// and is removed with it; outside it belongs to the store, for ever unless a [`ttl`](Self::ttl) is set. The
/// attribute is `#[checkpoint("page:{id}:{n}")]`.
///
/// Use one for each effect that must not be repeated and for each result that is expensive. Do not use one
/// for a value that should be new each time, such as the time of day, unless it has to stay the same over a
/// crash.
///
/// # Cost
///
/// Inside of a job a step is one commit, after its body; outside of one it is two, as it takes a lease first.
/// Returning a recorded value writes nothing. Steps of many callers share a commit in
/// [`SqliteStore`](crate::durable::SqliteStore). So give a step some milliseconds of work at least, and use
/// [`Progress`](crate::durable::Progress) for smaller items.
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
    pub(super) settings: Settings<CheckpointConfig>,
}

settings! {
    /// The settings of a [`Checkpoint`], for [`try_new`](Checkpoint::try_new).
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::durable::{Checkpoint, CheckpointConfig};
    /// use std::time::Duration;
    ///
    /// let config = CheckpointConfig { version: 2, ..CheckpointConfig::default() };
    /// assert!(Checkpoint::try_new("shop::charge", config).is_ok());
    /// let config = CheckpointConfig { lease: Duration::ZERO, ..config };
    /// assert!(Checkpoint::try_new("shop::charge", config).is_err());
    /// ```
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct CheckpointConfig {
        for policy Checkpoint(settings) {
            /// A record of another version contradicts the code.
            version: Count = 1, "the version of what the step does";
            /// In a job the result begins to age when the job has ended.
            ttl: Ttl = never, "how long a result counts";
            /// The lease is renewed every third of this.
            lease: Time from 3ms = 30s, "how long the claim of a process counts without being renewed";
            /// A timeout around the call can end the wait earlier.
            wait: Time = 5m, "how long a call waits for another holder";
            on_mismatch: Otherwise = error, "what to do about a record of another function, version or input";
            on_corrupt: Otherwise = error, "what to do about a damaged record";
            /// By default the body does not run.
            on_store_error: OnStoreError = fail, "what to do if the store cannot be used";
            /// Without it a step that is called outside of a job, for instance by a spawned task without
            /// [`in_scope`](crate::in_scope), belongs to the store as a whole: all jobs share its result. A WARN
            /// reports that once for each function, while jobs run in this process.
            in_job: Switch = false, "whether a call outside of every job is rejected";
        }
    }
}

const _: () = assert!(CheckpointConfig::DEFAULT.lease.as_nanos() == LEASE.as_nanos());

impl Default for CheckpointConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Checkpoint {
    /// Creates a step that belongs to `name`; one key cannot be recorded by two names.
    ///
    /// By convention the name is a crate and a function, `"shop::charge"`, like that of an annotated step; the
    /// function need not exist. The settings are the defaults of [`CheckpointConfig`].
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::durable::CheckpointError;
    /// use resilience::{Checkpoint, Rejected};
    ///
    /// const CHARGE: Checkpoint = Checkpoint::new("shop::charge");
    /// const REFUND: Checkpoint = Checkpoint::new("shop::refund");
    ///
    /// # let _world = resilience::testing::isolate();
    /// let done = |step: Checkpoint| step.call("order:7", || Ok::<u32, Rejected>(1));
    /// assert!(done(CHARGE).is_ok());
    /// let Err(Rejected::Checkpoint(error)) = done(REFUND) else { unreachable!("another name") };
    /// assert!(matches!(*error, CheckpointError::Mismatch { .. }));
    /// ```
    pub const fn new(name: &'static str) -> Self {
        Self { name, was: &[], settings: CheckpointConfig::DEFAULT.into_settings() }
    }

    /// Creates a step with settings known only at run time.
    ///
    /// # Errors
    ///
    /// If a setting is out of range or contradicts another one, with the message of the compiler.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Checkpoint;
    /// use resilience::durable::CheckpointConfig;
    /// use std::time::Duration;
    ///
    /// let ttl = Duration::from_secs(24 * 3600); // from a file
    /// let quote = Checkpoint::try_new("shop::quote", CheckpointConfig { ttl, ..CheckpointConfig::default() })?;
    /// # let _ = quote;
    /// # Ok::<(), resilience::policy::InvalidPolicy>(())
    /// ```
    pub const fn try_new(name: &'static str, config: CheckpointConfig) -> Result<Self, InvalidPolicy> {
        InvalidPolicy::judged(Self { name, was: &[], settings: Settings::whole(config) }, config.complaint())
    }

    pub(crate) const fn config(&self) -> &CheckpointConfig {
        &self.settings.config
    }

    /// Returns the checkpoint with other settings.
    #[cfg(feature = "config")]
    pub(super) const fn with(mut self, config: CheckpointConfig) -> Self {
        self.settings.config = config;
        self
    }

    /// Sets earlier names, whose records count as this step's own: write the old name here when you rename a
    /// step.
    ///
    /// An earlier name without `::` is also treated as one of the crate of the present name.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Checkpoint, Rejected};
    ///
    /// const BEFORE: Checkpoint = Checkpoint::new("shop::pay");
    /// const NOW: Checkpoint = Checkpoint::new("shop::charge").was(&["pay"]);
    ///
    /// # let _world = resilience::testing::isolate();
    /// let charged = |step: Checkpoint, receipt| step.call("order:7", || Ok::<u32, Rejected>(receipt));
    /// assert_eq!(charged(BEFORE, 1).unwrap(), 1);
    /// assert_eq!(charged(NOW, 2).unwrap(), 1, "recorded under the earlier name");
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
    /// use resilience::Checkpoint;
    /// use std::time::Duration;
    ///
    /// const CHARGE: Checkpoint = Checkpoint::new("shop::charge");
    /// assert!(CHARGE.try_lease(Duration::from_secs(5)).is_ok());
    /// assert!(CHARGE.try_lease(Duration::ZERO).is_err());
    /// ```
    pub const fn try_lease(mut self, lease: Duration) -> Result<Self, InvalidPolicy> {
        self.settings.config.lease = lease;
        InvalidPolicy::judged(self, self.config().complaint())
    }
}
