//! The seam of tests: the world that the running code is part of, with a clock, random numbers and state of its own.
//!
//! Code asks [`World::here`]. Without the feature `testing` there is never a world, and [`World`] has no values: the
//! compiler removes what would be done in one.

#[cfg(not(feature = "testing"))]
mod none;
#[cfg(feature = "testing")]
mod state;

#[cfg(not(feature = "testing"))]
pub(crate) use none::*;
#[cfg(feature = "testing")]
pub use state::*;

/// Runs `work` in `world`, if there is one, else in that of this thread.
#[inline]
pub(crate) fn run_in<T>(world: Option<&World>, work: impl FnOnce() -> T) -> T {
    match world {
        Some(world) => world.run(work),
        None => work(),
    }
}
