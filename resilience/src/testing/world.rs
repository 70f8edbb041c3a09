//! The operations of a test on a world of its own.

use crate::base::sync::locked;
use crate::base::world::{self, WorldGuard};
use crate::event::Event;
use crate::event::emit::SEEN;
use std::time::{Duration, Instant};

/// Moves this thread into a world of its own until the returned guard is dropped.
///
/// Inside it every clock reading comes from a manual clock, a sleep on the thread moves that clock and
/// returns at once, jitter comes from a seeded generator, and every static state of the crate (budgets,
/// breakers, counters, the history of errors) starts fresh. The default store of jobs is in memory.
///
/// It covers this thread and current-thread runtimes on it, and follows tokio's paused clock; other threads
/// and the workers of a multi-thread runtime join with [`in_world`](super::in_world) or [`World::handle`]. A
/// wait between attempts in a runtime whose clock is not paused moves the manual clock; a timeout there goes
/// off when the clock is moved past it, or in real time if it is not moved. So does the wait for a slot or a permit of a
/// bulkhead or a rate limit, in a sync function, too.
///
/// Worlds nest: an inner one hides the outer one until it is dropped. Guards may be dropped in any order: the thread is in
/// the last world whose guard is left. The guard is not `Send`: it ends on the thread that made it.
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
    World::entered(false)
}

/// Ends every wait between attempts at once on this thread until the returned guard is dropped.
///
/// The process's clock and state stay in place: breakers, budgets and stores are the real ones, and a
/// `recovery` takes its real time. Use it in tests of larger parts of a program, which only must not be slow;
/// use [`isolate`] to test the policies.
///
/// # Examples
///
/// ```
/// use resilience::{Retry, testing::no_waits};
/// use std::io::{Error, ErrorKind};
/// use std::time::Duration;
///
/// let _no_waits = no_waits();
/// let mut calls = 0;
/// let failed: Result<(), Error> = Retry::new().max(5).base(Duration::from_secs(5)).call(|| {
///     calls += 1;
///     Err(ErrorKind::TimedOut.into())
/// });
/// assert!(failed.is_err());
/// assert_eq!(calls, 6, "in no time");
/// ```
pub fn no_waits() -> NoWaits {
    NoWaits { _world: World::entered(true) }
}

/// The guard of a test world, which ends when this is dropped; see [`isolate`].
///
/// # Examples
///
/// ```
/// use resilience::Retry;
/// use resilience::testing::isolate;
/// use std::io::{Error, ErrorKind};
///
/// let waits = |seed| {
///     let world = isolate();
///     world.seed(seed);
///     let _: Result<(), Error> = Retry::new().call(|| Err(ErrorKind::TimedOut.into()));
///     world.waits()
/// };
/// assert_eq!(waits(1), waits(1), "jitter with one seed is the same");
/// assert_ne!(waits(1), waits(2));
/// ```
#[derive(Debug)]
#[must_use = "the world ends when this guard is dropped"]
pub struct World {
    world: world::World,
    _entered: WorldGuard,
}

/// The guard of the time without waits, which ends when this is dropped; see [`no_waits`].
///
/// Unlike [`World`], it keeps the clock, the random numbers and the state of the process.
///
/// # Examples
///
/// ```
/// use resilience::Retry;
/// use resilience::testing::{NoWaits, no_waits};
///
/// struct Fixture {
///     _no_waits: NoWaits,
/// }
///
/// let _fixture = Fixture { _no_waits: no_waits() };
/// let _: Option<()> = Retry::new().max(2).call(|| None); // ends at once
/// ```
#[derive(Debug)]
#[must_use = "waits come back when this guard is dropped"]
pub struct NoWaits {
    _world: World,
}

/// A handle to a world that another thread can enter; see [`World::handle`].
///
/// It may outlive the guard: the world's clock and state are there as long as a handle is.
///
/// # Examples
///
/// ```
/// use resilience::testing::{WorldHandle, isolate};
/// use std::time::Duration;
///
/// fn work(world: &WorldHandle) -> Duration {
///     world.run(|| resilience::Timeout::new(Duration::from_secs(1)).call(|| Ok(resilience::remaining())))
///         .unwrap_or_else(|_: resilience::Rejected| None)
///         .unwrap_or_default()
/// }
///
/// let world = isolate();
/// let handle = world.handle();
/// assert_eq!(std::thread::spawn(move || work(&handle)).join().unwrap(), Duration::from_secs(1));
/// ```
#[derive(Clone, Debug)]
pub struct WorldHandle {
    world: world::World,
}

impl WorldHandle {
    /// Runs `work` on this thread inside the world, and returns what it returns.
    ///
    /// The thread is back in its own world, or in none, when `work` has returned or panicked. A future that `work`
    /// returns is not part of the world: wrap it in [`in_world`](super::in_world).
    pub fn run<R>(&self, work: impl FnOnce() -> R) -> R {
        self.world.run(work)
    }
}

impl World {
    /// Enters the world before the guard exists; the thread leaves it with the guard.
    fn entered(only_waits: bool) -> Self {
        let world = world::World::new(only_waits);
        Self { _entered: world.enter(), world }
    }

    /// Returns a handle with which another thread enters this world.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::CircuitBreaker;
    /// use resilience::testing::isolate;
    ///
    /// static SEARCH: CircuitBreaker = CircuitBreaker::new("search");
    ///
    /// let world = isolate();
    /// SEARCH.force_open();
    /// let handle = world.handle();
    /// std::thread::spawn(move || {
    ///     assert!(SEARCH.is_available(), "outside of the world");
    ///     handle.run(|| assert!(!SEARCH.is_available(), "inside of it"));
    /// })
    /// .join()
    /// .unwrap();
    /// ```
    pub fn handle(&self) -> WorldHandle {
        WorldHandle { world: self.world.clone() }
    }

    /// Returns the current time of the world's clock.
    ///
    /// It begins at the moment at which the world was made, and is ahead of the system's clock by the time that was
    /// waited and advanced.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Retry;
    /// use resilience::testing::{Flaky, isolate};
    /// use std::time::Duration;
    ///
    /// const STEADY: Retry = Retry::new().max(1).base(Duration::from_secs(5)).jitter(resilience::Jitter::None);
    ///
    /// let world = isolate();
    /// let (start, flaky) = (world.now(), Flaky::script("e ok"));
    /// let answer = STEADY.call(|| flaky.next().map_err(|_| std::io::Error::from(std::io::ErrorKind::TimedOut)));
    /// assert!(answer.is_ok());
    /// assert_eq!(world.now() - start, Duration::from_secs(5));
    /// ```
    pub fn now(&self) -> Instant {
        self.world.now()
    }

    /// Moves the clock on by `by`; timeouts that this passes go off.
    ///
    /// It returns at once. Futures that wait are woken, and run when their executor polls them.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::CircuitBreaker;
    /// use resilience::testing::isolate;
    /// use std::time::Duration;
    ///
    /// let world = isolate();
    /// let breaker = CircuitBreaker::new("search").recovery(Duration::from_secs(60));
    /// breaker.open_until(world.now() + Duration::from_secs(60));
    /// assert!(!breaker.is_available());
    /// world.advance(Duration::from_secs(60));
    /// assert!(breaker.is_available());
    /// ```
    pub fn advance(&self, by: Duration) {
        self.world.advance(by);
    }

    /// Starts the world's random numbers again from `seed`; a new world starts from 0.
    ///
    /// Every thread in the world draws from the one generator, so that the numbers of a test with several threads
    /// depend on their order.
    pub fn seed(&self, seed: u64) {
        self.world.seed(seed);
    }

    /// Returns every wait between attempts so far, in order, of all threads in the world.
    ///
    /// Delays that `chaos` adds, the waits of `sleep_until`, and the pauses between two claims of a lease are among
    /// them. Waits for a slot or a permit are not, and neither are timeouts.
    pub fn waits(&self) -> Vec<Duration> {
        self.world.waits()
    }

    /// Returns every event of the world so far, in order, of all threads in it.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::testing::isolate;
    /// use resilience::{CircuitBreaker, Event};
    ///
    /// let world = isolate();
    /// CircuitBreaker::new("search").force_open();
    /// let lines: Vec<_> = world.events().iter().map(ToString::to_string).collect();
    /// assert_eq!(lines, ["search: forced open"]);
    /// ```
    pub fn events(&self) -> Vec<Event> {
        SEEN.in_world(&self.world).map_or_else(Vec::new, |seen| locked(seen).clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::clock;

    const HOUR: Duration = Duration::from_secs(3600);

    /// Returns whether this thread is in a world.
    fn is_inside() -> bool {
        world::World::here().is_some()
    }

    #[test]
    fn a_thread_leaves_each_world_in_whatever_order_the_guards_are_dropped() {
        for first in [0, 1, 2] {
            let mut worlds = vec![isolate(), isolate(), isolate()];
            worlds[1].advance(HOUR);
            worlds[2].advance(HOUR * 2);
            let _ = worlds.remove(first);
            assert_eq!(clock::now(), worlds[1].now(), "the last one that is left after {first}");
            let _ = worlds.remove(0);
            assert_eq!(clock::now(), worlds[0].now(), "the only one that is left after {first}");
            drop(worlds);
            assert!(!is_inside(), "{first}");
        }
    }

    #[test]
    fn a_guard_of_no_waits_outlives_the_one_before_it() {
        let (world, outer) = (isolate(), no_waits());
        drop(world);
        let inner = no_waits();
        drop(outer);
        clock::sleep(HOUR);
        assert!(is_inside());
        drop(inner);
        assert!(!is_inside());
    }

    #[test]
    fn a_panic_inside_a_handle_leaves_the_world() {
        let handle = isolate().handle();
        let panicked =
            std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| handle.run(|| panic!("inside"))));
        assert!(panicked.is_err() && !is_inside());
    }
}
