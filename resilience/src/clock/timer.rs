//! Waiting in a future: on tokio's timer where there is one, else on one thread of our own.

use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

pin_project_lite::pin_project! {
    /// A wait that ends at a moment fixed when it was made.
    #[project = Kind]
    #[derive(Debug)]
    pub(crate) enum Timer {
        Ended,
        Tokio { #[pin] sleep: TokioSleep },
        Thread { alarm: Alarm },
        World { alarm: WorldAlarm },
    }
}

#[cfg(feature = "testing")]
use crate::testing::WorldAlarm;
#[cfg(feature = "tokio")]
use tokio::time::Sleep as TokioSleep;

#[cfg(not(feature = "testing"))]
type WorldAlarm = Never;
#[cfg(not(feature = "tokio"))]
type TokioSleep = Never;

/// A kind of timer that this build does not have.
#[cfg(not(all(feature = "testing", feature = "tokio")))]
#[derive(Debug)]
pub(crate) enum Never {}

#[cfg(not(feature = "testing"))]
impl Never {
    fn ends(&self) -> Instant {
        match *self {}
    }

    fn poll(&mut self, _: &mut Context<'_>) -> Poll<()> {
        match *self {}
    }
}

#[cfg(not(feature = "tokio"))]
impl Future for Never {
    type Output = ();

    fn poll(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<()> {
        match *self {}
    }
}

/// A pause between two attempts. In a test world whose runtime has no paused clock it moves the world's
/// clock and ends at once.
pub(crate) fn pause(wait: Duration) -> Timer {
    #[cfg(feature = "testing")]
    if let Some(world) = crate::testing::current() {
        if !world.follows_tokio() {
            world.sleep(wait);
            return Timer::Ended;
        }
        world.note_wait(wait);
    }
    real(wait)
}

/// A limit that goes off after `wait` unless it is dropped before. In a test world whose runtime has no
/// paused clock it goes off when the world's clock is moved past it, or in real time if nobody moves it.
pub(crate) fn alarm(wait: Duration) -> Timer {
    #[cfg(feature = "testing")]
    if let Some(world) = crate::testing::current()
        && !world.follows_tokio()
    {
        return Timer::World { alarm: world.alarm(wait, Box::pin(real(wait))) };
    }
    real(wait)
}

fn real(wait: Duration) -> Timer {
    #[cfg(feature = "tokio")]
    if let Some(sleep) = tokio_sleep(wait) {
        return Timer::Tokio { sleep };
    }
    Timer::Thread { alarm: Alarm::new(super::later(Instant::now(), wait)) }
}

/// Tokio's timer, if this thread is in a runtime that has one.
///
/// Tokio says that a runtime lacks timers only by panicking. That panic is caught here, once for each
/// such runtime; where panics abort, its timer is left alone and our own thread does the waiting.
#[cfg(feature = "tokio")]
fn tokio_sleep(wait: Duration) -> Option<tokio::time::Sleep> {
    use std::sync::atomic::{AtomicBool, Ordering};
    use tokio::runtime::{Handle, Id};
    static WITHOUT_TIMERS: Mutex<Vec<Id>> = Mutex::new(Vec::new());
    // Nearly every program has none, and every pending call comes by here: no lock until there is one.
    static ANY_WITHOUT: AtomicBool = AtomicBool::new(false);

    let runtime = Handle::try_current().ok()?.id();
    let is_known = || ANY_WITHOUT.load(Ordering::Relaxed) && locked(&WITHOUT_TIMERS).contains(&runtime);
    if cfg!(panic = "abort") || is_known() {
        return None;
    }
    let sleep = std::panic::catch_unwind(|| tokio::time::sleep(wait)).ok();
    if sleep.is_none() {
        locked(&WITHOUT_TIMERS).push(runtime);
        ANY_WITHOUT.store(true, Ordering::Relaxed);
    }
    sleep
}

impl Timer {
    /// The moment at which it goes off, on the clock of this thread.
    pub(crate) fn ends(&self) -> Instant {
        match self {
            Self::Ended => super::now(),
            #[cfg(feature = "tokio")]
            Self::Tokio { sleep } => super::on_this_clock(sleep.deadline().into_std()),
            #[cfg(not(feature = "tokio"))]
            Self::Tokio { sleep } => match *sleep {},
            Self::Thread { alarm } => super::on_this_clock(alarm.at),
            Self::World { alarm } => alarm.ends(),
        }
    }
}

impl Future for Timer {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match self.project() {
            Kind::Ended => Poll::Ready(()),
            Kind::Tokio { sleep } => sleep.poll(cx),
            Kind::Thread { alarm } => alarm.poll(cx.waker()),
            Kind::World { alarm } => alarm.poll(cx),
        }
    }
}

/// One entry of the timer thread, taken out again when it is dropped.
#[derive(Debug)]
pub(crate) struct Alarm {
    at: Instant,
    number: Option<u64>,
}

#[derive(Default)]
struct Waiting {
    alarms: BTreeMap<(Instant, u64), Waker>,
    next: u64,
}

struct TimerThread {
    waiting: Mutex<Waiting>,
    earlier: Condvar,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The timer thread, started at the first wait; `None` where the system refuses a thread.
fn thread() -> Option<&'static TimerThread> {
    static THREAD: OnceLock<TimerThread> = OnceLock::new();
    static STARTED: OnceLock<bool> = OnceLock::new();

    let timers = THREAD.get_or_init(|| TimerThread { waiting: Mutex::default(), earlier: Condvar::new() });
    let started = STARTED.get_or_init(|| {
        let thread = std::thread::Builder::new().name("resilience-timer".into());
        thread.spawn(|| timers.run()).is_ok()
    });
    started.then_some(timers)
}

impl TimerThread {
    fn run(&self) {
        let mut waiting = locked(&self.waiting);
        loop {
            let now = Instant::now();
            let mut due = Vec::new();
            while let Some(first) = waiting.alarms.first_entry()
                && first.key().0 <= now
            {
                due.push(first.remove());
            }
            if !due.is_empty() {
                drop(waiting);
                due.into_iter().for_each(Waker::wake);
                waiting = locked(&self.waiting);
                continue;
            }
            waiting = match waiting.alarms.first_key_value() {
                Some(((at, _), _)) => {
                    let wait = at.saturating_duration_since(now);
                    self.earlier.wait_timeout(waiting, wait).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.earlier.wait(waiting).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }
}

impl Alarm {
    fn new(at: Instant) -> Self {
        Self { at, number: None }
    }

    fn poll(&mut self, waker: &Waker) -> Poll<()> {
        let now = Instant::now();
        if now >= self.at {
            return Poll::Ready(());
        }
        let Some(timers) = thread() else {
            // Without a thread to wake us, waiting here is the only wait that neither spins nor hangs.
            std::thread::sleep(self.at.saturating_duration_since(now));
            return Poll::Ready(());
        };
        let mut waiting = locked(&timers.waiting);
        let number = *self.number.get_or_insert_with(|| {
            waiting.next += 1;
            waiting.next
        });
        let replaced = waiting.alarms.insert((self.at, number), waker.clone());
        let first = waiting.alarms.first_key_value().is_some_and(|(key, _)| *key == (self.at, number));
        drop(waiting);
        drop(replaced);
        if first {
            timers.earlier.notify_one();
        }
        Poll::Pending
    }
}

impl Drop for Alarm {
    fn drop(&mut self) {
        if let (Some(number), Some(timers)) = (self.number, thread()) {
            let removed = locked(&timers.waiting).alarms.remove(&(self.at, number));
            drop(removed);
        }
    }
}
