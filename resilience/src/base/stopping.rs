//! The shutdown of the process, and waits that end when it begins.
//!
//! A wait looks at the flag each time that it is polled, and once more after its timer is registered. [`begin`] sets
//! the flag first and wakes the timers afterwards, so that no wait misses it. Before a shutdown this costs a load for
//! each poll of a call that waits, and nothing for a call that does not.

use super::clock::{self, Timer, now_nanos};
use super::site::Site;
use super::sync::locked;
use super::timer::wake_all;
use super::world::World;
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

/// The reason of a job that the shutdown interrupts.
#[cfg(any(feature = "durable", feature = "ops"))]
pub(crate) const PROBLEM: &str = "the process shut down before it ended";

/// The beginning of the reason of a job that the shutdown interrupts, and whose body has returned an error of its own.
#[cfg(any(feature = "durable", feature = "ops"))]
pub(crate) const RETURNED: &str = "the process shut down before it ended: the body returned an error";

/// The shutdown of this process, or of a test world.
static STOPPING: Site<Stopping> = Site::new(Stopping::new(), Stopping::new);

/// The flag never goes back to false.
#[derive(Debug)]
struct Stopping {
    has_begun: AtomicBool,
    /// Threads that sleep hold it while they look at the flag.
    sleepers: Mutex<()>,
    begins: Condvar,
}

impl Stopping {
    const fn new() -> Self {
        Self { has_begun: AtomicBool::new(false), sleepers: Mutex::new(()), begins: Condvar::new() }
    }
}

/// Returns whether the shutdown has begun. It never ends: the process does.
pub(crate) fn has_begun() -> bool {
    STOPPING.has_begun.load(Ordering::SeqCst)
}

/// Begins the shutdown, and ends the waits of this module; whether it had not begun before.
pub(crate) fn begin() -> bool {
    let stopping: &Stopping = &STOPPING;
    if stopping.has_begun.swap(true, Ordering::SeqCst) {
        return false;
    }
    drop(locked(&stopping.sleepers));
    stopping.begins.notify_all();
    if let Some(world) = World::here() {
        world.advance(Duration::ZERO);
    }
    // In a world, too: a wait may be on a clock that tokio has paused.
    wake_all();
    true
}

/// Blocks this thread for `wait`, or until the shutdown begins; in a test world moves its clock instead.
pub(crate) fn sleep(wait: Duration) {
    if World::here().is_some() {
        return clock::sleep(wait);
    }
    let stopping: &Stopping = &STOPPING;
    let has_not_begun = |(): &mut ()| !stopping.has_begun.load(Ordering::SeqCst);
    let slept = stopping.begins.wait_timeout_while(locked(&stopping.sleepers), wait, has_not_begun);
    drop(slept.unwrap_or_else(PoisonError::into_inner));
    clock::slept(wait);
}

/// Waits as [`clock::pause`] does, at most until the shutdown begins.
///
/// Other tasks run in between, even if no time passes: a loop of attempts that are never pending would otherwise keep
/// its thread, and no timeout around it would end it. The clock of a test world moves at once.
pub(crate) async fn pause(wait: Duration) {
    let mut timer = Wait(clock::pause(wait));
    let mut is_first = World::here().is_none();
    poll_fn(|cx| {
        let polled = Pin::new(&mut timer).poll(cx);
        if std::mem::take(&mut is_first) && polled.is_ready() {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        polled
    })
    .await;
}

/// Lets other tasks run before the next of several calls, so that calls which are never pending do not keep the thread,
/// and a timeout around them can end them. In a test world it is ready at once, like a pause.
pub async fn let_others_run() {
    let mut is_first = World::here().is_none();
    poll_fn(|cx| {
        if std::mem::take(&mut is_first) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(())
    })
    .await;
}

/// Goes off when the clock reads `at`, in nanoseconds, at the latest when the shutdown begins.
///
/// An `at` that was computed from a clock that was read earlier is right even if time has passed since: what has to
/// happen first cannot make the wait longer.
pub(crate) fn alarm(at: u64) -> Alarm {
    let wait = Duration::from_nanos(at.saturating_sub(now_nanos()));
    Alarm { timer: Wait(clock::alarm(wait)), at }
}

/// A wait that the shutdown ends.
#[derive(Debug)]
struct Wait(Timer);

impl Future for Wait {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let polled = Pin::new(&mut self.0).poll(cx);
        if polled.is_pending() && has_begun() { Poll::Ready(()) } else { polled }
    }
}

/// An alarm that the shutdown ends.
#[derive(Debug)]
pub(crate) struct Alarm {
    timer: Wait,
    at: u64,
}

impl Future for Alarm {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let polled = Pin::new(&mut self.timer).poll(cx);
        // A clock that was moved on while the timer was made has not set it off.
        if polled.is_pending() && now_nanos() >= self.at { Poll::Ready(()) } else { polled }
    }
}
