//! Alerts about jobs and their stores.

use crate::durable::record::error::Subject;
use crate::event::{AlertLevel, Event, emit};
use crate::point::PointName;

/// The alert about bytes of the store that are not a record.
pub(crate) const DAMAGED: &str = "a record is damaged";

/// Raises a critical alert about the job at `at`: a person must act.
pub(crate) fn critical(at: &Subject, message: &'static str, reason: &str) {
    raise(&at.point, Some(&at.key), AlertLevel::Critical, message, reason);
}

/// Raises a critical alert about `point`, which runs as part of `job`.
pub(crate) fn critical_at(point: &PointName, job: Option<&str>, message: &'static str, reason: &str) {
    raise(point, job, AlertLevel::Critical, message, reason);
}

/// Raises a warning about the recovery of this process.
pub(crate) fn warning(message: &'static str, reason: &str) {
    raise(&PointName::new("recover"), None, AlertLevel::Warning, message, reason);
}

fn raise(point: &PointName, job: Option<&str>, level: AlertLevel, message: &'static str, reason: &str) {
    let (job, reason) = (job.map(str::to_owned), reason.to_owned());
    emit(&Event::Alert { point: point.clone(), job, level, message, reason }, None);
}
