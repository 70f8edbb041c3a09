//! Events for listeners at run time: subscriptions, handlers, and the last events of each point.
//!
//! Every event of the process is fed here after its hook, its line of `tracing` and the test world. Without a listener,
//! that is one relaxed load and an entry in the ring of its point ([`recent`]); a rejection, which an overload makes
//! for each call, is not even made.
//!
//! # Invariants
//!
//! - No code of the program (handlers, wakers) runs under a lock.
//! - A call that raises an event waits for handlers for one second at most, whatever they do: see [`budget`].
//! - Everything is bounded: queues by a number, rings by a number and all of them together by bytes.

mod budget;
mod handler;
mod queue;
mod recent;
mod record;
mod registry;
mod subscription;
mod worker;

pub use handler::{Handler, on};
pub use recent::recent;
pub use record::EventRecord;
pub(crate) use registry::{feed, flush, handling, has_listeners, lost};
pub use subscription::{Subscription, subscribe};
