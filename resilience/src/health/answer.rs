//! The answer of a check.

use super::Level;
use std::convert::Infallible;
use std::error::Error;
use std::fmt::{self, Display};

/// The result of a check: a level, and optionally a message, an action and details.
///
/// A check function may also return less: `()` and texts pass, and the error of a `Result` is a failure.
///
/// # Examples
///
/// ```
/// use resilience::health::{Answer, Level};
///
/// let queue = Answer::warn("the queue is long").action("start another worker").detail("entries", 9_000);
/// assert_eq!(queue.level(), Level::Warn);
///
/// let passes: Answer = "12 models".into();
/// let fails: Answer = Err::<(), _>("connection refused").into();
/// assert_eq!((passes.level(), fails.level()), (Level::Pass, Level::Fail));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Answer {
    pub(super) level: Level,
    pub(super) message: String,
    pub(super) action: Option<String>,
    pub(super) details: Vec<(String, String)>,
    /// Whether the answer says something about the component: a call that a policy rejected does not.
    pub(super) is_judged: bool,
}

impl Answer {
    fn new(level: Level, message: impl Into<String>) -> Self {
        Self { level, message: message.into(), action: None, details: Vec::new(), is_judged: true }
    }

    /// Creates an answer that all is well.
    pub fn pass(message: impl Into<String>) -> Self {
        Self::new(Level::Pass, message)
    }

    /// Creates an answer that the component works, and that a person should look.
    pub fn warn(message: impl Into<String>) -> Self {
        Self::new(Level::Warn, message)
    }

    /// Creates an answer that the component does not work.
    pub fn fail(message: impl Into<String>) -> Self {
        Self::new(Level::Fail, message)
    }

    /// Sets what a person should do.
    pub fn action(mut self, action: impl Into<String>) -> Self {
        self.action = Some(action.into());
        self
    }

    /// Adds a detail: a number, or another text that belongs to the answer.
    pub fn detail(mut self, name: impl Into<String>, value: impl Display) -> Self {
        self.details.push((name.into(), value.to_string()));
        self
    }

    /// Returns the level.
    pub const fn level(&self) -> Level {
        self.level
    }

    /// Returns an answer that says nothing about the component: its call was rejected by a policy of this library, or
    /// no thread was free for the look.
    pub(super) fn not_judged(error: impl Display) -> Self {
        Self { is_judged: false, ..Self::warn(format!("not judged: {error:#}")) }
    }

    /// Returns the answer of an error.
    fn of_error(error: impl Display, is_rejected: bool) -> Self {
        if is_rejected { Self::not_judged(error) } else { Self::fail(format!("{error:#}")) }
    }
}

impl From<()> for Answer {
    fn from((): ()) -> Self {
        Self::pass("")
    }
}

impl From<String> for Answer {
    fn from(message: String) -> Self {
        Self::pass(message)
    }
}

impl From<&str> for Answer {
    fn from(message: &str) -> Self {
        Self::pass(message)
    }
}

/// A failure with the text of the error, unless a policy of this library has rejected the call: then a warning that
/// never decides readiness.
impl<T: Into<Answer>, E: Into<Box<dyn Error + Send + Sync>>> From<Result<T, E>> for Answer {
    fn from(result: Result<T, E>) -> Self {
        match result {
            Ok(value) => value.into(),
            Err(error) => {
                let error = error.into();
                let class = crate::classify::of_dyn(&*error);
                Self::of_error(error, class.category == crate::Category::Rejected)
            }
        }
    }
}

/// The types that a function with `#[health_check]` can return.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "a health check cannot return `{Self}`",
    label = "`{Self}` is not an answer of a health check",
    note = "return `()`, a text, `Answer`, or a `Result` of one of them whose error implements `Display`"
)]
pub trait CheckOutcome {
    /// The error.
    type Error;
    /// Returns the error, if there is one.
    fn error(&self) -> Option<&Self::Error>;
    /// Returns the answer; `is_rejected` says whether a policy rejected the call.
    fn answer(self, is_rejected: bool) -> Answer;
}

macro_rules! answers {
    ($($ty:ty)*) => { $(
        impl CheckOutcome for $ty {
            type Error = Infallible;

            fn error(&self) -> Option<&Infallible> {
                None
            }

            fn answer(self, _: bool) -> Answer {
                self.into()
            }
        }
    )* };
}

answers!(() String &'static str Answer);

impl<T: Into<Answer>, E: Display> CheckOutcome for Result<T, E> {
    type Error = E;

    fn error(&self) -> Option<&E> {
        self.as_ref().err()
    }

    fn answer(self, is_rejected: bool) -> Answer {
        match self {
            Ok(value) => value.into(),
            Err(error) => Answer::of_error(error, is_rejected),
        }
    }
}

impl Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.level.fmt(f)?;
        if self.message.is_empty() { Ok(()) } else { write!(f, ": {}", self.message) }
    }
}
