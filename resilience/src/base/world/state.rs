//! A test world: what a test's thread sees in place of the process's clock, randomness and static state.
//!
//! A world is found by the thread, not passed along: the annotated function has no parameter for it. `enter` puts it on
//! the thread's stack of worlds, so worlds nest; guards that are dropped in another order than the reverse one leave
//! their own world all the same. Helper threads and spawned tasks are outside unless they are brought in
//! ([`World::run`], [`in_world`]).
//!
//! The clock moves by `advance`, by each wait of the code under test, and along with tokio's clock if that is paused.
//! Nothing in a world sleeps: a wait moves the clock and is written down, and alarms wake when the clock has passed
//! them. A lone alarm in a runtime that waits for something real goes off in real time, so that a mistake in a test
//! ends as a slow test and not as a hanging one.
//!
//! # What a world replaces
//!
//! | seam | in a world |
//! |---|---|
//! | `clock::now`, `time_of_day` | the moment at which it was made, plus what the clock was moved |
//! | `timer::pause`, `alarm`, `watch` | waits on that clock |
//! | `rng` | a generator with a seed, 0 unless set: the same test draws the same numbers |
//! | `Site<T>` | a copy of the state of each `static`, made fresh at its first use in the world |
//! | events | kept, for the test to read |
//!
//! A world that `only_waits` replaces only waits and random numbers: it is for tests of code that keeps its state in
//! the process.
//!
//! # Cost outside of tests
//!
//! While no thread is in a world, [`World::here`] is one relaxed load. A build without the feature `testing` does not
//! have even that.

#[cfg(any(feature = "durable", feature = "fs"))]
mod moments;

#[cfg(any(feature = "durable", feature = "fs"))]
pub use moments::*;

use crate::base::guarded::wake;
use crate::base::real_clock::{paused_clock, real_now};
use crate::base::sync::locked;
use crate::base::time::later;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

/// The number of times that worlds are entered now: while it is zero nothing looks for one.
///
/// It counts guards, not worlds: a world that two threads have entered counts twice.
static IN_USE: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// The worlds that this thread has entered, each with the number of its guard; the last one is that of the thread.
    static ENTERED: RefCell<Vec<(usize, World)>> = const { RefCell::new(Vec::new()) };
}

/// A test world; shared by all threads in it.
#[derive(Clone, Debug)]
pub(crate) struct World(Arc<State>);

/// Copies of the state of `static`s are leaked: references to the state of a `static` are `'static`.
#[derive(Debug)]
struct State {
    origin: Instant,
    /// The time of day at `origin`.
    began: SystemTime,
    time: Mutex<Time>,
    rng: Mutex<SmallRng>,
    copies: Mutex<HashMap<usize, &'static (dyn Any + Send + Sync)>>,
    waits: Mutex<Vec<Duration>>,
    sleepers: Mutex<Vec<Waker>>,
    /// Whether the world only ends waits, and leaves the process's clock and state in place.
    only_waits: bool,
}

/// The manual part of a clock, and the reading of tokio's paused clock that it is counted from.
#[derive(Debug, Default)]
struct Time {
    moved: Duration,
    tokio: Option<Instant>,
}

/// The thread has entered a world until this is dropped; then it is in the one that it has entered last of the others.
#[derive(Debug)]
pub(crate) struct WorldGuard {
    number: usize,
    // The guard leaves the world on its own thread, so it must be dropped there.
    stays: PhantomData<Rc<()>>,
}

impl Drop for WorldGuard {
    fn drop(&mut self) {
        IN_USE.fetch_sub(1, Ordering::Relaxed);
        let _left = ENTERED.try_with(|entered| {
            let mut entered = entered.borrow_mut();
            let own = entered.iter().rposition(|(number, _)| *number == self.number);
            // Dropped when the stack is not borrowed: wakers of the program end with a world.
            own.map(|own| entered.remove(own))
        });
    }
}

impl World {
    /// Returns the world of this thread, if it is in one.
    pub(crate) fn here() -> Option<Self> {
        if IN_USE.load(Ordering::Relaxed) == 0 {
            return None;
        }
        let last = |entered: &Vec<(usize, Self)>| entered.last().map(|(_, world)| world.clone());
        ENTERED
            .try_with(|entered| entered.try_borrow().ok().and_then(|entered| last(&entered)))
            .ok()
            .flatten()
    }

    /// Creates a world with a clock at the present moment and the seed 0; `only_waits` keeps the process's state.
    pub(crate) fn new(only_waits: bool) -> Self {
        let world = Self(Arc::new(State {
            origin: Instant::now(),
            began: SystemTime::now(),
            time: Mutex::default(),
            rng: Mutex::new(SmallRng::seed_from_u64(0)),
            copies: Mutex::default(),
            waits: Mutex::default(),
            sleepers: Mutex::default(),
            only_waits,
        }));
        world.now();
        world
    }

    /// Makes it the world of this thread until the guard is dropped.
    ///
    /// Worlds nest: the one before is back when the guard is dropped, which has to happen on this thread.
    pub(crate) fn enter(&self) -> WorldGuard {
        static LAST: AtomicUsize = AtomicUsize::new(0);
        let number = LAST.fetch_add(1, Ordering::Relaxed);
        IN_USE.fetch_add(1, Ordering::Relaxed);
        let world = self.clone();
        let _ = ENTERED.try_with(|entered| entered.borrow_mut().push((number, world)));
        WorldGuard { number, stays: PhantomData }
    }

    /// Runs `work` on this thread inside the world.
    pub(crate) fn run<R>(&self, work: impl FnOnce() -> R) -> R {
        let _entered = self.enter();
        work()
    }

    /// Returns the reading of its clock.
    pub(crate) fn now(&self) -> Instant {
        if self.0.only_waits {
            return real_now();
        }
        let mut time = locked(&self.0.time);
        let followed = match paused_clock() {
            Some(now) => now.saturating_duration_since(*time.tokio.get_or_insert(now)),
            None => Duration::ZERO,
        };
        later(self.0.origin, time.moved.saturating_add(followed))
    }

    /// Returns the time of day by this clock; `None` if it is the system's.
    pub(crate) fn time_of_day(&self) -> Option<SystemTime> {
        let moved = self.now().saturating_duration_since(self.0.origin);
        self.0.began.checked_add(moved).filter(|_| !self.0.only_waits)
    }

    /// Moves the clock on and wakes all that wait for a moment on it; each looks whether its own has come.
    pub(crate) fn advance(&self, by: Duration) {
        {
            let mut time = locked(&self.0.time);
            // Never out of the range of `Instant`, where the clock would stand still and waits would not end.
            let moved = later(later(self.0.origin, time.moved), by);
            time.moved = moved.saturating_duration_since(self.0.origin);
        }
        let sleepers = std::mem::take(&mut *locked(&self.0.sleepers));
        sleepers.into_iter().for_each(wake);
    }

    /// Lets a wait pass at once.
    pub(crate) fn sleep(&self, wait: Duration) {
        locked(&self.0.waits).push(wait);
        if !self.0.only_waits {
            self.advance(wait);
        }
    }

    /// Lets a wait of async code pass at once, unless it passes on tokio's own paused clock; returns whether it has
    /// passed.
    pub(crate) fn pause(&self, wait: Duration) -> bool {
        if self.follows_tokio() {
            locked(&self.0.waits).push(wait);
            return false;
        }
        self.sleep(wait);
        true
    }

    /// Returns whether waits in this thread's runtime pass on tokio's own paused clock.
    pub(crate) fn follows_tokio(&self) -> bool {
        !self.0.only_waits && paused_clock().is_some()
    }

    /// Returns whether its clock is moved only by the test and by waits.
    ///
    /// Then the test alone decides what happens at which moment.
    pub(crate) fn is_manual(&self) -> bool {
        !self.0.only_waits && !self.follows_tokio()
    }

    /// Returns all waits so far, in order.
    pub(crate) fn waits(&self) -> Vec<Duration> {
        locked(&self.0.waits).clone()
    }

    /// Returns the next number of its seeded generator, in `0.0..1.0`.
    pub(crate) fn uniform(&self) -> f64 {
        locked(&self.0.rng).random()
    }

    /// Starts the random numbers again from `seed`.
    ///
    /// The next number is the first of that seed.
    pub(crate) fn seed(&self, seed: u64) {
        *locked(&self.0.rng) = SmallRng::seed_from_u64(seed);
    }

    /// Returns this world's own copy of a static's state; `None` if the world uses that of the process.
    pub(crate) fn copy_of<T: Any + Send + Sync>(&self, copies: &Copies<T>) -> Option<&'static T> {
        if self.0.only_waits {
            return None;
        }
        let mut all = locked(&self.0.copies);
        // Leaked: the static that it stands in for lives as long as the process, too.
        let copy = *all.entry(copies.number()).or_insert_with(|| Box::leak(Box::new((copies.make)())));
        (copy as &dyn Any).downcast_ref()
    }
}

/// A moment on a world's clock.
#[derive(Debug)]
pub(crate) struct WorldAlarm<R> {
    world: World,
    at: Instant,
    /// Goes off where the world's clock is not moved; `None` when the moment has been reached.
    real: Option<R>,
}

impl World {
    /// Returns an alarm that goes off when the clock is moved on by `wait`, or with `real`.
    pub(crate) fn alarm<R>(self, wait: Duration, real: R) -> WorldAlarm<R> {
        WorldAlarm { at: later(self.now(), wait), world: self, real: Some(real) }
    }

    /// Returns an alarm that goes off at once.
    ///
    /// What a wait is whose time the world has let pass already.
    pub(crate) fn alarm_now<R>(self) -> WorldAlarm<R> {
        WorldAlarm { at: self.now(), world: self, real: None }
    }
}

impl<R: Future<Output = ()> + Unpin> WorldAlarm<R> {
    pub(crate) fn ends(&self) -> Instant {
        self.at
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(real) = self.real.as_mut().filter(|_| self.world.now() < self.at) else {
            return Poll::Ready(());
        };
        if Pin::new(real).poll(cx).is_ready() {
            let left = self.at.saturating_duration_since(self.world.now());
            self.world.advance(left);
            return Poll::Ready(());
        }
        locked(&self.world.0.sleepers).push(cx.waker().clone());
        // Another thread may have moved the clock before the waker was there.
        if self.world.now() < self.at { Poll::Pending } else { Poll::Ready(()) }
    }
}

/// The copies that test worlds have of a static's state.
#[derive(Debug)]
pub(crate) struct Copies<T> {
    make: fn() -> T,
    /// The number of the static, from 1; 0 until a world asks. An address would not do: another value may live there
    /// later.
    number: AtomicUsize,
}

impl<T> Copies<T> {
    pub(crate) const fn new(make: fn() -> T) -> Self {
        Self { make, number: AtomicUsize::new(0) }
    }

    /// Returns the number, assigned once; of two threads that ask first, both get the number of the faster one.
    fn number(&self) -> usize {
        static LAST: AtomicUsize = AtomicUsize::new(0);
        match self.number.load(Ordering::Relaxed) {
            0 => {
                let next = LAST.fetch_add(1, Ordering::Relaxed) + 1;
                let taken = self.number.compare_exchange(0, next, Ordering::Relaxed, Ordering::Relaxed);
                taken.map_or_else(|earlier| earlier, |_| next)
            }
            number => number,
        }
    }
}

/// Polls `future` inside the world that this thread has now, on whichever thread it runs.
///
/// Spawn it on a multi-thread runtime, whose workers are not part of the world; a spawned task on a
/// current-thread runtime of the test's own thread needs it only where it outlives the guard. Outside of a
/// world it changes nothing.
///
/// # Examples
///
/// ```
/// use resilience::CircuitBreaker;
///
/// static SEARCH: CircuitBreaker = CircuitBreaker::new("search");
///
/// let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
/// let _world = resilience::testing::isolate();
/// SEARCH.force_open();
/// let spawned = resilience::testing::in_world(async { SEARCH.is_available() });
/// let (inside, outside) = runtime.block_on(async {
///     let outside = tokio::spawn(async { SEARCH.is_available() });
///     (tokio::spawn(spawned).await.unwrap(), outside.await.unwrap())
/// });
/// assert_eq!((inside, outside), (false, true));
/// ```
pub fn in_world<F: Future>(future: F) -> InWorld<F> {
    InWorld { world: World::here(), future }
}

pin_project_lite::pin_project! {
    /// A future that is polled inside a world; see [`in_world`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct InWorld<F> {
        world: Option<World>,
        #[pin]
        future: F,
    }
}

impl<F> InWorld<F> {
    /// Wraps a future that is polled inside `world`.
    #[cfg(feature = "tokio")]
    pub(crate) const fn new(world: World, future: F) -> Self {
        Self { world: Some(world), future }
    }
}

impl<F: Future> Future for InWorld<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = this.world.as_ref().map(World::enter);
        this.future.poll(cx)
    }
}
