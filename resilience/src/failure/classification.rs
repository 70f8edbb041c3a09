//! What a policy knows about a failure, and the trait of errors that know it.

use super::{Category, Code, Delivered, Retryable, Severity};
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
