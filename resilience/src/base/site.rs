//! State in a `static`, replaced by a fresh copy on threads inside a test world.
//!
//! Tests of one process run at once and share its `static`s: a breaker that one test opens would reject the calls of
//! another. So whatever a policy remembers is in a [`Site`], and reads through it see the copy of the thread's world.
//! Without the feature `testing` there is no world, and a `Site` is its value.
//!
//! A copy is made when a world first reads it and lives as long as the process, so that references to it are `'static`
//! in a world, too.

use super::world::{Copies, World};
use std::fmt::Debug;
use std::ops::Deref;

/// A `static`'s state; without a test world it is the static itself, at no cost.
#[derive(Debug)]
pub struct Site<T> {
    real: T,
    copies: Copies<T>,
}

impl<T> Site<T> {
    /// Creates a site holding `real`; `fresh` makes the copy of a test world.
    ///
    /// `fresh` makes what the `static` has when the program starts, so that a world begins as a program does.
    pub const fn new(real: T, fresh: fn() -> T) -> Self {
        Self { real, copies: Copies::new(fresh) }
    }
}

impl<T: Send + Sync + 'static> Site<T> {
    /// Returns the copy of `world`; `None` in a world that uses the state of the process.
    #[inline]
    pub(crate) fn in_world(&self, world: &World) -> Option<&'static T> {
        world.copy_of(&self.copies)
    }
}

impl<T: Debug + Send + Sync + 'static> Deref for Site<T> {
    type Target = T;

    /// Returns the copy of the thread's world, or the state of the process.
    #[inline]
    fn deref(&self) -> &T {
        World::here().and_then(|world| self.in_world(&world)).unwrap_or(&self.real)
    }
}
