//! A call with its types: the code around the body of an annotated function, and of a direct call.
//!
//! Only this file is generic over the outcome; what it calls exists once for all functions. An expansion reads:
//!
//! 1. [`Cache::enter`] answers, or returns a [`Pending`].
//! 2. [`Pending::lead`] waits for another call's answer, or returns a [`Lead`].
//! 3. The body runs inside of [`Lead::leading`], or between [`Lead::enter`] and the drop of what that returns.
//! 4. [`Lead::end`] takes the outcome and returns what the caller gets.

use super::Cache;
use super::call::{Call, CallContext};
use super::key::{CacheKey, GenericArgs, KeyShape};
use super::look_up::{LookUpResult, time_left};
use super::table::{Cacheable, Erased, FlightResult, SharedError};
use crate::base::block_on::block_on;
use crate::base::each_poll::each_poll;
use crate::base::guarded::guarded;
use crate::base::marks;
use crate::base::scope::Stack;
use crate::classify::Classification;
use crate::event::blocks;
use crate::failure::Category;
use crate::outcome::Outcome;
use crate::policy::{Verdict, refusals};
use std::any::{Any, TypeId};
use std::future::Future;
use std::marker::PhantomData;
use std::sync::Arc;

/// A call that was not answered at once.
#[doc(hidden)]
#[must_use]
pub struct Pending<R> {
    found: Box<LookUpResult>,
    of: PhantomData<fn() -> R>,
}

/// A call whose body runs.
#[doc(hidden)]
#[must_use]
pub struct Lead<R> {
    call: Box<Call>,
    of: PhantomData<fn() -> R>,
}

impl<R> std::fmt::Debug for Pending<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pending").finish_non_exhaustive()
    }
}

impl<R> Lead<R> {
    /// Keeps the answers of simpler calls, too.
    pub fn keeping_degraded(mut self) -> Self {
        self.call.keeps_degraded = true;
        self
    }

    /// Runs the code that follows as part of this call, until the returned value is dropped.
    pub fn enter(&self) -> impl Drop + use<R> {
        marks::enter(Some(self.call.mark.clone()))
    }

    /// Makes the code of `body` part of this call.
    pub fn leading<F: Future>(&self, body: F) -> impl Future<Output = F::Output> + use<R, F> {
        let mark = self.call.mark.clone();
        each_poll(move || marks::enter(Some(mark.clone())), body)
    }
}

impl<R> std::fmt::Debug for Lead<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Lead").finish_non_exhaustive()
    }
}

/// Returns a clone of a value that is shared, as the outcome of a call; `None` for another type.
fn cloned<R: Outcome<Value: Cacheable>>(value: &Erased) -> Option<R> {
    value.downcast_ref::<R::Value>().map(|value| R::success(value.clone()))
}

impl Cache {
    /// Begins a call in the stack of `stack`: it is answered at once, or pending.
    ///
    /// # Errors
    ///
    /// The answer, if there is one at once.
    pub(super) fn begin<R, K>(
        &self,
        ids: GenericArgs,
        key: &K,
        stack: Stack,
    ) -> Result<Pending<R>, (R, Verdict)>
    where
        R: Outcome<Value: Cacheable, Error: 'static>,
        K: CacheKey,
    {
        let shape = KeyShape { ids, value: TypeId::of::<R::Value>() };
        match self.look_up(&shape, key, stack) {
            LookUpResult::Answer(value) => match cloned(&value) {
                Some(answer) => Err((answer, None)),
                None => unreachable!("the type of the value is part of the key"),
            },
            found => Ok(Pending { found: Box::new(found), of: PhantomData }),
        }
    }
}

impl<R: Outcome<Value: Cacheable, Error: 'static>> Pending<R> {
    /// Waits until the body is to run.
    ///
    /// # Errors
    ///
    /// The answer of the call that this one waited for.
    pub async fn lead(self) -> Result<Lead<R>, (R, Verdict)> {
        match *self.found {
            LookUpResult::Wait(waits) => {
                // Boxed: most calls do not wait.
                let place = waits.place.clone();
                Lead::after(&place, Box::pin(waits.until_over()).await)
            }
            LookUpResult::Run(call) => Ok(Lead { call: Box::new(call), of: PhantomData }),
            LookUpResult::Answer(_) => unreachable!("answered at once"),
        }
    }

    /// Leads like [`lead`](Self::lead), on this thread.
    ///
    /// # Errors
    ///
    /// The answer of the call that this one waited for.
    pub fn lead_blocking(self) -> Result<Lead<R>, (R, Verdict)> {
        if let LookUpResult::Wait(waits) = &*self.found {
            blocks(&waits.place.point);
        }
        block_on(self.lead())
    }
}

impl<R: Outcome<Value: Cacheable, Error: 'static>> Lead<R> {
    /// Returns the next step after the wait for another call.
    fn after(place: &CallContext, waited: Result<Call, FlightResult>) -> Result<Self, (R, Verdict)> {
        let call = match waited {
            Ok(call) => call,
            Err(FlightResult::Value(value, class)) => match cloned(&value) {
                Some(answer) => return Err((answer, class)),
                None => unreachable!("the type of the value is part of the key"),
            },
            Err(FlightResult::Failed(failure)) => {
                let (left, _) = time_left();
                let is_for_us = !(failure.is_out_of_time && left > failure.left);
                let error = failure.error.as_ref().filter(|_| is_for_us);
                if let Some(Ok(error)) = error.map(|error| error().downcast::<R::Error>()) {
                    return Err((R::failure(*error), Some(failure.class)));
                }
                let flights = &place.table.flights;
                let role = flights.lead_or_alone(place.hash, place.key.clone(), None);
                Call::new(CallContext { left, ..place.clone() }, role)
            }
        };
        Ok(Self { call: Box::new(call), of: PhantomData })
    }

    /// Ends the call with the outcome of its body, which is stored, shared, or replaced by a stale value.
    pub fn end(
        self,
        outcome: R,
        verdict: Verdict,
        share: Option<fn(&R::Error) -> SharedError>,
    ) -> (R, Verdict) {
        self.end_as(outcome, verdict, share, None::<fn(&R::Value) -> u64>)
    }

    /// Ends the call like [`end`](Self::end), with the weight of the value.
    pub fn end_weighed<N: TryInto<u64>>(
        self,
        outcome: R,
        verdict: Verdict,
        share: Option<fn(&R::Error) -> SharedError>,
        weigh: impl Fn(&R::Value) -> N + Send + Sync + 'static,
    ) -> (R, Verdict) {
        self.end_as(outcome, verdict, share, Some(weigh))
    }

    /// Ends the call with its outcome, which is stored and shared with the callers that wait.
    ///
    /// Code of the program clones and weighs the value and shares the error. If it panics, nothing is stored or shared,
    /// and the outcome is returned all the same.
    fn end_as<N: TryInto<u64>>(
        mut self,
        outcome: R,
        verdict: Verdict,
        share: Option<fn(&R::Error) -> SharedError>,
        weigh: Option<impl Fn(&R::Value) -> N + Send + Sync + 'static>,
    ) -> (R, Verdict) {
        let call = &mut self.call;
        let clone = |value: &R::Value| guarded(|| value.clone()).map(|value| Arc::new(value) as Erased);
        match (outcome.judge(), verdict) {
            (Ok(value), None) => {
                let weight = weigh.map_or(Some(1), |weigh| {
                    let weight = guarded(|| weighed(&weigh, value));
                    call.place.table.weigh_with(|| Box::new(move |value| any_weighed(&weigh, value)));
                    weight
                });
                if let (Some(value), Some(weight)) = (clone(value), weight) {
                    call.succeeded(value, weight);
                }
            }
            // Calls that wait for this one are no part of its job: one of them runs its own body.
            (_, Some(class)) if refusals::is_by_job(&class) => {}
            (Ok(value), Some(class)) => {
                if let Some(answer) = call.stale(class).as_ref().and_then(cloned) {
                    return (answer, None);
                }
                if let Some(value) = clone(value) {
                    call.end(FlightResult::Value(value, Some(class)), |_, _| {});
                }
            }
            (Err(error), verdict) => {
                let class = verdict.unwrap_or(Classification::new(Category::Unknown));
                if let Some(answer) = call.stale(class).as_ref().and_then(cloned) {
                    return (answer, None);
                }
                let shared = share.and_then(|share| guarded(|| share(error)));
                call.failed(class, shared);
            }
        }
        (outcome, verdict)
    }
}

/// Returns the weight. One that is not a `u64`, such as a negative one, counts as the largest, which fits into no
/// cache.
fn weighed<V, N: TryInto<u64>>(weigh: &impl Fn(&V) -> N, value: &V) -> u64 {
    weigh(value).try_into().unwrap_or(u64::MAX)
}

/// Weighs a value that is put directly; `None` for a value of another type, or if the code of the program panics.
fn any_weighed<V: 'static, N: TryInto<u64>>(
    weigh: &impl Fn(&V) -> N,
    value: &(dyn Any + Send + Sync),
) -> Option<u64> {
    let value = value.downcast_ref()?;
    guarded(|| weighed(weigh, value))
}
