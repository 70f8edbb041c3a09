//! Errors that are a refusal by the job that the running code is part of, and no failure of the call.
//!
//! A job refuses its calls when the process shuts down, when it was cancelled or another process has taken it over, and
//! when its store is down. The error interrupts the job, and its next run makes the call. An answer in place of the error
//! would be part of the job's result, and the next run would get another one: so the policies that answer in place of an
//! error (fallbacks, stale values, simpler calls, other values, `with_recovery`) pass such an error on.
//!
//! Outside of jobs, an answer is what a fallback is for. What a job refuses is known to the durable part only, which is
//! above this module and sets the question.

use crate::classify::Classification;
use std::sync::OnceLock;

/// Set once the program has jobs.
static QUESTION: OnceLock<fn(&Classification) -> bool> = OnceLock::new();

/// Sets what returns whether an error of a class is a refusal by the job of the running code.
#[cfg(feature = "durable")]
pub(crate) fn set(question: fn(&Classification) -> bool) {
    QUESTION.get_or_init(|| question);
}

/// Returns whether an error of `class` is a refusal by the job that the running code is part of: no policy answers it.
#[cold]
pub(crate) fn is_by_job(class: &Classification) -> bool {
    QUESTION.get().is_some_and(|question| question(class))
}
