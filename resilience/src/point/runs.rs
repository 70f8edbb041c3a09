//! Errors that follow one another at a point, without a success in between.
//!
//! They are counted only while a supervisor looks: each error then sums the successes of all threads, to see whether
//! there was one since the last error. Successes themselves write nothing more than without it.

use crate::base::sync::locked;
use crate::failure::Category;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The number of errors in a row from which they count as many.
const MANY: u64 = 5;

/// The number of supervisors in the process.
static LOOKING: AtomicUsize = AtomicUsize::new(0);

/// A supervisor that looks, until this is dropped.
#[derive(Debug)]
pub(crate) struct RunningSupervisor(());

impl RunningSupervisor {
    pub(crate) fn begin() -> Self {
        LOOKING.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for RunningSupervisor {
    fn drop(&mut self) {
        LOOKING.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The errors in a row of one point.
#[derive(Debug)]
pub(super) struct Runs(Mutex<ErrorRun>);

#[derive(Debug)]
struct ErrorRun {
    /// The category of the last error.
    category: Option<Category>,
    /// The number of successes by then.
    succeeded: u64,
    length: u64,
    late: Vec<(Category, u64)>,
}

impl Runs {
    pub(super) const fn new() -> Self {
        Self(Mutex::new(ErrorRun { category: None, succeeded: 0, length: 0, late: Vec::new() }))
    }

    /// Notes an error; `succeeded` counts the successes so far.
    ///
    /// What our own policies refuse, and what callers gave up, neither belongs to a run nor ends one.
    pub(super) fn note(&self, category: Category, succeeded: impl FnOnce() -> u64) {
        let is_error = !matches!(category, Category::Rejected | Category::Cancelled);
        if !is_error || LOOKING.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut run = locked(&self.0);
        let succeeded = succeeded();
        let goes_on = (run.category, run.succeeded) == (Some(category), succeeded);
        (run.category, run.succeeded) = (Some(category), succeeded);
        run.length = if goes_on { run.length.saturating_add(1) } else { 1 };
        if run.length < MANY {
            return;
        }
        match run.late.iter_mut().find(|known| known.0 == category) {
            Some((_, count)) => *count += 1,
            None => run.late.push((category, 1)),
        }
    }

    /// Returns how many errors of each category were at least the fifth in a row; these counts only grow.
    pub(super) fn read(&self) -> Vec<(Category, u64)> {
        locked(&self.0).late.clone()
    }
}
