//! What error types of other crates mean.

use super::{Category, Classification, Classify, Code, Delivered, dynamic, of_dyn};
use crate::outcome::Missing;
use std::convert::Infallible;
use std::error::Error;
use std::io::{self, ErrorKind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

macro_rules! always {
    ($category:ident: $($error:ty),+ $(,)?) => {
        $(
            #[doc = concat!("Always `", stringify!($category), "`.")]
            impl Classify for $error {
                fn classify(&self) -> Classification {
                    Category::$category.into()
                }
            }
        )+
    };
}

always!(
    Invalid: std::num::ParseIntError, std::num::ParseFloatError, std::num::TryFromIntError,
    std::str::ParseBoolError, std::str::Utf8Error, std::string::FromUtf8Error,
    std::char::ParseCharError, std::net::AddrParseError,
);

// Text is read only where somebody asks for it: see `from_text`.
always!(Unknown: Missing, std::fmt::Error, String, str, ());

#[cfg(feature = "tokio")]
always!(Timeout: tokio::time::error::Elapsed);

#[cfg(feature = "http")]
always!(Invalid: http::Error);

impl Classify for Infallible {
    fn classify(&self) -> Classification {
        match *self {}
    }
}

macro_rules! pointers {
    ($($pointer:ty),+) => {
        $(
            /// What the error behind the pointer says.
            impl<E: Classify + ?Sized> Classify for $pointer {
                fn classify(&self) -> Classification {
                    (**self).classify()
                }
            }
        )+
    };
}

pointers!(&E, &mut E, Box<E>, Rc<E>, Arc<E>);

macro_rules! objects {
    ($($object:ty),+) => {
        $(
            /// By the first known error in the chain of sources.
            impl Classify for $object {
                fn classify(&self) -> Classification {
                    of_dyn(self)
                }
            }
        )+
    };
}

objects!(dyn Error, dyn Error + Send, dyn Error + Sync, dyn Error + Send + Sync);

/// By the first known error in the chain of sources, under any context.
#[cfg(feature = "anyhow")]
impl Classify for anyhow::Error {
    fn classify(&self) -> Classification {
        let error: &(dyn Error + 'static) = self.as_ref();
        of_dyn(error)
    }
}

/// By the error that it wraps, if that is known, else by its kind.
///
/// | kind | category |
/// |---|---|
/// | `ConnectionRefused` | `Connection`, not delivered |
/// | `ConnectionReset`, `ConnectionAborted`, `NotConnected`, `BrokenPipe`, `UnexpectedEof`, `HostUnreachable`, `NetworkUnreachable`, `NetworkDown`, `AddrInUse`, `AddrNotAvailable` | `Connection` |
/// | `TimedOut` | `Timeout` |
/// | `Interrupted`, `WouldBlock`, `ResourceBusy`, `Deadlock`, `ExecutableFileBusy`, `StaleNetworkFileHandle` | `Transient` |
/// | `PermissionDenied` | `Auth` |
/// | `OutOfMemory`, `StorageFull`, `QuotaExceeded`, `FileTooLarge` | `Resource` |
/// | `NotFound` | `NotFound` |
/// | `AlreadyExists` | `Conflict` |
/// | `InvalidData` | `Corrupt` |
/// | `InvalidInput`, `InvalidFilename`, `ArgumentListTooLong`, `IsADirectory`, `NotADirectory`, `DirectoryNotEmpty`, `NotSeekable`, `CrossesDevices`, `TooManyLinks` | `Invalid` |
/// | `Unsupported`, `ReadOnlyFilesystem` | `Permanent` |
/// | `Other` | by the sources of the error that it wraps, else `Unknown` |
/// | any further kind | `Unknown` |
///
/// The operating system's number, where there is one, is the code.
impl Classify for io::Error {
    fn classify(&self) -> Classification {
        let wrapped = self.get_ref().map(|error| error as &(dyn Error + 'static));
        // A kind says more than a distant cause does, but less than the very error that was wrapped.
        let found = match self.kind() {
            ErrorKind::Other => dynamic::known(wrapped),
            _ => wrapped.and_then(dynamic::known_itself),
        };
        let class = found.unwrap_or_else(|| by_kind(self.kind()));
        self.raw_os_error().map_or(class, |number| class.code(Code::Os(number)))
    }
}

#[expect(clippy::match_same_arms, reason = "one line for kinds of one sort")]
fn by_kind(kind: ErrorKind) -> Classification {
    use ErrorKind as K;
    let category = match kind {
        K::ConnectionRefused => return refused(),
        K::ConnectionReset | K::ConnectionAborted | K::NotConnected | K::BrokenPipe => Category::Connection,
        K::HostUnreachable | K::NetworkUnreachable | K::NetworkDown => Category::Connection,
        K::AddrInUse | K::AddrNotAvailable | K::UnexpectedEof => Category::Connection,
        K::TimedOut => Category::Timeout,
        K::Interrupted | K::WouldBlock | K::ResourceBusy => Category::Transient,
        K::Deadlock | K::ExecutableFileBusy | K::StaleNetworkFileHandle => Category::Transient,
        K::PermissionDenied => Category::Auth,
        K::OutOfMemory | K::StorageFull | K::QuotaExceeded | K::FileTooLarge => Category::Resource,
        K::NotFound => Category::NotFound,
        K::AlreadyExists => Category::Conflict,
        K::InvalidData => Category::Corrupt,
        K::InvalidInput | K::InvalidFilename | K::ArgumentListTooLong | K::NotSeekable => Category::Invalid,
        K::IsADirectory | K::NotADirectory | K::DirectoryNotEmpty => Category::Invalid,
        K::CrossesDevices | K::TooManyLinks => Category::Invalid,
        K::Unsupported | K::ReadOnlyFilesystem => Category::Permanent,
        _ => Category::Unknown,
    };
    category.into()
}

/// Nobody listened, so nobody can have carried out the request.
pub(super) const fn refused() -> Classification {
    Classification::new(Category::Connection).delivered(Delivered::No)
}

/// The row of its category: see [`Category::from_status`].
#[cfg(feature = "http")]
impl Classify for http::StatusCode {
    fn classify(&self) -> Classification {
        Classification::from_status(self.as_u16())
    }
}

/// Classifies a response by its status, with the wait that its headers ask for.
///
/// The status is an integer or an `http::StatusCode`; its row is that of [`Category::from_status`]. The
/// wait is read from `retry-after-ms` (milliseconds, as Azure and OpenAI send it), else from `Retry-After`
/// as [`retry_after`](super::retry_after) reads it; without a readable header there is none.
///
/// # Examples
///
/// ```
/// use http::{HeaderMap, HeaderValue, StatusCode};
/// use resilience::classify::{Category, from_response};
/// use std::time::Duration;
///
/// let mut headers = HeaderMap::new();
/// headers.insert("retry-after", HeaderValue::from_static("30"));
/// let class = from_response(StatusCode::TOO_MANY_REQUESTS, &headers);
/// assert_eq!(class.category, Category::RateLimited);
/// assert_eq!(class.retry_after, Some(Duration::from_secs(30)));
/// ```
#[cfg(feature = "http")]
pub fn from_response(status: impl AsStatus, headers: &http::HeaderMap) -> Classification {
    let class = Classification::from_status(status.as_status());
    let header = |name| headers.get_all(name).iter().filter_map(|value: &http::HeaderValue| value.to_str().ok());
    let millis = header("retry-after-ms").find_map(|value| super::wait_hint(&format!("{}ms", value.trim())));
    let now = crate::clock::time_of_day();
    let wait = millis.or_else(|| header("retry-after").find_map(|value| super::retry_after(value, now)));
    wait.map_or(class, |wait| class.retry_after(wait))
}

/// By the first of these that it is.
///
/// | is | category |
/// |---|---|
/// | a timeout | `Timeout`, not delivered if it struck while connecting |
/// | a status | that of the status |
/// | a failure to connect | `Connection`, not delivered |
/// | builder | `Invalid` |
/// | redirect | `Permanent` |
/// | decode | that of the first known source, else `Corrupt` |
/// | anything else: request, body, upgrade | that of the first known source, else `Connection` |
#[cfg(feature = "reqwest")]
impl Classify for reqwest::Error {
    fn classify(&self) -> Classification {
        let by_source = |otherwise: Category| dynamic::known(self.source()).unwrap_or(otherwise.into());
        match self.status() {
            _ if self.is_timeout() && self.is_connect() => {
                Classification::new(Category::Timeout).delivered(Delivered::No)
            }
            _ if self.is_timeout() => Category::Timeout.into(),
            Some(status) => status.classify(),
            None if self.is_connect() => refused(),
            None if self.is_builder() => Category::Invalid.into(),
            None if self.is_redirect() => Category::Permanent.into(),
            None if self.is_decode() => by_source(Category::Corrupt),
            None => by_source(Category::Connection),
        }
    }
}

/// `Corrupt`; a failure to read by the kind of its `io::Error`.
#[cfg(feature = "serde_json")]
impl Classify for serde_json::Error {
    fn classify(&self) -> Classification {
        self.io_error_kind().map_or(Category::Corrupt.into(), by_kind)
    }
}

/// What can stand in a field that `status = ..` names.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an HTTP status",
    label = "`status` takes a field of an integer type or `http::StatusCode` (feature `http`)"
)]
pub trait AsStatus {
    /// The status code; what is too large for one is as good as none.
    fn as_status(&self) -> u16;
}

macro_rules! statuses {
    ($($integer:ty),+) => {
        $(
            impl AsStatus for $integer {
                fn as_status(&self) -> u16 {
                    u16::try_from(*self).unwrap_or(u16::MAX)
                }
            }
        )+
    };
}

statuses!(u16, u32, u64, u128, usize, i32, i64);

#[cfg(feature = "http")]
impl AsStatus for http::StatusCode {
    fn as_status(&self) -> u16 {
        self.as_u16()
    }
}

impl<S: AsStatus + ?Sized> AsStatus for &S {
    fn as_status(&self) -> u16 {
        (**self).as_status()
    }
}

/// What can stand in a field that `retry_after = ..` names.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no time to wait",
    label = "`retry_after` takes a field of type `Duration` or `Option<Duration>`"
)]
pub trait AsWait {
    /// The wait, where there is one.
    fn as_wait(&self) -> Option<Duration>;
}

impl AsWait for Duration {
    fn as_wait(&self) -> Option<Duration> {
        Some(*self)
    }
}

impl AsWait for Option<Duration> {
    fn as_wait(&self) -> Option<Duration> {
        *self
    }
}

impl<W: AsWait + ?Sized> AsWait for &W {
    fn as_wait(&self) -> Option<Duration> {
        (**self).as_wait()
    }
}
