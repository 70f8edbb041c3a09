//! What happens inside the policies, reported to hooks, to `tracing`, and to test worlds.

pub(crate) mod emit;
pub(crate) mod history;
mod kinds;
mod log;
#[cfg(feature = "serde")]
mod serialise;
#[cfg(feature = "tracing")]
mod trace;

#[cfg(all(feature = "durable", feature = "tracing"))]
pub(crate) use crate::base::guarded::guarded;
pub use crate::base::guarded::hook_panics;
pub(crate) use emit::{blocks, emit, emit_as, is_heard};
pub use kinds::{AlertLevel, Event, Hook};
pub(crate) use log::{Log, Pace, shows_all_keys};
#[cfg(feature = "tracing")]
pub(crate) use trace::started;
