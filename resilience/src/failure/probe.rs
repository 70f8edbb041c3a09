//! The way in which an expansion classifies an error of any type, whatever traits the type implements.
//!
//! Method lookup takes the first type in a chain of dereferences whose method fits, so a [`Probe`] asks
//! errors that implement `Classify` themselves, else [`BySource`] those that are `Error`, else
//! [`ByNothing`] knows nothing. No trait has to be in scope for that: an import costs each annotated
//! function more of the compiler's time than the question. The methods have names that no trait of
//! others will have for every type: where the first way is closed, such a trait would come next.

use super::dynamic::Context as AsContext;
use super::{AsStatus, AsWait, Category, Classification, Classify, dynamic, from_text};
use std::error::Error;
use std::fmt::{self, Display, Write};
use std::marker::PhantomData;
use std::ops::Deref;

pub use super::dynamic::{CLASSIFIERS_0_1, Downcast, ErasedError};
pub use crate::base::linked::linkme;

/// The first way: the error says it itself.
#[derive(Debug)]
pub struct Probe<'a, E: ?Sized>(pub(crate) BySource<'a, E>);

/// The second way: one of its sources is known.
///
/// The error itself is not looked up: had it a class, it would say so. So it may borrow.
#[derive(Debug)]
pub struct BySource<'a, E: ?Sized>(pub(crate) ByNothing<'a, E>);

/// The last way: nothing is known.
#[derive(Debug)]
pub struct ByNothing<'a, E: ?Sized>(pub(crate) Option<&'a E>);

impl<'a, E: ?Sized> Probe<'a, E> {
    /// Asks `error`.
    #[inline]
    pub const fn new(error: &'a E) -> Self {
        Self::of(Some(error))
    }

    /// Asks the error of a failure; a success has none.
    #[inline]
    pub(crate) const fn of(error: Option<&'a E>) -> Self {
        Self(BySource(ByNothing(error)))
    }
}

impl<'a, E: ?Sized> Deref for Probe<'a, E> {
    type Target = BySource<'a, E>;

    #[inline]
    fn deref(&self) -> &BySource<'a, E> {
        &self.0
    }
}

impl<'a, E: ?Sized> Deref for BySource<'a, E> {
    type Target = ByNothing<'a, E>;

    #[inline]
    fn deref(&self) -> &ByNothing<'a, E> {
        &self.0
    }
}

impl<E: Classify + ?Sized> Probe<'_, E> {
    /// Returns the class of the error; `Unknown` if there is none.
    #[inline]
    pub fn probed_class(&self) -> Classification {
        self.0.0.0.map_or(UNKNOWN, Classify::classify)
    }

    /// Returns the text that the error lets a record keep.
    pub fn probed_text(&self) -> Option<String> {
        self.0.0.0.and_then(Classify::recorded_text)
    }
}

impl<E: Error + ?Sized> BySource<'_, E> {
    /// Returns the class of the first known source, else `Unknown`.
    #[inline]
    pub fn probed_class(&self) -> Classification {
        self.0.0.and_then(source).unwrap_or(UNKNOWN)
    }

    /// Returns the text that the first known source lets a record keep.
    pub fn probed_text(&self) -> Option<String> {
        self.0.0.and_then(|error| dynamic::known_text(error.source()))
    }
}

impl<E: ?Sized> ByNothing<'_, E> {
    /// Returns `Unknown`.
    #[inline]
    pub const fn probed_class(&self) -> Classification {
        UNKNOWN
    }

    /// Returns `None`.
    pub const fn probed_text(&self) -> Option<String> {
        None
    }
}

pub(crate) const UNKNOWN: Classification = Classification::new(Category::Unknown);

/// Returns the class of the first known source.
pub(crate) fn source<E: Error + ?Sized>(error: &E) -> Option<Classification> {
    dynamic::known(error.source())
}

/// A type that registers itself, to be found behind `dyn Error` and among the contexts of anyhow; methods
/// are looked up as those of a [`Probe`].
#[derive(Debug)]
pub struct Registers<T>(OnlyAsError<T>);

/// An error that no other thread may see, so that it is never a context.
#[derive(Debug)]
pub struct OnlyAsError<T>(OnlyAsContext<T>);

/// A type that is not an error, but may be a context.
#[derive(Debug)]
pub struct OnlyAsContext<T>(NeverErased<T>);

/// A type that is never hidden.
#[derive(Debug)]
pub struct NeverErased<T>(PhantomData<fn() -> T>);

impl<T> Registers<T> {
    /// The question for `T`.
    pub const NEW: Self = Self(OnlyAsError(OnlyAsContext(NeverErased(PhantomData))));
}

macro_rules! derefs {
    ($($from:ident to $to:ident),+) => {
        $(
            impl<T> Deref for $from<T> {
                type Target = $to<T>;

                fn deref(&self) -> &$to<T> {
                    &self.0
                }
            }
        )+
    };
}

derefs!(Registers to OnlyAsError, OnlyAsError to OnlyAsContext, OnlyAsContext to NeverErased);

impl<T: Error + Classify + Send + Sync + 'static> Registers<T> {
    /// Returns the hidden `T`, if it is one.
    pub fn probed_error<'a>(&self, hidden: ErasedError<'a>) -> Option<&'a dyn Classify> {
        hidden.error::<T>().or_else(|| hidden.context::<T>())
    }
}

impl<T: Error + Classify + 'static> OnlyAsError<T> {
    /// Returns the hidden `T`, if it is one.
    pub fn probed_error<'a>(&self, hidden: ErasedError<'a>) -> Option<&'a dyn Classify> {
        hidden.error::<T>()
    }
}

impl<T: AsContext + Classify> OnlyAsContext<T> {
    /// Returns the hidden `T`, if it is one.
    pub fn probed_error<'a>(&self, hidden: ErasedError<'a>) -> Option<&'a dyn Classify> {
        hidden.context::<T>()
    }
}

impl<T> NeverErased<T> {
    /// Returns `None`.
    pub const fn probed_error<'a>(&self, _: ErasedError<'a>) -> Option<&'a dyn Classify> {
        None
    }
}

/// An error with the ways to ask it. `classify` and `recorded_text` of a derive both begin with the function that makes
/// it, so that the compiler reports a missing bound once and not for each of them.
#[derive(Debug)]
pub struct ErrorProbe<'a, E: ?Sized> {
    error: &'a E,
    class: fn(&E) -> Classification,
    text: fn(&E) -> Option<String>,
}

impl<E: ?Sized> ErrorProbe<'_, E> {
    /// Returns the class of the error.
    pub fn class(self) -> Classification {
        (self.class)(self.error)
    }

    /// Returns the text that the record of a job may keep.
    pub fn text(self) -> Option<String> {
        (self.text)(self.error)
    }
}

/// Wraps the field that `transparent` names, which classifies the error.
pub fn transparent<E: Classify + ?Sized>(error: &E) -> ErrorProbe<'_, E> {
    ErrorProbe { error, class: E::classify, text: E::recorded_text }
}

/// Returns the class that a function returned.
pub fn class<C: Into<Classification>>(class: C) -> Classification {
    class.into()
}

/// Wraps an error whose message classifies it, and may be kept.
pub fn by_text<E: Display + ?Sized>(error: &E) -> ErrorProbe<'_, E> {
    ErrorProbe { error, class: |error| from_text(&printed(format_args!("{error}"), READ)), text }
}

/// Returns the message of `error`, for the record of a job.
pub fn text<E: Display + ?Sized>(error: &E) -> Option<String> {
    Some(printed(format_args!("{error:#}"), usize::MAX))
}

/// The bytes of a message that are kept to be read; the rest of a long one is not even stored.
const READ: usize = 1 << 14;

/// Returns the first bytes of a message, as far as the `Display` of its error gets: one that fails must not panic.
fn printed(message: fmt::Arguments<'_>, bytes: usize) -> String {
    let mut start = Start { text: String::new(), bytes };
    let _ = start.write_fmt(message);
    start.text
}

/// A writer that keeps whole pieces of text, up to a number of bytes.
struct Start {
    text: String,
    bytes: usize,
}

impl Write for Start {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        if self.text.len() < self.bytes {
            self.text.push_str(text);
        }
        Ok(())
    }
}

/// Returns the class that `with` returns for `error`.
pub fn asked<E: ?Sized, C: Into<Classification>>(error: &E, with: impl FnOnce(&E) -> C) -> Classification {
    with(error).into()
}

/// Returns the class of an HTTP status.
pub fn by_status<S: AsStatus + ?Sized>(status: &S) -> Classification {
    Classification::from_status(status.as_status())
}

/// Returns `class` with the wait that a field of the error holds, if it holds one.
pub fn waiting<W: AsWait + ?Sized>(class: Classification, wait: &W) -> Classification {
    match wait.as_wait() {
        Some(wait) => class.retry_after(wait),
        None => class,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    /// The question that an expansion writes, for an `error: &E`.
    macro_rules! probe {
        ($error:expr) => {
            Probe::new($error).probed_class().category
        };
    }

    #[derive(Debug)]
    struct Says;

    impl Classify for Says {
        fn classify(&self) -> Classification {
            Category::Conflict.into()
        }
    }

    #[derive(Debug)]
    struct Wraps<'a>(&'a str, io::Error);

    impl Display for Wraps<'_> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl Error for Wraps<'_> {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.1)
        }
    }

    #[derive(Debug)]
    struct Mute;

    fn reset() -> io::Error {
        io::ErrorKind::ConnectionReset.into()
    }

    #[test]
    fn an_implementation_of_classify_wins() {
        assert_eq!(probe!(&Says), Category::Conflict);
        assert_eq!(probe!(&&Says), Category::Conflict);
        assert_eq!(probe!(&Box::new(Says)), Category::Conflict);
        assert_eq!(probe!(&std::sync::Arc::new(Says)), Category::Conflict);
        assert_eq!(probe!(&reset()), Category::Connection);
    }

    #[test]
    fn sources_are_searched_even_for_a_borrowing_error() {
        fn borrowed<'a>(wraps: &'a Wraps<'a>) -> Category {
            probe!(&wraps)
        }
        let text = String::from("local");
        let wraps = Wraps(&text, reset());
        assert_eq!(probe!(&wraps), Category::Connection);
        assert_eq!(probe!(&&wraps), Category::Connection);
        assert_eq!(borrowed(&wraps), Category::Connection);
    }

    #[test]
    fn other_types_are_unknown() {
        assert_eq!(probe!(&Mute), Category::Unknown);
        assert_eq!(probe!(&&Mute), Category::Unknown);
        assert_eq!(probe!(&(1, "two")), Category::Unknown);
        assert_eq!(probe!("connection refused"), Category::Unknown);
    }

    #[test]
    fn trait_objects_are_inspected() {
        let boxed: Box<dyn Error> = Box::new(reset());
        assert_eq!(probe!(&boxed), Category::Connection);
        assert_eq!(probe!(&*boxed), Category::Connection);
        let shared: Box<dyn Error + Send + Sync> = Box::new(Wraps("static", reset()));
        assert_eq!(probe!(&shared), Category::Connection);
        let object: &dyn Error = &reset();
        assert_eq!(probe!(object), Category::Connection);
        assert_eq!(probe!(&object), Category::Connection);
    }

    #[test]
    fn the_trait_bound_decides_in_generic_code() {
        fn bound<E: Classify>(error: &E) -> Category {
            probe!(error)
        }
        fn error<E: Error>(error: &E) -> Category {
            probe!(error)
        }
        fn free<E>(error: &E) -> Category {
            probe!(error)
        }
        assert_eq!(bound(&Says), Category::Conflict);
        assert_eq!(error(&Wraps("", reset())), Category::Connection);
        assert_eq!(free(&Says), Category::Unknown);
    }

    #[test]
    fn only_error_types_are_registered() {
        let error: &(dyn Error + 'static) = &reset();
        let io = Registers::<io::Error>::NEW.probed_error(ErasedError::Error(error));
        assert_eq!(io.map(|error| error.classify().category), Some(Category::Connection));
        assert!(Registers::<Mute>::NEW.probed_error(ErasedError::Error(error)).is_none());
    }
}
