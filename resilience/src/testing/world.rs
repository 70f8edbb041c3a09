//! A world: what a test thread sees in place of the process's clock, randomness and static state.

use crate::clock::{Timer, later, paused_clock, real_now};
use crate::event::Event;
use crate::sync::locked;
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime};

/// How many worlds and `no_waits` guards exist: while it is zero nothing looks for one.
static IN_USE: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    static CURRENT: RefCell<Option<Arc<Inner>>> = const { RefCell::new(None) };
}

/// The world of this thread, if it is in one.
pub(crate) fn current() -> Option<Arc<Inner>> {
    if IN_USE.load(Ordering::Relaxed) == 0 {
        return None;
    }
    CURRENT.try_with(|current| current.try_borrow().ok().and_then(|world| world.clone())).ok().flatten()
}

fn swap(world: Option<Arc<Inner>>) -> Option<Arc<Inner>> {
    CURRENT.try_with(|current| current.replace(world)).ok().flatten()
}

/// Gives this thread a world of its own until the returned guard is dropped.
///
/// Inside it every clock reading comes from a manual clock, a sleep on the thread moves that clock and
/// returns at once, jitter comes from a seeded generator, and every static state of the crate (budgets,
/// breakers, counters) starts fresh. It covers this thread and current-thread runtimes on it, and
/// follows tokio's paused clock; other threads and the workers of a multi-thread runtime join with
/// [`in_world`]. A wait between attempts in a runtime whose clock is not paused moves the manual clock;
/// a timeout there goes off when the clock is moved past it, or in real time if it is not moved.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// let world = resilience::testing::isolate();
/// let start = world.now();
/// world.advance(Duration::from_secs(60));
/// assert_eq!(world.now() - start, Duration::from_secs(60));
/// ```
pub fn isolate() -> World {
    World::enter(Arc::new(Inner::new(false)))
}

/// Ends every wait between attempts at once on this thread until the returned guard is dropped, as
/// [`isolate`] does, but keeps the process's state and clock.
pub fn no_waits() -> NoWaits {
    NoWaits { _world: World::enter(Arc::new(Inner::new(true))) }
}

/// Lets `future` run in the world of the thread that calls this function, wherever it is polled.
///
/// # Examples
///
/// ```
/// # let runtime = tokio::runtime::Runtime::new().unwrap();
/// let world = resilience::testing::isolate();
/// let spawned = resilience::testing::in_world(async { /* an annotated call */ });
/// runtime.block_on(async { tokio::spawn(spawned).await.unwrap() });
/// ```
pub fn in_world<F: Future>(future: F) -> InWorld<F> {
    InWorld { world: current(), future }
}

/// The guard of a test world; see [`isolate`].
#[derive(Debug)]
#[must_use = "the world ends when this guard is dropped"]
pub struct World {
    inner: Arc<Inner>,
    before: Option<Arc<Inner>>,
    // The guard restores its own thread, so it must be dropped there.
    stays: PhantomData<Rc<()>>,
}

/// The guard of [`no_waits`].
#[derive(Debug)]
#[must_use = "waits come back when this guard is dropped"]
pub struct NoWaits {
    _world: World,
}

/// A world that another thread can enter; see [`World::handle`].
#[derive(Clone, Debug)]
pub struct WorldHandle {
    inner: Arc<Inner>,
}

impl WorldHandle {
    /// The world of this thread, if it is in one.
    pub(crate) fn here() -> Option<Self> {
        current().map(|inner| Self { inner })
    }

    /// Runs `work` on this thread inside the world.
    pub fn run<R>(&self, work: impl FnOnce() -> R) -> R {
        let _world = World::enter(self.inner.clone());
        work()
    }
}

impl World {
    pub(crate) fn enter(inner: Arc<Inner>) -> Self {
        IN_USE.fetch_add(1, Ordering::Relaxed);
        let before = swap(Some(inner.clone()));
        Self { inner, before, stays: PhantomData }
    }

    /// A handle with which another thread enters this world.
    pub fn handle(&self) -> WorldHandle {
        WorldHandle { inner: self.inner.clone() }
    }

    /// The present moment on the world's clock.
    pub fn now(&self) -> Instant {
        self.inner.now()
    }

    /// Moves the clock on by `by`; timeouts that this passes go off.
    pub fn advance(&self, by: Duration) {
        self.inner.advance(by);
    }

    /// Starts the world's random numbers again from `seed`; a new world starts from 0.
    pub fn seed(&self, seed: u64) {
        *locked(&self.inner.rng) = SmallRng::seed_from_u64(seed);
    }

    /// Every wait between attempts so far, in order.
    pub fn waits(&self) -> Vec<Duration> {
        locked(&self.inner.waits).clone()
    }

    /// Every event of the world so far, in order.
    pub fn events(&self) -> Vec<Event> {
        locked(&self.inner.events).clone()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        swap(self.before.take());
        IN_USE.fetch_sub(1, Ordering::Relaxed);
    }
}

pin_project_lite::pin_project! {
    /// A future that is polled inside a world; see [`in_world`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct InWorld<F> {
        world: Option<Arc<Inner>>,
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for InWorld<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _world = this.world.clone().map(World::enter);
        this.future.poll(cx)
    }
}

/// What a world holds; shared by all threads in it.
#[derive(Debug)]
pub(crate) struct Inner {
    origin: Instant,
    /// The time of day at `origin`.
    began: SystemTime,
    time: Mutex<Time>,
    rng: Mutex<SmallRng>,
    fresh: Mutex<HashMap<usize, &'static (dyn Any + Send + Sync)>>,
    waits: Mutex<Vec<Duration>>,
    events: Mutex<Vec<Event>>,
    sleepers: Mutex<Vec<Waker>>,
    only_waits: bool,
}

/// The manual part of a clock, and the reading of tokio's paused clock that it is counted from.
#[derive(Debug, Default)]
struct Time {
    moved: Duration,
    tokio: Option<Instant>,
}

impl Inner {
    fn new(only_waits: bool) -> Self {
        let world = Self {
            origin: Instant::now(),
            began: SystemTime::now(),
            time: Mutex::default(),
            rng: Mutex::new(SmallRng::seed_from_u64(0)),
            fresh: Mutex::default(),
            waits: Mutex::default(),
            events: Mutex::default(),
            sleepers: Mutex::default(),
            only_waits,
        };
        world.now();
        world
    }

    pub(crate) fn now(&self) -> Instant {
        if self.only_waits {
            return real_now();
        }
        let mut time = locked(&self.time);
        let followed = match paused_clock() {
            Some(now) => now.saturating_duration_since(*time.tokio.get_or_insert(now)),
            None => Duration::ZERO,
        };
        later(self.origin, time.moved.saturating_add(followed))
    }

    /// The time of day by this clock; `None` where it is the system's.
    pub(crate) fn time_of_day(&self) -> Option<SystemTime> {
        let moved = self.now().saturating_duration_since(self.origin);
        self.began.checked_add(moved).filter(|_| !self.only_waits)
    }

    pub(crate) fn advance(&self, by: Duration) {
        {
            let mut time = locked(&self.time);
            time.moved = time.moved.saturating_add(by);
        }
        let sleepers = std::mem::take(&mut *locked(&self.sleepers));
        sleepers.into_iter().for_each(Waker::wake);
    }

    /// Notes a wait between attempts that passes on another clock.
    pub(crate) fn note_wait(&self, wait: Duration) {
        locked(&self.waits).push(wait);
    }

    pub(crate) fn sleep(&self, wait: Duration) {
        self.note_wait(wait);
        if !self.only_waits {
            self.advance(wait);
        }
    }

    /// Whether waits in this thread's runtime pass on tokio's own paused clock.
    pub(crate) fn follows_tokio(&self) -> bool {
        !self.only_waits && paused_clock().is_some()
    }

    pub(crate) fn uniform(&self) -> f64 {
        locked(&self.rng).random()
    }

    pub(crate) fn record(&self, event: &Event) {
        locked(&self.events).push(event.clone());
    }

    pub(crate) fn alarm(self: Arc<Self>, wait: Duration, real: Box<Timer>) -> WorldAlarm {
        let at = later(self.now(), wait);
        WorldAlarm { world: self, at, real }
    }

    /// This world's own instance of the state of the site `number`.
    pub(crate) fn fresh<T: Any + Send + Sync>(&self, number: usize, make: fn() -> T) -> Option<&'static T> {
        if self.only_waits {
            return None;
        }
        let mut fresh = locked(&self.fresh);
        // Leaked: the static that it stands in for lives as long as the process, too.
        let state = *fresh.entry(number).or_insert_with(|| Box::leak(Box::new(make())));
        (state as &dyn Any).downcast_ref()
    }
}

/// A limit on the world's clock, with a real timer behind it for a clock that is not moved.
#[derive(Debug)]
pub(crate) struct WorldAlarm {
    world: Arc<Inner>,
    at: Instant,
    real: Box<Timer>,
}

impl WorldAlarm {
    pub(crate) fn ends(&self) -> Instant {
        self.at
    }

    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.world.now() >= self.at {
            return Poll::Ready(());
        }
        if Pin::new(&mut *self.real).poll(cx).is_ready() {
            let left = self.at.saturating_duration_since(self.world.now());
            self.world.advance(left);
            return Poll::Ready(());
        }
        locked(&self.world.sleepers).push(cx.waker().clone());
        Poll::Pending
    }
}
