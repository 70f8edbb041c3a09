//! What the rest of the crate is built on: time, randomness, state and text. It knows nothing of failures or policies.

#[cfg(feature = "durable")]
pub(crate) mod block_on;
pub(crate) mod calendar;
pub(crate) mod clock;
mod forms;
pub(crate) mod guarded;
pub(crate) mod name;
#[cfg(feature = "durable")]
pub(crate) mod of_process;
#[cfg(feature = "tokio")]
mod paused;
mod real_clock;
pub(crate) mod rng;
pub(crate) mod scope;
#[cfg(feature = "durable")]
pub(crate) mod scrub;
#[cfg(feature = "serde")]
pub(crate) mod serialise;
pub mod setting;
pub(crate) mod settings;
pub(crate) mod site;
pub(crate) mod sync;
pub(crate) mod template;
pub(crate) mod text;
mod time;
mod timer;
pub(crate) mod world;
