//! The inventory: every annotated function of the program, with its name, its policies and their live state.
//!
//! A *point* is one annotated function. The linker lists all points of a binary before `main`, so that
//! [`points()`](crate::points()) is complete before the first call, without any registration. A policy that
//! is used as a value is added by [`Point::register`](crate::Point::register).
//!
//! | question | answer |
//! |---|---|
//! | which functions have policies, with which numbers? | [`points()`](crate::points()) |
//! | what is failing, open or timing out right now? | [`snapshot()`](crate::snapshot()) |
//! | how do I reset or open a breaker? | [`point(name)`](crate::point()), then [`breaker`](crate::Point::breaker) |
//! | which hosts, tenants, .. are affected? | [`Point::keys`](crate::Point::keys) |
//! | which errors were seen? | [`classify::history`](crate::classify::history()) |
//!
//! # Names
//!
//! The name of a point is its path, `shop::orders::fetch`; a method has no type in it, so that two methods of
//! one name in one module share a name. The second then gets a number, `shop::orders::new#2`, and
//! [`PointInfo::ambiguous`](crate::PointInfo) says so. Write `name = "Order::new"` in an attribute to choose
//! one.
//!
//! # Examples
//!
//! A page for operators:
//!
//! ```
//! use resilience::{circuit_breaker, points, snapshot, with_retry};
//!
//! #[with_retry(max = 2)]
//! #[circuit_breaker(threshold = 3, name = "prices")]
//! fn prices() -> std::io::Result<u32> {
//!     Ok(7)
//! }
//!
//! prices().unwrap();
//! for info in points() {
//!     println!("{info}");
//! }
//! println!("{}", snapshot());
//! assert!(points().iter().any(|info| &*info.name == "prices" && info.stack[0].kind == "with_retry"));
//! ```
//!
//! Closing a breaker by name, from an admin endpoint:
//!
//! ```
//! use resilience::{State, circuit_breaker, point};
//!
//! #[circuit_breaker(threshold = 1, name = "rates")]
//! fn rates() -> std::io::Result<u32> {
//!     Err(std::io::ErrorKind::ConnectionRefused.into())
//! }
//!
//! rates().unwrap_err();
//! let breaker = point("rates").and_then(|point| point.breaker()).unwrap();
//! assert_eq!(breaker.state(), State::Open);
//! breaker.reset();
//! assert_eq!(breaker.state(), State::Closed);
//! ```

#[cfg(feature = "ops")]
mod calls;
#[cfg(feature = "config")]
pub(crate) mod changed;
pub(crate) mod counts;
#[cfg(feature = "ops")]
pub(crate) mod durations;
pub(crate) mod info;
mod layer;
mod names;
pub(crate) mod notes;
mod notice;
#[cfg(feature = "config")]
pub(crate) mod overrides;
pub(crate) mod probe;
pub(crate) mod registry;
#[cfg(feature = "ops")]
pub(crate) mod runs;
mod site;
#[cfg(feature = "ops")]
mod waits;

#[cfg(feature = "config")]
#[doc(hidden)]
pub use crate::base::change::{Cause, Change, Mistake, Raw};
pub use crate::base::name::PointName;
#[cfg(feature = "config")]
#[doc(hidden)]
pub use changed::Override;
#[cfg(feature = "ops")]
#[doc(hidden)]
pub use durations::Admission;
#[cfg(all(feature = "ops", feature = "fs"))]
pub(crate) use durations::Histogram;
#[cfg(all(feature = "ops", any(feature = "fs", feature = "durable")))]
pub(crate) use durations::Times;
#[cfg(feature = "ops")]
pub(crate) use durations::{Durations, Measure};
#[cfg(feature = "config")]
#[doc(hidden)]
pub use layer::Facts;
pub use layer::KeySnapshot;
#[doc(hidden)]
pub use layer::Layer;
#[cfg(feature = "ops")]
#[doc(hidden)]
pub use layer::MetricReading;
#[cfg(feature = "config")]
#[doc(hidden)]
pub use overrides::Pinned;
pub use registry::PolicyHandle;
#[cfg(feature = "ops")]
pub(crate) use site::note_degraded;
pub(crate) use site::table;
#[doc(hidden)]
pub use site::{POINTS_0_1, PointSite};
#[cfg(feature = "ops")]
#[doc(hidden)]
pub use waits::admitting;
