//! The states of a breaker: the word that callers read, what the lock guards, and pure transitions.
//!
//! ```text
//!              threshold or rate reached            open time over, one call comes
//!    Closed ───────────────────────────────> Open ───────────────────────────────> HalfOpen
//!      ▲                                      ▲                                     │   │
//!      │                                      └───────── a probe fails ─────────────┘   │
//!      └────────────────────────── enough probes succeed ───────────────────────────────┘
//! ```
//!
//! `ForcedOpen`, `Disabled` and `MetricsOnly` are only entered and left by an operator.
//!
//! # The word and the lock
//!
//! Calls of a closed breaker read one word; where no share of failures is counted, a success after another one writes
//! nothing. Every transition is made under the lock, which also guards `LockedState`, and stores the word of the next
//! generation. So whoever holds a token of an earlier generation has been admitted before the transition.
//!
//! The generation has 31 bits and wraps: a call would have to last for two billion transitions and probes to be
//! treated as a new one.

use super::config::CircuitBreakerConfig;
use super::rates::Results;
use super::snapshot::State;
use super::window::Times;
#[cfg(feature = "ops")]
use crate::base::clock::{beginning, nanos};
use crate::classify::Classification;
use std::time::{Duration, Instant};

/// State, failures in a row and generation in one word.
///
/// The high half is the generation, which every transition and every probe raises, above a bit that a closed breaker
/// has while each success is recorded. In the low half bit 31 means "not closed". A closed breaker counts its failures
/// in a row in the bits below; any other has its state in bits 28 to 30, and `MetricsOnly` counts its failures in a row
/// in the bits below those.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct PackedState(pub(super) u64);

const NOT_CLOSED: u64 = 1 << 31;
const RECORDS_EACH: u64 = 1 << 32;
const GENERATION: u64 = !0 << TOKEN;
const TOKEN: u32 = 33;
const STATE: u32 = 28;
const COUNT: u64 = (1 << STATE) - 1;

impl PackedState {
    pub(super) const FIRST: Self = Self(RECORDS_EACH);

    #[inline]
    pub(super) const fn is_closed(self) -> bool {
        (self.0 as u32).cast_signed() >= 0
    }

    #[inline]
    pub(super) const fn is_open(self) -> bool {
        self.0 as u32 == NOT_CLOSED as u32
    }

    /// Returns the token of a call admitted now.
    #[inline]
    pub(super) const fn token(self) -> Token {
        Token((self.0 >> TOKEN) as u32)
    }

    /// Returns whether a success of the call with `token` has nothing to clear or to record here.
    #[inline]
    pub(super) const fn is_clean(self, token: Token) -> bool {
        self.0 == (token.0 as u64) << TOKEN
    }

    /// Returns whether each success is recorded with its time, as from each transition and each change of settings on:
    /// the first success of a breaker that counts no successes, or the one that makes the results of a window enough,
    /// ends that.
    pub(super) const fn records_each(self) -> bool {
        self.0 & RECORDS_EACH != 0
    }

    /// Returns the word of a closed breaker that records each success, or does not.
    pub(super) const fn recording_each(self, is_exact: bool) -> Self {
        Self(if is_exact { self.0 | RECORDS_EACH } else { self.0 & !RECORDS_EACH })
    }

    pub(super) const fn admitted(self, token: Token) -> bool {
        self.token().0 == token.0
    }

    /// Returns the failures in a row.
    pub(super) const fn failures(self) -> u32 {
        if self.is_closed() { self.0 as u32 } else { (self.0 & COUNT) as u32 }
    }

    pub(super) const fn state(self) -> State {
        if self.is_closed() {
            return State::Closed;
        }
        match (self.0 as u32 & !(NOT_CLOSED as u32)) >> STATE {
            0 => State::Open,
            1 => State::HalfOpen,
            2 => State::ForcedOpen,
            3 => State::Disabled,
            _ => State::MetricsOnly,
        }
    }

    /// Returns this word after one more failure in a row; a closed breaker must be below its threshold.
    pub(super) const fn with_failure(self) -> Self {
        if !self.is_closed() && self.0 & COUNT == COUNT { self } else { Self(self.0 + 1) }
    }

    /// Returns this word with no failures in a row.
    pub(super) const fn cleared(self) -> Self {
        if self.is_closed() { Self(self.0 & (GENERATION | RECORDS_EACH)) } else { Self(self.0 & !COUNT) }
    }

    /// Returns the word of the next generation, in `state`.
    pub(super) const fn next(self, state: State) -> Self {
        let low = match state {
            State::Closed => RECORDS_EACH,
            State::Open => NOT_CLOSED,
            State::HalfOpen => NOT_CLOSED | 1 << STATE,
            State::ForcedOpen => NOT_CLOSED | 2 << STATE,
            State::Disabled => NOT_CLOSED | 3 << STATE,
            State::MetricsOnly => NOT_CLOSED | 4 << STATE,
        };
        Self((self.0 & GENERATION).wrapping_add(1 << TOKEN) | low)
    }
}

/// The token of a call from its admission to its result: the generation that admitted it. A probe has one
/// of its own.
///
/// Half a word: it fits beside what every future keeps of its progress anyway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Token(u32);

/// The greatest generation.
const GENERATIONS: u32 = u32::MAX >> 1;

impl Token {
    /// The token of a call whose result is known; a generation has fewer bits.
    pub(super) const SPENT: Self = Self(u32::MAX);
    /// The token of a call that is counted as a success, and after which a look is due.
    pub(super) const LOOKS: Self = Self(u32::MAX - 1);
}

/// A transition to report once the lock is free.
///
/// Hooks run code of the program, which may ask the breaker for its state.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Transition {
    pub(super) from: State,
    pub(super) to: State,
    /// Why, in a word: the category of the error that opened it, or one of [`cause`](super::cause).
    pub(super) cause: &'static str,
    /// The cause of the opening; empty if it was not opened.
    pub(super) opening: Opening,
}

/// The cause of an opening; empty if a person or the program opened the breaker.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Opening {
    /// The error of the call that opens it.
    pub(super) class: Option<Classification>,
    pub(super) failures: u32,
    /// The number of slow calls, if they opened it.
    pub(super) slow: u32,
    /// The time for which it stays open; `None` until that is known.
    pub(super) recovery: Option<Duration>,
}

impl Transition {
    pub(super) fn new(from: State, to: State, cause: &'static str) -> Self {
        Self { from, to, cause, opening: Opening::default() }
    }
}

/// The state under the lock: the memory of the present state.
#[derive(Debug, Default)]
pub(super) struct LockedState {
    /// When the state was entered; `None` before the first transition.
    pub(super) since: Option<Instant>,
    /// The number of probes in a row that failed.
    pub(super) reopenings: u32,
    /// The number of failures that opened it.
    pub(super) failures: u32,
    /// Whether a person opened it.
    pub(super) is_by_operator: bool,
    /// The results for the rate, from the first look on.
    pub(super) results: Option<Box<Results>>,
    /// The time in each state before, in nanoseconds; made with the first transition.
    #[cfg(feature = "ops")]
    past: Option<Box<[u64; State::ALL.len()]>>,
    /// The failures inside the time window, from the first one on.
    failure_times: Option<Box<Times>>,
    /// The probes, while it is half-open.
    pub(super) probes: Option<Box<Probes>>,
}

impl LockedState {
    pub(super) const fn new() -> Self {
        Self {
            since: None,
            reopenings: 0,
            failures: 0,
            is_by_operator: false,
            results: None,
            #[cfg(feature = "ops")]
            past: None,
            failure_times: None,
            probes: None,
        }
    }

    /// Returns the failures inside `window`; those of another one are forgotten.
    pub(super) fn failure_times(&mut self, window: Duration) -> &mut Times {
        self.failure_times = self.failure_times.take().filter(|times| times.are_of(window));
        self.failure_times.get_or_insert_with(|| Box::new(Times::new(window)))
    }

    /// Ends the state `from` at `now`, for its time.
    #[cfg_attr(not(feature = "ops"), expect(clippy::unused_self, reason = "nothing shows it"))]
    fn leave(&mut self, from: State, now: Instant) {
        #[cfg(feature = "ops")]
        {
            let spent = nanos(now).saturating_sub(self.began());
            if let Some(all) = self.past.get_or_insert_default().get_mut(from as usize) {
                *all = all.saturating_add(spent);
            }
        }
        #[cfg(not(feature = "ops"))]
        let _ = (from, now);
    }

    /// Returns when the present state began: a breaker that never changed is closed from the start.
    #[cfg(feature = "ops")]
    fn began(&self) -> u64 {
        nanos(self.since.unwrap_or_else(beginning))
    }

    /// Returns how long it was in each state up to `now`, at which it is in `state`.
    #[cfg(feature = "ops")]
    pub(super) fn times(&self, state: State, now: Instant) -> [Duration; State::ALL.len()] {
        let past = self.past.as_deref().copied().unwrap_or_default();
        let present = nanos(now).saturating_sub(self.began());
        let at = |n: usize| past[n].saturating_add(if n == state as usize { present } else { 0 });
        std::array::from_fn(|n| Duration::from_nanos(at(n)))
    }

    /// Begins the second state at `now`, with nothing counted and with its first generation in `token`.
    pub(super) fn enter(&mut self, (from, state): (State, State), token: Token, now: Instant) {
        if from != state {
            self.leave(from, now);
        }
        self.since = Some(now);
        self.results = None;
        self.is_by_operator = false;
        match state {
            State::Open | State::HalfOpen => {
                self.failure_times = None;
                self.probes = (state == State::HalfOpen).then(|| Box::new(Probes::since(token)));
            }
            _ => {
                let fresh = Self { since: self.since, ..Self::new() };
                #[cfg(feature = "ops")]
                let fresh = Self { past: self.past.take(), ..fresh };
                *self = fresh;
            }
        }
    }
}

/// The probes of one half-open period.
///
/// A probe that does not report within `probe_timeout` keeps its slot until another call needs it.
#[derive(Debug)]
pub(super) struct Probes {
    /// The generation in which the period began; every probe raises it.
    began: Token,
    /// The probes that occupy a slot.
    running: Vec<Probe>,
    pub(super) successes: u32,
}

#[derive(Debug)]
struct Probe {
    token: Token,
    since: Instant,
}

impl Probes {
    const fn since(began: Token) -> Self {
        Self { began, running: Vec::new(), successes: 0 }
    }

    /// Admits the probe with `token` at `now`. If all slots are occupied, probes that did not report in time
    /// lose theirs.
    pub(super) fn start(&mut self, token: Token, now: Instant, config: &CircuitBreakerConfig) {
        if self.running.len() >= config.probes as usize {
            self.running.retain(|probe| !probe.is_late(now, config));
        }
        self.running.push(Probe { token, since: now });
    }

    /// Returns whether a probe would be admitted at `now`.
    pub(super) fn has_room(&self, now: Instant, config: &CircuitBreakerConfig) -> bool {
        self.running.len() < config.probes as usize
            || self.running.iter().any(|probe| probe.is_late(now, config))
    }

    /// Returns whether a probe occupies a slot and has not exceeded its time at `now`.
    pub(super) fn is_running(&self, now: Instant, config: &CircuitBreakerConfig) -> bool {
        self.running.iter().any(|probe| !probe.is_late(now, config))
    }

    /// Frees the slot of the probe with `token`, if it still has one; `false` if `token` belongs to no probe
    /// of this period. `current` is the present generation.
    ///
    /// A late probe that lost its slot is recognised by its generation alone, so nothing has to be kept for
    /// probes that never report. Each call reports once.
    pub(super) fn end(&mut self, token: Token, current: Token) -> bool {
        self.running.retain(|probe| probe.token != token);
        let age = |token: Token| token.0.wrapping_sub(self.began.0) & GENERATIONS;
        token != self.began && age(token) <= age(current)
    }
}

impl Probe {
    fn is_late(&self, now: Instant, config: &CircuitBreakerConfig) -> bool {
        now.saturating_duration_since(self.since) >= config.probe_timeout()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [State; 6] =
        [State::Closed, State::Open, State::HalfOpen, State::ForcedOpen, State::Disabled, State::MetricsOnly];

    #[test]
    fn a_transition_raises_the_generation() {
        let mut word = PackedState::FIRST;
        for state in ALL {
            let token = word.token();
            word = word.next(state);
            assert_eq!(word.state(), state);
            assert_eq!(word.is_closed(), state == State::Closed);
            assert!(!word.admitted(token));
            assert!(word.admitted(word.token()));
        }
    }

    #[test]
    fn generations_wrap_before_the_number_of_a_spent_token() {
        let last = PackedState(GENERATION);
        assert_ne!(last.token(), Token::SPENT);
        assert_eq!(last.next(State::Closed), PackedState::FIRST);
        assert_eq!(last.next(State::Open).state(), State::Open);
    }

    #[test]
    fn only_a_closed_word_with_nothing_to_clear_or_to_record_is_clean() {
        let new = PackedState::FIRST.next(State::Closed);
        assert!(!new.is_clean(new.token()));
        assert_eq!(new.with_failure().cleared(), new);
        let word = new.recording_each(false);
        assert!(word.is_clean(word.token()));
        assert_eq!(word.recording_each(true), new);
        assert!(!word.with_failure().is_clean(word.token()));
        assert!(!PackedState::FIRST.recording_each(false).is_clean(word.token()));
        assert_eq!(word.with_failure().with_failure().failures(), 2);
        assert_eq!(word.with_failure().cleared(), word);
        for state in &ALL[1..] {
            let other = word.next(*state);
            assert!(!other.is_clean(other.token()));
        }
    }
}
