//! What an error means: its kind, whether to repeat the call, and what to do about it.
//!
//! A policy asks the error itself, if it implements [`trait@Classify`]; else, if it is an
//! [`Error`](std::error::Error), the first known error in its chain of sources; else the answer is
//! [`Category::Unknown`], which is repeated with backoff. In generic code the bound decides
//! (`E: Classify`).
//!
//! # Deriving
//!
//! `#[derive(Classify)]` works on enums and structs, generic ones included. On an enum every variant
//! says what it means, so that a new one cannot be forgotten:
//!
//! | `#[classify(..)]` | the class is |
//! |---|---|
//! | `timeout`, `rate_limited`, .. | the row of that [`Category`], by its name in snake case |
//! | `status = .field`, `status = .0` | the row of the HTTP status in that field: `u16`, `u32`, `u64`, `u128`, `usize`, `i32`, `i64`, or `http::StatusCode` |
//! | `status = 503` | the row of that HTTP status |
//! | `transparent` | that of the only field, or of the one marked `#[source]` or `#[from]` or called `source`; its type must implement [`trait@Classify`] |
//! | `with = path` | what the function returns, a `Classification` or a `Category`: it gets a reference to the only field of a variant, else to the whole error; a closure works, too |
//! | `with = path(.field)`, `with = path(self)` | the same, with the field or the whole error as chosen |
//! | `text` | what the message says, by the table of [`from_text`] |
//!
//! One of these, and any of the following, which override single fields of it:
//!
//! | key | value |
//! |---|---|
//! | `retry_after = .field` | a field of type `Duration` or `Option<Duration>` |
//! | `retry` | `never`, `once`, `backoff` |
//! | `severity` | `low`, `medium`, `high`, `critical`, `fatal` |
//! | `delivered` | `no`, `maybe`, `yes` |
//! | `action` | a text: what a person can do about it |
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
//! | [`Rejected`](crate::Rejected) | by cause: `TimedOut` is `Timeout`, `RateLimited` is `RateLimited`, `LockTimeout` is `Transient`, any other is `Rejected` |
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

mod category;
mod code;
mod dynamic;
mod foreign;
mod from_text;
mod history;
mod notice;
#[doc(hidden)]
pub mod probe;
mod retry_after;
#[cfg(feature = "serde")]
mod serialise;
mod wait_hint;

pub(crate) use category::Counts;
pub use category::{Category, Delivered, Retryable, Severity};
pub use code::Code;
pub use dynamic::of_dyn;
#[cfg(feature = "http")]
#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
pub use foreign::from_response;
#[doc(hidden)]
pub use foreign::{AsStatus, AsWait};
pub use from_text::from_text;
pub(crate) use history::PointErrors;
pub use history::{ErrorHistory, ErrorPattern, ErrorRecord, history, report};
#[cfg(feature = "macros")]
pub use resilience_macros::Classify;
pub use retry_after::retry_after;
pub use wait_hint::wait_hint;

use std::time::Duration;

/// The category of an HTTP status code; see [`Category::from_status`], and
/// [`Classification::from_status`] for the whole row with the status as its code.
pub const fn from_status(status: u16) -> Category {
    Category::from_status(status)
}

/// What a policy knows about a failure.
///
/// Made from a [`Category`], whose row of the table fills every field; setters override single ones.
///
/// # Examples
///
/// ```
/// use resilience::classify::{Category, Classification, Retryable};
/// use std::time::Duration;
///
/// let busy = Classification::new(Category::RateLimited).retry_after(Duration::from_secs(2));
/// assert_eq!(busy.retry, Retryable::Backoff);
/// assert_eq!(busy.retry_after, Some(Duration::from_secs(2)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Classification {
    /// The kind of the failure.
    pub category: Category,
    /// How bad it is.
    pub severity: Severity,
    /// Whether to repeat the call.
    pub retry: Retryable,
    /// How long the server asked to wait before the next call.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "retry_after_s", serialize_with = "crate::base::serialise::seconds")
    )]
    pub retry_after: Option<Duration>,
    /// Whether the request can have been carried out.
    pub delivered: Delivered,
    /// What a person can do about it.
    pub action: &'static str,
    /// The code that the server returned, if it returned one.
    pub code: Option<Code>,
}

/// The category, the code where there is one, and the severity: `unavailable (503), medium`.
impl std::fmt::Display for Classification {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.category.as_str())?;
        self.code.map_or(Ok(()), |code| write!(f, " ({code})"))?;
        write!(f, ", {}", self.severity.as_str())
    }
}

impl Classification {
    /// The row of `category`, without a `retry_after`.
    pub const fn new(category: Category) -> Self {
        Self {
            category,
            severity: category.severity(),
            retry: category.retry(),
            retry_after: None,
            delivered: category.delivered(),
            action: category.action(),
            code: None,
        }
    }

    /// The row of an HTTP status, with the status as its code where it has three digits.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::classify::{Category, Classification, Code};
    ///
    /// let class = Classification::from_status(503);
    /// assert_eq!((class.category, class.code), (Category::Unavailable, Some(Code::Status(503))));
    /// ```
    pub const fn from_status(status: u16) -> Self {
        let class = Self::new(Category::from_status(status));
        if matches!(status, 100..=999) { class.code(Code::Status(status)) } else { class }
    }

    /// Sets how bad the failure is.
    pub const fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Sets whether the call is worth repeating.
    pub const fn retry(mut self, retry: Retryable) -> Self {
        self.retry = retry;
        self
    }

    /// Sets how long the server asked to wait.
    pub const fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Sets whether the request can have been carried out.
    pub const fn delivered(mut self, delivered: Delivered) -> Self {
        self.delivered = delivered;
        self
    }

    /// Sets what a person can do about it.
    pub const fn action(mut self, action: &'static str) -> Self {
        self.action = action;
        self
    }

    /// Sets the code that the server returned.
    pub const fn code(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }

    /// Whether the call is worth repeating at all.
    pub const fn is_retryable(&self) -> bool {
        !matches!(self.retry, Retryable::Never)
    }
}

impl From<Category> for Classification {
    fn from(category: Category) -> Self {
        Self::new(category)
    }
}

/// An error that knows what it means.
///
/// Derive it, or write it by hand. Policies in an attribute find it by themselves; in generic code the
/// bound `E: Classify` decides.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be classified: it does not implement `Classify`",
    label = "does not implement `Classify`",
    note = "for a type of this crate: write `#[derive(resilience::Classify)]` on it, or implement `Classify`",
    note = "for a type of another crate: write `with = path` in place of `transparent` in a derive, `classify = path` in an attribute, `.classify(path)` on a value, or `call_judged(.., |outcome| ..)`",
    note = "or enable the feature of `resilience` that knows the type: `anyhow` (1), `http` (1), `redis` (1), `reqwest` (0.13), `reqwest_012` (0.12), `serde_json` (1), `sqlx` (0.9), `sqlx_08` (0.8), `tonic` (0.14), `ureq` (3)"
)]
pub trait Classify {
    /// What this error means.
    fn classify(&self) -> Classification;
}

/// A class that is kept in the place of an error, as `from_response` makes it.
impl Classify for Classification {
    fn classify(&self) -> Classification {
        *self
    }
}

/// The row of the category.
impl Classify for Category {
    fn classify(&self) -> Classification {
        (*self).into()
    }
}

/// What `error` means.
///
/// # Examples
///
/// ```
/// use resilience::classify::{self, Category};
///
/// let error = std::io::Error::from(std::io::ErrorKind::TimedOut);
/// assert_eq!(classify::of(&error).category, Category::Timeout);
/// ```
pub fn of<E: Classify + ?Sized>(error: &E) -> Classification {
    error.classify()
}
