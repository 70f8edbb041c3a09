//! Attributes that make an ordinary function survive the failures around it: sync or async, decided at
//! compile time, with a small runtime and no server.
//!
//! ```
//! use resilience::{circuit_breaker, with_fallback, with_retry};
//! use std::io;
//!
//! #[with_fallback(value = 0)]
//! #[with_retry(max = 3, backoff = 2.0, base = 1ms)]
//! #[circuit_breaker(threshold = 5, recovery = 60s)]
//! fn load(id: u32) -> io::Result<u32> {
//!     if id == 7 { Ok(42) } else { Err(io::ErrorKind::ConnectionReset.into()) }
//! }
//!
//! assert_eq!(load(7).unwrap(), 42);
//! assert_eq!(load(8).unwrap(), 0, "tried four times, then the fallback");
//! ```
//!
//! - The attributes: [`with_retry`], [`circuit_breaker`], [`timeout`], [`with_fallback`]. The top one is the
//!   outermost; see [the order of attributes](guide::order).
//! - What an error means: [`Classify`], derived or written by hand; see [`classify`].
//! - What a policy's own error is: [`Rejected`].
//! - Every annotated function and its state: [`points`], [`snapshot`], [`point()`].
//! - The same policies as plain values: [`policy`].
//! - Tests without waiting: `testing`, behind the feature of that name.
//! - [When not to use it](guide::limits).

#[doc(hidden)]
pub mod __private;
pub mod classify;
mod clock;
pub mod defaults;
#[cfg(feature = "durable")]
#[cfg_attr(docsrs, doc(cfg(feature = "durable")))]
pub mod durable;
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
pub mod guide {
    //! Pages to read.

    #[doc = include_str!("docs/order.md")]
    pub mod order {}

    #[doc = include_str!("docs/limits.md")]
    pub mod limits {}
}
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;
mod text;

#[cfg(all(feature = "macros", feature = "durable"))]
#[cfg_attr(docsrs, doc(cfg(feature = "durable")))]
pub use resilience_macros::{checkpoint, job, with_recovery};
#[cfg(feature = "macros")]
pub use resilience_macros::{circuit_breaker, timeout, with_fallback, with_retry};

pub use classify::{
    Category, Classification, Classify, Delivered, ErrorHistory, ErrorRecord, Severity, report,
};
#[cfg(feature = "durable")]
#[cfg_attr(docsrs, doc(cfg(feature = "durable")))]
pub use durable::{
    Checkpoint, Job, Progress, application, checkpoints, in_scope, in_scope_blocking, job as job_id, jobs,
    recover, recover_blocking, sleep_until, sleep_until_blocking, step,
};
pub use event::Event;
pub use policy::presets;
pub use policy::{Backoff, Budget, CircuitBreaker, Fallback, Jitter, Permit, Retry, Rule, State, Timeout};
pub use registry::{
    BreakerHandle, Point, PointInfo, PointKey, PointSnapshot, PolicyInfo, PolicySnapshot, Snapshot, point,
    points, snapshot,
};
pub use rejected::{Rejected, TimeLeft};
pub use scope::remaining;
