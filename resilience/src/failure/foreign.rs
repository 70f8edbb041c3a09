//! The classification of error types of other crates.
//!
//! Each implementation is behind the feature of its crate and version, except for those of std. The categories are
//! chosen by what the documentation of the crate says about a variant, and a variant that says nothing is `Unknown`: a
//! wrong category is worse than none, because it stops retries that would have helped or starts some that do harm.
//! `tests/classify` and the tests of each file go through every variant.
//!
//! A new crate gets an implementation here, a feature in `Cargo.toml`, a row in `classify.rs` and one in
//! `point/notice.rs`, which names the feature in the log.

#[cfg(any(feature = "redis", feature = "sqlx", feature = "sqlx_08"))]
mod databases;
#[cfg(feature = "tonic")]
mod grpc;
#[cfg(any(feature = "reqwest", feature = "reqwest_012", feature = "ureq"))]
mod over_http;
#[cfg(feature = "http")]
mod response;

#[cfg(feature = "http")]
pub use response::from_response;

use super::{Category, Classification, Classify, Code, Delivered, dynamic, of_dyn};
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

// Text is read only where it is asked for: see `from_text`.
always!(Unknown: std::fmt::Error, String, str, ());

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

                fn recorded_text(&self) -> Option<String> {
                    (**self).recorded_text()
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

                fn recorded_text(&self) -> Option<String> {
                    dynamic::known_text(Some(self))
                }
            }
        )+
    };
}

objects!(dyn Error, dyn Error + Send, dyn Error + Sync, dyn Error + Send + Sync);

/// By the first known error in the chain of sources, typed contexts (`.context(Api::Missing)`) included.
#[cfg(feature = "anyhow")]
impl Classify for anyhow::Error {
    fn classify(&self) -> Classification {
        let class = dynamic::asked(dynamic::known_in_anyhow(self), |known| known.classify());
        class.unwrap_or(Category::Unknown.into())
    }

    fn recorded_text(&self) -> Option<String> {
        dynamic::asked(dynamic::known_in_anyhow(self), |known| known.recorded_text()).flatten()
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
/// | any further kind | `Connection`, not delivered, if std could not look up the address of a host, else `Unknown` |
///
/// The operating system's number, where there is one, is the code.
impl Classify for io::Error {
    fn classify(&self) -> Classification {
        let class = match dynamic::asked(known_inside(self), |known| known.classify()) {
            Some(class) => class,
            None if is_lookup(self) => refused(),
            None => by_kind(self.kind()),
        };
        self.raw_os_error().map_or(class, |number| class.code(Code::Os(number)))
    }

    fn recorded_text(&self) -> Option<String> {
        dynamic::asked(known_inside(self), |known| known.recorded_text()).flatten()
    }
}

/// Returns the error that `error` wraps, if that is known.
fn known_inside(error: &io::Error) -> Option<&dyn Classify> {
    let wrapped = error.get_ref().map(|error| error as &(dyn Error + 'static));
    // A kind says more than a distant cause does, but less than the very error that was wrapped.
    match error.kind() {
        ErrorKind::Other => dynamic::first_known(wrapped),
        _ => wrapped.and_then(dynamic::known_itself),
    }
}

/// Returns whether std could not look up the address of a host, whatever the reason: nothing was sent. HTTP clients say
/// the same of it.
///
/// Such an error has a kind that cannot be named, and on Unix only the text distinguishes it from others of that kind.
/// The reason after it is in the language of the user.
fn is_lookup(error: &io::Error) -> bool {
    // `WSAHOST_NOT_FOUND`, `WSATRY_AGAIN`, `WSANO_RECOVERY` and `WSANO_DATA`.
    let is_of_windows = || cfg!(windows) && matches!(error.raw_os_error(), Some(11_001..=11_004));
    let has_text = |text: &dyn Error| text.to_string().starts_with("failed to lookup address information");
    error.kind() != ErrorKind::Other
        && by_kind(error.kind()).category == Category::Unknown
        && (is_of_windows() || error.get_ref().is_some_and(|text| has_text(text)))
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

/// Returns the class of a refused connection: no process listened, so none can have carried out the request.
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

/// `Corrupt`; a failure to read by the kind of its `io::Error`.
#[cfg(feature = "serde_json")]
impl Classify for serde_json::Error {
    fn classify(&self) -> Classification {
        self.io_error_kind().map_or(Category::Corrupt.into(), by_kind)
    }
}

/// The types of a field that `status = ..` names.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an HTTP status",
    label = "`status` takes a field of an integer type of at least 16 bits, or `http::StatusCode` (feature `http`)"
)]
pub trait AsStatus {
    /// Returns the status code; `u16::MAX`, which is not a status, for a number that does not fit.
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

statuses!(u16, u32, u64, u128, usize, i16, i32, i64, i128, isize);

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

/// The types of a field that `retry_after = ..` names.
#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "expected a `Duration` or `Option<Duration>`, found `{Self}`",
    label = "`retry_after` takes a field of type `Duration` or `Option<Duration>`"
)]
pub trait AsWait {
    /// Returns the wait, if there is one.
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
