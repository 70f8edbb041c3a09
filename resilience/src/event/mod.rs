//! The events of the policies, reported to hooks, to `tracing`, and to test worlds.
//!
//! A policy makes an [`Event`] where something happens that a person may want to see: a
//! failed attempt, an opened breaker, a finished job. A call that succeeds at once makes none, and costs
//! nothing here.
//!
//! # Who gets them
//!
//! - A [`Hook`] that is set on the policy (`on_retry`, `on_give_up`, `on_open`, ..): the
//!   events of its kind, on the thread of the call, after the policy has released its locks.
//! - `tracing`, with the feature of that name (on by default): the [table of
//!   events](crate::event::Event#kinds) has targets and levels. Filter by target, for instance
//!   `RUST_LOG=resilience::breaker=info`.
//! - A test world: `testing::World::events` returns all of them (feature `testing`).
//! - Subscriptions and handlers with state, and the last events of each point: the module `events` (feature `ops`).
//!
//! A hook or a subscriber that panics does not change what a call returns;
//! [`hook_panics`] counts it.
//!
//! # What they contain
//!
//! Names, numbers, categories and codes, and the id of a job. Never arguments, values or the text of an
//! error, which can contain secrets. The key of a keyed policy is in the event itself, for hooks; `tracing`
//! shows it only with `key_label`, or with `RESILIENCE_KEY_LABELS=1` in the environment.
//!
//! # Examples
//!
//! Counting opened breakers:
//!
//! ```
//! use resilience::{CircuitBreaker, Event};
//! use std::io::{Error, ErrorKind};
//! use std::sync::atomic::{AtomicU64, Ordering};
//!
//! static OPENED: AtomicU64 = AtomicU64::new(0);
//!
//! fn count(event: &Event) {
//!     if let Event::Opened { failures, .. } = event {
//!         OPENED.fetch_add(u64::from(*failures > 0), Ordering::Relaxed);
//!     }
//! }
//!
//! static SEARCH: CircuitBreaker = CircuitBreaker::new("search").threshold(1).on_open(count);
//!
//! let failed: Result<(), Error> = SEARCH.call(|| Err(ErrorKind::ConnectionReset.into()));
//! assert!(failed.is_err());
//! assert_eq!(OPENED.load(Ordering::Relaxed), 1);
//! ```
//!
//! # Where to look
//!
//! | question | answer |
//! |---|---|
//! | what happens in my policy, as it happens? | a [`Hook`], or the events of a subscription |
//! | what has happened at this point recently? | `events::recent` (feature `ops`) |
//! | what is failing, and how often? | [`classify::history`](crate::classify::history) |
//! | what is the state now? | [`snapshot()`](crate::snapshot) |
//!
//! The order is the same for every event: the hook of the policy, `tracing`, the test world, and then those who listen
//! at run time. All of them run on the thread of the call and after the policy has released its locks, so that a hook
//! may call the policy that reports.

#[cfg(feature = "ops")]
pub(crate) mod alert;
mod display;
pub(crate) mod emit;
#[cfg(feature = "ops")]
pub(crate) mod feed;
mod health;
pub(crate) mod history;
#[cfg(feature = "ops")]
pub(crate) mod kind;
mod kinds;
mod log;
#[cfg(feature = "serde")]
mod serialise;
#[cfg(feature = "ops")]
mod tally;
#[cfg(feature = "tracing")]
mod trace;

pub use crate::base::alert_level::AlertLevel;
pub use crate::base::guarded::hook_panics;
pub(crate) use emit::{blocks, emit, emit_as, is_heard, is_rejection_heard};
#[cfg(feature = "ops")]
pub(crate) use feed::lost;
pub use health::HealthLevel;
pub use kinds::{Event, Hook};
pub(crate) use log::{Log, LogPace, shows_all_keys};
#[cfg(feature = "ops")]
pub(crate) use tally::jobs;
#[cfg(feature = "tracing")]
pub(crate) use trace::started;
