//! The code that the server returned with a failure.

use std::fmt;

/// The code that the server returned with a failure, for people and machines that look it up.
///
/// Never decides anything: a [`Category`](super::Category) does.
///
/// # Examples
///
/// ```
/// use resilience::classify::{self, Code};
///
/// let class = classify::from_text("HTTP 503 Service Unavailable");
/// assert_eq!(class.code, Some(Code::Status(503)));
/// assert_eq!(Code::Status(503).to_string(), "503");
/// assert_eq!(Code::Os(104).to_string(), "os error 104");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Code {
    /// An HTTP status: `503`.
    Status(u16),
    /// The operating system's number of an error: `os error 104`.
    Os(i32),
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{status}"),
            Self::Os(number) => write!(f, "os error {number}"),
        }
    }
}
