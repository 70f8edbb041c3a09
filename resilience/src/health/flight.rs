//! The looks of one check: at most one runs, all questions of its time share it, and its answer is used for a second.
//!
//! # Invariants
//!
//! - A look is counted once when it ends. A look that hangs counts as a failed look when its limit is over, and again
//!   once for each second in which a question was asked: otherwise a check that hangs for ever would never be down.
//! - An answer that comes after the limit is a failure, too: questions were answered without it.
//! - The limit counts from when the body begins. A look that still waits for a thread then says nothing about its
//!   component: it is a warning that is not judged.
//! - No code of the program runs under the lock: wakers and the event of a change are called after it.

use super::Level;
use super::answer::Answer;
use super::status::Status;
use super::work::CheckCode;
use crate::base::guarded::release;
use crate::base::name::PointName;
use crate::base::sync::locked;
use crate::base::text::About;
use crate::base::{calendar, clock, wakers};
use crate::event::{Event, emit};
use std::fmt;
use std::sync::{Arc, Mutex};
use std::task::Waker;
use std::time::{Duration, Instant, SystemTime};

/// The time for which an answer is used.
const FRESH: Duration = Duration::from_secs(1);
/// The number of failed looks in a row after which a component is down.
const FAILURES: u32 = 3;

/// A check that the registry knows.
pub(super) struct Entry {
    pub(super) name: PointName,
    pub(super) limit: Duration,
    pub(super) is_critical: bool,
    pub(super) work: CheckCode,
    pub(super) flight: Flight,
}

impl Entry {
    pub(super) fn new(name: String, limit: Duration, is_critical: bool, work: CheckCode) -> Arc<Self> {
        let name = PointName::from(name);
        Arc::new(Self { name, limit, is_critical, work, flight: Flight::default() })
    }
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entry").field("name", &self.name).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
pub(super) struct Flight {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    running: Option<RunningCheck>,
    /// The number of looks that have begun.
    begun: u64,
    last: Option<(Status, Instant)>,
    /// The questions that wait for the running look.
    waiting: Vec<Waker>,
    /// Failed looks since the last one that did not fail.
    failures: u32,
    is_down: bool,
    /// Whether the body of a look has begun; a question alone may find no thread for it.
    was_looked_at: bool,
}

#[derive(Clone, Copy, Debug)]
struct RunningCheck {
    number: u64,
    /// When its body began, or when the look was asked for while it waits for a thread.
    since: Instant,
    time: SystemTime,
    has_begun: bool,
    /// When the look was last counted as failed, once its limit is over.
    late: Option<Instant>,
}

/// The task of a question.
pub(super) enum QuestionTask {
    Answered(Status),
    /// Begin a look with this number, and wait for it.
    Begins(u64),
    /// Wait for the look with this number, at most so long.
    Joins(u64, Duration),
    /// The running look is late.
    Late(u64),
}

impl Flight {
    /// Returns what a question at this moment has to do.
    pub(super) fn question(&self, limit: Duration) -> QuestionTask {
        let now = clock::now();
        let mut state = locked(&self.state);
        if let Some(running) = &mut state.running {
            let left = limit.saturating_sub(now.saturating_duration_since(running.since));
            if running.late.is_some() || left.is_zero() {
                return QuestionTask::Late(running.number);
            }
            return QuestionTask::Joins(running.number, left);
        }
        if let Some(status) = state.fresh(now) {
            return QuestionTask::Answered(status);
        }
        state.begun += 1;
        let number = state.begun;
        let time = clock::time_of_day();
        state.running = Some(RunningCheck { number, since: now, time, has_begun: false, late: None });
        QuestionTask::Begins(number)
    }

    /// Returns what is left of `limit` for the look with this number, if its body has begun and has time left.
    pub(super) fn left(&self, number: u64, limit: Duration) -> Option<Duration> {
        let running = locked(&self.state).running?;
        let left = limit.checked_sub(clock::now().saturating_duration_since(running.since))?;
        (running.number == number && running.has_begun && !left.is_zero()).then_some(left)
    }

    /// Returns the answer of the look with this number, if it has ended; otherwise `waker` is called then.
    pub(super) fn poll(&self, number: u64, waker: &Waker) -> Option<Status> {
        let now = clock::now();
        let mut state = locked(&self.state);
        if state.running.is_some_and(|running| running.number == number) {
            wakers::add(&mut state.waiting, waker.clone());
            return None;
        }
        state.aged(now)
    }

    /// Returns the level of the last look, if there was one.
    pub(super) fn last(&self) -> Option<Level> {
        locked(&self.state).last.as_ref().map(|(status, _)| status.level)
    }

    /// Returns whether the component has failed three times in a row, and not passed since, or was never looked at.
    pub(super) fn is_down(&self) -> bool {
        let state = locked(&self.state);
        state.is_down || !state.was_looked_at
    }
}

impl State {
    fn aged(&self, now: Instant) -> Option<Status> {
        let (status, at) = self.last.as_ref()?;
        Some(Status { age: now.saturating_duration_since(*at), ..status.clone() })
    }

    fn fresh(&self, now: Instant) -> Option<Status> {
        self.aged(now).filter(|status| status.age < FRESH)
    }

    /// Counts a look; the event, if the level has changed.
    fn record(&mut self, status: Status, is_judged: bool, now: Instant) -> Option<Event> {
        if is_judged && status.level == Level::Fail {
            self.failures = self.failures.saturating_add(1);
            self.is_down |= self.failures >= FAILURES;
        } else if is_judged {
            (self.failures, self.is_down) = (0, false);
        }
        let before = self.last.as_ref().map(|(last, _)| last.level);
        let (point, level) = (status.component.clone(), status.level);
        self.last = Some((status, now));
        let has_changed = before.unwrap_or(Level::Pass) != level;
        has_changed.then_some(Event::Health { point, level, before })
    }
}

/// Returns the answer of a question whose look takes longer than its limit.
pub(super) fn late(entry: &Entry, number: u64) -> Status {
    let (now, time) = (clock::now(), clock::time_of_day());
    let mut state = locked(&entry.flight.state);
    let running = state.running.as_mut().filter(|running| running.number == number);
    let counted = running.as_ref().map(|running| running.late);
    let is_due = |at: Instant| now.saturating_duration_since(at) >= FRESH;
    let answer = match (running, counted) {
        (Some(running), Some(counted)) if counted.is_none_or(is_due) => {
            running.late = Some(now);
            let since = calendar::rfc_3339(running.time).unwrap_or_default();
            if running.has_begun {
                Answer::fail(format!("running since {since}, longer than its limit of {:?}", entry.limit))
            } else {
                Answer::not_judged(format!("it waits since {since} for a thread that other checks use"))
            }
        }
        // It was counted a moment ago, or has just ended.
        _ => match state.aged(now) {
            Some(status) => return status,
            None => Answer::fail("it has just ended"),
        },
    };
    let status = Status::new(entry.name.clone(), entry.is_critical, &answer, time);
    let changed = state.record(status.clone(), answer.is_judged, now);
    drop(state);
    if let Some(event) = changed {
        emit(&event, None);
    }
    status
}

/// A look that has begun. Dropped, it has ended, with its answer if it has one.
#[derive(Debug)]
pub(super) struct RunningLook {
    pub(super) entry: Arc<Entry>,
    number: u64,
    answer: Option<Answer>,
}

impl RunningLook {
    /// Creates the look with this number, which a question has begun.
    pub(super) const fn new(entry: Arc<Entry>, number: u64) -> Self {
        Self { entry, number, answer: None }
    }

    /// Notes that the body begins now, and returns when its limit is over.
    pub(super) fn begin(&self) -> Instant {
        let (now, time) = (clock::now(), clock::time_of_day());
        let mut state = locked(&self.entry.flight.state);
        if let Some(running) = state.running.as_mut().filter(|running| running.number == self.number) {
            *running = RunningCheck { since: now, time, has_begun: true, late: None, ..*running };
            state.was_looked_at = true;
        }
        drop(state);
        clock::later(now, self.entry.limit)
    }

    /// Ends the look.
    pub(super) fn end(mut self, answer: Answer) {
        self.answer = Some(answer);
    }
}

impl Drop for RunningLook {
    fn drop(&mut self) {
        let dropped =
            || Answer::fail("the check could not run to its end: there is no thread or runtime for it");
        let mut answer = self.answer.take().unwrap_or_else(dropped);
        let Entry { name, limit, is_critical, flight, .. } = &*self.entry;
        let (now, time) = (clock::now(), clock::time_of_day());
        let mut state = locked(&flight.state);
        let Some(running) = state.running.filter(|running| running.number == self.number) else { return };
        if running.late.is_some() || now.saturating_duration_since(running.since) > *limit {
            let took = now.saturating_duration_since(running.since);
            answer = Answer::fail(format!("took {}, longer than its limit of {limit:?}", About(took)));
        }
        state.running = None;
        let status = Status::new(name.clone(), *is_critical, &answer, time);
        let changed = state.record(status, answer.is_judged, now);
        let woken = std::mem::take(&mut state.waiting);
        drop(state);
        if let Some(event) = changed {
            emit(&event, None);
        }
        release(woken, Vec::new());
    }
}
