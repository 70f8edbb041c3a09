//! What a test does with a world of its own.

use crate::base::sync::locked;
use crate::base::world::{self, Entered};
use crate::event::Event;
use crate::event::emit::SEEN;
use std::time::{Duration, Instant};

/// Gives this thread a world of its own until the returned guard is dropped.
///
/// Inside it every clock reading comes from a manual clock, a sleep on the thread moves that clock and
/// returns at once, jitter comes from a seeded generator, and every static state of the crate (budgets,
/// breakers, counters) starts fresh. It covers this thread and current-thread runtimes on it, and
/// follows tokio's paused clock; other threads and the workers of a multi-thread runtime join with
/// [`in_world`](super::in_world). A wait between attempts in a runtime whose clock is not paused moves the manual clock;
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
    World::entered(false)
}

/// Ends every wait between attempts at once on this thread until the returned guard is dropped, as
/// [`isolate`] does, but keeps the process's state and clock.
pub fn no_waits() -> NoWaits {
    NoWaits { _world: World::entered(true) }
}

/// The guard of a test world; see [`isolate`].
#[derive(Debug)]
#[must_use = "the world ends when this guard is dropped"]
pub struct World {
    world: world::World,
    _entered: Entered,
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
    world: world::World,
}

impl WorldHandle {
    /// Runs `work` on this thread inside the world.
    pub fn run<R>(&self, work: impl FnOnce() -> R) -> R {
        self.world.run(work)
    }
}

impl World {
    fn entered(only_waits: bool) -> Self {
        let world = world::World::new(only_waits);
        Self { _entered: world.enter(), world }
    }

    /// A handle with which another thread enters this world.
    pub fn handle(&self) -> WorldHandle {
        WorldHandle { world: self.world.clone() }
    }

    /// The present moment on the world's clock.
    pub fn now(&self) -> Instant {
        self.world.now()
    }

    /// Moves the clock on by `by`; timeouts that this passes go off.
    pub fn advance(&self, by: Duration) {
        self.world.advance(by);
    }

    /// Starts the world's random numbers again from `seed`; a new world starts from 0.
    pub fn seed(&self, seed: u64) {
        self.world.seed(seed);
    }

    /// Every wait between attempts so far, in order.
    pub fn waits(&self) -> Vec<Duration> {
        self.world.waits()
    }

    /// Every event of the world so far, in order.
    pub fn events(&self) -> Vec<Event> {
        SEEN.in_world(&self.world).map_or_else(Vec::new, |seen| locked(seen).clone())
    }
}
