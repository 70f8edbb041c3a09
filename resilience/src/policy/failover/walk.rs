//! The way of one call through the values.
//!
//! The caller's own value comes first, then those that are listed after it, or all of them if it is not listed. With a
//! good value in a memory that value comes first, and the others keep their order.

use super::Failover;
use super::sticky::{FirstValue, StickyState};
use crate::base::clock::now;
use crate::base::scope::remaining;
use crate::classify::Classification;
use crate::keyed::{Key, KeyRef, OwnedKey};
use crate::outcome::Outcome;
use crate::point::PointName;
use crate::policy::{Verdict, refusals};
use std::sync::Arc;

/// One call on its way through the values.
#[derive(Debug)]
#[doc(hidden)]
pub struct FailoverCall<'a> {
    failover: &'a Failover,
    /// The number of listed values.
    len: usize,
    /// The place of the caller's own value in the list.
    own: Option<usize>,
    /// The listed value that the call begins with instead.
    good: Option<usize>,
    /// The number of values that were called before the current one.
    step: usize,
    /// The number of the last switch before the call began.
    began: u64,
    /// The key of the memory, if it is not the listed own value.
    key: Option<Box<OwnedKey>>,
    memory: Option<Arc<StickyState>>,
    /// The number of the probe that this call is; 0 if it is none.
    probe: u64,
}

#[doc(hidden)]
impl Failover {
    /// Begins a call whose own value is `own`.
    #[inline]
    pub fn start<E: Key, T: Key + ?Sized>(&self, values: &[E], own: &T) -> FailoverCall<'_> {
        let mut walk = FailoverCall::new(self, values, own);
        if self.config().sticky.is_some() {
            if walk.own.is_none() {
                walk.key = Some(Box::new(owned(own)));
            }
            walk.remember(values, own);
        }
        walk
    }

    /// Begins a call in a stack with a `key`, by which memories are separate.
    pub fn start_keyed<E: Key, T: Key + ?Sized>(
        &self,
        values: &[E],
        own: &T,
        key: &(impl Key + ?Sized),
    ) -> FailoverCall<'_> {
        let mut walk = FailoverCall::new(self, values, own);
        walk.key = Some(Box::new(owned(key)));
        walk.remember(values, key);
        walk
    }
}

fn owned(key: &(impl Key + ?Sized)) -> OwnedKey {
    key.read(OwnedKey::of)
}

fn position<E: Key>(values: &[E], wanted: KeyRef<'_>) -> Option<usize> {
    values.iter().position(|value| value.read(|value| value == wanted))
}

impl<'a> FailoverCall<'a> {
    #[inline]
    fn new<E: Key, T: Key + ?Sized>(failover: &'a Failover, values: &[E], own: &T) -> Self {
        let own = own.read(|own| position(values, own));
        let (good, step, began, key, memory, probe) = (None, 0, 0, None, None, 0);
        Self { failover, len: values.len(), own, good, step, began, key, memory, probe }
    }

    /// Looks for a good value in the memory for `key`.
    #[inline]
    fn remember<E: Key>(&mut self, values: &[E], key: &(impl Key + ?Sized)) {
        let failover = self.failover;
        self.began = failover.switches();
        self.memory = failover.memory(key);
        if let Some(good) = self.begin() {
            let first = self.first();
            let is_mine = |at: &usize| *at >= first && Some(*at) != self.own;
            self.good = position(values, good.as_ref().as_ref()).filter(is_mine);
        }
    }

    /// Returns the good value of the memory; without one the call may be a probe.
    #[inline]
    fn begin(&mut self) -> Option<Arc<OwnedKey>> {
        match self.memory.as_ref()?.begin(self.failover.config().sticky?, now()) {
            FirstValue::Own => None,
            FirstValue::Probe(number) => {
                self.probe = number;
                None
            }
            FirstValue::Working(value) => Some(value),
        }
    }

    /// Returns the first listed value after the caller's own.
    #[inline]
    fn first(&self) -> usize {
        self.own.map_or(0, |own| own + 1)
    }

    /// Returns where the current value is listed; `None` for the caller's own.
    #[inline]
    fn place(&self) -> Option<usize> {
        let after = |n: usize| self.first() + n;
        match (self.good, self.step) {
            (None, 0) | (Some(_), 1) => None,
            (None, step) => Some(after(step - 1)),
            (Some(good), 0) => Some(good),
            (Some(good), step) => Some(after(step - 2)).map(|at| if at < good { at } else { at + 1 }),
        }
    }

    /// Returns how many values the call can go through.
    fn steps(&self) -> usize {
        1 + self.len.saturating_sub(self.first())
    }

    /// Returns the listed value to call; `None` for the caller's own.
    #[inline]
    pub fn listed<'v, E>(&self, values: &'v [E]) -> Option<&'v E> {
        values.get(self.place()?)
    }

    /// Returns whether the next value is called after this outcome.
    #[inline]
    pub fn continues<E: Key>(&mut self, values: &[E], verdict: &Verdict) -> bool {
        verdict.is_some_and(|class| {
            let name = |value: &E| value.read(|value| PointName::from(value.to_string()));
            self.fails_over(class, &|at| values.get(at).map(name))
        })
    }

    #[cold]
    fn fails_over(&mut self, class: Classification, name: &dyn Fn(usize) -> Option<PointName>) -> bool {
        let moves = class.is_refusal() || self.failover.on.contains(&class.category);
        let moves = moves && !class.is_of_request();
        let has_time = || remaining().is_none_or(|left| !left.is_zero());
        let continues = moves && self.step + 1 < self.steps() && has_time();
        if !continues || refusals::is_by_job(&class) {
            return false;
        }
        self.step += 1;
        self.failover.failed_over(class, self.step, || self.place().or(self.own).and_then(name));
        true
    }

    /// Returns the outcome for the caller: the answer, or the error of several that says most.
    #[inline]
    pub fn ended<E: Key, R: Outcome>(
        mut self,
        values: &[E],
        kept: Option<(R, Verdict)>,
        outcome: R,
        verdict: Verdict,
    ) -> (R, Verdict) {
        if verdict.is_some() {
            return keep(kept, (outcome, verdict));
        }
        if self.step > 0 || self.good.is_some() || self.probe > 0 {
            self.answered(values);
        }
        (outcome, None)
    }

    /// Notes that another value than the caller's own has answered, or the own one after a time in which it did not.
    #[cold]
    fn answered<E: Key>(&mut self, values: &[E]) {
        let (place, sticky) = (self.place(), self.failover.config().sticky);
        if let Some(value) = place.and_then(|at| values.get(at)) {
            value.read(|value| self.failover.answered(value));
            if let (Some(sticky), 1..) = (sticky, self.step) {
                let memory = self.memory.take().unwrap_or_else(|| self.new_memory(values));
                value.read(|value| memory.answered_by(value, self.began, sticky, now()));
            }
        } else if let Some(memory) = &self.memory {
            memory.answered_by_own(self.began);
        }
        self.probe = 0;
    }

    fn new_memory<E: Key>(&self, values: &[E]) -> Arc<StickyState> {
        match (&self.key, self.own.and_then(|own| values.get(own))) {
            (None, Some(own)) => own.read(|own| self.failover.made_memory(own)),
            (key, _) => self.failover.made_memory(key.as_deref().map_or(KeyRef::Text(""), OwnedKey::as_ref)),
        }
    }
}

/// Passes the turn of a probe without an answer to the next call.
impl Drop for FailoverCall<'_> {
    #[inline]
    fn drop(&mut self) {
        if let (Some(memory), 1..) = (&self.memory, self.probe) {
            memory.release(self.probe, self.began, now());
        }
    }
}

/// Returns the one of two errors that says more: the first of a body that ran, else the refusal that ends first.
#[cold]
pub fn keep<R>(kept: Option<(R, Verdict)>, (outcome, verdict): (R, Verdict)) -> (R, Verdict) {
    let refusal = |verdict: &Verdict| verdict.filter(Classification::is_refusal);
    match kept {
        None => (outcome, verdict),
        Some(kept) => {
            let says_more = match (refusal(&kept.1), refusal(&verdict)) {
                (None, _) => false,
                (Some(_), None) => true,
                (Some(kept), Some(new)) => {
                    new.retry_after.is_some_and(|wait| kept.retry_after.is_none_or(|kept| wait < kept))
                }
            };
            if says_more { (outcome, verdict) } else { kept }
        }
    }
}
