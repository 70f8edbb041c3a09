//! The meaning of errors: their kind, whether to repeat the call, and what to do about them.
//!
//! A policy calls [`trait@Classify`] if the error implements it. Otherwise, if the error is an
//! [`Error`](std::error::Error), the first known error in its chain of sources decides; otherwise the category is
//! [`Category::Unknown`], which is retried with backoff. In generic code the bound decides
//! (`E: Classify`).
//!
//! # Deriving
//!
//! `#[derive(Classify)]` works on enums and structs, generic ones included. On an enum every variant
//! needs a class, so that the compiler reports a new variant without one:
//!
//! | `#[classify(..)]` | the class is |
//! |---|---|
//! | `timeout`, `rate_limited`, .. | the row of that [`Category`], by its name in snake case |
//! | `status = .field`, `status = .0` | the row of the HTTP status in that field, of an integer type other than `u8` and `i8`, or `http::StatusCode` (feature `http`) |
//! | `status = 503` | the row of that HTTP status |
//! | `transparent` | that of the only field, or of the one marked `#[source]` or `#[from]` or called `source`; its type must implement [`trait@Classify`] |
//! | `with = path` | what the function returns, a `Classification` or a `Category`: it gets a reference to the only field of a variant, else to the whole error; a closure works, too |
//! | `with = path(.field)`, `with = path(self)` | the same, with the field or the whole error as chosen |
//! | `text` | what the message says, by the table of [`from_text`] |
//!
//! Write exactly one of these. Each of the following keys overrides one field of the class:
//!
//! | key | value |
//! |---|---|
//! | `retry_after = .field` | a field of type `Duration` or `Option<Duration>` |
//! | `retry` | `never`, `once`, `backoff` |
//! | `severity` | `low`, `medium`, `high`, `critical`, `fatal` |
//! | `delivered` | `no`, `maybe`, `yes` |
//! | `action` | a string literal: what an operator can do about the error |
//!
//! For a response of HTTP, `from_response` (feature `http`) reads the status and the wait that its headers ask for. A
//! [`Classification`] classifies as itself, so that a variant can keep the result:
//!
//! ```
//! # #[cfg(feature = "http")] {
//! use resilience::classify::{self, Category, Classification, Classify, from_response};
//!
//! #[derive(Debug, Classify)]
//! enum ModelError {
//!     #[classify(transparent)]
//!     Answer(Classification),
//! }
//!
//! let response = http::Response::builder().status(429).header("retry-after", "7").body(()).unwrap();
//! let error = ModelError::Answer(from_response(response.status(), response.headers()));
//! assert_eq!(classify::of(&error).category, Category::RateLimited);
//! assert_eq!(classify::of(&error).retry_after.unwrap().as_secs(), 7);
//! # }
//! ```
//!
//! On the enum itself: `default = permanent` for the variants that say nothing, and `crate = ::path`
//! where this crate is not called `resilience`.
//!
//! # Built in
//!
//! | type | class |
//! |---|---|
//! | [`std::io::Error`] | of the known error that it wraps, else by its kind |
//! | `ParseIntError`, `ParseFloatError`, `TryFromIntError`, `ParseBoolError`, `ParseCharError`, `Utf8Error`, `FromUtf8Error`, `AddrParseError` | `Invalid` |
//! | [`Rejected`](crate::Rejected) | by cause: `TimedOut` is `Timeout`, `RateLimited` is `RateLimited`, `LockTimeout` is `Transient`, a cancelled step is `Cancelled`, a job that ended before has the category of its recorded error, any other is `Rejected` |
//! | `dyn Error`, also with `Send` and `Sync` | of the first known error in the chain |
//! | `&E`, `&mut E`, `Box<E>`, `Rc<E>`, `Arc<E>` | of `E` |
//! | [`Classification`], [`Category`] | itself |
//! | `String`, `str`, `()`, `fmt::Error`, [`Missing`](crate::outcome::Missing) | `Unknown`: text is read only where asked for |
//! | `tokio::time::error::Elapsed` (feature `tokio`) | `Timeout` |
//! | `anyhow::Error` (feature `anyhow`, version 1) | of the first known error in the chain, typed contexts included |
//! | `http::StatusCode` (feature `http`, version 1) | of the status |
//! | `http::Error` (feature `http`, version 1) | `Invalid` |
//! | `redis::RedisError` (feature `redis`, version 1) | by its kind and the server's code |
//! | `reqwest::Error` (feature `reqwest`, version 0.13; feature `reqwest_012`, version 0.12) | timeout, status, connection, .. |
//! | `reqwest_middleware::Error` (feature `reqwest-middleware`, version 0.5) | of the error of reqwest or of the middleware |
//! | `serde_json::Error` (feature `serde_json`, version 1) | `Corrupt`; a failure to read by its kind |
//! | `sqlx::Error` (feature `sqlx`, version 0.9; feature `sqlx_08`, version 0.8) | by its variant and the database's code |
//! | `tonic::Status` (feature `tonic`, version 0.14) | by its code |
//! | `ureq::Error` (feature `ureq`, version 3) | status, timeout, connection, .. |
//!
//! Another version of these crates has types of its own, which the feature does not know. The page
//! [errors of other crates](crate::guide::foreign_errors) shows what to write for each.
//!
//! An error that is `Unknown` because nothing classifies its type is reported to `tracing` once for each
//! point and type, at DEBUG under the target `resilience::classify`, with what to write.
//!
//! # Behind `dyn Error`
//!
//! The linker enters each non-generic type that derives `Classify` and is an `Error` in a table: this is
//! how [`of_dyn`], `Box<dyn Error>` and `anyhow::Error` find it, also behind a `Box` or an `Arc`.
//! `anyhow::Error` finds it among its contexts, too (`.context(Api::Missing)`). A type with a written
//! implementation of `Classify` is not found there, unless it is built in.

pub use crate::event::history::{ErrorHistory, ErrorPattern, ErrorRecord, history, report};
#[cfg(feature = "http")]
#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
pub use crate::failure::from_response;
#[doc(hidden)]
pub use crate::failure::{AsStatus, AsWait, probe};
pub use crate::failure::{
    Category, Classification, Classify, Code, Delivered, Retryable, Severity, from_text, of, of_dyn,
    retry_after, wait_hint,
};
#[cfg(feature = "macros")]
pub use resilience_macros::Classify;
