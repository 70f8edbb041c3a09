//! Worlds of their own for tests: a manual clock, seeded jitter and fresh state, so that tests take no
//! time and run side by side.

mod world;

#[cfg(feature = "durable")]
pub use crate::base::world::on_moment;
pub use crate::base::world::{InWorld, in_world};
pub use world::{NoWaits, World, WorldHandle, isolate, no_waits};

mod flaky;
pub use flaky::Flaky;

pub mod rejected;

#[cfg(feature = "durable")]
pub mod store;
