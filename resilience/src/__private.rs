//! The names that expansions use, and nothing else does. No part of the public interface: they may change in any
//! release together with the macros.
//!
//! Both crates are released together and depend on each other's exact version, so a name here can be renamed in one
//! commit. Most are re-exports from other modules; the code here has no other home because only an expansion
//! needs it: passing arguments to more than one attempt, and saying in the compiler's words why that is not possible.
//!
//! Expansions import it under one alias and call everything by path, because a trait or a method in scope could be
//! shadowed by what the program has in scope.

#[cfg(not(all(feature = "ops", feature = "config")))]
mod absent;

#[cfg(feature = "durable")]
pub use crate::durable::__private::*;
pub use crate::failure::Category;
pub use crate::failure::outcome::{FromRejected, MayRefuse, Outcome};
pub use crate::failure::probe::*;
#[cfg(feature = "fs")]
pub use crate::fs::with_lock;
#[cfg(feature = "ops")]
pub use crate::health::{
    Answer, CheckOutcome, CheckSite, HEALTH_CHECKS_0_1, Listed, check_answer, each_check,
};
pub use crate::point::probe::{Context, noted};
#[cfg(feature = "ops")]
pub use crate::point::{Admission, admitting};
pub use crate::point::{POINTS_0_1, PointSite};
pub use crate::policy::budget::share::sharing;
#[cfg(feature = "cache")]
pub use crate::policy::cached::{GenericArgs, Lead, Part, PartFallback, Sharing, key_part};
#[cfg(feature = "chaos")]
pub use crate::policy::chaos::injected;
pub use crate::policy::contradictions::{check_attempt, check_hedge, check_hedged, check_slow, check_window};
pub use crate::policy::degrade::either;
pub use crate::policy::judged::{returned, unless, when};
pub use crate::policy::keyed::{KeyAndValue, Keyed};
pub use crate::policy::stateful::Instance;
pub use crate::policy::timeout::Timed;
pub use crate::policy::with_fallback::{Instead, Settled, Step};
pub use crate::policy::with_retry::{Budget, KeyedBudgets, attempt, check_waits};
#[cfg(not(all(feature = "ops", feature = "config")))]
pub use absent::*;
// Every policy's own module, so that an expansion can name its items.
pub use crate::base::repeats::Repeated;
pub use crate::base::site::Site;
pub use crate::base::stopping::let_others_run;
pub use crate::base::template::Key;
// Items for the command `resilience`.
#[cfg(all(unix, any(feature = "sqlite", feature = "fs", feature = "ops")))]
pub use crate::base::files::warning_of_owner;
#[cfg(any(feature = "durable", feature = "fs"))]
pub use crate::base::template::whole;
pub use crate::base::visible::Visible;
pub use crate::policy::*;
#[cfg(feature = "macros")]
pub use resilience_macros::__stack;

pub use std::option::Option::{None, Some};
pub use std::result::Result::{Err, Ok};
pub use std::sync::Arc;

use crate::failure::rejected::Rejected;
use crate::failure::{Classification, Classify};
use std::future::Future;
use std::pin::Pin;

/// Boxes a future, as its type in the signature asks for.
///
/// For functions that return a boxed future: the body is a future of its own type by then.
pub fn boxed<F: Future>(future: F) -> Pin<Box<F>> {
    Box::pin(future)
}

/// Runs a body that borrows or consumes its environment; without this call the compiler would treat the closure as one
/// that can run again, and refuse borrowed results.
#[inline(always)]
#[expect(clippy::inline_always, reason = "the body belongs into the annotated function")]
pub fn call_once<R>(body: impl FnOnce() -> R) -> R {
    body()
}

/// Does nothing with what a helper thread keeps until its body has ended.
#[inline]
pub const fn keep<T>(_: &T) {}

/// A rejection that can be an error of type `E`.
///
/// A bound of the argument, which the compiler reports there; a return type that is no outcome is reported at the
/// call.
#[diagnostic::on_unimplemented(
    message = "`{E}` does not implement `From<resilience::Rejected>`, which a policy of this function needs",
    label = "`{E}` cannot be made from a rejection",
    note = "add a variant to the error, for instance `Rejected(#[from] resilience::Rejected)` with thiserror",
    note = "or make the value in the attribute: `rejected = |rejected| ..`"
)]
pub trait Rejection<E> {
    /// Returns the class of the rejection.
    fn class(&self) -> Classification;

    /// Returns the error.
    fn into_error(self) -> E;
}

#[diagnostic::do_not_recommend]
impl<E: FromRejected> Rejection<E> for Rejected {
    #[inline]
    fn class(&self) -> Classification {
        self.classify()
    }

    #[inline]
    fn into_error(self) -> E {
        E::from_rejected(self)
    }
}

/// Returns the outcome of a rejection.
///
/// An `Option` is `None`, a `Result` the error that its type makes of the rejection.
#[inline]
pub fn refused<R: Outcome>(rejected: impl Rejection<R::Error>) -> R {
    R::failure(rejected.into_error())
}

/// Returns the outcome of a rejection, as `rejected = ..` makes it.
#[inline]
pub fn refused_by<R: Outcome>(rejected: Rejected, make: impl FnOnce(Rejected) -> R::Error) -> R {
    R::failure(make(rejected))
}

/// Returns the outcome like [`refused`], with the class for a layer above that asks for it.
#[cold]
pub fn refused_with_class<R: Outcome>(rejected: impl Rejection<R::Error>) -> (R, Verdict) {
    let class = rejected.class();
    (refused(rejected), Some(class))
}

/// Returns the outcome like [`refused_by`], with the class for a layer above that asks for it.
#[cold]
pub fn refused_by_with_class<R: Outcome>(
    rejected: Rejected,
    make: impl FnOnce(Rejected) -> R::Error,
) -> (R, Verdict) {
    let class = rejected.classify();
    (refused_by(rejected, make), Some(class))
}

/// Returns a fallback's answer, if it has one for an outcome such as `like`.
///
/// `like` only names the type: the value of the fallback has to be that of the function.
#[inline]
pub fn instead<R: Outcome>(like: &R, answer: impl Instead<R::Value>) -> Option<R::Value> {
    let _ = like;
    answer.value()
}

/// An argument that every attempt gets a clone of, and the last one the original.
///
/// With `max = 3` it is cloned for the first three attempts, the very first one included.
#[derive(Debug)]
pub struct ClonedPerAttempt<T>(Option<T>);

impl<T> ClonedPerAttempt<T> {
    /// Takes the argument.
    pub const fn new(argument: T) -> Self {
        Self(Some(argument))
    }
}

impl<T: Clone> ClonedPerAttempt<T> {
    /// Returns the argument for the next attempt; the original, if this is the last possible one.
    ///
    /// # Panics
    ///
    /// If there was a last one already: the retry's own decision rules that out.
    pub fn next(&mut self, last: bool) -> T {
        let next = if last { self.0.take() } else { self.0.clone() };
        next.unwrap_or_else(|| unreachable!("an attempt after the last possible one"))
    }
}

/// A `mut` argument that each attempt finds as the caller gave it.
///
/// Implemented for `Copy` types; for others the attribute asks for `clone(..)`, since a clone may cost something.
#[diagnostic::on_unimplemented(
    message = "the next attempt or the fallback would find this `mut` argument as the last attempt left it",
    label = "`{Self}` does not implement `Copy`",
    note = "for a new one in each attempt, write `clone(..)` with its name in the attribute",
    note = "to go on with what the last attempt left, take it by `&mut`, for instance `call: &mut impl FnMut()`"
)]
pub trait ResetPerAttempt: Sized {
    /// Returns the argument for this attempt.
    fn start(&self) -> Self;
}

impl<T: Copy> ResetPerAttempt for T {
    #[inline]
    fn start(&self) -> T {
        *self
    }
}

/// An argument that each attempt takes with it to another thread.
///
/// A bound and nothing else: the method exists for the compiler to have a place to report.
#[diagnostic::on_unimplemented(
    message = "the first attempt moves this argument to its thread, so that later attempts have none",
    label = "`{Self}` is not `Copy`",
    note = "write `clone(..)` with its name in the attribute: then each attempt gets a clone"
)]
pub trait CopyPerAttempt {
    /// Does nothing.
    fn taken(&self);
}

impl<T: Copy> CopyPerAttempt for T {
    #[inline]
    fn taken(&self) {}
}

macro_rules! call {
    ($name:ident: $($argument:ident $value:ident),*) => {
        /// Calls a fallback with the function's arguments; a closure learns their types from this.
        #[inline]
        #[allow(clippy::too_many_arguments, reason = "as many as the annotated function has")]
        pub fn $name<O, $($argument),*>(fallback: impl FnOnce($($argument),*) -> O, $($value: $argument),*) -> O {
            fallback($($value),*)
        }
    };
}

call!(call1: A a);
call!(call2: A a, B b);
call!(call3: A a, B b, C c);
call!(call4: A a, B b, C c, D d);
call!(call5: A a, B b, C c, D d, E e);
call!(call6: A a, B b, C c, D d, E e, F f);
call!(call7: A a, B b, C c, D d, E e, F f, G g);
call!(call8: A a, B b, C c, D d, E e, F f, G g, H h);
