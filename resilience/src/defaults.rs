//! Every default in one place, with the range that a setting may have.

/// `timeout`
pub mod timeout {
    use std::time::Duration;

    /// How far `growth` lengthens the limit at most.
    pub const CAP: Duration = Duration::from_secs(30);
    /// How many abandoned bodies of `thread` may run at once; from 1.
    pub const THREADS: u32 = 16;
}
