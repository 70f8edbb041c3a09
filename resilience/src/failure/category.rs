//! The table that says what each kind of failure means: whether to repeat, how severe it is, whether
//! the request can have been carried out, and what a circuit breaker counts it as.

use std::fmt;

/// The kind of a failure, as far as recovery is concerned.
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Category {
    /// No answer in time.
    Timeout,
    /// The service asks for fewer calls.
    RateLimited,
    /// The connection could not be made, or broke.
    Connection,
    /// The service is there but cannot serve now.
    Unavailable,
    /// A passing fault of any other kind.
    Transient,
    /// Memory, disk or quota is used up.
    Resource,
    /// Bad data came back.
    Corrupt,
    /// The state of the service is not the assumed one.
    Conflict,
    /// Not allowed, or not known who asks.
    Auth,
    /// What was asked for is not there.
    NotFound,
    /// The request itself is wrong.
    Invalid,
    /// It will fail again however often it is tried.
    Permanent,
    /// The caller gave up waiting.
    Cancelled,
    /// One of our own policies refused the call.
    Rejected,
    /// Nothing is known about this error.
    Unknown,
}

/// Whether a failed call is worth repeating.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Retryable {
    /// It would fail again.
    Never,
    /// One more time, at once or after the usual wait.
    Once,
    /// As often as the policy allows, with growing waits.
    Backoff,
}

/// Whether the failed request can have been carried out by the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize), serde(rename_all = "snake_case"))]
pub enum Delivered {
    /// It certainly was not.
    No,
    /// It is not known.
    Maybe,
    /// It certainly was.
    Yes,
}

/// How bad a failure is, in rising order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Expected now and then.
    Low,
    /// Worth a look when it goes on.
    Medium,
    /// A person should look.
    High,
    /// A person must act now.
    Critical,
    /// The process should stop.
    Fatal,
}

/// What a circuit breaker makes of a category.
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
    /// Every category, in the order of the table.
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

    /// The stable name, in snake case: `"rate_limited"`.
    pub const fn as_str(self) -> &'static str {
        self.row().name
    }

    /// Whether a failure of this kind is worth repeating at all.
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
    /// the same answer. A number outside of 100 to 599 is no HTTP status and is `Unknown`.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::classify::{from_status, Category};
    ///
    /// assert_eq!(from_status(503), Category::Unavailable);
    /// assert_eq!(from_status(429), Category::RateLimited);
    /// assert_eq!(from_status(301), Category::Permanent);
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
    /// The stable name, in lower case: `"high"`.
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
    fn rows_stand_at_the_place_of_their_category() {
        for (n, category) in Category::ALL.into_iter().enumerate() {
            assert_eq!(category as usize, n);
            assert_eq!(category.row().category, category);
        }
    }
}
