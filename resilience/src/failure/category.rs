//! The table that says what each kind of failure means: whether to repeat, how severe it is, whether
//! the request can have been carried out, and what a circuit breaker counts it as.

use std::fmt;

/// The kind of a failure; policies decide by it.
///
/// An error gets its category from [`Classify`](trait@crate::Classify), derived or implemented directly, or from
/// one of the [built-in](crate::classify#built-in) classifiers. The category fills all fields of a
/// [`Classification`](crate::Classification), each of which an error can override:
///
/// | category | retry | severity | delivered | a breaker counts it as | HTTP status |
/// |---|---|---|---|---|---|
/// | `Timeout` | backoff | medium | maybe | failure | 408, 504 |
/// | `RateLimited` | backoff | low | no | failure | 429 |
/// | `Connection` | backoff | medium | maybe (no, if refused) | failure | - |
/// | `Unavailable` | backoff | medium | maybe | failure | 500, 502, 503, other 5xx |
/// | `Transient` | backoff | low | maybe | failure | 425 |
/// | `Resource` | never | high | maybe | failure | 507 |
/// | `Corrupt` | never | high | yes | failure | - |
/// | `Conflict` | once | medium | no | success: it answered | 409, 412 |
/// | `Auth` | never | high | no | success | 401, 403, 407 |
/// | `NotFound` | never | medium | no | success | 404, 410 |
/// | `Invalid` | never | medium | no | success | 400, 405, 413, 415, 422, other 4xx |
/// | `Permanent` | never | high | maybe | success | 501, 505; 100 to 399 |
/// | `Cancelled` | never | low | maybe | nothing | 499 |
/// | `Rejected` | never | low | no | nothing | - |
/// | `Unknown` | backoff | medium | maybe | failure | - |
///
/// A breaker counts failures that say something about the health of the service: an answer such as "not found" is a
/// success to it, because the service worked. `delivered` says whether the service can have carried out the
/// request; a retry with `idempotent = false` repeats only requests that were not delivered.
///
/// The enum is `non_exhaustive`: a `match` outside of this crate needs a `_` arm.
///
/// # Choosing a category
///
/// - Could the same request succeed later, without a change by a person? Then `Timeout`, `RateLimited`,
///   `Connection`, `Unavailable` or `Transient`.
/// - Has something outside of the request to change first? Then `Resource`, `Auth` or `Permanent`.
/// - Is the request the problem? Then `Invalid`, `NotFound` or `Conflict`.
/// - Prefer [`Unknown`](Self::Unknown) to a guess: it is retried a few times and counted.
///
/// # Examples
///
/// ```
/// use resilience::classify::{Category, Classification, Retryable};
///
/// assert_eq!(Category::RateLimited.as_str(), "rate_limited");
/// assert!(Category::Timeout.is_retryable());
/// assert!(!Category::Invalid.is_retryable());
///
/// // Each field of the row can be overridden for one error.
/// let closed_for_good = Classification::new(Category::Unavailable).retry(Retryable::Never);
/// assert!(!closed_for_good.is_retryable());
///
/// let retried: Vec<_> = Category::ALL.into_iter().filter(|category| category.is_retryable()).collect();
/// assert_eq!(retried.len(), 7, "six with backoff, and a conflict once");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Category {
    /// No answer arrived in time: a client's own limit, an HTTP 408 or 504, or a [`timeout`](crate::Timeout)
    /// of this library.
    ///
    /// Retried with backoff. The service may have carried out the request, so that a retry can do it twice.
    Timeout,
    /// The service asks for fewer calls.
    ///
    /// Retried with backoff, and not before [`retry_after`](crate::Classification::retry_after) where the
    /// service says how long to wait. A quota that waiting does not refill is [`Resource`](Self::Resource).
    RateLimited,
    /// The connection could not be made, or broke.
    ///
    /// Retried with backoff. A refused connection cannot have carried out the request; a broken one may have.
    Connection,
    /// The service is there but cannot serve now: overloaded, restarting, or failing inside.
    ///
    /// Retried with backoff. This is the category of HTTP 500, 502, 503 and every 5xx without a row of its
    /// own.
    Unavailable,
    /// A passing fault of any other kind: a deadlock, a locked database, an interrupted system call.
    ///
    /// Retried with backoff. Low severity, as it is expected under load.
    Transient,
    /// Memory, disk or quota is used up, here or at the service.
    ///
    /// Never retried, because another attempt uses more of the missing resource. A breaker counts it as a failure.
    Resource,
    /// Bad data came back: a response that cannot be decoded, a checksum that does not match.
    ///
    /// Never retried by default: the service has done the work, and would send the same bytes. Override
    /// `retry` for a source that is known to recover, such as a truncated download.
    Corrupt,
    /// The state of the service is not what the request assumed: a unique key exists, a version has moved on.
    ///
    /// Retried once in a call: a race that was lost is often won the second time, and a conflict that stays
    /// is an answer. A breaker counts it as a success.
    Conflict,
    /// The caller is not known, or is not allowed to do this.
    ///
    /// Never retried. The severity is high, because an expired credential fails every call until a person
    /// acts.
    Auth,
    /// The thing that was asked for is not there.
    ///
    /// Never retried. Where a read follows a write on an eventually consistent service, override it with
    /// `retry = backoff`, or with a [`Rule`](crate::Rule) for this category.
    NotFound,
    /// The request itself is wrong: malformed, too large, or outside of what the service accepts.
    ///
    /// Never retried, and counted as a success by a breaker: one caller's bad input must not close the
    /// service to the others.
    Invalid,
    /// The call fails again however often it is made: not implemented, read-only, not supported.
    ///
    /// Never retried. A redirect or any other status below 400 that a program treats as an error is one, too.
    Permanent,
    /// The caller gave up waiting, or a person stopped the work.
    ///
    /// Never retried. A breaker counts it as nothing, because it says nothing about the service.
    Cancelled,
    /// A policy of this library refused the call; see [`Rejected`](crate::Rejected).
    ///
    /// Never retried, whatever `when` or the error itself says, except under a [`Rule`](crate::Rule) that
    /// names this category: otherwise each layer of a stack would repeat the refusals of the one below.
    Rejected,
    /// Nothing is known about this error.
    ///
    /// Retried with backoff and counted as a failure, so that policies work before errors are classified. The
    /// type of such an error is reported once at DEBUG, with what to write; see the
    /// [module](crate::classify).
    Unknown,
}

/// The retries that a failure is worth: none, one, or as many as the policy allows.
///
/// The word comes from the [`Category`], unless the error overrides it
/// (`#[classify(timeout, retry = never)]`). A policy's `when`, `unless` and [`Rule`](crate::Rule)s are asked
/// on top of it.
///
/// # Examples
///
/// ```
/// use resilience::classify::{Category, Classification, Retryable};
///
/// assert_eq!(Classification::new(Category::Timeout).retry, Retryable::Backoff);
/// assert_eq!(Classification::new(Category::Conflict).retry, Retryable::Once);
/// assert_eq!(Classification::new(Category::Auth).retry, Retryable::Never);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Retryable {
    /// The call would fail again, or a retry would do harm.
    Never,
    /// One retry in a call, after the usual wait; a second error of this kind ends the call.
    ///
    /// It counts against `max` like any other retry.
    Once,
    /// As many retries as the policy allows, with growing waits.
    Backoff,
}

/// Whether the service may have carried out the failed request.
///
/// A retry with `idempotent = false` repeats only requests that are [`No`](Self::No): a payment that may have been made
/// is not made again.
///
/// # Examples
///
/// ```
/// use resilience::classify::{self, Delivered};
/// use std::io::{Error, ErrorKind};
///
/// let refused = classify::of(&Error::from(ErrorKind::ConnectionRefused));
/// assert_eq!(refused.delivered, Delivered::No, "no process listened");
/// let reset = classify::of(&Error::from(ErrorKind::ConnectionReset));
/// assert_eq!(reset.delivered, Delivered::Maybe, "the request may have arrived before");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Delivered {
    /// The request certainly was not carried out: refused, rejected, or never sent.
    No,
    /// Unknown: the answer is missing, and the request may have arrived.
    Maybe,
    /// The request certainly was carried out, and only its answer is bad.
    Yes,
}

/// The severity of a failure, in rising order.
///
/// No policy decides by it, except [`with_recovery`](crate#attributes), which can start from a severity;
/// otherwise it is for logs, alerts and the [history of errors](crate::classify::ErrorHistory).
///
/// # Examples
///
/// ```
/// use resilience::Severity;
///
/// assert!(Severity::Low < Severity::High);
/// assert_eq!(Severity::Critical.to_string(), "critical");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Expected now and then; the policies handle it.
    Low,
    /// Worth a look when it goes on.
    Medium,
    /// A person should look: it will not pass by itself.
    High,
    /// A person must act now. No category has it by default; an error asks for it with `severity = critical`.
    Critical,
    /// The process should stop. Nothing in this library stops the process; the program decides.
    Fatal,
}

/// The way in which a circuit breaker counts a category.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Counts {
    Failure,
    Success,
    Nothing,
}

struct Row {
    category: Category,
    name: &'static str,
    retry: Retryable,
    severity: Severity,
    delivered: Delivered,
    counts: Counts,
    action: &'static str,
}

const fn row(
    category: Category,
    name: &'static str,
    retry: Retryable,
    severity: Severity,
    delivered: Delivered,
    counts: Counts,
    action: &'static str,
) -> Row {
    Row { category, name, retry, severity, delivered, counts, action }
}

#[rustfmt::skip]
const TABLE: [Row; 15] = {
    use Retryable::{Backoff, Never, Once};
    use Severity::{High, Low, Medium};
    use Delivered::{Maybe, No, Yes};
    [
        row(Category::Timeout,     "timeout",      Backoff, Medium, Maybe, Counts::Failure, "raise the timeout or reduce the work"),
        row(Category::RateLimited, "rate_limited", Backoff, Low,    No,    Counts::Failure, "wait, then retry"),
        row(Category::Connection,  "connection",   Backoff, Medium, Maybe, Counts::Failure, "check that the service is running and reachable"),
        row(Category::Unavailable, "unavailable",  Backoff, Medium, Maybe, Counts::Failure, "check that the service is healthy"),
        row(Category::Transient,   "transient",    Backoff, Low,    Maybe, Counts::Failure, "try again"),
        row(Category::Resource,    "resource",     Never,   High,   Maybe, Counts::Failure, "free memory, disk or quota, or use less"),
        row(Category::Corrupt,     "corrupt",      Never,   High,   Yes,   Counts::Failure, "check the data"),
        row(Category::Conflict,    "conflict",     Once,    Medium, No,    Counts::Success, "read the current state and try again"),
        row(Category::Auth,        "auth",         Never,   High,   No,    Counts::Success, "check the credentials"),
        row(Category::NotFound,    "not_found",    Never,   Medium, No,    Counts::Success, "check the name"),
        row(Category::Invalid,     "invalid",      Never,   Medium, No,    Counts::Success, "fix the input"),
        row(Category::Permanent,   "permanent",    Never,   High,   Maybe, Counts::Success, "do not repeat the call"),
        row(Category::Cancelled,   "cancelled",    Never,   Low,    Maybe, Counts::Nothing, "none"),
        row(Category::Rejected,    "rejected",     Never,   Low,    No,    Counts::Nothing, "wait until the policy admits calls again"),
        row(Category::Unknown,     "unknown",      Backoff, Medium, Maybe, Counts::Failure, "look at the error"),
    ]
};

impl Category {
    /// All categories, in the order of the [table](Self): the order in which the variants are declared.
    pub const ALL: [Self; 15] = {
        let mut all = [Self::Unknown; 15];
        let mut n = 0;
        while n < TABLE.len() {
            all[n] = TABLE[n].category;
            n += 1;
        }
        all
    };

    const fn row(self) -> &'static Row {
        &TABLE[self as usize]
    }

    /// Returns the stable name, in snake case: `"rate_limited"`.
    ///
    /// It is the word in attributes, logs, events and serialised records, and never changes for a variant.
    pub const fn as_str(self) -> &'static str {
        self.row().name
    }

    /// Returns whether errors of this category are retried, with backoff or once.
    ///
    /// An error can override its row: ask
    /// [`Classification::is_retryable`](crate::Classification::is_retryable) where there is an error, and
    /// this where there is only a category.
    pub const fn is_retryable(self) -> bool {
        !matches!(self.row().retry, Retryable::Never)
    }

    pub(crate) const fn retry(self) -> Retryable {
        self.row().retry
    }

    pub(crate) const fn severity(self) -> Severity {
        self.row().severity
    }

    pub(crate) const fn delivered(self) -> Delivered {
        self.row().delivered
    }

    pub(crate) const fn action(self) -> &'static str {
        self.row().action
    }

    pub(crate) const fn counts(self) -> Counts {
        self.row().counts
    }

    /// Returns the category of an HTTP status code, by the last column of the [table](Category).
    ///
    /// A status from 100 to 399 that a program treats as a failure is `Permanent`: the same request gets
    /// the same answer. A number outside of 100 to 599 is not an HTTP status and is `Unknown`.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Category;
    ///
    /// assert_eq!(Category::from_status(503), Category::Unavailable);
    /// assert_eq!(Category::from_status(429), Category::RateLimited);
    /// assert_eq!(Category::from_status(301), Category::Permanent);
    /// assert_eq!(Category::from_status(599), Category::Unavailable, "a 5xx without a row of its own");
    /// ```
    pub const fn from_status(status: u16) -> Self {
        match status {
            408 | 504 => Self::Timeout,
            429 => Self::RateLimited,
            425 => Self::Transient,
            507 => Self::Resource,
            409 | 412 => Self::Conflict,
            401 | 403 | 407 => Self::Auth,
            404 | 410 => Self::NotFound,
            499 => Self::Cancelled,
            100..=399 | 501 | 505 => Self::Permanent,
            400..=498 => Self::Invalid,
            500..=599 => Self::Unavailable,
            _ => Self::Unknown,
        }
    }
}

impl fmt::Display for Category {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Severity {
    /// Returns the stable name, in lower case: `"high"`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
            Self::Fatal => "fatal",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_indexed_by_their_category() {
        for (n, category) in Category::ALL.into_iter().enumerate() {
            assert_eq!(category as usize, n);
            assert_eq!(category.row().category, category);
        }
    }
}
