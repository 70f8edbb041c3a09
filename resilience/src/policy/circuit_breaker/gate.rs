//! The state shared by all callers: one word that every call reads, and a lock for everything rare.
//!
//! Transitions happen under the lock. Without it a caller only counts or clears failures in a row, by
//! compare-and-swap within one generation, so that a transition is never overwritten.
//!
//! # Places
//!
//! | part | written | read by |
//! |---|---|---|
//! | `word` | under the lock for transitions; by anyone to count or clear | every call |
//! | `until` | under the lock, before the word that says "open" | calls that find it open |
//! | `memory` | under the lock | transitions, probes, windows, snapshots |
//! | `successes` | by every success of a breaker with a `rate`, in a line of its thread | whoever judges the share |
//!
//! A call that is admitted by a closed breaker and succeeds reads the word twice, relaxed, and writes nothing once the
//! first success has been recorded: no line of memory is shared for writing while the service works.
//!
//! # Invariants
//!
//! - Every transition and every probe raises the generation. A result carries the generation that admitted it, and one
//!   of an older generation changes nothing: late results of a breaker that has moved on are ignored.
//! - Whoever finds "open" has acquired the word, and so reads the end that was written before it.
//! - Hooks and events run after the lock is released: a hook may use the breaker that calls it.
//!
//! `loom.rs` runs these under every interleaving, `model.rs` compares random histories with a simple model, and
//! `tests.rs` has the cases one by one.

use super::cause::{PROBE, TIMER, failures_in};
use super::config::CircuitBreakerConfig;
use super::rates::{Results, Shares, Successes};
use super::snapshot::{BreakerSnapshot, State};
use super::state::{LockedState, Opening, PackedState, Token, Transition};
use crate::base::check;
use crate::base::clock::{later, nanos, now, now_nanos};
use crate::base::shards::Here;
use crate::base::sync::{AtomicU64, Mutex, Ordering, fence};
use crate::classify::Classification;
use crate::point::PointName;
use crate::rejected::Wait;
use std::sync::OnceLock;
use std::time::Instant;

mod operator;

/// The shared state of one breaker.
#[derive(Debug)]
pub(super) struct Gate {
    word: AtomicU64,
    /// The end of the open time, in [`nanos`].
    until: AtomicU64,
    memory: Mutex<LockedState>,
    /// The counts without the lock of a breaker with a rate, from its first success or failure on.
    successes: OnceLock<Box<Successes>>,
}

impl Gate {
    pub(super) const fn new() -> Self {
        Self {
            word: AtomicU64::new(PackedState::FIRST.0),
            until: AtomicU64::new(0),
            memory: Mutex::new(LockedState::new()),
            successes: OnceLock::new(),
        }
    }

    /// Returns the word, for a caller that reads nothing else.
    #[inline]
    pub(super) fn load(&self) -> PackedState {
        PackedState(self.word.load(Ordering::Relaxed))
    }

    /// Returns the word, for a caller that then reads data written before it.
    pub(super) fn word(&self) -> PackedState {
        PackedState(self.word.load(Ordering::Acquire))
    }

    /// Makes a transition visible, with all that was written before it; only under the lock.
    fn publish(&self, word: PackedState) {
        self.word.store(word.0, Ordering::Release);
    }

    /// Counts or clears: `Err` of the word that is there now, if another caller was faster.
    fn swap(&self, from: PackedState, to: PackedState) -> Result<(), PackedState> {
        let swapped = self.word.compare_exchange(from.0, to.0, Ordering::AcqRel, Ordering::Acquire);
        swapped.map(drop).map_err(PackedState)
    }

    /// Returns how long a breaker whose word says that it is open stays so; `None` if its time is over.
    #[inline]
    pub(super) fn left(&self) -> Option<Wait> {
        // The end was written before the word.
        fence(Ordering::Acquire);
        self.left_at(now())
    }

    #[inline]
    fn left_at(&self, now: Instant) -> Option<Wait> {
        let left = self.until.load(Ordering::Relaxed).saturating_sub(nanos(now));
        (left > 0).then(|| Wait::nanos(left))
    }

    /// Admits a call to a breaker that is not closed, or was not a moment ago.
    ///
    /// Returns its token, or how long to wait if that is known.
    pub(super) fn admit(
        &self,
        config: &CircuitBreakerConfig,
    ) -> (Result<Token, Option<Wait>>, Option<Transition>) {
        let word = self.word();
        if !matches!(word.state(), State::Open | State::HalfOpen) {
            return (without_probe(word), None);
        }
        let now = now();
        if check::is_inside() {
            // A caller that only looks leaves the probes to the traffic.
            return (Err(self.left_at(now)), None);
        }
        let mut memory = self.memory.lock();
        let mut word = self.word();
        let mut transition = None;
        if word.state() == State::Open {
            if let Some(left) = self.left_at(now) {
                return (Err(Some(left)), None);
            }
            word = self.enter(&mut memory, State::HalfOpen, now);
            transition = Some(Transition::new(State::Open, State::HalfOpen, TIMER));
        }
        let admission = match memory.probes.as_mut() {
            Some(probes) if probes.has_room(now, config) => {
                word = word.next(State::HalfOpen);
                self.publish(word);
                probes.start(word.token(), now, config);
                Ok(word.token())
            }
            Some(_) => Err(None),
            None => without_probe(word),
        };
        (admission, transition)
    }

    /// Returns whether a call would be admitted now.
    pub(super) fn has_room(&self, config: &CircuitBreakerConfig) -> bool {
        match self.word().state() {
            State::Open | State::HalfOpen if check::is_inside() => false,
            State::Open => self.left().is_none(),
            State::HalfOpen => {
                let (mut memory, now) = (self.memory.lock(), now());
                memory.probes.as_mut().is_none_or(|probes| probes.has_room(now, config))
            }
            state => state != State::ForcedOpen,
        }
    }

    /// Returns whether forgetting this breaker would admit calls that it rejects at `now`, or lose a state that was set
    /// by an operator.
    pub(super) fn has_news(&self, now: Instant) -> bool {
        match self.word().state() {
            State::Closed | State::HalfOpen => false,
            State::Open => self.left_at(now).is_some(),
            State::ForcedOpen | State::Disabled | State::MetricsOnly => true,
        }
    }

    /// Returns whether a probe runs, and is not late at `now`: a new breaker would admit all calls beside it.
    pub(super) fn has_probe(&self, now: Instant, config: &CircuitBreakerConfig) -> bool {
        self.word().state() == State::HalfOpen
            && self.memory.lock().probes.as_ref().is_some_and(|probes| probes.is_running(now, config))
    }

    /// Writes the end of the open time, before the word says that it is open.
    fn stay_open_until(&self, until: Instant) {
        self.until.store(nanos(until), Ordering::Relaxed);
    }

    /// Begins a new generation in `state`; whatever the one before counted is over.
    fn enter(&self, memory: &mut LockedState, state: State, now: Instant) -> PackedState {
        let before = self.word();
        let word = before.next(state);
        memory.enter((before.state(), state), word.token(), now);
        self.publish(word);
        word
    }

    /// Counts a success whose time need not be known. Returns whether a look is due, as after every 32nd of a thread.
    #[inline]
    pub(super) fn count_success(&self, here: Here) -> bool {
        self.successes.get().is_some_and(|successes| successes.count(here))
    }

    /// Takes over the successes since the last look, if that is some time ago, and lets the thread count more.
    pub(super) fn look(&self, here: Here, config: &CircuitBreakerConfig) {
        let Some(successes) = self.successes.get() else { return };
        if config.window.is_some() {
            let now = now_nanos();
            if successes.are_due(now) {
                self.take(successes, now, config);
            }
        }
        successes.refill(here);
    }

    fn take(&self, successes: &Successes, now: u64, config: &CircuitBreakerConfig) {
        let mut memory = self.memory.lock();
        let look = |results: &mut Box<Results>| results.look(successes, now, config);
        if !memory.results.as_mut().is_some_and(look) {
            self.shares(&mut memory, now, config, None);
        }
    }

    /// Counts a call that succeeded.
    pub(super) fn succeeded(
        &self,
        token: Token,
        is_slow: bool,
        config: &CircuitBreakerConfig,
    ) -> Option<Transition> {
        let mut word = self.word();
        let counts = config.has_shares();
        let cleared = |word: PackedState| word.cleared().recording_each(counts && word.records_each());
        while word.admitted(token) && word != cleared(word) {
            match self.swap(word, cleared(word)) {
                Ok(()) => break,
                Err(seen) => word = seen,
            }
        }
        match self.word().state() {
            State::HalfOpen if is_slow => self.probe_was_slow(token, config),
            State::HalfOpen => self.probe_succeeded(token, config),
            State::Closed | State::MetricsOnly if counts => self.record_success(token, is_slow, config),
            _ => None,
        }
    }

    /// Counts a call that was dropped after it had run for too long.
    pub(super) fn dropped_slow(&self, token: Token, config: &CircuitBreakerConfig) -> Option<Transition> {
        match self.word().state() {
            State::HalfOpen => self.probe_was_slow(token, config),
            State::Closed | State::MetricsOnly => self.record_success(token, true, config),
            _ => None,
        }
    }

    /// Opens the breaker again after a probe that took too long.
    fn probe_was_slow(&self, token: Token, config: &CircuitBreakerConfig) -> Option<Transition> {
        let mut memory = self.memory.lock();
        let current = self.word().token();
        if !memory.probes.as_mut()?.end(token, current) {
            return None;
        }
        memory.reopenings = memory.reopenings.saturating_add(1);
        Some(self.open(&mut memory, Opening { slow: 1, ..Opening::default() }, config))
    }

    /// Counts a success, with its time, of a breaker with a rate. A slow success, and the one that makes them enough,
    /// is judged.
    fn record_success(
        &self,
        token: Token,
        is_slow: bool,
        config: &CircuitBreakerConfig,
    ) -> Option<Transition> {
        let mut memory = self.memory.lock();
        let word = self.word();
        if !word.admitted(token) {
            return None;
        }
        let is_judged = word.state() == State::Closed && (is_slow || word.records_each());
        let shares = self.shares(&mut memory, now_nanos(), config, Some(Shares::one(false, is_slow)));
        let trips = is_judged && shares.trip(config);
        trips.then(|| self.open(&mut memory, Opening::of_shares(shares, None, config), config))
    }

    /// Returns the results inside the window of the rate at `now`, with one more `result`.
    fn shares(
        &self,
        memory: &mut LockedState,
        now: u64,
        config: &CircuitBreakerConfig,
        result: Option<Shares>,
    ) -> Shares {
        let successes = self.successes.get_or_init(|| Box::new(Successes::new()));
        memory.results = memory.results.take().filter(|results| results.are_of(config));
        let results = memory.results.get_or_insert_with(|| Box::new(Results::new(successes, now, config)));
        results.take(successes, now);
        if let Some(result) = result {
            results.record(result, now);
        }
        let shares = results.shares(now, config);
        let is_exact = shares.calls < config.fewest_calls();
        // A look that records nothing leaves the judgement to the next result.
        if is_exact || result.is_some() {
            self.record_each(is_exact);
        }
        shares
    }

    /// Records the next success of a closed breaker with its time: it finds the settings in force.
    ///
    /// A success that is only counted finds neither a changed window nor that the breaker is switched off.
    #[cfg(feature = "config")]
    pub(super) fn settings_changed(&self) {
        self.record_each(true);
    }

    /// Sets whether a closed breaker records each success with its time.
    fn record_each(&self, is_exact: bool) {
        let mut word = self.word();
        while word.is_closed() && word.records_each() != is_exact {
            match self.swap(word, word.recording_each(is_exact)) {
                Ok(()) => break,
                Err(seen) => word = seen,
            }
        }
    }

    /// Counts a successful probe; the last required one closes the breaker.
    fn probe_succeeded(&self, token: Token, config: &CircuitBreakerConfig) -> Option<Transition> {
        let mut memory = self.memory.lock();
        let current = self.word().token();
        let probes = memory.probes.as_mut()?;
        if !probes.end(token, current) {
            return None;
        }
        probes.successes += 1;
        if probes.successes < config.successes {
            return None;
        }
        self.enter(&mut memory, State::Closed, now());
        Some(Transition::new(State::HalfOpen, State::Closed, PROBE))
    }

    /// Counts a call that failed.
    pub(super) fn failed(
        &self,
        token: Token,
        class: &Classification,
        is_slow: bool,
        config: &CircuitBreakerConfig,
    ) -> Option<Transition> {
        if !config.has_shares() && config.window.is_none() && self.is_counted(token, config.threshold) {
            return None;
        }
        let mut memory = self.memory.lock();
        let word = self.word();
        match word.state() {
            State::HalfOpen if memory.probes.as_mut()?.end(token, word.token()) => {
                memory.reopenings = memory.reopenings.saturating_add(1);
                Some(self.open(&mut memory, Opening::of_failures(1, class), config))
            }
            _ if !word.admitted(token) => None,
            State::Closed | State::MetricsOnly if config.has_shares() => {
                let shares = self.shares(&mut memory, now_nanos(), config, Some(Shares::one(true, is_slow)));
                if word.state() == State::Closed && shares.trip(config) {
                    let opening = Opening::of_shares(shares, Some(class), config);
                    return Some(self.open(&mut memory, opening, config));
                }
                let counts_in_row = word.state() == State::Closed && config.has_threshold();
                if counts_in_row { self.failed_closed(&mut memory, word, class, config) } else { None }
            }
            State::Closed => self.failed_closed(&mut memory, word, class, config),
            State::MetricsOnly => {
                if let Some(window) = config.window {
                    memory.failure_times(window).push(now(), config.threshold);
                }
                None
            }
            _ => None,
        }
    }

    /// Counts a failure in a row that causes no transition; `false` if there is more to do.
    fn is_counted(&self, token: Token, threshold: u32) -> bool {
        let mut word = self.word();
        let only_counts = |word: PackedState| match word.state() {
            State::Closed => word.failures() + 1 < threshold,
            state => state == State::MetricsOnly,
        };
        while word.admitted(token) && only_counts(word) {
            match self.swap(word, word.with_failure()) {
                Ok(()) => return true,
                Err(seen) => word = seen,
            }
        }
        !word.admitted(token) && word.state() != State::HalfOpen
    }

    /// Counts a failure of a closed breaker that is in its window or at its threshold; the caller holds the lock.
    fn failed_closed(
        &self,
        memory: &mut LockedState,
        mut word: PackedState,
        class: &Classification,
        config: &CircuitBreakerConfig,
    ) -> Option<Transition> {
        if let Some(window) = config.window {
            let failures = memory.failure_times(window).push(now(), config.threshold);
            let opening = Opening::of_failures(failures, class);
            return (failures >= config.threshold).then(|| self.open(memory, opening, config));
        }
        let (now, recovery) = (now(), config.open_time(memory.reopenings, class.retry_after));
        // Without the lock, others count and clear up to the moment of the swap.
        loop {
            let failures = word.failures() + 1;
            let trips = failures >= config.threshold;
            if trips {
                self.stay_open_until(later(now, recovery));
            }
            match self.swap(word, if trips { word.next(State::Open) } else { word.with_failure() }) {
                Err(seen) => word = seen,
                Ok(()) if !trips => return None,
                Ok(()) => {
                    let (from, to) = (State::Closed, State::Open);
                    memory.enter((from, to), word.next(to).token(), now);
                    memory.failures = failures;
                    return Some(Opening::of_failures(failures, class).transition(from, to, recovery));
                }
            }
        }
    }

    /// Opens it for the time that its settings and the error say.
    fn open(&self, memory: &mut LockedState, opening: Opening, config: &CircuitBreakerConfig) -> Transition {
        let asked = opening.class.and_then(|class| class.retry_after);
        let (now, recovery) = (now(), config.open_time(memory.reopenings, asked));
        self.stay_open_until(later(now, recovery));
        let from = self.word().state();
        self.enter(memory, State::Open, now);
        memory.failures = opening.failures;
        opening.transition(from, State::Open, recovery)
    }

    /// Counts a call that ended without a result that counts.
    pub(super) fn given_back(&self, token: Token) {
        if self.word().state() != State::HalfOpen {
            return;
        }
        let mut memory = self.memory.lock();
        let current = self.word().token();
        if let Some(probes) = memory.probes.as_mut() {
            probes.end(token, current);
        }
    }

    /// Returns the present state and its counts, under `name`; the gate knows neither a key nor rejections.
    pub(super) fn read(&self, name: PointName, config: &CircuitBreakerConfig) -> BreakerSnapshot {
        let mut memory = self.memory.lock();
        let (word, now) = (self.word(), now());
        let state = word.state();
        let counts = matches!(state, State::Closed | State::MetricsOnly);
        let shares =
            (counts && config.has_shares()).then(|| self.shares(&mut memory, nanos(now), config, None));
        let failures = match (counts, shares, config.window) {
            (true, Some(shares), _) => failures_in(shares),
            (true, None, Some(window)) => memory.failure_times(window).inside(now),
            (true, None, None) => word.failures(),
            _ => memory.failures,
        };
        BreakerSnapshot {
            name,
            key: None,
            state,
            since: memory.since,
            failures,
            calls: shares.map(|shares| shares.calls),
            failure_rate: shares.and_then(|shares| shares.failure_rate(config)),
            slow_rate: shares.and_then(|shares| shares.slow_rate(config)),
            successes: memory.probes.as_ref().map_or(0, |probes| probes.successes),
            rejected: 0,
            threshold: if config.has_threshold() { config.threshold } else { 0 },
            retry_after: self.left_at(now).filter(|_| state == State::Open).map(Wait::duration),
        }
    }
}

#[cfg(feature = "ops")]
impl Gate {
    /// Returns how long it was in each state since the program began, in the order of [`State::ALL`].
    pub(super) fn times(&self) -> [std::time::Duration; State::ALL.len()] {
        let memory = self.memory.lock();
        memory.times(self.word().state(), now())
    }
}

#[cfg(all(test, feature = "testing", not(loom)))]
impl Gate {
    /// Runs `work` while the lock is held: it would wait for ever if it needed the lock.
    pub(super) fn while_locked(&self, work: impl FnOnce()) {
        let _memory = self.memory.lock();
        work();
    }
}

/// Returns the admission by a breaker that is neither open nor half-open.
fn without_probe(word: PackedState) -> Result<Token, Option<Wait>> {
    match word.state() {
        State::ForcedOpen => Err(None),
        _ => Ok(word.token()),
    }
}
