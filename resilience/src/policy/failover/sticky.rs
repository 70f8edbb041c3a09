//! The value that answers in place of a caller's own, and how long calls begin with it.
//!
//! There is a memory for each value that callers begin with, and for each key of the stack. A *switch* is the moment
//! when another value than before is the good one. Switches are numbered, and a call knows the number of the last one
//! before it began: if its memory has switched since, what the call has found out is old, and changes nothing.
//!
//! At the end of the time one call is the probe, which begins with its own value, and the good value is prolonged for
//! the others. A probe that ends without an answer passes its turn to the next call; a probe that never ends does so
//! after the prolonged time.
//!
//! While no memory has a good value, a call reads two counters and looks nothing up.

use super::{Failover, StickySnapshot};
use crate::base::clock::{later, now};
use crate::base::name::PointName;
use crate::base::sync::{AtomicU64, Mutex, Ordering};
use crate::keyed::{Key, KeyRef, MAX_KEYS, OwnedKey, PerKey};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The memory for the callers of one value and key.
#[derive(Debug)]
pub(super) struct StickyState {
    state: Mutex<State>,
    counts: Arc<Counts>,
}

/// The counts that all memories of a failover share.
#[derive(Debug)]
struct Counts {
    switches: AtomicU64,
    /// The number of memories that have a good value.
    active: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    /// The value that answers, and until when calls begin with it.
    good: Option<(Arc<OwnedKey>, Instant)>,
    /// The number of the last switch.
    switched: u64,
    /// The number of probes, so that each has a number from 1.
    probes: u64,
}

/// The beginning of a call.
#[derive(Debug)]
pub(super) enum FirstValue {
    /// With its own value.
    Own,
    /// With its own value, as the only one, to find out whether that answers again.
    Probe(u64),
    /// With this value.
    Working(Arc<OwnedKey>),
}

impl Failover {
    /// Returns the number of the last switch so far.
    #[inline]
    pub(super) fn switches(&self) -> u64 {
        self.memories.whole().map_or(0, |whole| whole.counts.switches.load(Ordering::Acquire))
    }

    /// Returns the memory for `key`, if there is one, and if any has a good value.
    #[inline]
    pub(super) fn memory<K: Key + ?Sized>(&self, key: &K) -> Option<Arc<StickyState>> {
        let is_active = self.memories.whole()?.counts.active.load(Ordering::Acquire) > 0;
        if is_active { self.memories.find(key) } else { None }
    }

    /// Returns the memory for `key`, which is made if there is none.
    pub(super) fn made_memory(&self, key: KeyRef<'_>) -> Arc<StickyState> {
        self.memories.get(&key, MAX_KEYS, &StickyState::new)
    }

    /// Returns the good values of all memories, sorted by key.
    pub(super) fn sticky_values(&self) -> Vec<StickySnapshot> {
        let now = now();
        let sticks = |(key, memory): (String, Arc<StickyState>)| {
            let state = memory.state.lock();
            let (value, ends) = state.good.as_ref()?;
            let left = ends.saturating_duration_since(now);
            Some(StickySnapshot { key, value: value.as_ref().as_ref().to_string(), left })
        };
        self.memories.all().into_iter().filter_map(sticks).collect()
    }
}

impl StickyState {
    fn new() -> Self {
        let counts = Counts { switches: AtomicU64::new(0), active: AtomicU64::new(0) };
        Self { state: Mutex::new(State::default()), counts: Arc::new(counts) }
    }

    /// Returns how a call begins: with the good value until its time is over, then once with its own.
    pub(super) fn begin(&self, sticky: Duration, now: Instant) -> FirstValue {
        let mut state = self.state.lock();
        let State { good, probes, .. } = &mut *state;
        match good {
            None => FirstValue::Own,
            Some((value, ends)) if now < *ends => FirstValue::Working(value.clone()),
            Some((_, ends)) => {
                *ends = later(now, sticky);
                *probes += 1;
                FirstValue::Probe(*probes)
            }
        }
    }

    /// Notes that a call that began after the switch with the number `began` was answered by `value`, for the first
    /// time.
    pub(super) fn answered_by(&self, value: KeyRef<'_>, began: u64, sticky: Duration, now: Instant) {
        let good = (Arc::new(OwnedKey::of(value)), later(now, sticky));
        self.switch(Some(good), |state| state.switched <= began);
    }

    /// Notes that a call that began after the switch with the number `began` was answered by the caller's own value
    /// again.
    pub(super) fn answered_by_own(&self, began: u64) {
        self.switch(None, |state| state.good.is_some() && state.switched <= began);
    }

    /// Notes that a probe that began after the switch with the number `began` has ended without an answer: the next
    /// call is one.
    pub(super) fn release(&self, probe: u64, began: u64, now: Instant) {
        let mut state = self.state.lock();
        let is_running = state.probes == probe && state.switched <= began;
        if let Some((_, ends)) = state.good.as_mut().filter(|_| is_running) {
            *ends = now.min(*ends);
        }
    }

    /// Forgets the good value.
    pub(super) fn forget(&self) {
        self.switch(None, |_| true);
    }

    fn switch(&self, good: Option<(Arc<OwnedKey>, Instant)>, is_due: impl FnOnce(&State) -> bool) {
        let mut state = self.state.lock();
        if !is_due(&state) {
            return;
        }
        match (&state.good, &good) {
            (None, Some(_)) => _ = self.counts.active.fetch_add(1, Ordering::Release),
            (Some(_), None) => _ = self.counts.active.fetch_sub(1, Ordering::Release),
            _ => {}
        }
        state.switched = self.counts.switches.fetch_add(1, Ordering::AcqRel) + 1;
        state.good = good;
    }
}

impl PerKey for StickyState {
    fn for_key(mut self, _: PointName, whole: &Self) -> Self {
        self.counts = whole.counts.clone();
        self
    }

    fn evict_last(&self, _: Instant) -> bool {
        self.state.lock().good.is_some()
    }
}

/// An evicted memory is not active any more.
impl Drop for StickyState {
    fn drop(&mut self) {
        if self.state.lock().good.is_some() {
            self.counts.active.fetch_sub(1, Ordering::Release);
        }
    }
}

#[cfg(all(test, not(loom)))]
#[path = "sticky_model.rs"]
mod model;

/// Every order in which two calls can meet in a memory.
#[cfg(all(test, loom))]
mod loom {
    use super::*;
    use crate::policy::waiters::loom::together;

    const LONG: Duration = Duration::from_secs(1000);
    const VALUE: KeyRef<'_> = KeyRef::Number(1);

    /// Returns a memory whose words and lock are made.
    fn memory() -> ::loom::sync::Arc<StickyState> {
        let memory = StickyState::new();
        assert_eq!(state_of(&memory), (None, 0, 0));
        ::loom::sync::Arc::new(memory)
    }

    /// Returns the good value, how many switches there were, and how many memories have a good value.
    fn state_of(memory: &StickyState) -> (Option<String>, u64, u64) {
        let state = memory.state.lock();
        let good = state.good.as_ref().map(|(value, _)| value.as_ref().as_ref().to_string());
        let Counts { switches, active } = &*memory.counts;
        (good, switches.load(Ordering::Acquire), active.load(Ordering::Acquire))
    }

    #[test]
    fn only_the_first_of_two_concurrent_answers_switches() {
        ::loom::model(|| {
            let memory = memory();
            together(
                &memory,
                |memory| memory.answered_by(KeyRef::Number(1), 0, LONG, now()),
                |memory| memory.answered_by(KeyRef::Number(2), 0, LONG, now()),
            );
            let (good, switches, active) = state_of(&memory);
            assert!(matches!(good.as_deref(), Some("1" | "2")), "{good:?}");
            assert_eq!((switches, active), (1, 1));
        });
    }

    #[test]
    fn only_one_of_two_concurrent_calls_is_the_probe() {
        ::loom::model(|| {
            let memory = memory();
            memory.answered_by(VALUE, 0, Duration::ZERO, now());
            let begin = |memory: &StickyState| memory.begin(LONG, now());
            let (a, b) = together(&memory, begin, begin);
            let probes = [&a, &b].iter().filter(|begun| matches!(begun, FirstValue::Probe(_))).count();
            assert_eq!(probes, 1, "{a:?} {b:?}");
        });
    }

    #[test]
    fn a_probe_that_ends_during_a_call_is_followed_by_another() {
        ::loom::model(|| {
            let memory = memory();
            memory.answered_by(VALUE, 0, Duration::ZERO, now());
            let FirstValue::Probe(probe) = memory.begin(LONG, now()) else { panic!("no probe") };
            let ((), begun) = together(
                &memory,
                move |memory| memory.release(probe, 1, now()),
                |memory| matches!(memory.begin(LONG, now()), FirstValue::Probe(_)),
            );
            assert_eq!(matches!(memory.begin(LONG, now()), FirstValue::Probe(_)), !begun);
        });
    }

    #[test]
    fn a_concurrent_switch_and_return_keep_the_counts_correct() {
        ::loom::model(|| {
            let memory = memory();
            memory.answered_by(VALUE, 0, LONG, now());
            together(
                &memory,
                |memory| memory.answered_by_own(1),
                |memory| memory.answered_by(KeyRef::Number(2), 1, LONG, now()),
            );
            let (good, switches, active) = state_of(&memory);
            assert_eq!(active, u64::from(good.is_some()));
            assert_eq!(switches, 2, "what is found out after the other's switch is old");
        });
    }
}
