//! The time that the timed calls of a function wait until a bulkhead or a rate limit admits them.

use super::durations::{Admission, Durations, Measure};
use super::site::PointSite;
use crate::base::clock::now;
use std::time::Instant;

/// A call on its way into a policy that admits it, or does not.
#[doc(hidden)]
#[derive(Debug)]
pub struct Admitting {
    by: Admission,
    since: Option<(&'static Durations, Instant)>,
}

/// Starts to measure how long a call of `point` waits for the policy.
pub fn admitting(point: &'static PointSite, by: Admission) -> Admitting {
    Admitting { by, since: point.durations().map(|durations| (durations, now())) }
}

impl Admitting {
    /// Ends the wait with the policy's answer: the wait of an admitted call is counted.
    ///
    /// # Errors
    ///
    /// The policy's.
    pub fn ended<T, E>(self, answer: Result<T, E>) -> Result<T, E> {
        if let (Some((durations, since)), Ok(_)) = (self.since, &answer) {
            durations.record(Measure::Admission(self.by), now().saturating_duration_since(since));
        }
        answer
    }
}
