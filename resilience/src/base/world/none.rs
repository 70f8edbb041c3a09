//! A program without test worlds: the same interface as [`state`](super), with types that have no values.
//!
//! `World` is an empty enum, so every branch that needs one is removed by the compiler, and `Copies` and `WorldAlarm`
//! have no size. A function that is added to one of the two files is needed in the other; a build without the feature
//! `testing` fails otherwise.

use std::any::Any;
use std::marker::PhantomData;
use std::task::{Context, Poll};
use std::time::{Duration, Instant, SystemTime};

/// A test world, of which there is none.
#[derive(Clone, Debug)]
pub(crate) enum World {}

/// The copies that test worlds have of a static's state: none.
#[derive(Debug)]
pub(crate) struct Copies<T>(PhantomData<fn() -> T>);

impl<T> Copies<T> {
    pub(crate) const fn new(_: fn() -> T) -> Self {
        Self(PhantomData)
    }
}

impl World {
    #[inline]
    pub(crate) const fn here() -> Option<Self> {
        None
    }

    pub(crate) fn run<R>(&self, _: impl FnOnce() -> R) -> R {
        match *self {}
    }

    pub(crate) fn now(&self) -> Instant {
        match *self {}
    }

    pub(crate) fn time_of_day(&self) -> Option<SystemTime> {
        match *self {}
    }

    pub(crate) fn advance(&self, _: Duration) {
        match *self {}
    }

    pub(crate) fn sleep(&self, _: Duration) {
        match *self {}
    }

    pub(crate) fn pause(&self, _: Duration) -> bool {
        match *self {}
    }

    pub(crate) fn follows_tokio(&self) -> bool {
        match *self {}
    }

    pub(crate) fn is_manual(&self) -> bool {
        match *self {}
    }

    pub(crate) fn alarm<R>(self, _: Duration, _: R) -> WorldAlarm<R> {
        match self {}
    }

    pub(crate) fn alarm_now<R>(self) -> WorldAlarm<R> {
        match self {}
    }

    pub(crate) fn uniform(&self) -> f64 {
        match *self {}
    }

    pub(crate) fn copy_of<T: Any + Send + Sync>(&self, _: &Copies<T>) -> Option<&'static T> {
        match *self {}
    }
}

/// A moment on a world's clock, of which there is none: it has no size, so that it adds nothing to a timer.
#[derive(Debug)]
pub(crate) struct WorldAlarm<R>(World, PhantomData<R>);

impl<R> WorldAlarm<R> {
    pub(crate) fn ends(&self) -> Instant {
        match self.0 {}
    }

    pub(crate) fn poll(&mut self, _: &mut Context<'_>) -> Poll<()> {
        match self.0 {}
    }
}

/// Returns `future`, which runs in no world.
#[cfg(feature = "durable")]
pub(crate) fn in_world<F: Future>(future: F) -> F {
    future
}

/// Does nothing: no crash test waits for the moment.
#[cfg(any(feature = "durable", all(feature = "fs", target_os = "linux")))]
#[inline]
pub(crate) fn reached(_: &'static str) {}
