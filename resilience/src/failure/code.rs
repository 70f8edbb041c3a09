//! The code that the server returned with a failure.

use std::fmt;

/// The code that the service or the system returned with a failure, for people and machines that look it up.
///
/// It never decides anything: the [`Category`](super::Category) does. Logs and events show it beside the
/// category, as `unavailable (503)`. A derive with `status = ..` fills it, as do the built-in classifiers of
/// HTTP clients and of `std::io::Error`.
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
    /// An HTTP status, from 100 to 999: `503`.
    Status(u16),
    /// The operating system's number of an error (`errno` on Unix): `os error 104`.
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
