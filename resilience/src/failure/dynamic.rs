//! Finding a class behind `dyn Error`: built-in types, and those registered at link time.
//!
//! A `dyn Error` has no type that the compiler could look up, so the chain of its sources is compared with the known
//! types one by one, from the outside to the inside: the first that is known decides. The list is a table of the linker
//! (`CLASSIFIERS_0_1`), into which the derive enters each type that is not generic, and it is read without a lock.
//!
//! The chain may have a cycle, which safe code can build, so the search ends after a fixed number of sources. A known
//! error that wraps others, such as an `io::Error`, searches again: the number of searches in one another is limited, too.

use super::rejected::Rejected;
use super::{Category, Classification, Classify};
use crate::base::linked::linked;
use crate::base::replaced::replace;
use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;

linked! {
    /// One entry for every type that derives `Classify`, filled in by the linker.
    ///
    /// The name carries the version, so that two versions of the crate in one binary do not meet.
    pub static CLASSIFIERS_0_1: [Downcast];
}

/// A function that looks for an error of one type behind a pointer that hides it.
pub type Downcast = for<'a> fn(ErasedError<'a>) -> Option<&'a dyn Classify>;

/// A pointer that hides the type of an error.
#[derive(Clone, Copy, Debug)]
pub enum ErasedError<'a> {
    /// Itself, behind `dyn Error`.
    Error(&'a (dyn Error + 'static)),
    /// Any of the contexts of an `anyhow::Error`, which are not in its chain of sources.
    #[cfg(feature = "anyhow")]
    Context(&'a anyhow::Error),
}

impl<'a> ErasedError<'a> {
    /// Returns the error, if it is an `E` or a pointer to one: the source of a pointer is the source of its error.
    pub(super) fn error<E: Error + Classify + 'static>(self) -> Option<&'a dyn Classify> {
        match self {
            Self::Error(error) => {
                let plain = error.downcast_ref::<E>().map(|error| error as &dyn Classify);
                let boxed = || error.downcast_ref::<Box<E>>().map(|error| error as &dyn Classify);
                let shared = || error.downcast_ref::<Arc<E>>().map(|error| error as &dyn Classify);
                plain.or_else(boxed).or_else(shared)
            }
            #[cfg(feature = "anyhow")]
            Self::Context(_) => None,
        }
    }

    /// Returns the outermost context that is a `C`.
    pub(super) fn context<C: Context + Classify>(self) -> Option<&'a dyn Classify> {
        match self {
            Self::Error(_) => None,
            #[cfg(feature = "anyhow")]
            Self::Context(error) => error.downcast_ref::<C>().map(|context| context as &dyn Classify),
        }
    }
}

/// The types that can be the context of an `anyhow::Error`.
pub trait Context: fmt::Debug + fmt::Display + Send + Sync + 'static {}

impl<C: fmt::Debug + fmt::Display + Send + Sync + 'static> Context for C {}

/// The most errors of a chain that are followed: an error that is its own source must not hang the caller.
const DEEPEST: usize = 64;

thread_local! {
    /// The number of known errors whose class or text is being looked up on this thread, each inside the one before.
    static ASKED: Cell<usize> = const { Cell::new(0) };
}

/// Classifies an error that is known only as `dyn Error`.
///
/// This is the class of the first known error in its chain of sources, from `error` itself on; `Unknown` if
/// there is none. Known are the built-in types (see the [module](crate::classify)) and every non-generic type
/// that derives `Classify`, also behind a `Box` or an `Arc`. A type with a written implementation of
/// `Classify` is not found. At most 64 errors of the chain are looked at, so that a chain without an end
/// cannot hang the caller.
///
/// # Examples
///
/// ```
/// use resilience::classify::{Category, of_dyn};
/// use std::error::Error;
///
/// let error: Box<dyn Error> = "x".parse::<u8>().unwrap_err().into();
/// assert_eq!(of_dyn(&*error).category, Category::Invalid);
///
/// let text_only: Box<dyn Error> = "HTTP 503".into();
/// assert_eq!(of_dyn(&*text_only).category, Category::Unknown, "text is read only where asked for");
/// ```
pub fn of_dyn(error: &(dyn Error + 'static)) -> Classification {
    known(Some(error)).unwrap_or(Category::Unknown.into())
}

/// Returns the class of the first known error from `first` on.
pub(super) fn known(first: Option<&(dyn Error + 'static)>) -> Option<Classification> {
    asked(first_known(first), |known| known.classify())
}

/// Returns the text that the first known error from `first` on lets a record keep.
pub(super) fn known_text(first: Option<&(dyn Error + 'static)>) -> Option<String> {
    asked(first_known(first), |known| known.recorded_text()).flatten()
}

/// Returns the answer of a known error; `None` if it is too deep inside of others, as one that wraps itself is.
pub(super) fn asked<T>(known: Option<&dyn Classify>, ask: impl FnOnce(&dyn Classify) -> T) -> Option<T> {
    let depth = ASKED.try_with(Cell::get).unwrap_or(0);
    let known = known.filter(|_| depth < DEEPEST)?;
    let _asked = replace(&ASKED, depth + 1);
    Some(ask(known))
}

/// Returns the first known error from `first` on.
pub(super) fn first_known<'a>(first: Option<&'a (dyn Error + 'static)>) -> Option<&'a dyn Classify> {
    let chain = std::iter::successors(first, |error: &&'a (dyn Error + 'static)| (*error).source());
    chain.take(DEEPEST).find_map(known_itself)
}

/// Returns the classification of `error` without its sources.
pub(super) fn known_itself<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a dyn Classify> {
    every_known().find_map(|find| find(ErasedError::Error(error)))
}

/// Returns the first error or context that is known, from the outermost one on.
#[cfg(feature = "anyhow")]
pub(super) fn known_in_anyhow(error: &anyhow::Error) -> Option<&dyn Classify> {
    let address = |found: &dyn Classify| std::ptr::from_ref(found).addr();
    // The type of a layer with a context is private to anyhow: where the context lies in memory shows which
    // layer it belongs to. A layer itself is not a context.
    let contexts: Vec<_> = every_known()
        .filter_map(|find| Some((find, find(ErasedError::Context(error))?)))
        .filter(|(find, found)| {
            let mut layers = error.chain().take(DEEPEST).filter_map(|layer| find(ErasedError::Error(layer)));
            !layers.any(|layer| address(layer) == address(*found))
        })
        .map(|(_, found)| found)
        .collect();
    // A boxed error, as `anyhow!(boxed)` takes one, is a layer of a private type around the box, at the same address.
    let boxed = error.downcast_ref::<Box<dyn Error + Send + Sync>>();
    error.chain().take(DEEPEST).find_map(|layer| {
        let start = std::ptr::from_ref(layer).addr();
        let place = start..=start + size_of_val(layer);
        let context = contexts.iter().find(|context| place.contains(&address(**context)));
        let boxed = boxed.filter(|boxed| std::ptr::from_ref(*boxed).addr() == start);
        let layer = boxed.map_or(layer, |boxed| &**boxed);
        context.copied().or_else(|| known_itself(layer))
    })
}

fn every_known() -> impl Iterator<Item = Downcast> {
    BUILT_IN.iter().chain(CLASSIFIERS_0_1.iter()).copied()
}

// A plain table: the crate that declares a link-time slice cannot also register in it.
const BUILT_IN: &[Downcast] = &[
    is::<io::Error>,
    is::<Rejected>,
    is::<std::num::ParseIntError>,
    is::<std::num::ParseFloatError>,
    is::<std::num::TryFromIntError>,
    is::<std::str::ParseBoolError>,
    is::<std::str::Utf8Error>,
    is::<std::string::FromUtf8Error>,
    is::<std::char::ParseCharError>,
    is::<std::net::AddrParseError>,
    is::<Arc<dyn Error + Send + Sync>>,
    #[cfg(feature = "tokio")]
    is::<tokio::time::error::Elapsed>,
    #[cfg(feature = "http")]
    is::<http::Error>,
    #[cfg(all(feature = "http", feature = "anyhow"))]
    |hidden| hidden.context::<http::StatusCode>(),
    #[cfg(feature = "reqwest")]
    is::<reqwest::Error>,
    #[cfg(feature = "reqwest_012")]
    is::<reqwest_012::Error>,
    #[cfg(feature = "reqwest-middleware")]
    is::<reqwest_middleware::Error>,
    #[cfg(feature = "serde_json")]
    is::<serde_json::Error>,
    #[cfg(feature = "tonic")]
    is::<tonic::Status>,
    #[cfg(feature = "sqlx")]
    is::<sqlx::Error>,
    #[cfg(feature = "sqlx_08")]
    is::<sqlx_08::Error>,
    #[cfg(feature = "redis")]
    is::<redis::RedisError>,
    #[cfg(feature = "ureq")]
    is::<ureq::Error>,
];

fn is<E: Error + Classify + Send + Sync + 'static>(hidden: ErasedError<'_>) -> Option<&dyn Classify> {
    hidden.error::<E>().or_else(|| hidden.context::<E>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Endless;

    impl fmt::Display for Endless {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("endless")
        }
    }

    impl Error for Endless {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&Endless)
        }
    }

    #[cfg(feature = "reqwest-middleware")]
    #[test]
    fn a_reqwest_middleware_error_is_classified_behind_dyn() {
        let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
        let error: Box<dyn Error + Send + Sync> = reqwest_middleware::Error::middleware(refused).into();
        assert_eq!(of_dyn(&*error).category, Category::Connection);
    }

    #[test]
    fn an_endless_source_chain_is_unknown() {
        assert_eq!(of_dyn(&Endless).category, Category::Unknown);
    }

    #[test]
    fn shared_errors_are_found() {
        let reset = || io::Error::from(io::ErrorKind::ConnectionReset);
        let shared: Arc<dyn Error + Send + Sync> = Arc::new(reset());
        for error in [
            Box::new(Arc::new(reset())) as Box<dyn Error>,
            Box::new(Box::new(reset())),
            Box::new(shared),
            Box::new(io::Error::other(Arc::new(reset()))),
        ] {
            assert_eq!(of_dyn(&*error).category, Category::Connection, "{error:?}");
        }
    }
}
