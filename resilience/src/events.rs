//! The events of all policies, for the running program: subscriptions, handlers, and the last events of each point.
//!
//! Every policy makes an [`Event`](crate::Event) where something of interest happens: a failed
//! attempt, an opened breaker, a finished job. A call that succeeds at once makes none.
//!
//! | to get | use |
//! |---|---|
//! | all events, some may be lost | [`subscribe`] |
//! | some kinds, and the call waits until they are handled | [`on`] |
//! | the recent events of one point | [`recent`] |
//! | a function of one policy, without state | a [hook](crate::event) |
//! | lines in the log | `tracing` |
//!
//! Without a listener an event costs one relaxed load and an entry in the ring of its point, and a rejection costs the
//! load only.
//!
//! # Examples
//!
//! Writing every event as a line of JSON, without `tracing`:
//!
//! ```
//! use resilience::events::{self, Kind};
//! use resilience::CircuitBreaker;
//! use std::io::Write;
//!
//! let mut out = std::io::stderr();
//! let handler = events::on(Kind::ALL.iter().copied(), move |record| {
//!     // {"at":"2026-11-27T17:18:26.250Z","kind":"opened","point":"search",..}
//!     if let Ok(line) = serde_json::to_string(record) {
//!         let _ = writeln!(out, "{line}");
//!     }
//! });
//! CircuitBreaker::new("search").force_open();
//! handler.remove();
//! ```
//!
//! # What they contain
//!
//! Events hold names, numbers, categories and codes, and the ids of jobs; never arguments, values or the text of an
//! error. The key of a keyed policy is made of arguments: it is in the event and in its serialised form, and not in
//! `Display`.
//!
//! # In tests
//!
//! In a test world (`testing::isolate`) listeners get the events of that world only, also in handlers, which run in the
//! world of the call. The second that a call waits for a handler passes by the clock of the world.

pub use crate::event::feed::{EventRecord, Handler, Subscription, on, recent, subscribe};
pub use crate::event::kind::Kind;
