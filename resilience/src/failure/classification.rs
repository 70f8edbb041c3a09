//! The meaning of a failure for policies, and the trait of errors that have one.

use super::{Category, Code, Counts, Delivered, Retryable, Severity};
use crate::base::scope::left_of_request;
use std::time::Duration;

/// The description of a failure for policies, logs and people.
///
/// [`new`](Self::new) fills every field from the row of a [`Category`]; the setters, all `const`, override
/// single ones. A function that is named in `classify = ..` or `#[classify(with = ..)]` returns one, or a
/// plain `Category`. The type is `Copy` and holds no text of the error, so that it can be logged anywhere.
///
/// It implements [`Classify`](trait@Classify) itself: an error type can keep one in a variant, as
/// `from_response` (feature `http`) makes it.
///
/// With the feature `serde` it serialises as a map; `retry_after` is `retry_after_s`, in seconds.
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
///
/// A constant for each failure of a protocol:
///
/// ```
/// use resilience::classify::{Category, Classification, Delivered, Retryable, Severity};
///
/// const QUEUE_FULL: Classification = Classification::new(Category::Unavailable)
///     .delivered(Delivered::No)
///     .severity(Severity::Low)
///     .action("add consumers, or slow the producers down");
/// const POISONED: Classification = Classification::new(Category::Corrupt).retry(Retryable::Never);
///
/// assert!(QUEUE_FULL.is_retryable());
/// assert!(!POISONED.is_retryable());
/// assert_eq!(QUEUE_FULL.to_string(), "unavailable, low");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Classification {
    /// The kind of the failure: what breakers count, and what rules for a category match.
    pub category: Category,
    /// The severity of the failure, for logs and alerts.
    pub severity: Severity,
    /// Whether a retry repeats the call.
    pub retry: Retryable,
    /// The wait that the service asked for before the next call; `None` if it asked for none.
    ///
    /// A retry never waits less. Where the wait is longer than its `retry_after_cap`, or does not fit into a
    /// timeout, the call ends with this error instead.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "retry_after_s", serialize_with = "crate::base::serialise::seconds")
    )]
    pub retry_after: Option<Duration>,
    /// Whether the service can have carried out the request.
    pub delivered: Delivered,
    /// What a person can do about it, as an imperative: `"check the credentials"`.
    pub action: &'static str,
    /// The code that the service or the system returned, if it returned one.
    pub code: Option<Code>,
    /// Whether a policy of this library refused the call, so that nothing has reached the service.
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) is_refusal: bool,
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
    /// Creates the classification in the row of `category` in the [table](Category), without a `retry_after` and a
    /// code.
    pub const fn new(category: Category) -> Self {
        Self {
            category,
            severity: category.severity(),
            retry: category.retry(),
            retry_after: None,
            delivered: category.delivered(),
            action: category.action(),
            code: None,
            is_refusal: false,
        }
    }

    /// Marks a call that a policy of this library refused: a breaker counts it as nothing, and its retry is free.
    pub(crate) const fn refused(mut self) -> Self {
        self.is_refusal = true;
        self.delivered = Delivered::No;
        self
    }

    /// Returns whether a policy of this library refused the call.
    pub(crate) const fn is_refusal(&self) -> bool {
        self.is_refusal
    }

    /// Returns whether a failure with this class, which occurs now, may be caused by the deadline of a request: that
    /// client has left, and the failure says nothing about the service. A service that was sent the time left, rounded
    /// down, answers `Timeout` up to a millisecond before.
    pub(crate) fn is_of_request(&self) -> bool {
        const ROUNDED: Duration = Duration::from_millis(1);
        let slack = if self.category == Category::Timeout { ROUNDED } else { Duration::ZERO };
        left_of_request().is_some_and(|left| left <= slack)
    }

    /// Returns whether the time of a call that failed with this class says nothing of the service: a policy, a step or
    /// a job inside refused it before its body ran, or the deadline of a request has ended it.
    pub(crate) fn is_unmeasured(&self) -> bool {
        let is_refused = self.category == Category::Rejected && self.delivered != Delivered::Yes;
        is_refused || self.is_refusal || self.is_of_request()
    }

    /// Returns how a breaker counts the failure.
    pub(crate) const fn counts(&self) -> Counts {
        if self.is_refusal { Counts::Nothing } else { self.category.counts() }
    }

    /// Creates the classification of an HTTP status, with the status as its code if it has three digits.
    ///
    /// `Retry-After` is a header, not part of the status: `from_response` (feature `http`) reads both, or add
    /// the wait with [`retry_after`](Self::retry_after).
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

    /// Sets whether the call is worth repeating, in place of what the category says.
    ///
    /// A [`Rule`](crate::Rule) for the category does not overrule it; a `when` that returns true does.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::classify::{Category, Classification, Retryable};
    ///
    /// let read_after_write = Classification::new(Category::NotFound).retry(Retryable::Backoff);
    /// assert!(read_after_write.is_retryable());
    /// ```
    pub const fn retry(mut self, retry: Retryable) -> Self {
        self.retry = retry;
        self
    }

    /// Sets how long the service asked to wait; the next attempt does not start earlier.
    pub const fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Sets whether the service can have carried out the request.
    pub const fn delivered(mut self, delivered: Delivered) -> Self {
        self.delivered = delivered;
        self
    }

    /// Sets what a person can do about it. Use the imperative and no values: the text goes into logs.
    pub const fn action(mut self, action: &'static str) -> Self {
        self.action = action;
        self
    }

    /// Sets the code that the service returned; it is shown, and decides nothing.
    pub const fn code(mut self, code: Code) -> Self {
        self.code = Some(code);
        self
    }

    /// Returns whether a retry would repeat the call, once or with backoff.
    pub const fn is_retryable(&self) -> bool {
        !matches!(self.retry, Retryable::Never)
    }
}

impl From<Category> for Classification {
    fn from(category: Category) -> Self {
        Self::new(category)
    }
}

/// An error that classifies itself.
///
/// Derive it for an error type of your own (the [module](crate::classify) has all keys of the derive), or
/// implement it where the class depends on values. Policies in an attribute find the implementation by
/// themselves; in generic code the bound `E: Classify` decides. Without one, a policy asks the first known
/// error in the chain of sources, and else uses [`Category::Unknown`].
///
/// An implementation runs on the failure path, once for each policy that asks. It must not block, and a panic
/// in it is a panic of the call.
///
/// # Examples
///
/// Implemented directly, where the class depends on a value:
///
/// ```
/// use resilience::classify::{self, Category, Classification, Classify};
/// use std::time::Duration;
///
/// #[derive(Debug)]
/// enum QueueError {
///     Full { eta: Duration },
///     Protocol(u16),
/// }
///
/// impl Classify for QueueError {
///     fn classify(&self) -> Classification {
///         match self {
///             Self::Full { eta } => Classification::new(Category::RateLimited).retry_after(*eta),
///             Self::Protocol(status) => Classification::from_status(*status),
///         }
///     }
/// }
///
/// let full = QueueError::Full { eta: Duration::from_secs(3) };
/// assert_eq!(classify::of(&full).retry_after, Some(Duration::from_secs(3)));
/// assert_eq!(classify::of(&QueueError::Protocol(401)).category, Category::Auth);
/// ```
///
/// In generic code:
///
/// ```
/// use resilience::{Classify, Retry};
///
/// fn fetch<E: Classify>(source: impl Fn() -> Result<u32, E>) -> Result<u32, E> {
///     Retry::new().max(2).call(source)
/// }
///
/// assert_eq!(fetch(|| Ok::<_, std::io::Error>(7)).unwrap(), 7);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be classified: it does not implement `Classify`",
    label = "does not implement `Classify`",
    note = "for a type of this crate: write `#[derive(resilience::Classify)]` on it, or implement `Classify`",
    note = "for a type of another crate: write `with = path` in place of `transparent` in a derive (`with = resilience::classify::of_dyn` asks its sources), `classify = path` in an attribute, `.classify(path)` on a value, or `call_judged(.., |outcome| ..)`",
    note = "or enable the feature of `resilience` that knows the type: `anyhow` (1), `http` (1), `redis` (1), `reqwest` (0.13), `reqwest_012` (0.12), `serde_json` (1), `sqlx` (0.9), `sqlx_08` (0.8), `tonic` (0.14), `ureq` (3)"
)]
pub trait Classify {
    /// Returns what this error means.
    fn classify(&self) -> Classification;

    /// Returns the text that the record of a job may keep when the job fails with this error; `None` by default, since
    /// texts of errors may contain what nothing else should.
    ///
    /// The derive returns the message of a variant with the word `text`, and asks the field of a `transparent` variant.
    /// A job records the text without secrets and control characters, in at most 1,000 bytes
    /// (`durable::JobInfo::text`); `#[job(.., record_text)]` records it for any error.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Category, Classification, Classify};
    ///
    /// #[derive(Debug)]
    /// struct Refused(u16);
    ///
    /// impl Classify for Refused {
    ///     fn classify(&self) -> Classification {
    ///         Category::Invalid.into()
    ///     }
    ///
    ///     fn recorded_text(&self) -> Option<String> {
    ///         Some(format!("the printer refused the page with code {}", self.0))
    ///     }
    /// }
    ///
    /// assert!(Refused(7).recorded_text().unwrap().ends_with("code 7"));
    /// assert_eq!(std::fmt::Error.recorded_text(), None);
    /// ```
    fn recorded_text(&self) -> Option<String> {
        None
    }
}

/// A class that is kept in the place of an error, as `from_response` makes it.
impl Classify for Classification {
    fn classify(&self) -> Classification {
        *self
    }
}

/// Returns the row of the category.
impl Classify for Category {
    fn classify(&self) -> Classification {
        (*self).into()
    }
}

/// Classifies `error` as [`Classify::classify`] does, without an import of the trait.
///
/// For an error that is known only as `dyn Error`, and that need not implement the trait, see
/// [`of_dyn`](super::of_dyn).
///
/// # Examples
///
/// ```
/// use resilience::classify::{self, Category};
///
/// let error = std::io::Error::from(std::io::ErrorKind::TimedOut);
/// assert_eq!(classify::of(&error).category, Category::Timeout);
/// assert_eq!(classify::of(&error).action, "raise the timeout or reduce the work");
/// ```
pub fn of<E: Classify + ?Sized>(error: &E) -> Classification {
    error.classify()
}
