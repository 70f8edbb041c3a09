//! Worlds of their own for tests: a manual clock, seeded jitter and fresh state, so that tests take no
//! time and run side by side.

mod world;

pub use world::{InWorld, NoWaits, World, WorldHandle, in_world, isolate, no_waits};
pub(crate) use world::{WorldAlarm, current};

mod flaky;
pub use flaky::Flaky;

pub mod rejected;

#[cfg(feature = "durable")]
mod moments;
#[cfg(feature = "durable")]
pub use moments::on_moment;
#[cfg(feature = "durable")]
pub(crate) use moments::reached;
#[cfg(feature = "durable")]
pub mod store;
