//! Every default in one place, with the range that a setting may have.

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
