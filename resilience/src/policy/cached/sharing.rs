//! The question of an expansion whether the error of a call can be cloned for the waiting calls.
//!
//! A method of [`Sharing`] hides the one of [`Unshared`] with the same name where the error is `Clone`; where it is
//! not, the call reaches the latter by `Deref`. So a function whose error is not `Clone` compiles, too.

use super::table::SharedError;
use crate::outcome::Outcome;
use std::marker::PhantomData;
use std::ops::Deref;

/// The question whether the error of an outcome can be cloned for the waiting calls.
#[doc(hidden)]
#[derive(Debug)]
pub struct Sharing<E>(Unshared<E>);

/// The other case of [`Sharing`].
#[doc(hidden)]
#[derive(Debug)]
pub struct Unshared<E>(PhantomData<fn() -> E>);

impl<E> Sharing<E> {
    /// Creates the question for the error of `outcome`.
    pub fn of<R: Outcome<Error = E>>(outcome: &R) -> Self {
        let _ = outcome;
        Self(Unshared(PhantomData))
    }
}

impl<E> Deref for Sharing<E> {
    type Target = Unshared<E>;

    fn deref(&self) -> &Unshared<E> {
        &self.0
    }
}

impl<E: Clone + Send + Sync + 'static> Sharing<E> {
    /// Returns the function that shares the error.
    pub fn __sharing(&self) -> Option<fn(&E) -> SharedError> {
        Some(|error| {
            let error = error.clone();
            Box::new(move || Box::new(error.clone()))
        })
    }
}

impl<E> Unshared<E> {
    /// Returns `None`: the error cannot be shared.
    pub fn __sharing(&self) -> Option<fn(&E) -> SharedError> {
        None
    }
}
