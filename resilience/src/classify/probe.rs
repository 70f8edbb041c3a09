//! How an expansion asks an error of any type what it means, without being told which way to ask.
//!
//! Method lookup takes the first type in a chain of dereferences whose method fits, so a [`Probe`] asks
//! errors that implement `Classify` themselves, else [`BySource`] those that are `Error`, else
//! [`ByNothing`] knows nothing. No trait has to be in scope for that: an import costs each annotated
//! function more of the compiler's time than the question. The methods have names that no trait of
//! others will have for every type: where the first way is closed, such a trait would come next.

use super::{AsStatus, AsWait, Category, Classification, Classify, dynamic, from_text};
use crate::point::PointSite;
use std::error::Error;
use std::fmt::Display;
use std::marker::PhantomData;
use std::ops::Deref;

pub use super::dynamic::CLASSIFIERS_0_1;
pub use linkme;

/// What `context(..)` adds to a record.
pub type Context<'a> = &'a [(&'static str, &'a dyn Display)];

/// Records a failed attempt of `point` in its history of errors, and returns its class.
#[cold]
pub fn noted(
    point: &'static PointSite,
    attempt: u32,
    context: Context<'_>,
    class: Classification,
) -> Option<Classification> {
    point.errors().add(class, attempt, context);
    Some(class)
}

/// The first way: the error says it itself.
#[derive(Debug)]
pub struct Probe<'a, E: ?Sized>(BySource<'a, E>);

/// The second way: one of its sources is known.
///
/// The error itself is not looked up: had it a class, it would say so. So it may borrow.
#[derive(Debug)]
pub struct BySource<'a, E: ?Sized>(ByNothing<'a, E>);

/// The last way: nothing is known.
#[derive(Debug)]
pub struct ByNothing<'a, E: ?Sized>(Option<&'a E>);

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
    /// What the error says; `Unknown` if there is none.
    #[inline]
    pub fn probed_class(&self) -> Classification {
        self.0.0.0.map_or(UNKNOWN, Classify::classify)
    }

    /// The same of an attempt of `point`, noted in the history of errors; nothing of a success.
    #[inline]
    pub fn probed_verdict(&self, point: &'static PointSite, attempt: u32) -> Option<Classification> {
        self.0.0.0.and_then(|error| seen(point, attempt, || error.classify()))
    }
}

impl<E: Error + ?Sized> BySource<'_, E> {
    /// What the first known source says, else `Unknown`.
    #[inline]
    pub fn probed_class(&self) -> Classification {
        self.0.0.map_or(UNKNOWN, source)
    }

    /// The same of an attempt of `point`, noted in the history of errors; nothing of a success.
    #[inline]
    pub fn probed_verdict(&self, point: &'static PointSite, attempt: u32) -> Option<Classification> {
        self.0.0.and_then(|error| seen(point, attempt, || source(error)))
    }
}

impl<E: ?Sized> ByNothing<'_, E> {
    /// `Unknown`.
    #[inline]
    pub const fn probed_class(&self) -> Classification {
        UNKNOWN
    }

    /// The same of an attempt of `point`, noted in the history of errors; nothing of a success.
    #[inline]
    pub fn probed_verdict(&self, point: &'static PointSite, attempt: u32) -> Option<Classification> {
        self.0.and_then(|_| seen(point, attempt, || UNKNOWN))
    }
}

const UNKNOWN: Classification = Classification::new(Category::Unknown);

fn source<E: Error + ?Sized>(error: &E) -> Classification {
    dynamic::known(error.source()).unwrap_or(UNKNOWN)
}

/// Out of line with the question, so that a success pays for neither.
#[cold]
#[inline(never)]
fn seen(
    point: &'static PointSite,
    attempt: u32,
    class: impl FnOnce() -> Classification,
) -> Option<Classification> {
    noted(point, attempt, &[], class())
}

/// A type that registers itself, if it is an error that can be found behind `dyn Error`.
#[derive(Debug)]
pub struct Registers<T>(PhantomData<fn() -> T>);

impl<T> Registers<T> {
    /// The question for `T`.
    pub const NEW: Self = Self(PhantomData);
}

/// It is an error.
pub trait IsError {
    /// What `error` means, if it is a `T`.
    fn find(&self, error: &(dyn Error + 'static)) -> Option<Classification>;
}

impl<T: Error + Classify + 'static> IsError for Registers<T> {
    fn find(&self, error: &(dyn Error + 'static)) -> Option<Classification> {
        error.downcast_ref::<T>().map(Classify::classify)
    }
}

/// It is none.
pub trait IsNoError {
    /// Nothing.
    fn find(&self, error: &(dyn Error + 'static)) -> Option<Classification>;
}

impl<T> IsNoError for &Registers<T> {
    fn find(&self, _: &(dyn Error + 'static)) -> Option<Classification> {
        None
    }
}

/// The class that the message of `error` tells.
pub fn by_text<E: Display + ?Sized>(error: &E) -> Classification {
    from_text(&error.to_string())
}

/// The class that `with` gives to `error`.
pub fn asked<E: ?Sized, C: Into<Classification>>(error: &E, with: impl FnOnce(&E) -> C) -> Classification {
    with(error).into()
}

/// The class of an HTTP status.
pub fn by_status<S: AsStatus + ?Sized>(status: &S) -> Classification {
    Classification::from_status(status.as_status())
}

/// `class` with the wait that a field of the error holds, if it holds one.
pub fn waiting<W: AsWait + ?Sized>(class: Classification, wait: &W) -> Classification {
    match wait.as_wait() {
        Some(wait) => class.retry_after(wait),
        None => class,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt;
    use std::io;

    /// What an expansion writes, for an `error: &E`.
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
    fn the_trait_wins() {
        assert_eq!(probe!(&Says), Category::Conflict);
        assert_eq!(probe!(&&Says), Category::Conflict);
        assert_eq!(probe!(&Box::new(Says)), Category::Conflict);
        assert_eq!(probe!(&std::sync::Arc::new(Says)), Category::Conflict);
        assert_eq!(probe!(&reset()), Category::Connection);
    }

    #[test]
    fn then_the_sources_even_of_an_error_that_borrows() {
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
    fn else_nothing_is_known() {
        assert_eq!(probe!(&Mute), Category::Unknown);
        assert_eq!(probe!(&&Mute), Category::Unknown);
        assert_eq!(probe!(&(1, "two")), Category::Unknown);
        assert_eq!(probe!("connection refused"), Category::Unknown);
    }

    #[test]
    fn trait_objects_are_looked_into() {
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
    fn in_generic_code_the_bound_decides() {
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
    #[expect(clippy::needless_borrow, reason = "which method is meant depends on the borrow")]
    fn only_errors_register() {
        let error: &(dyn Error + 'static) = &reset();
        #[allow(unused_imports)]
        let (io, mute) = {
            use crate::classify::probe::{IsError as _, IsNoError as _};
            ((&Registers::<io::Error>::NEW).find(error), (&Registers::<Mute>::NEW).find(error))
        };
        assert_eq!(io.map(|class| class.category), Some(Category::Connection));
        assert_eq!(mute, None);
    }
}
