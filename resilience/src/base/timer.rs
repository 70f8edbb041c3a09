//! Waiting in a future: on one thread of our own, or on tokio's clock where a test has paused that.
//!
//! Waits in real time do not use tokio's timer, although most programs have one. Tokio reports that a
//! runtime has no timers, or that it is shutting down, only by a panic, when a `Sleep` is made or at any of
//! its polls. A panic that is caught has already run the program's panic hook, which may end the process.
//! Tokio's timer also stops while another executor blocks the only thread of its runtime, and it does not
//! answer a task that has used up its cooperative budget. A thread of our own has none of these cases and
//! is the same code with every executor. It costs what tokio's timer costs: one lock when a body is first
//! pending, and one when the body ends.
//!
//! A paused clock (`start_paused`, `tokio::time::pause`) moves only with tokio's own timer, so a wait that
//! begins under one uses it, outside the cooperative budget as `tokio::time::timeout` does.
//!
//! # Invariants
//!
//! - A moment is fixed when a [`Timer`] is made; polling it never moves the moment.
//! - An entry is registered at the first poll that is not ready, replaced only for another waker, and removed when the
//!   timer is dropped: a body that ends in time costs the thread nothing.
//! - Wakers are called and dropped outside of the lock. They are code of an executor, which may block or panic.
//! - The thread is started by the first wait and never ends. If the system refuses it, each task polls itself until it
//!   can be started: limits hold, and only the processor time is lost.
//!
//! # Which of the three
//!
//! | where the wait begins | it ends by |
//! |---|---|
//! | outside of a test world | the timer thread |
//! | under tokio's paused clock | tokio's timer, which moves that clock |
//! | there, in sync code | the timer thread, and moves the clock; tokio's timer, if a test moves the clock before |
//! | in a test world with a clock of its own | [`pause`] at once, and moves the clock; [`alarm`] when the clock has passed it |
//!
//! [`pause`] is for waits of the code under test (a backoff), [`alarm`] for limits that should not go off (a timeout),
//! and [`watch`] for the looks of a policy after its own callers, which in a test happen by the test's clock only.
//!
//! Sync code waits by `clock::sleep`. A wait that delays a call, and is not part of its body, has to end with a
//! shutdown: it goes through `stopping::sleep` in sync code, and `stopping::pause` or `stopping::alarm` in a future.

use super::guarded::{discard, wake};
use super::real_clock::real_now;
#[cfg(feature = "tokio")]
use super::real_clock::slept;
use super::sync::locked;
use super::time::later;
use super::world::{World, WorldAlarm};
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
#[cfg(feature = "tokio")]
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

/// A wait that ends at a moment fixed when it was made.
///
/// Chosen once, when the wait begins, by the clock that the running code sees at that moment.
#[derive(Debug)]
pub(crate) enum Timer {
    Thread(Alarm),
    /// On tokio's paused clock; boxed, because it is large and only tests have it.
    #[cfg(feature = "tokio")]
    Tokio(Box<PausedAlarm>),
    /// On tokio's paused clock, which may stand still for as long as this thread blocks.
    #[cfg(feature = "tokio")]
    Blocked(Box<BlockedAlarm>),
    /// On the clock of a test world.
    World(WorldAlarm<Box<Self>>),
}

/// The wait of an alarm that goes off only for another reason than its time.
const NEVER: Duration = Duration::from_secs(30 * 365 * 24 * 3600);

/// Returns a pause between two attempts. In a test world whose runtime has no paused clock it moves the world's
/// clock and ends at once.
pub(crate) fn pause(wait: Duration) -> Timer {
    match World::here() {
        Some(world) if world.pause(wait) => Timer::World(world.alarm_now()),
        _ => real(wait),
    }
}

/// Returns a limit that goes off after `wait` unless it is dropped before. In a test world whose runtime has no
/// paused clock it goes off when the world's clock is moved past it, or in real time if it is not moved.
pub(crate) fn alarm(wait: Duration) -> Timer {
    match World::here() {
        Some(world) if !world.follows_tokio() => Timer::World(world.alarm(wait, Box::new(real(wait)))),
        _ => real(wait),
    }
}

/// Returns an alarm like [`alarm`], but in a test world whose clock the test moves it goes off only by that clock.
pub(crate) fn watch(wait: Duration) -> Timer {
    match World::here() {
        Some(world) if world.is_manual() => Timer::World(world.alarm(wait, Box::new(real(NEVER)))),
        _ => alarm(wait),
    }
}

/// Returns an alarm like [`alarm`], but one that passes in real time under a paused clock of tokio's: what a helper
/// thread works on takes real time, and a runtime with nothing else to do would move its clock past the limit at once.
#[cfg(feature = "ops")]
pub(crate) fn alarm_of_thread(wait: Duration) -> Timer {
    match World::here() {
        Some(world) if !world.follows_tokio() => alarm(wait),
        _ => real_time(wait),
    }
}

/// Returns tokio's timer under a paused clock, else the thread's. Whether the clock is paused is looked up once, when
/// the wait begins.
fn real(wait: Duration) -> Timer {
    #[cfg(feature = "tokio")]
    if super::real_clock::paused_clock().is_some()
        && let Some(sleep) = tokio_sleep(wait)
    {
        let entry = Alarm::new(&THREAD, later(Instant::now(), NEVER));
        let sleep = Timer::Tokio(Box::new(PausedAlarm { sleep, entry }));
        return if super::paused::is_blocked() {
            Timer::Blocked(Box::new(BlockedAlarm::new(sleep, wait)))
        } else {
            sleep
        };
    }
    Timer::Thread(Alarm::new(&THREAD, later(Instant::now(), wait)))
}

/// Returns a wait in real time, whatever the clock of the running code: other processes do not follow that one.
pub(crate) fn real_time(wait: Duration) -> Timer {
    Timer::Thread(Alarm::new(&THREAD, later(Instant::now(), wait)))
}

/// Returns tokio's timer, for a paused clock. The panic that is caught belongs to a runtime that was built with a
/// paused clock but without timers.
#[cfg(feature = "tokio")]
fn tokio_sleep(wait: Duration) -> Option<Pin<Box<tokio::time::Sleep>>> {
    catch_unwind(|| Box::pin(tokio::time::sleep(wait))).ok()
}

impl Timer {
    /// Returns the moment at which it goes off, on the clock of this thread.
    ///
    /// A test world's clock and the system's differ; a moment of the latter is as far away on either.
    pub(crate) fn ends(&self) -> Instant {
        match self {
            Self::Thread(alarm) => on_this_clock(alarm.at),
            #[cfg(feature = "tokio")]
            Self::Tokio(alarm) => on_this_clock(super::paused::moved_on(alarm.sleep.deadline().into_std())),
            #[cfg(feature = "tokio")]
            Self::Blocked(alarm) => alarm.at,
            Self::World(alarm) => alarm.ends(),
        }
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match &mut *self {
            Self::Thread(alarm) => alarm.poll(cx.waker()),
            #[cfg(feature = "tokio")]
            Self::Tokio(alarm) => {
                let PausedAlarm { sleep, entry } = &mut **alarm;
                let polled = std::pin::pin!(tokio::task::unconstrained(sleep.as_mut()));
                if let Ok(polled) = catch_unwind(AssertUnwindSafe(|| polled.poll(cx))) {
                    if polled.is_pending() {
                        entry.register(cx.waker());
                    }
                    return polled;
                }
                // The runtime shuts down, and its clock stops: the rest of the wait passes in real time.
                let left = sleep.deadline().saturating_duration_since(tokio::time::Instant::now());
                let alarm = Alarm::new(&THREAD, later(Instant::now(), left));
                self.set(Self::Thread(alarm));
                self.poll(cx)
            }
            #[cfg(feature = "tokio")]
            Self::Blocked(alarm) => alarm.poll(cx),
            Self::World(alarm) => alarm.poll(cx),
        }
    }
}

/// A wait on tokio's paused clock. The timer thread has an entry for it, too, by which [`wake_all`] reaches its task.
#[cfg(feature = "tokio")]
#[derive(Debug)]
pub(crate) struct PausedAlarm {
    sleep: Pin<Box<tokio::time::Sleep>>,
    entry: Alarm,
}

/// A wait of sync code on tokio's paused clock. This thread may be the only one that moves that clock, so it ends in
/// real time, too, which then counts as time that has passed on the clock.
#[cfg(feature = "tokio")]
#[derive(Debug)]
pub(crate) struct BlockedAlarm {
    sleep: Box<Timer>,
    real: Alarm,
    at: Instant,
}

#[cfg(feature = "tokio")]
impl BlockedAlarm {
    fn new(sleep: Timer, wait: Duration) -> Self {
        let real = Alarm::new(&THREAD, later(Instant::now(), wait));
        let now = World::here().map_or_else(real_now, |world| world.now());
        Self { sleep: Box::new(sleep), real, at: later(now, wait) }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.real.poll(cx.waker()).is_pending() {
            return Pin::new(&mut self.sleep).poll(cx);
        }
        match World::here() {
            Some(world) if world.follows_tokio() => {
                world.advance(self.at.saturating_duration_since(world.now()));
            }
            _ => slept(self.at.saturating_duration_since(real_now())),
        }
        Poll::Ready(())
    }
}

/// Returns a moment of the real clock as this thread's clock reads it.
///
/// Only the distance counts: the two clocks have different readings for one moment.
fn on_this_clock(at: Instant) -> Instant {
    let left = || at.saturating_duration_since(real_now());
    World::here().map_or(at, |world| later(world.now(), left()))
}

/// One entry of the timer thread, removed when it is dropped.
///
/// `waker` and `number` are set together: an alarm that was refused a thread has neither.
#[derive(Debug)]
pub(crate) struct Alarm {
    timers: &'static TimerThread,
    at: Instant,
    /// Its number among the entries, once it has been registered.
    number: Option<u64>,
    /// The waker that is registered.
    waker: Option<Waker>,
}

impl Alarm {
    /// Creates an alarm that is not registered yet: a body that is ready at its first poll never is.
    const fn new(timers: &'static TimerThread, at: Instant) -> Self {
        Self { timers, at, number: None, waker: None }
    }

    /// Polls whether the moment has passed; if not, `waker` is called when it has.
    ///
    /// A moment that has passed is ready without a lock; so is a second poll with the same waker.
    fn poll(&mut self, waker: &Waker) -> Poll<()> {
        if Instant::now() >= self.at {
            return Poll::Ready(());
        }
        // Without a thread the task looks at the clock itself, and tries again to start the thread each
        // time: it is polled all the time, but the executor is not blocked and the verdict is right.
        if !self.register(waker) {
            waker.wake_by_ref();
        }
        Poll::Pending
    }

    /// Registers `waker`, unless it is registered; returns whether there is a thread to call it.
    fn register(&mut self, waker: &Waker) -> bool {
        // The thread takes the entry out only when its moment has passed, so it is still registered.
        if self.waker.as_ref().is_some_and(|registered| registered.will_wake(waker)) {
            return true;
        }
        let Ok(number) = self.timers.register(self.at, self.number, waker.clone()) else { return false };
        self.number = Some(number);
        discard(self.waker.replace(waker.clone()));
        true
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let Some(number) = self.number {
            self.timers.remove(self.at, number);
            discard(self.waker.take());
        }
    }
}

/// Wakes all that wait in real time or on a paused clock of tokio's, before their moments: each looks at what has
/// changed, and waits on.
pub(super) fn wake_all() {
    let wakers: Vec<_> = locked(&THREAD.entries).wakers.values().cloned().collect();
    wakers.into_iter().for_each(wake);
}

/// The timer thread of the process, started by the first wait.
static THREAD: TimerThread = TimerThread::new(|timers| {
    let thread = std::thread::Builder::new().name("resilience-timer".into());
    thread.spawn(|| timers.run()).map(drop)
});

/// A thread that wakes tasks at their moments.
///
/// Entries are ordered by their moment, and by number where moments are equal, so that a task can find its own to
/// remove or replace it. `next_look` spares a notice where the thread is about to look anyway.
struct TimerThread {
    entries: Mutex<Entries>,
    /// An entry is due before the thread looks again.
    earlier: Condvar,
    start: fn(&'static Self) -> io::Result<()>,
}

impl std::fmt::Debug for TimerThread {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TimerThread")
    }
}

/// The state under the lock: the waiting tasks in the order of their moments, and the state of the thread.
struct Entries {
    wakers: BTreeMap<(Instant, u64), Waker>,
    last_number: u64,
    is_started: bool,
    /// The time of the thread's next look at the entries.
    next_look: Option<Instant>,
}

impl TimerThread {
    const fn new(start: fn(&'static Self) -> io::Result<()>) -> Self {
        let entries = Entries { wakers: BTreeMap::new(), last_number: 0, is_started: false, next_look: None };
        Self { entries: Mutex::new(entries), earlier: Condvar::new(), start }
    }

    /// Registers `waker` for the moment `at`, in place of the one with the same number; its number.
    ///
    /// # Errors
    ///
    /// Why the thread could not be started; nothing is registered then.
    fn register(&'static self, at: Instant, number: Option<u64>, waker: Waker) -> io::Result<u64> {
        let mut entries = locked(&self.entries);
        if !entries.is_started {
            (self.start)(self)?;
            entries.is_started = true;
        }
        let number = number.unwrap_or(entries.last_number + 1);
        entries.last_number = entries.last_number.max(number);
        let replaced = entries.wakers.insert((at, number), waker);
        let is_earlier = entries.next_look.is_none_or(|look| at < look);
        if is_earlier {
            entries.next_look = Some(at);
        }
        drop(entries);
        if is_earlier {
            self.earlier.notify_one();
        }
        // Wakers run code of others when they are dropped, so this happens outside the lock.
        discard(replaced);
        Ok(number)
    }

    /// Takes the entry out, if it is still there. The thread may wake for nothing once, which is cheaper than a notice.
    fn remove(&self, at: Instant, number: u64) {
        let removed = locked(&self.entries).wakers.remove(&(at, number));
        discard(removed);
    }

    /// Runs the loop of the thread: wakes due tasks, and sleeps until the next entry or until an earlier one is added.
    fn run(&self) {
        let mut entries = locked(&self.entries);
        loop {
            let now = Instant::now();
            let mut due = Vec::new();
            while let Some(first) = entries.wakers.first_entry()
                && first.key().0 <= now
            {
                due.push(first.remove());
            }
            if !due.is_empty() {
                // The thread looks again before it waits: until then, no entry has to notify it.
                entries.next_look = Some(now);
                drop(entries);
                due.into_iter().for_each(wake);
                entries = locked(&self.entries);
                continue;
            }
            let first = entries.wakers.first_key_value().map(|((at, _), _)| *at);
            entries.next_look = first;
            entries = match first {
                Some(at) => {
                    let wait = at.saturating_duration_since(now);
                    self.earlier.wait_timeout(entries, wait).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.earlier.wait(entries).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::base::guarded::DropPanics;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::task::Wake;
    use std::thread;

    const SOON: Duration = Duration::from_millis(1);
    const LONG: Duration = Duration::from_secs(3600);

    /// Returns a timer thread of this test's own.
    fn timers(start: fn(&'static TimerThread) -> io::Result<()>) -> &'static TimerThread {
        Box::leak(Box::new(TimerThread::new(start)))
    }

    fn started(timers: &'static TimerThread) -> io::Result<()> {
        thread::Builder::new().spawn(|| timers.run()).map(drop)
    }

    fn alarm(timers: &'static TimerThread, wait: Duration) -> Alarm {
        Alarm::new(timers, Instant::now() + wait)
    }

    fn count(timers: &TimerThread) -> usize {
        locked(&timers.entries).wakers.len()
    }

    struct Sends(Mutex<Sender<()>>);
    impl Wake for Sends {
        fn wake(self: Arc<Self>) {
            let _ = locked(&self.0).send(());
        }
    }

    fn telling() -> (Waker, Receiver<()>) {
        let (sender, receiver) = channel();
        (Waker::from(Arc::new(Sends(Mutex::new(sender)))), receiver)
    }

    fn is_woken(woken: &Receiver<()>) -> bool {
        woken.recv_timeout(Duration::from_secs(60)).is_ok()
    }

    #[test]
    fn a_panicking_waker_does_not_stop_other_alarms() {
        struct Panics;
        impl Wake for Panics {
            fn wake(self: Arc<Self>) {
                std::panic::panic_any(DropPanics);
            }
        }
        let timers = timers(started);
        let at = Instant::now() + SOON;
        let (good, woken) = telling();
        let mut alarms = [(); 3].map(|()| Alarm::new(timers, at));
        let wakers = [Waker::from(Arc::new(Panics)), good, Waker::from(Arc::new(Panics))];
        for (alarm, waker) in alarms.iter_mut().zip(&wakers) {
            let _ = alarm.poll(waker);
        }
        assert!(is_woken(&woken));
        let (good, woken) = telling();
        let mut later = alarm(timers, SOON);
        let is_pending = later.poll(&good).is_pending();
        assert!(!is_pending || is_woken(&woken));
    }

    #[test]
    fn polling_with_the_same_waker_takes_no_lock() {
        let timers = timers(started);
        let mut pending = alarm(timers, LONG);
        let (first, _first) = telling();
        assert!(pending.poll(&first).is_pending());
        {
            let _locked = locked(&timers.entries);
            for _ in 0..3 {
                assert!(pending.poll(&first.clone()).is_pending());
            }
        }
        assert_eq!(count(timers), 1);
        drop(pending);
        assert_eq!(count(timers), 0);
    }

    #[test]
    fn a_new_waker_replaces_the_previous_one() {
        let timers = timers(|_| Ok(()));
        let (first, not_woken) = telling();
        let (second, woken) = telling();
        let mut moves = alarm(timers, SOON);
        assert!(moves.poll(&first).is_pending());
        assert!(moves.poll(&second).is_pending() && count(timers) == 1);
        started(timers).unwrap();
        assert!(is_woken(&woken));
        assert!(moves.poll(&second).is_ready());
        assert!(not_woken.try_recv().is_err());
    }

    #[test]
    fn a_waker_that_panics_on_drop_affects_no_other_task() {
        struct Waits {
            _panics: DropPanics,
        }
        impl Wake for Waits {
            fn wake(self: Arc<Self>) {}
        }
        let broken = || Waker::from(Arc::new(Waits { _panics: DropPanics }));
        let timers = timers(started);
        let (other, _woken) = telling();
        let mut late = alarm(timers, LONG);
        assert!(late.poll(&other).is_pending());
        let mut early = alarm(timers, LONG / 2);
        assert!(early.poll(&broken()).is_pending());
        let (waker, woken) = telling();
        assert!(early.poll(&waker).is_pending());
        assert!(early.poll(&broken()).is_pending());
        drop(early);
        let mut next = alarm(timers, SOON);
        let is_pending = next.poll(&waker).is_pending();
        assert!(!is_pending || is_woken(&woken));
    }

    #[test]
    fn an_earlier_alarm_does_not_wait_for_a_later_one() {
        let timers = timers(started);
        let (waker, _woken) = telling();
        let mut late = alarm(timers, LONG);
        assert!(late.poll(&waker).is_pending());
        let (waker, woken) = telling();
        let mut early = alarm(timers, SOON);
        let is_pending = early.poll(&waker).is_pending();
        assert!(!is_pending || is_woken(&woken));
    }

    #[test]
    fn a_failed_thread_start_is_retried_and_the_alarm_stays_pending() {
        static REFUSED: AtomicBool = AtomicBool::new(true);
        static ASKED: AtomicU32 = AtomicU32::new(0);
        let timers = timers(|timers| {
            ASKED.fetch_add(1, Ordering::Relaxed);
            if REFUSED.load(Ordering::Relaxed) {
                return Err(io::ErrorKind::WouldBlock.into());
            }
            started(timers)
        });
        let (waker, woken) = telling();
        let mut waits = alarm(timers, LONG);
        for asked in 1..4 {
            assert!(waits.poll(&waker).is_pending(), "neither ready nor blocked until the limit");
            assert!(woken.try_recv().is_ok(), "the task looks at the clock itself");
            assert_eq!(ASKED.load(Ordering::Relaxed), asked);
        }
        let mut ends = alarm(timers, SOON);
        while ends.poll(&waker).is_pending() {
            thread::yield_now();
        }
        REFUSED.store(false, Ordering::Relaxed);
        let (waker, woken) = telling();
        let mut ends = alarm(timers, SOON);
        assert!(ends.poll(&waker).is_ready() || is_woken(&woken));
        assert!(waits.poll(&waker).is_pending() && woken.try_recv().is_err());
    }

    #[cfg(feature = "tokio")]
    #[test]
    fn only_a_paused_tokio_clock_uses_the_tokio_timer() {
        let wait = || std::future::poll_fn(|_| Poll::Ready(real(LONG)));
        let bare = tokio::runtime::Builder::new_current_thread().build().unwrap();
        assert!(matches!(bare.block_on(wait()), Timer::Thread(_)));
        let timed = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        assert!(matches!(timed.block_on(wait()), Timer::Thread(_)));
        let mut paused = tokio::runtime::Builder::new_current_thread();
        let paused = paused.enable_time().start_paused(true).build().unwrap();
        assert!(matches!(paused.block_on(wait()), Timer::Tokio(_)));
        paused.block_on(async {
            tokio::time::advance(LONG).await;
            assert!(matches!(real(LONG), Timer::Tokio(_)), "ahead of the system's clock");
        });
        assert!(matches!(real(LONG), Timer::Thread(_)), "outside of it");
    }
}
