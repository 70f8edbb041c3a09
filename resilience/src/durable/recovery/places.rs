//! The 16 places for recovered jobs that run, and the line of those that have waited and want to run on.
//!
//! ```text
//!            take                  leave
//!   (queued) ────▶ sits ───────────────────▶ away
//!                   ▲ ▲      poll_back         │
//!                   │ └────────────────────────┤ a place is free, and no job is in line
//!                   │  admit                   ▼
//!                   └─────────────────────── in line
//! ```
//!
//! A job in line may hold something that a job with a place waits for, such as a lock of the program. So one of the
//! line is admitted beyond the limit whenever no place has become free for [`PATIENCE`]; the jobs in line and those in
//! the queue take turns otherwise.
//!
//! This file decides only. It is called under the lock of the pool, and the wakers that it returns are to be called
//! without that.

use crate::base::wakers;
use std::collections::{HashMap, VecDeque};
use std::mem;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};

/// The most recovered jobs that run at once, whatever store or recovery they are of.
const AT_ONCE: usize = 16;
/// The most sync jobs that are away at once: each keeps its thread.
pub(super) const MOST_THREADS: usize = 512;
/// The time without a free place after which the first in line goes on beyond the limit.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// The places that are taken, and the jobs that have them.
#[derive(Debug)]
pub(super) struct Places {
    /// Those of jobs that have not ended, by a number that only grows.
    seats: Option<HashMap<u64, BegunJob>>,
    last: u64,
    taken: usize,
    /// The sync jobs that are away or in line.
    threads_away: usize,
    line: VecDeque<u64>,
    /// Since when the line waits.
    since: Option<Instant>,
    /// Whether the last free place went to the line.
    was_line: bool,
}

/// One job that has begun.
#[derive(Debug, Default)]
struct BegunJob {
    state: State,
    has_thread: bool,
    /// The parts of the job that wait for its place.
    waiting: Vec<Waker>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Sits,
    Away,
    InLine,
}

/// The next action for the line and the queue.
#[derive(Debug)]
pub(super) enum NextAction {
    /// One of the line runs on: call these.
    Admitted(Vec<Waker>),
    /// One of the queue may begin.
    Begin,
    /// None can; look again after this time, or when something has changed.
    Wait(Option<Duration>),
}

impl Places {
    pub(super) const fn new() -> Self {
        Self {
            seats: None,
            last: 0,
            taken: 0,
            threads_away: 0,
            line: VecDeque::new(),
            since: None,
            was_line: false,
        }
    }

    /// Returns whether no place is taken, and no job is in line.
    pub(super) fn is_idle(&self) -> bool {
        self.taken == 0 && self.line.is_empty()
    }

    fn is_full(&self) -> bool {
        self.taken >= AT_ONCE
    }

    fn sitting(&mut self, seat: u64) -> Option<&mut BegunJob> {
        self.seats.as_mut()?.get_mut(&seat)
    }

    /// Decides who is next; `is_queue_empty` is about the jobs that have not begun.
    pub(super) fn turn(&mut self, is_queue_empty: bool, now: Instant) -> NextAction {
        if self.line.is_empty() {
            self.since = None;
            return if self.is_full() || is_queue_empty { NextAction::Wait(None) } else { NextAction::Begin };
        }
        if self.is_full() {
            let waited = now.saturating_duration_since(*self.since.get_or_insert(now));
            let left = PATIENCE.saturating_sub(waited);
            return if left.is_zero() { self.admit() } else { NextAction::Wait(Some(left)) };
        }
        if self.was_line && !is_queue_empty {
            self.was_line = false;
            self.since = None;
            return NextAction::Begin;
        }
        self.admit()
    }

    /// Gives a place to the first in line, also beyond the limit.
    fn admit(&mut self) -> NextAction {
        (self.since, self.was_line) = (None, true);
        let first = self.line.front().copied();
        NextAction::Admitted(first.map_or(Vec::new(), |first| self.sit(first)))
    }

    /// Takes a place for a job that begins; returns its number.
    pub(super) fn take(&mut self) -> u64 {
        self.taken += 1;
        self.last += 1;
        self.seats.get_or_insert_default().insert(self.last, BegunJob::default());
        self.last
    }

    /// Notes that the job has a thread of its own.
    pub(super) fn has_thread(&mut self, seat: u64) {
        if let Some(sitting) = self.sitting(seat) {
            sitting.has_thread = true;
        }
    }

    /// Notes that the job has ended; returns the wakers of its parts that still wait.
    pub(super) fn end(&mut self, seat: u64) -> Vec<Waker> {
        let Some(sitting) = self.seats.as_mut().and_then(|seats| seats.remove(&seat)) else {
            return Vec::new();
        };
        if sitting.state == State::Sits {
            self.taken -= 1;
        } else {
            self.threads_away -= usize::from(sitting.has_thread);
            if sitting.state == State::InLine {
                self.leave_line(seat);
            }
        }
        sitting.waiting
    }

    /// Frees the place of a job that waits; returns whether it did.
    pub(super) fn leave(&mut self, seat: u64) -> bool {
        let is_crowded = self.threads_away >= MOST_THREADS;
        let Some(sitting) = self.sitting(seat) else { return false };
        let has_thread = sitting.has_thread;
        if sitting.state != State::Sits || has_thread && is_crowded {
            return false;
        }
        sitting.state = State::Away;
        self.taken -= 1;
        self.threads_away += usize::from(has_thread);
        true
    }

    /// Polls for a place of a job that has waited; pending, it is in line.
    pub(super) fn poll_back(&mut self, seat: u64, waker: &Waker) -> Poll<()> {
        let is_free = !self.is_full() && self.line.is_empty();
        let Some(sitting) = self.sitting(seat) else { return Poll::Ready(()) };
        match sitting.state {
            State::Sits => return Poll::Ready(()),
            State::Away if is_free => {
                self.sit(seat);
                return Poll::Ready(());
            }
            _ => {}
        }
        wakers::add(&mut sitting.waiting, waker.clone());
        if mem::replace(&mut sitting.state, State::InLine) == State::Away {
            self.line.push_back(seat);
        }
        Poll::Pending
    }

    /// Gives the job a place, also beyond the limit, if it has none; returns the wakers of its parts that wait.
    pub(super) fn sit(&mut self, seat: u64) -> Vec<Waker> {
        let Some(sitting) = self.sitting(seat).filter(|sitting| sitting.state != State::Sits) else {
            return Vec::new();
        };
        let before = mem::replace(&mut sitting.state, State::Sits);
        let (has_thread, waiting) = (sitting.has_thread, mem::take(&mut sitting.waiting));
        self.taken += 1;
        self.threads_away -= usize::from(has_thread);
        if before == State::InLine {
            self.leave_line(seat);
        }
        waiting
    }

    /// Takes a job out of the line, in which it is the first nearly always.
    fn leave_line(&mut self, seat: u64) {
        if self.line.front() == Some(&seat) {
            self.line.pop_front();
        } else {
            self.line.retain(|other| *other != seat);
        }
    }

    /// Gives a place to every job in line: the process shuts down, or nothing can do so later.
    pub(super) fn sit_all(&mut self) -> Vec<Waker> {
        let line: Vec<_> = self.line.iter().copied().collect();
        line.into_iter().flat_map(|seat| self.sit(seat)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn polled(places: &mut Places, seat: u64) -> bool {
        places.poll_back(seat, Waker::noop()).is_ready()
    }

    fn full() -> (Places, Vec<u64>) {
        let mut places = Places::new();
        let seats = (0..AT_ONCE).map(|_| places.take()).collect();
        (places, seats)
    }

    #[test]
    fn a_waiter_gives_up_its_place_and_takes_the_next_free_one() {
        let (mut places, seats) = full();
        let now = Instant::now();
        assert!(matches!(places.turn(false, now), NextAction::Wait(None)));
        assert!(places.leave(seats[0]) && !places.leave(seats[0]));
        assert!(matches!(places.turn(false, now), NextAction::Begin));
        let begun = places.take();
        assert!(!polled(&mut places, seats[0]) && !polled(&mut places, seats[0]));
        assert!(matches!(places.turn(false, now), NextAction::Wait(Some(PATIENCE))));
        places.end(begun);
        let NextAction::Admitted(woken) = places.turn(false, now) else { panic!("a place is free") };
        assert_eq!((woken.len(), places.taken), (1, AT_ONCE));
        assert!(polled(&mut places, seats[0]));
    }

    #[test]
    fn woken_jobs_are_admitted_in_order_and_alternate_with_new_ones() {
        let (mut places, seats) = full();
        for seat in &seats[..3] {
            places.leave(*seat);
            places.take();
        }
        assert!(seats[..3].iter().all(|seat| !polled(&mut places, *seat)));
        let now = Instant::now();
        let mut order = Vec::new();
        for seat in &seats[3..9] {
            places.end(*seat);
            match places.turn(false, now) {
                NextAction::Admitted(_) => order.push(places.line.len()),
                NextAction::Begin => order.push(usize::try_from(places.take()).unwrap()),
                NextAction::Wait(_) => panic!("a place is free"),
            }
        }
        assert_eq!(order, [2, 20, 1, 21, 0, 22]);
        assert_eq!(places.taken, AT_ONCE);
    }

    #[test]
    fn a_woken_job_exceeds_the_limit_if_no_place_becomes_free() {
        let (mut places, seats) = full();
        for seat in &seats[..2] {
            places.leave(*seat);
            places.take();
        }
        assert!(!polled(&mut places, seats[0]) && !polled(&mut places, seats[1]));
        let now = Instant::now();
        assert!(matches!(places.turn(true, now), NextAction::Wait(Some(PATIENCE))));
        assert!(matches!(places.turn(true, now + PATIENCE / 2), NextAction::Wait(Some(_))));
        assert!(matches!(places.turn(true, now + PATIENCE), NextAction::Admitted(_)));
        assert!(polled(&mut places, seats[0]) && places.taken == AT_ONCE + 1);
        assert!(matches!(places.turn(true, now + PATIENCE), NextAction::Wait(Some(PATIENCE))));
        places.end(seats[0]);
        assert!(matches!(places.turn(true, now + PATIENCE), NextAction::Wait(Some(_))), "16 run");
    }

    #[test]
    fn the_number_of_threads_that_wait_without_a_place_is_limited() {
        let mut places = Places::new();
        let seats: Vec<_> = (0..=MOST_THREADS).map(|_| places.take()).collect();
        for seat in &seats {
            places.has_thread(*seat);
        }
        assert_eq!(seats.iter().filter(|seat| places.leave(**seat)).count(), MOST_THREADS);
        assert_eq!(places.taken, 1);
        places.end(seats[0]);
        assert!(places.leave(seats[MOST_THREADS]) && places.is_idle());
    }

    #[test]
    fn a_job_that_ends_frees_its_place_and_leaves_the_line() {
        let (mut places, seats) = full();
        places.leave(seats[0]);
        places.leave(seats[1]);
        places.take();
        places.take();
        assert!(!polled(&mut places, seats[1]));
        assert_eq!(places.sit_all().len(), 1, "one is in line");
        assert!(places.sit(seats[0]).is_empty() && places.taken == AT_ONCE + 2);
        for seat in 0..=places.last {
            places.end(seat);
        }
        assert!(places.is_idle() && polled(&mut places, seats[0]), "an ended job waits for nothing");
        assert!(!places.leave(seats[0]) && places.sit(seats[0]).is_empty() && places.taken == 0);
    }
}
