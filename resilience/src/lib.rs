//! Attribute macros that add retries, circuit breakers, timeouts, fallbacks and crash recovery to ordinary
//! functions, sync or async.
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
//! assert_eq!(load(8).unwrap(), 0, "called four times, then the fallback answered");
//! ```
//!
//! # Attributes
//!
//! The function returns a `Result`, an `Option` where `None` means that the call failed, or a type that implements
//! [`Outcome`](outcome::Outcome). Its attributes are its stack, and the top one is the outermost. [The order of
//! attributes](guide::order) lists the stacks that do not compile.
//!
//! | attribute | what it does |
//! |---|---|
//! | [`with_retry`](macro@with_retry) | retries transient failures, with backoff, jitter and a budget |
//! | [`circuit_breaker`](macro@circuit_breaker) | rejects calls while the service behind the function is down |
//! | [`timeout`](macro@timeout) | ends an attempt, or the whole call, that takes too long |
//! | [`bulkhead`](macro@bulkhead) | limits how many calls run at once |
//! | [`rate_limit`](macro@rate_limit) | limits the number of calls per unit of time |
//! | [`hedge`](macro@hedge) | makes a slow call once more, and takes the first answer |
//! | [`with_fallback`](macro@with_fallback) | answers when everything below has failed |
//! | [`failover`](macro@failover) | calls again with the next value of an argument: another model, another region |
//! | [`degrade`](macro@degrade) | calls again with a simpler argument after a timeout, an exhausted resource or an unavailable service |
//! | [`chaos`](macro@chaos) | injects faults while the program has armed them; does nothing without the feature `chaos` |
#![cfg_attr(
    feature = "durable",
    doc = r"| [`checkpoint`](macro@checkpoint) | records the result of a step under a key; later calls return it |
| [`job`](macro@job) | records a call, so that [`recover()`] finishes it after a crash |
| [`with_recovery`](macro@with_recovery) | chooses what to do about a failure by its category: roll back, skip, escalate, or wait for an operator |"
)]
#![cfg_attr(
    not(feature = "durable"),
    doc = r"| `checkpoint`, `job`, `with_recovery` | jobs and steps that survive a crash; need the feature `durable` |"
)]
#![cfg_attr(
    feature = "fs",
    doc = "| [`with_lock`](macro@with_lock) | holds a lock between processes around the call |"
)]
#![cfg_attr(
    not(feature = "fs"),
    doc = "| `with_lock` | holds a lock between processes around the call; needs the feature `fs` |"
)]
#![cfg_attr(
    feature = "cache",
    doc = "| [`cached`](macro@cached) | keeps results for a while, runs one call for each key, and answers with a stale value in an outage |"
)]
#![cfg_attr(
    not(feature = "cache"),
    doc = "| `cached` | keeps results for a while; needs the feature `cache` |"
)]
//!
//! Each page explains every key of its attribute, and the keys that belong to the function (`name`, `classify`,
//! `rejected`, `clone`, `when_ok`, `context`, `timed`, `crate`).
//!
//! A policy above another one sees that policy's result: a retry above a breaker sees each rejection, a timeout
//! above a retry limits all attempts together with the waits between them.
//!
//! # Errors
//!
//! [`Classify`](trait@Classify), derived or implemented directly, assigns a [`Category`] to an error; the category
//! decides whether a call is retried and what a breaker counts. The module [`classify`] has the table, the
//! built-in types and the derive. [`Rejected`] is the error that a policy returns: the breaker is open, the time
//! limit has passed, the record does not match. The error type of a function with such a policy implements
//! `From<Rejected>`.
//!
//! ```
//! use resilience::{Category, Classify, Rejected};
//! use std::time::Duration;
//!
//! #[derive(Debug, Classify)]
//! enum ApiError {
//!     #[classify(status = .0)]
//!     Http(u16),
//!     #[classify(rate_limited, retry_after = .0)]
//!     Busy(Duration),
//!     #[classify(transparent)]
//!     Io(std::io::Error),
//!     #[classify(transparent)]
//!     Rejected(Rejected),
//! }
//!
//! impl From<Rejected> for ApiError {
//!     fn from(rejected: Rejected) -> Self {
//!         Self::Rejected(rejected)
//!     }
//! }
//!
//! assert_eq!(ApiError::Http(503).classify().category, Category::Unavailable);
//! assert_eq!(ApiError::Busy(Duration::from_secs(2)).classify().retry_after, Some(Duration::from_secs(2)));
//! assert_eq!(ApiError::Io(std::io::ErrorKind::NotFound.into()).classify().category, Category::NotFound);
//! ```
//!
//! # Values
//!
//! Every policy is also a plain value with a `const` builder, usable around anything: `#[with_retry]` is [`Retry`],
//! `#[circuit_breaker]` is [`CircuitBreaker`], and the module [`policy`] lists the others. `try_new` takes settings
//! known only at run time, and `instance = expr` uses such a value in an attribute. [`policy::presets`] has named
//! retries to start from.
//!
//! # Deadlines
//!
//! [`remaining()`] is the time left of the timeouts around the running code. The module [`deadline`] writes it to
//! a request and reads it from one; [`carry()`] and [`carry_fn`] propagate it to tasks and threads.
//!
//! # Layers
//!
//! With the feature `tower`, the policies listed under [features](#features) are also layers around any service of
//! tower, axum or a client: the module `tower`.
//!
//! # Operation
//!
//! - [`points()`] lists every annotated function of the binary, called or not, with its effective settings;
//!   [`snapshot()`] returns the live state; [`point()`] finds one by name, to read, reset or force a breaker.
//! - `tracing` events have the targets `resilience::retry`, `::breaker`, `::timeout`, `::bulkhead`, `::rate_limit`,
//!   `::hedge`, `::fallback`, `::failover`, `::degrade`, `::chaos`, `::cache`, `::lock`, `::checkpoint`, `::job`,
//!   `::store`, `::classify`, `::config`, `::health`, `::events`, `::metrics`, `::alert` and `::shutdown`. The
//!   level is TRACE for the start of an attempt, DEBUG for a failed attempt or a rejection, INFO for a success after
//!   retries or a breaker that closes, and WARN for a call that gives up or a breaker that opens. Fields are names,
//!   numbers and categories, never arguments, values or error texts. A key appears only with `key_label` or
//!   `RESILIENCE_KEY_LABELS=1`.
//! - Hooks (`on_retry`, `on_open`, ..) are functions of an [`Event`]. With the feature `ops` the module `events` has
//!   subscriptions, handlers with state, and the last events of each point.
//! - With the feature `ops`, functions with `#[health_check]` report the health of a component; the module `health`
//!   runs them all, and reports whether the program is ready for traffic. The module `alerts` writes alerts for
//!   operators to a file.
//! - With the feature `ops`, the module `supervisor` opens breakers of functions whose errors are frequent, and raises
//!   alerts.
//! - With the feature `ops`, the `calls` of a [`PointSnapshot`] have the success rate of a function. With the feature
//!   `durable`, `durable::recovery_stats()` counts the failures that a retry, a fallback or `with_recovery` handled,
//!   and those of them that ended well: with a result, skipped or undone.
//! - [`shutdown()`] shuts the program down in order: no new job starts, waits end, running steps finish, and the report
//!   lists what is still running. On Unix `shutdown::signal()` (features `durable`, `ops`) waits for SIGTERM or SIGINT.
//! - `RESILIENCE_STATE` is the directory of the durable store; by default it is below the user's state directory.
//!
//! # Tests
//!
//! With the feature `testing`, `testing::isolate()` gives a test a clock that only the test moves, random numbers
//! that are the same in each run, and breakers, budgets and stores of its own:
//!
//! ```
//! # #[cfg(feature = "testing")] {
//! use resilience::{testing, with_retry};
//! use std::{io, time::Duration};
//!
//! #[with_retry(max = 2, base = 2s, jitter = none)]
//! fn load() -> io::Result<u32> {
//!     Err(io::ErrorKind::ConnectionReset.into())
//! }
//!
//! let world = testing::isolate();
//! assert!(load().is_err());
//! assert_eq!(world.waits(), [Duration::from_secs(2), Duration::from_secs(4)], "they took no time");
//! # }
//! ```
//!
//! # Features
//!
//! | feature | adds |
//! |---|---|
//! | `macros` (default) | the attributes and the derive |
//! | `tokio` (default) | follows the paused clock of a tokio runtime, classifies `tokio::time::error::Elapsed`, and enters the runtime on helper threads |
//! | `tracing` (default) | events of every policy |
//! | `cache` | `#[cached]` and caches as values |
//! | `chaos` | the faults of `#[chaos]`, and the module `chaos` that arms them |
//! | `durable` | jobs and checkpoints, with a store in memory |
//! | `sqlite` | the embedded durable store (`rusqlite` 0.32 and later) |
//! | `fs` | locks between processes by name or path, `#[with_lock]`, and transactions of files |
//! | `tower` | layers of tower for retries, hedges, breakers, bulkheads, rate limits, timeouts and fallbacks |
//! | `reqwest-middleware` | these layers for a whole client of `reqwest` 0.13, with `reqwest-middleware` 0.5 |
//! | `ops` | health checks: `#[health_check]` and the module `health`; listening to events: the module `events`; alerts in a file: the module `alerts`; counters of every call in [`snapshot()`], and the modules `metrics` and `supervisor` |
//! | `config` | settings from a TOML file and from the environment, at start and while the program runs: the module `config`; implies `macros` |
//! | `metrics` | `metrics::publish`, which passes the metrics to the recorder of the crate [metrics](https://docs.rs/metrics) 0.24 |
//! | `webhook` | alerts posted to an address (the module `webhook`), and health checks of one (`health::Endpoint`), with [ureq](https://docs.rs/ureq) and rustls |
//! | `testing` | a manual clock, seeded jitter and fresh state for each test; many clients in simulated time |
//! | `serde` | `Serialize` for records, events, snapshots and the inventory |
//! | `anyhow`, `http`, `serde_json` | classifies the errors of `anyhow` 1, `http` 1 and `serde_json` 1; `http` also reads and writes deadlines in headers; `serde_json` with `serde` and `fs` edits JSON files |
//! | `reqwest`, `reqwest_012` | classifies the errors of `reqwest` 0.13, or 0.12 |
//! | `sqlx`, `sqlx_08` | classifies the errors of `sqlx` 0.9, or 0.8 |
//! | `ureq`, `tonic`, `redis` | classifies the errors of `ureq` 3, `tonic` 0.14 and `redis` 1 |
//!
//! Features are additive. Two kinds change behaviour: `sqlite` makes an SQLite file the default store, and the feature
//! of a crate, such as `reqwest`, classifies its errors; without the feature they are `Unknown`, and all retried. A
//! library should depend on this crate with `default-features = false, features = ["macros"]`.
//!
//! # Guide
//!
//! [When not to use it](guide::limits), [the order of attributes](guide::order), [errors of other
//! crates](guide::foreign_errors), [the terms](guide::glossary). With the feature `sqlite`, `guide::operating`: where
//! the store of a program is, how to look inside, back it up and move it.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(target_family = "wasm")]
compile_error!("`resilience` does not run on WebAssembly: it needs a clock and threads");
#[cfg(not(target_has_atomic = "64"))]
compile_error!("`resilience` needs atomic integers of 64 bits, which this target does not have");

#[doc(hidden)]
pub mod __private;
#[cfg(feature = "ops")]
#[cfg_attr(docsrs, doc(cfg(feature = "ops")))]
pub mod alerts;
mod base;
pub mod classify;
#[cfg(feature = "config")]
#[cfg_attr(docsrs, doc(cfg(feature = "config")))]
pub mod config;
pub mod deadline;
#[cfg(feature = "durable")]
#[cfg_attr(docsrs, doc(cfg(feature = "durable")))]
pub mod durable;
pub mod event;
#[cfg(feature = "ops")]
#[cfg_attr(docsrs, doc(cfg(feature = "ops")))]
pub mod events;
mod failure;
#[cfg(feature = "fs")]
#[cfg_attr(docsrs, doc(cfg(feature = "fs")))]
pub mod fs;
#[cfg(feature = "ops")]
#[cfg_attr(docsrs, doc(cfg(feature = "ops")))]
pub mod health;
mod keyed;
#[cfg(feature = "ops")]
#[cfg_attr(docsrs, doc(cfg(feature = "ops")))]
pub mod metrics;
#[cfg(feature = "webhook")]
mod outgoing;
pub mod point;
pub mod policy;
pub mod shutdown;
#[cfg(feature = "ops")]
#[cfg_attr(docsrs, doc(cfg(feature = "ops")))]
pub mod supervisor;
pub mod guide {
    //! The guide: pages about the library as a whole.

    #[doc = include_str!("docs/order.md")]
    pub mod order {}

    #[doc = include_str!("docs/limits.md")]
    pub mod limits {}

    #[doc = include_str!("docs/foreign_errors.md")]
    pub mod foreign_errors {}

    #[doc = include_str!("docs/glossary.md")]
    pub mod glossary {}

    #[cfg(feature = "sqlite")]
    #[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
    #[doc = include_str!("docs/operating.md")]
    pub mod operating {}
}
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;

#[cfg(feature = "tower")]
#[cfg_attr(docsrs, doc(cfg(feature = "tower")))]
pub mod tower;
#[cfg(feature = "webhook")]
#[cfg_attr(docsrs, doc(cfg(feature = "webhook")))]
pub mod webhook;

#[cfg(all(feature = "macros", not(feature = "chaos")))]
#[doc(hidden)]
pub use resilience_macros::__no_chaos as chaos;
#[cfg(feature = "macros")]
#[doc(inline)]
pub use resilience_macros::*;
// Already there: named for the note about the feature on docs.rs.
#[cfg(all(feature = "macros", feature = "cache"))]
#[cfg_attr(docsrs, doc(cfg(feature = "cache")))]
pub use resilience_macros::cached;
#[cfg(all(feature = "macros", feature = "ops"))]
#[cfg_attr(docsrs, doc(cfg(feature = "ops")))]
pub use resilience_macros::health_check;
#[cfg(all(feature = "macros", feature = "fs"))]
#[cfg_attr(docsrs, doc(cfg(feature = "fs")))]
pub use resilience_macros::with_lock;
#[cfg(all(feature = "macros", feature = "durable"))]
#[cfg_attr(docsrs, doc(cfg(feature = "durable")))]
pub use resilience_macros::{checkpoint, job, with_recovery};

pub use base::carry::{carry, carry_fn};
pub use base::scope::remaining;
#[doc(inline)]
pub use base::setting as settings;
#[cfg(any(feature = "durable", feature = "fs", feature = "ops"))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "durable", feature = "fs", feature = "ops"))))]
#[doc(inline)]
pub use base::state_dir::application;
#[doc(inline)]
pub use classify::{
    Category, Classification, Classify, Delivered, ErrorHistory, ErrorRecord, Severity, report,
};
#[cfg(feature = "durable")]
#[cfg_attr(docsrs, doc(cfg(feature = "durable")))]
#[doc(inline)]
pub use durable::{
    Checkpoint, Job, Progress, admin::jobs, admin::steps as checkpoints, in_scope, in_scope_blocking,
    job as job_id, recover, recover_blocking, sleep_until, sleep_until_blocking, step,
};
#[doc(inline)]
pub use event::Event;
#[doc(no_inline)]
pub use failure::rejected::Rejected;
#[doc(inline)]
pub use failure::{outcome, rejected};
#[cfg(feature = "fs")]
#[cfg_attr(docsrs, doc(cfg(feature = "fs")))]
#[doc(inline)]
pub use fs::lock;
pub use point::KeySnapshot;
pub use point::counts::CallCounts;
pub use point::info::{PointInfo, PointSnapshot, PolicyInfo, PolicySnapshot, Snapshot};
pub use point::registry::{Point, PointKey, point, points, snapshot};
#[cfg(feature = "cache")]
#[cfg_attr(docsrs, doc(cfg(feature = "cache")))]
#[doc(inline)]
pub use policy::cached::{Cache, clear_caches};
#[cfg(feature = "chaos")]
#[cfg_attr(docsrs, doc(cfg(feature = "chaos")))]
#[doc(inline)]
pub use policy::chaos;
#[doc(inline)]
pub use policy::presets;
#[doc(inline)]
pub use policy::{
    AdaptiveTimeout, Backoff, Budget, Bulkhead, CircuitBreaker, CircuitBreakers, Degrade, Failover, Fallback,
    Hedge, Jitter, Permit, RateLimit, Retry, Rule, Simplify, State, Timeout,
};
#[doc(inline)]
pub use shutdown::{shutdown, shutdown_blocking};
