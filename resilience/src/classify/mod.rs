//! What an error means: its kind, whether to repeat the call, and what to do about it.

mod category;

pub(crate) use category::Counts;
pub use category::{Category, Delivered, Retry, Severity};

use std::time::Duration;

/// The category of an HTTP status code; see [`Category::from_status`].
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
/// use resilience::classify::{Category, Classification, Retry};
/// use std::time::Duration;
///
/// let busy = Classification::new(Category::RateLimited).retry_after(Duration::from_secs(2));
/// assert_eq!(busy.retry, Retry::Backoff);
/// assert_eq!(busy.retry_after, Some(Duration::from_secs(2)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Classification {
    /// The kind of the failure.
    pub category: Category,
    /// How bad it is.
    pub severity: Severity,
    /// Whether to repeat the call.
    pub retry: Retry,
    /// How long the other side asked to wait before the next call.
    pub retry_after: Option<Duration>,
    /// Whether the request can have been carried out.
    pub delivered: Delivered,
    /// What a person can do about it.
    pub action: &'static str,
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
        }
    }

    /// Sets how bad the failure is.
    pub const fn severity(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }

    /// Sets whether the call is worth repeating.
    pub const fn retry(mut self, retry: Retry) -> Self {
        self.retry = retry;
        self
    }

    /// Sets how long the other side asked to wait.
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

    /// Whether the call is worth repeating at all.
    pub const fn is_retryable(&self) -> bool {
        !matches!(self.retry, Retry::Never)
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
    message = "`{Self}` does not say what it means: it does not implement `Classify`",
    label = "needs `Classify`",
    note = "derive it (`#[derive(resilience::Classify)]`) or implement `classify(&self) -> Classification`"
)]
pub trait Classify {
    /// What this error means.
    fn classify(&self) -> Classification;
}
