//! A point: one annotated function, its name, and the layers of its stack.

pub(crate) mod info;
mod layer;
mod names;
mod notice;
pub(crate) mod probe;
pub(crate) mod registry;
mod site;

pub use crate::base::name::PointName;
pub use layer::KeySnapshot;
#[doc(hidden)]
pub use layer::Layer;
pub(crate) use site::table;
#[doc(hidden)]
pub use site::{POINTS_0_1, PointSite};
