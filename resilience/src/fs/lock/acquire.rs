//! Taking a lock: one step at a time, the same for sync and async callers.
//!
//! # The way to a lock
//!
//! 1. The caller queues behind the others of its process ([`queue`](super::queue)).
//! 2. The first of them locks the *turn*, a file of its own. Its holder is the only one of all processes that tries to
//!    lock the lock itself, and every caller takes the turn first: a process that releases the lock and wants it again
//!    queues behind the waiting one. A stopped holder of the turn is passed by, and a future that is not polled loses
//!    the turn. The state of a holder that is frozen with its container does not show that it does not run: a caller
//!    that asks for the lock alone passes by any holder after a second, when one that runs has had its tries; a reader,
//!    which lets waiting writers go first, passes by one that has written no text in that time, as each try does.
//! 3. It tries to lock the file, again and again with pauses that grow to 20 ms, until it has it or its time is over.
//!
//! Nothing blocks: every try returns at once, and between two the caller waits for its timer or for a release in its
//! own process. A caller that is dropped leaves nothing behind that could take the lock later.

use super::guard::LockGuard;
use super::held::{self, HeldLock};
use super::holder::{self, Text};
use super::locked::Locked;
use super::place::{self, DirCheck, LockFiles};
use super::queue::Ticket;
use super::stats;
use super::{FileLock, LockError, list};
use crate::base::block_on::block_steps;
use crate::base::clock::{Timer, real_time};
use crate::base::files;
use crate::base::scope;
use crate::base::stopping;
use std::fs::{self, File};
use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

/// A caller that does not wait tries for this long: a look at the lock, or the moment between fork and exec of a child,
/// may hold it for an instant.
const AT_LEAST: Duration = Duration::from_millis(20);
const FIRST_PAUSE: Duration = Duration::from_micros(200);
const LONGEST_PAUSE: Duration = Duration::from_millis(20);
/// The time for which the turn of others is waited for. A reader waits for as long as its holder tries: a writer goes
/// first.
const TURN: Duration = Duration::from_secs(1);

/// A caller on its way to a lock.
///
/// Sync code calls its steps, async code polls it. Dropping it leaves the queue and gives up the turn. It never holds
/// the lock itself: a step that takes it returns the guard at once.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
pub(crate) struct Acquire {
    lock: FileLock,
    /// Made with the first step, with all that can be wrong with it.
    way: Option<AcquireState>,
    began: Instant,
    until: Instant,
    pause: Duration,
    has_waited: bool,
    /// The timer until the next step of a future.
    timer: Option<Box<Timer>>,
}

/// The state of a caller on its way to a lock. Its ticket has the turn, and gives that up first.
#[derive(Debug)]
struct AcquireState {
    ticket: Ticket,
    place: LockFiles,
    /// Whether the inode of the lock file was compared with those of the locks that the caller holds.
    is_compared: bool,
    /// Since when another process has had the turn whenever this caller has asked for it; for a reader, without a
    /// sign that it runs: the time of its text.
    refused: Option<(Instant, Option<SystemTime>)>,
}

impl Acquire {
    pub(crate) fn new(lock: FileLock) -> Self {
        let began = Instant::now();
        let wait = scope::at_most(lock.wait).max(AT_LEAST);
        let until = began.checked_add(wait).unwrap_or_else(|| began + Duration::from_secs(1 << 32));
        Self { lock, way: None, began, until, pause: FIRST_PAUSE, has_waited: false, timer: None }
    }

    /// Returns whether it had to wait.
    pub(crate) fn has_waited(&self) -> bool {
        self.has_waited
    }

    /// Goes as far as it can without waiting.
    fn step(&mut self, waker: &Waker) -> Result<Result<LockGuard, LockError>, Instant> {
        let way = match &mut self.way {
            Some(way) => way,
            none => match self.lock.target.place() {
                Ok(place) => {
                    let ticket = Ticket::new(&place.path);
                    none.insert(AcquireState { ticket, place, is_compared: false, refused: None })
                }
                Err(error) => return Ok(Err(error)),
            },
        };
        if !way.ticket.is_first(waker) {
            return self.rest(None);
        }
        match way.step(&self.lock) {
            Ok(Some(guard)) => {
                self.way = None;
                stats::acquired(self.has_waited.then(|| self.began.elapsed()));
                Ok(Ok(guard))
            }
            Ok(None) => {
                // Half to one and a half of it, so that processes do not try in step.
                let jitter = RandomState::new().hash_one(self.pause) % 1_000;
                let pause = self.pause.mul_f64(0.5 + jitter as f64 / 1_000.0);
                self.pause = (self.pause * 2).min(LONGEST_PAUSE);
                self.rest(Some(pause))
            }
            Err(error) => Ok(Err(error)),
        }
    }

    fn rest(&mut self, pause: Option<Duration>) -> Result<Result<LockGuard, LockError>, Instant> {
        let now = Instant::now();
        if now < self.until && !stopping::has_begun() {
            self.has_waited = true;
            let until = pause.map_or(self.until, |pause| (now + pause).min(self.until));
            if let Some(way) = &self.way {
                way.ticket.rests(until);
            }
            return Err(until);
        }
        stats::timed_out(self.began.elapsed());
        let holders = self.way.as_ref().map(|way| list::holders(&way.place)).unwrap_or_default();
        let lock = format!("{:?}", self.lock.target.label());
        let (waited, holds) = (self.began.elapsed(), held::here_quoted());
        Ok(Err(LockError::Timeout { lock, waited, holders, holds }))
    }
}

impl AcquireState {
    /// Tries once; `None` if the lock is not free.
    fn step(&mut self, lock: &FileLock) -> Result<Option<LockGuard>, LockError> {
        if !self.is_compared {
            self.compare(lock)?;
        }
        let place = &self.place;
        let turn = match self.ticket.turn() {
            Some(turn) => Some(turn),
            None => match try_lock(place, &place.turn, false) {
                // A directory of others, in which only the lock was made: without a turn the waits are not fair.
                Err(error) if place.may_lack_a_turn(&error) => None,
                Err(error) => return Err(error),
                Ok(Some(turn)) => {
                    self.refused = None;
                    let turn = self.ticket.keep(Locked::new(turn));
                    place::once(place.dir(), DirCheck::Excludes, || excludes(place, &place.turn))?;
                    Some(turn)
                }
                // A stopped holder does not continue by itself: every caller passes it.
                Ok(None) if list::is_held_by_stopped(&place.turn) => None,
                Ok(None) => {
                    let written = lock.is_shared.then(|| written(&place.turn)).flatten();
                    let refused = self.refused.filter(|(_, before)| *before == written);
                    let (since, _) = *self.refused.insert(refused.unwrap_or((Instant::now(), written)));
                    if since.elapsed() < TURN {
                        return Ok(None);
                    }
                    None
                }
            },
        };
        let Some(file) = try_lock(place, &place.path, lock.is_shared)? else {
            if let Some(turn) = turn {
                // The text is for lists of locks.
                let _ = holder::write_unless_foreign(&turn.file, &place.label, None);
            }
            return Ok(None);
        };
        if turn.is_none() {
            place::once(place.dir(), DirCheck::Excludes, || excludes(place, &place.path))?;
        }
        // Several readers hold the lock: only the one with the turn writes.
        if turn.is_some() || !lock.is_shared {
            let journal = Text::read(&file).journal;
            // A text is for people: where it cannot be written, the holder is unknown.
            let _ = holder::write_unless_foreign(&file, &place.label, journal.as_ref());
        }
        let held = HeldLock { inode: files::inode_of(&file), ..self.held(lock) };
        Ok(Some(LockGuard::new(self.place.clone(), held::enter(held), Locked::new(file))))
    }

    fn held(&self, lock: &FileLock) -> HeldLock {
        let (inode, label) = (files::inode(&self.place.path), self.place.label.clone());
        HeldLock { inode, label, taken_at: lock.taken_at.clone() }
    }

    /// Refuses a lock that the caller holds itself, and looks at the order of several.
    fn compare(&mut self, lock: &FileLock) -> Result<(), LockError> {
        self.is_compared = true;
        let held = held::here();
        if held.is_empty() {
            return Ok(());
        }
        let wanted = self.held(lock);
        let is_same = |held: &HeldLock| held.inode.is_some() && held.inode == wanted.inode;
        if held.iter().any(is_same) {
            return Err(LockError::reentered(&self.place.label));
        }
        held::warn_of_order(&held, &wanted);
        Ok(())
    }
}

/// Returns when the file at `path` was last written.
fn written(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|found| found.modified()).ok()
}

fn try_lock(place: &LockFiles, path: &Path, is_shared: bool) -> Result<Option<File>, LockError> {
    let open = |path: &Path| place.open(path);
    match files::try_lock(path, is_shared, open) {
        // The directory was removed: the next look makes it again, or fails with better words.
        Err(error) if error.kind() == io::ErrorKind::NotFound && place.make_again() => {
            files::try_lock(path, is_shared, open).map_err(|error| LockError::io(path, &error))
        }
        tried => tried.map_err(|error| LockError::io(path, &error)),
    }
}

/// Checks that a second descriptor cannot lock what the first one has locked.
///
/// Some file systems answer that a lock is taken, and let the next one take it, too. The turn is the file that is
/// tried, so that the lock itself is not disturbed; where there is no turn, it is the lock at `path`.
fn excludes(place: &LockFiles, path: &Path) -> Result<(), LockError> {
    let second = place.open(path).map_err(|error| LockError::io(path, &error))?;
    if second.try_lock().is_ok() {
        let words = "is on a file system whose locks do not exclude each other: use a `MarkerLock`";
        return Err(LockError::refused(place.dir(), words));
    }
    Ok(())
}

/// Takes `lock` on this thread, which sleeps while it waits; calls `waits` before each of its sleeps.
pub(super) fn acquire(lock: FileLock, mut waits: impl FnMut()) -> Result<LockGuard, LockError> {
    let mut acquire = Acquire::new(lock);
    block_steps(|waker| acquire.step(waker).inspect_err(|_| waits()))
}

impl Future for Acquire {
    type Output = Result<LockGuard, LockError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match self.step(cx.waker()) {
                Ok(done) => return Poll::Ready(done),
                Err(until) => {
                    let wait = until.saturating_duration_since(Instant::now());
                    let timer = self.timer.insert(Box::new(real_time(wait)));
                    // The shutdown ends the wait: the next step says so.
                    if Pin::new(&mut **timer).poll(cx).is_pending() && !stopping::has_begun() {
                        return Poll::Pending;
                    }
                }
            }
        }
    }
}
