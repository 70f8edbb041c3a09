//! Attributes that make an ordinary function survive the failures around it, sync or async.

pub mod classify;
mod clock;
pub mod event;
pub mod outcome;
pub mod point;
pub mod policy;
mod registry;
mod rejected;
mod rng;
mod scope;
mod site;
#[cfg(feature = "testing")]
pub mod testing;

pub use classify::{Category, Classification, Classify, Delivered, Severity};
pub use event::Event;
pub use registry::{
    Point, PointInfo, PointSnapshot, PolicyInfo, PolicySnapshot, Snapshot, point, points, snapshot,
};
pub use rejected::Rejected;
pub use scope::remaining;
