//! Ending a program in order: what a shutdown waits for, refuses, ends early and leaves.

#![cfg(all(unix, feature = "ops"))]

#[path = "shutdown/answers.rs"]
mod answers;
#[path = "fs/common.rs"]
#[allow(dead_code, reason = "the helpers are shared with other tests, and each uses its part")]
mod common;
#[path = "shutdown/everything.rs"]
mod everything;
#[path = "shutdown/jobs.rs"]
mod jobs;
#[path = "shutdown/signals.rs"]
mod signals;
#[path = "shutdown/waits.rs"]
mod waits;

use resilience::{Classify, Rejected};
use std::time::Duration;

/// Longer than anything takes, and shorter than the patience of whoever runs the tests.
const LONG: Duration = Duration::from_secs(300);

#[derive(Debug, Classify, PartialEq)]
enum Error {
    #[classify(connection)]
    Down,
    #[classify(rate_limited, retry_after = .0)]
    Busy(Duration),
    #[classify(invalid)]
    Wrong,
    #[classify(transparent)]
    Rejected(Rejected),
}

impl From<Rejected> for Error {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}
