//! Every default in one place, with the range that a setting may have.

/// The numbers of `with_retry`.
pub mod with_retry {
    use std::time::Duration;

    /// `max`: how many retries follow a failed call; any number, 0 for none.
    pub const MAX: u32 = 3;
    /// `backoff`: the factor from one wait to the next; at least 1, finite.
    pub const BACKOFF: f64 = 2.0;
    /// `base`: the first wait before jitter; from 0 to `cap`.
    pub const BASE: Duration = Duration::from_millis(100);
    /// `cap`: the longest wait, after jitter; at least `base`.
    pub const CAP: Duration = Duration::from_secs(10);
    /// The largest multiplier that a `jitter` range may have; the smallest is 0.
    pub const JITTER_LIMIT: f64 = 10.0;
    /// `retry_after_cap`: the longest wait that is taken from the server; 0 takes none.
    pub const RETRY_AFTER_CAP: Duration = Duration::from_secs(60);
    /// How much is added at random to the server's wait, at most, as a part of it.
    pub const RETRY_AFTER_SPREAD: f64 = 0.1;
    /// `idempotent`: whether a request that may have been carried out is repeated.
    pub const IDEMPOTENT: bool = true;

    /// The tokens of a full budget; from 1 to [`BUDGET_LIMIT`].
    pub const BUDGET_CAPACITY: u32 = 500;
    /// The tokens that a retry costs; from 1 to [`BUDGET_LIMIT`].
    pub const BUDGET_COST: u32 = 5;
    /// The tokens that a retry after a timeout costs; from 1 to [`BUDGET_LIMIT`].
    pub const BUDGET_TIMEOUT_COST: u32 = 10;
    /// The tokens that a success returns; from 0 to [`BUDGET_LIMIT`].
    pub const BUDGET_DEPOSIT: u32 = 1;
    /// The tokens that flow back each second; from 0 to [`BUDGET_LIMIT`].
    pub const BUDGET_REFILL: u32 = 5;
    /// The largest number of tokens that any of a budget's settings may name.
    pub const BUDGET_LIMIT: u32 = 200_000;
}

/// The numbers of `job` and `checkpoint`.
#[cfg(feature = "durable")]
pub mod durable {
    use std::time::Duration;

    /// `lease`: how long a claim counts without being renewed; it is renewed every third of it.
    pub const LEASE: Duration = Duration::from_secs(30);
    /// `wait`: how long a caller waits for another holder, or less if a timeout around it ends earlier.
    pub const WAIT: Duration = Duration::from_secs(300);
    /// How often a job is recovered before it is `Dead`.
    pub const MAX_RECOVERIES: u32 = 10;
    /// How long a finished job and its steps are kept.
    pub const JOB_TTL: Duration = Duration::from_secs(30 * 24 * 3600);
    /// How often the sweep looks for jobs whose owner is gone.
    pub const SWEEP: Duration = Duration::from_secs(30);
    /// The most bytes that a key may have.
    pub const KEY_LIMIT: usize = 512;
}
