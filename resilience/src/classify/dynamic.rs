//! Finding a class behind `dyn Error`: built-in types, and those registered at link time.

use super::{Category, Classification, Classify};
use crate::rejected::Rejected;
use linkme::distributed_slice;
use std::error::Error;
use std::io;
use std::sync::Arc;

/// What every type that derives `Classify` answers about an error, filled in by the linker.
///
/// The name carries the version, so that two versions of the crate in one binary do not meet.
#[distributed_slice]
#[doc(hidden)]
pub static CLASSIFIERS_0_1: [fn(&(dyn Error + 'static)) -> Option<Classification>];

/// How far a chain is followed: an error that names itself as its source must not hang the caller.
const DEEPEST: usize = 64;

/// What an error means that is known only as `dyn Error`: the class of the first known error in its
/// chain of sources, itself included; `Unknown` if there is none.
///
/// Known are the built-in types (see the [module](super)) and every non-generic type that derives
/// `Classify`.
///
/// # Examples
///
/// ```
/// use resilience::classify::{Category, of_dyn};
/// use std::error::Error;
///
/// let error: Box<dyn Error> = "x".parse::<u8>().unwrap_err().into();
/// assert_eq!(of_dyn(&*error).category, Category::Invalid);
/// ```
pub fn of_dyn(error: &(dyn Error + 'static)) -> Classification {
    known(Some(error)).unwrap_or(Category::Unknown.into())
}

/// The class of the first known error from `first` on.
pub(super) fn known<'a>(first: Option<&'a (dyn Error + 'static)>) -> Option<Classification> {
    let chain = std::iter::successors(first, |error: &&'a (dyn Error + 'static)| (*error).source());
    chain.take(DEEPEST).find_map(known_itself)
}

/// The class of `error` without a look at its sources.
pub(super) fn known_itself(error: &(dyn Error + 'static)) -> Option<Classification> {
    BUILT_IN.iter().chain(CLASSIFIERS_0_1.iter()).find_map(|class| class(error))
}

type Known = fn(&(dyn Error + 'static)) -> Option<Classification>;

// A plain table: the crate that declares a link-time slice cannot also register in it.
const BUILT_IN: &[Known] = &[
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
    #[cfg(feature = "tokio")]
    is::<tokio::time::error::Elapsed>,
    #[cfg(feature = "http")]
    is::<http::Error>,
    #[cfg(feature = "reqwest")]
    is::<reqwest::Error>,
    #[cfg(feature = "serde_json")]
    is::<serde_json::Error>,
    // Pointers hide what they point at: their source is that error's source.
    is::<Box<io::Error>>,
    is::<Arc<io::Error>>,
    is::<Arc<Rejected>>,
    is::<Arc<dyn Error + Send + Sync>>,
    #[cfg(feature = "reqwest")]
    is::<Arc<reqwest::Error>>,
    #[cfg(feature = "serde_json")]
    is::<Arc<serde_json::Error>>,
];

fn is<E: Error + Classify + 'static>(error: &(dyn Error + 'static)) -> Option<Classification> {
    error.downcast_ref::<E>().map(Classify::classify)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt;

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

    #[test]
    fn a_chain_without_an_end_is_unknown() {
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
