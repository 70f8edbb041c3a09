//! The time for which calls wait for handlers.
//!
//! A call waits until the handlers of its event have handled it, so that what a handler writes is there when the call
//! returns. It waits for one second at most for all its events and all their handlers together.
//!
//! Which events belong to one call is known by the task or the thread that raises them, and by the events themselves:
//! some are the last of their call, unless a policy above acts on the failure that they report. Where neither says that
//! a call has ended, the second is available again after ten.
//! In async code the wait blocks the thread, as a hook does: events are raised in the middle of a poll, and in drops.

use super::worker::HandlingWait;
use crate::base::block_on::block_for;
use crate::base::clock;
use crate::base::site::Site;
use crate::base::sync::locked;
use crate::base::world::World;
use crate::event::Event;
use std::future::{Future as _, poll_fn};
use std::pin::Pin;
use std::sync::Mutex;
use std::task::Poll;
use std::thread::ThreadId;
use std::time::{Duration, Instant};

/// The time for which a call waits for handlers.
const LIMIT: Duration = Duration::from_secs(1);
/// The same limit in real time in a test world whose clock nothing moves: a mistake in a test ends as a slow test.
const LIMIT_IN_WORLD: Duration = Duration::from_secs(60);
/// The time after which a task or thread is in another call.
const FORGET: Duration = Duration::from_secs(10);
/// The most tasks and threads that are remembered; further ones do not wait.
const MOST: usize = 1_000;

/// The origin of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Caller {
    Thread(ThreadId),
    #[cfg(feature = "tokio")]
    Task(tokio::task::Id),
}

impl Caller {
    fn here() -> Self {
        #[cfg(feature = "tokio")]
        if let Some(task) = tokio::task::try_id() {
            return Self::Task(task);
        }
        Self::Thread(std::thread::current().id())
    }
}

/// The time that a caller has waited in its call.
///
/// `since` is the first wait: ten seconds after it the task or thread is taken to be in another call.
#[derive(Debug)]
struct WaitedTime {
    caller: Caller,
    since: Instant,
    time: Duration,
}

static SPENT: Site<Mutex<Vec<WaitedTime>>> = Site::new(Mutex::new(Vec::new()), Mutex::default);

/// The time that a call may still wait, from the moment before its event is handed over.
pub(super) struct WaitBudget {
    caller: Caller,
    began: Instant,
    left: Duration,
    /// Ends the wait by the clock of a test world, if the test moves it.
    alarm: Option<Pin<Box<clock::Timer>>>,
}

impl WaitBudget {
    /// Returns the wait of the running code.
    pub(super) fn here() -> Self {
        let (caller, began) = (Caller::here(), clock::now());
        let left = LIMIT.saturating_sub(spent(caller, began));
        let alarm = World::here().filter(World::is_manual).map(|_| Box::pin(clock::watch(left)));
        Self { caller, began, left, alarm }
    }

    /// Waits until `handled` are, as long as the call of `event` may.
    pub(super) fn wait_for(mut self, event: &Event, handled: &[HandlingWait]) {
        if !handled.is_empty() && !self.left.is_zero() {
            let time = if self.is_in_time(handled) {
                clock::now().saturating_duration_since(self.began)
            } else {
                self.left
            };
            handled.iter().for_each(HandlingWait::count);
            spend(self.caller, self.began, time);
        }
        if is_last_of_call(event) {
            locked(&SPENT).retain(|spent| spent.caller != self.caller);
        }
    }

    /// Returns whether all are handled before the time is over.
    fn is_in_time(&mut self, handled: &[HandlingWait]) -> bool {
        let limit = if self.alarm.is_some() { LIMIT_IN_WORLD } else { self.left };
        let end = poll_fn(|cx| {
            if handled.iter().all(|handled| handled.poll(cx).is_ready()) {
                return Poll::Ready(true);
            }
            let alarm = self.alarm.as_mut().map_or(Poll::Pending, |alarm| alarm.as_mut().poll(cx));
            alarm.map(|()| false)
        });
        block_for(limit, end).unwrap_or(false)
    }
}

/// Returns how long `caller` has waited in its call.
fn spent(caller: Caller, now: Instant) -> Duration {
    let mut all = locked(&SPENT);
    all.retain(|spent| now.saturating_duration_since(spent.since) < FORGET);
    let of_caller = all.iter().find(|spent| spent.caller == caller).map(|spent| spent.time);
    of_caller.unwrap_or(if all.len() < MOST { Duration::ZERO } else { LIMIT })
}

fn spend(caller: Caller, since: Instant, time: Duration) {
    let mut all = locked(&SPENT);
    match all.iter_mut().find(|spent| spent.caller == caller) {
        Some(spent) => spent.time = spent.time.saturating_add(time),
        None => all.push(WaitedTime { caller, since, time }),
    }
}

/// Returns whether a call of its point makes no event after this one, or the event is made outside of calls.
fn is_last_of_call(event: &Event) -> bool {
    match event {
        Event::Recovered { .. }
        | Event::FellBack { .. }
        | Event::ChaosArmed { .. }
        | Event::JobDone { .. }
        | Event::JobFailed { .. }
        | Event::JobInterrupted { .. }
        | Event::Health { .. }
        | Event::Config { .. } => true,
        Event::GaveUp { point, .. } => !point.acts_above("with_retry"),
        Event::Rejected { point, policy, .. } => !point.acts_above(policy),
        Event::Closed { point, .. } => !point.acts_above("circuit_breaker"),
        // Opened directly.
        Event::Opened { class, slow, .. } => class.is_none() && *slow == 0,
        _ => false,
    }
}
