//! The common data of the errors of steps and jobs: one row for each variant, and the properties derived from it.
//!
//! The two errors stay two types, because their variants and texts differ: a step cannot be dead, and a job has no
//! occurrence. What a caller does with them does not: [`Facts`] has where it happened, what a person can do about it,
//! when to come back, whether the body has run, and whether the job around goes on by itself.

use super::{Corrupt, Subject};
use crate::failure::{Category, Classification, Delivered, Retryable};
use std::time::Duration;

pub(super) const BUSY: &str = "wait for the other holder, or look at the process that holds it";
pub(super) const FENCED: &str = "find what kept the process from renewing its lease";
pub(super) const NOT_RECORDED: &str = "check the store, then record the value that the error carries";
pub(super) const MISMATCH: &str =
    "correct the key, `was` or `version`, or start over with `on_mismatch = rerun`";
const CORRUPT: &str = "look at the quarantined bytes, or start over with `on_corrupt = rerun`";
const OF_LATER_RELEASE: &str = "run the release that wrote the record, or a later one";
pub(super) const UNDECODABLE: &str = "restore the type, or start over with `on_mismatch = rerun`";
pub(super) const ENCODE: &str = "change the type so that serde writes and reads its values";
pub(super) const TOO_LARGE: &str = "store the value elsewhere and record a reference to it";
pub(super) const KEY_TOO_LONG: &str = "shorten the key";
pub(super) const STORE: &str = "check that the store can be used";

/// The data of an error of a step or job.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    pub(super) at: &'a Subject,
    pub(super) class: Classification,
    pub(super) is_interruption: bool,
    pub(super) value: Option<&'a [u8]>,
}

impl<'a> Facts<'a> {
    /// Describes a refusal: the body did not run, and a further call is refused, too, until a person has done `action`.
    pub(super) const fn refused(at: &'a Subject, action: &'static str) -> Self {
        let class = Classification::new(Category::Rejected).action(action);
        Self { at, class, is_interruption: false, value: None }
    }

    /// Describes an interruption, no fault of the running code: another call may succeed, so a job around it is
    /// interrupted.
    pub(super) const fn interrupted(at: &'a Subject, action: &'static str) -> Self {
        Self { is_interruption: true, ..Self::refused(at, action) }
    }

    /// Describes a record that cannot be read.
    pub(super) const fn unreadable(at: &'a Subject, reason: Corrupt) -> Self {
        Self::interrupted(at, if reason.is_of_later_release() { OF_LATER_RELEASE } else { CORRUPT })
    }

    /// Adds that the body has run: its effects have happened.
    pub(super) const fn done(self) -> Self {
        Self { class: self.class.delivered(Delivered::Yes), ..self }
    }

    /// Adds the encoded value of the body, which the store did not keep; empty if the body did not run.
    pub(super) const fn with_value(self, value: &'a [u8]) -> Self {
        Self { value: Some(value), ..self }
    }

    /// Adds the wait after which a further call may succeed.
    pub(super) const fn until(self, wait: Duration) -> Self {
        Self { class: self.class.retry_after(wait), ..self }
    }

    /// Adds the class of the error that is the reason. It is not retried: a further call would only fail with it again.
    pub(super) const fn of_class(self, class: Classification) -> Self {
        let class = Classification { retry: Retryable::Never, retry_after: None, ..class };
        Self { class, ..self }
    }
}
