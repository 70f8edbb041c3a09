//! The counts of jobs, for the whole program.
//!
//! A job is rarely an event twice in a second, so its events are counted in one place, unlike those of calls.

use super::kinds::Event;
use crate::base::site::Site;
use crate::base::sync::locked;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// The numbers of jobs.
#[derive(Debug)]
pub(crate) struct Jobs {
    started: AtomicU64,
    resumed: AtomicU64,
    done: AtomicU64,
    failed: AtomicU64,
    interrupted: AtomicU64,
    rolled_back: AtomicU64,
    /// Steps that were refused, by reason: the reasons are words of the library.
    refused: Mutex<Vec<(&'static str, u64)>>,
}

static JOBS: Site<Jobs> = Site::new(Jobs::new(), Jobs::new);

impl Jobs {
    const fn new() -> Self {
        Self {
            started: AtomicU64::new(0),
            resumed: AtomicU64::new(0),
            done: AtomicU64::new(0),
            failed: AtomicU64::new(0),
            interrupted: AtomicU64::new(0),
            rolled_back: AtomicU64::new(0),
            refused: Mutex::new(Vec::new()),
        }
    }

    /// Returns the results of jobs and their counts.
    pub(crate) fn results(&self) -> [(&'static str, u64); 5] {
        [
            ("started", &self.started),
            ("resumed", &self.resumed),
            ("done", &self.done),
            ("failed", &self.failed),
            ("interrupted", &self.interrupted),
        ]
        .map(|(result, count)| (result, count.load(Ordering::Relaxed)))
    }

    /// Returns how many jobs were undone.
    pub(crate) fn rolled_back(&self) -> u64 {
        self.rolled_back.load(Ordering::Relaxed)
    }

    /// Returns how many steps were refused, by reason.
    pub(crate) fn refused(&self) -> Vec<(&'static str, u64)> {
        locked(&self.refused).clone()
    }

    fn count_refused(&self, reason: &'static str) {
        let mut refused = locked(&self.refused);
        match refused.iter_mut().find(|(known, _)| *known == reason) {
            Some((_, count)) => *count += 1,
            None => refused.push((reason, 1)),
        }
    }
}

/// Returns the counts of this process, or of a test world.
pub(crate) fn jobs() -> &'static Jobs {
    let jobs: &'static Jobs = &JOBS;
    jobs
}

/// Counts `event`, if it is one of a job.
#[inline]
pub(super) fn count(event: &Event) {
    let count = match event {
        Event::JobStarted { .. } => &jobs().started,
        Event::JobResumed { .. } => &jobs().resumed,
        Event::JobDone { .. } => &jobs().done,
        Event::JobFailed { .. } => &jobs().failed,
        Event::JobInterrupted { .. } => &jobs().interrupted,
        Event::RolledBack { .. } => &jobs().rolled_back,
        Event::StepRefused { reason, .. } => return jobs().count_refused(reason),
        _ => return,
    };
    count.fetch_add(1, Ordering::Relaxed);
}
