//! Looking at a breaker, and setting its state directly.
//!
//! For operators and tests. Every change goes through the gate under its lock like a transition of a call, and emits
//! the same events, so that a dashboard shows a breaker that a person opened like one that failures opened.

use super::snapshot::State;
use super::{BreakerSnapshot, CircuitBreaker};
use std::sync::atomic::Ordering;
use std::time::Instant;

/// Handles; each may be called at any time from any thread. Setting a state that it already has is no
/// transition, and makes no event.
impl CircuitBreaker {
    /// Returns the state, which decides what the breaker does with a call now.
    ///
    /// It stays [`Open`](State::Open) after its time until a call comes, which is then the first probe.
    ///
    /// It costs one read. For the state with its counts use [`snapshot`](Self::snapshot); to decide whether to make a
    /// call, [`is_available`](Self::is_available).
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{CircuitBreaker, State};
    /// use std::time::Duration;
    ///
    /// let world = resilience::testing::isolate();
    /// let breaker = CircuitBreaker::new("search").threshold(1).recovery(Duration::from_secs(30));
    /// let _: std::io::Result<()> = breaker.call(|| Err(std::io::ErrorKind::ConnectionReset.into()));
    /// world.advance(Duration::from_secs(60));
    /// assert_eq!(breaker.state(), State::Open, "no call has come");
    /// assert!(breaker.is_available(), "the next one would be a probe");
    /// ```
    pub fn state(&self) -> State {
        self.seen(self.live.gate.word())
    }

    /// Returns state and counts, read together.
    ///
    /// It takes the lock of the breaker for that moment.
    pub fn snapshot(&self) -> BreakerSnapshot {
        let reading = self.live.gate.read(self.owner.name.clone(), &self.config());
        let rejected = self.live.counters.rejected.load(Ordering::Relaxed);
        let now = BreakerSnapshot { key: self.owner.key.clone(), rejected, ..reading };
        if self.admits_by_config(self.live.gate.word()) {
            return BreakerSnapshot { state: State::Disabled, since: None, retry_after: None, ..now };
        }
        now
    }

    /// Returns whether a call would be admitted now.
    ///
    /// It is only a hint, for instance to choose between two servers: the answer may be wrong a moment later.
    /// Only [`acquire`](Self::acquire) reserves a call.
    ///
    /// # Examples
    ///
    /// The first of two services that is not known to be down:
    ///
    /// ```
    /// use resilience::CircuitBreaker;
    ///
    /// static REGIONS: [CircuitBreaker; 2] = [CircuitBreaker::new("eu"), CircuitBreaker::new("us")];
    ///
    /// REGIONS[0].force_open();
    /// let region = REGIONS.iter().find(|region| region.is_available());
    /// assert_eq!(&*region.unwrap().snapshot().name, "us");
    /// ```
    pub fn is_available(&self) -> bool {
        self.admits_by_config(self.live.gate.word()) || self.live.gate.has_room(&self.config())
    }

    /// Closes it and forgets all counts; results of running calls are ignored.
    ///
    /// `rejected` of a snapshot stays. Of a closed breaker it makes no event, and forgets the failures all the same.
    pub fn reset(&self) {
        self.notify(self.live.gate.reset());
    }

    /// Opens the breaker until `until`; then the next call is a probe. If it is already open, only its end moves.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{CircuitBreaker, State};
    /// use std::time::{Duration, Instant};
    ///
    /// let breaker = CircuitBreaker::new("search");
    /// // The service has announced maintenance.
    /// breaker.open_until(Instant::now() + Duration::from_secs(600));
    /// assert_eq!(breaker.state(), State::Open);
    /// assert!(breaker.snapshot().retry_after.unwrap() > Duration::from_secs(590));
    /// ```
    pub fn open_until(&self, until: Instant) {
        self.notify(self.live.gate.open_until(Some(until), &self.config()));
    }

    /// Rejects every call until another state is set.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{CircuitBreaker, State};
    ///
    /// let breaker = CircuitBreaker::new("search");
    /// breaker.force_open();
    /// assert!(breaker.acquire().is_err());
    /// breaker.reset();
    /// assert_eq!(breaker.state(), State::Closed);
    /// ```
    pub fn force_open(&self) {
        self.set_state(State::ForcedOpen);
    }

    /// Admits every call and counts nothing, until another state is set.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::CircuitBreaker;
    /// use std::io::ErrorKind;
    ///
    /// let breaker = CircuitBreaker::new("search").threshold(1);
    /// breaker.disable();
    /// let _: std::io::Result<()> = breaker.call(|| Err(ErrorKind::ConnectionReset.into()));
    /// assert!(breaker.is_available());
    /// ```
    pub fn disable(&self) {
        self.set_state(State::Disabled);
    }

    /// Admits every call and counts failures, but never opens, until another state is set.
    ///
    /// It is for trying out numbers on a service that is in use: [`snapshot`](Self::snapshot) shows the failures that
    /// would have opened it.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::CircuitBreaker;
    /// use std::io::ErrorKind;
    ///
    /// let breaker = CircuitBreaker::new("search").threshold(1);
    /// breaker.metrics_only();
    /// let _: std::io::Result<()> = breaker.call(|| Err(ErrorKind::ConnectionReset.into()));
    /// assert!(breaker.is_available());
    /// assert_eq!(breaker.snapshot().failures, 1);
    /// ```
    pub fn metrics_only(&self) {
        self.set_state(State::MetricsOnly);
    }

    /// Sets any state: `Closed` is [`reset`](Self::reset), `Open` lasts for the usual time, or, if it is open already, for
    /// the time that is left.
    ///
    /// `HalfOpen` lets the next calls pass as probes.
    ///
    /// # Examples
    ///
    /// A switch of an operator's console:
    ///
    /// ```
    /// use resilience::{CircuitBreaker, State};
    ///
    /// let breaker = CircuitBreaker::new("search");
    /// for state in [State::ForcedOpen, State::Disabled, State::MetricsOnly, State::Closed] {
    ///     breaker.set_state(state);
    ///     assert_eq!(breaker.state(), state);
    /// }
    /// ```
    pub fn set_state(&self, state: State) {
        self.notify(match state {
            State::Closed => self.live.gate.reset(),
            State::Open => self.live.gate.open_until(None, &self.config()),
            _ => self.live.gate.set(state),
        });
    }
}
