//! Attributes that make an ordinary function survive the failures around it, sync or async.

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

pub use classify::{Category, Classification, Classify, Delivered, Severity};
pub use event::Event;
pub use policy::presets;
pub use policy::with_retry::{Backoff, Budget, Jitter, Retry};
pub use registry::{
    Point, PointInfo, PointSnapshot, PolicyInfo, PolicySnapshot, Snapshot, point, points, snapshot,
};
pub use rejected::Rejected;
pub use scope::remaining;
