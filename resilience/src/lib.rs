//! Attributes that make an ordinary function survive the failures around it, sync or async.

#[doc(hidden)]
pub mod __private;
pub mod classify;
mod clock;
pub mod defaults;
pub mod event;
pub mod outcome;
pub mod point;
pub mod policy;
mod registry;
mod rejected;
mod rng;
mod scope;
mod site;
mod sync;
#[cfg(feature = "testing")]
pub mod testing;
mod text;

#[cfg(feature = "macros")]
pub use resilience_macros::{circuit_breaker, timeout, with_fallback, with_retry};

pub use classify::{Category, Classification, Classify, Delivered, Severity};
pub use event::Event;
pub use policy::presets;
pub use policy::{Backoff, Budget, CircuitBreaker, Fallback, Jitter, Retry, Timeout};
pub use registry::{
    Point, PointInfo, PointKey, PointSnapshot, PolicyInfo, PolicySnapshot, Snapshot, point, points, snapshot,
};
pub use rejected::Rejected;
pub use scope::remaining;
