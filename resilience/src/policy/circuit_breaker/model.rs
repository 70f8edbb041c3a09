//! Random histories against a slow and obvious model.
//!
//! The model has no atomics and no packed word: a state, a list of failures and a list of probes. It is
//! what the documentation says, written down. A history of calls, results, waits and commands is played to both, and
//! after each step they have to agree on the state and on whether a call is admitted.

use super::*;
use crate::testing::isolate;
use proptest::prelude::*;

/// A breaker written down as the documentation says it, without a thought for speed.
#[derive(Debug)]
struct Model {
    config: CircuitBreakerConfig,
    /// Seconds since the beginning.
    now: u64,
    state: State,
    /// Counts transitions and resets.
    era: usize,
    /// The times of the failures that count.
    failures: Vec<u64>,
    opens_again: u64,
    reopenings: u32,
    /// The probes that occupy a slot, and since when; a late one loses its slot, but its result still counts.
    probes: Vec<(usize, u64)>,
    successes: u32,
    /// Of each admitted call the era that admitted it.
    calls: Vec<usize>,
    opened: u64,
    rejected: u64,
}

impl Model {
    fn stay_open(&mut self) {
        let grown =
            self.config.recovery.as_secs_f64() * self.config.growth.powi(self.reopenings.cast_signed());
        self.opens_again = self.now + grown.min(self.config.cap().as_secs_f64()) as u64;
    }

    fn enter(&mut self, state: State) {
        if state == State::Open {
            self.stay_open();
            self.opened += 1;
        }
        if state == State::Closed {
            self.reopenings = 0;
        }
        self.state = state;
        self.era += 1;
        self.failures.clear();
        self.probes.clear();
        self.successes = 0;
    }

    /// Admits a call; returns its number.
    fn admit(&mut self) -> Option<usize> {
        if self.state == State::Open && self.now >= self.opens_again {
            self.enter(State::HalfOpen);
        }
        let number = self.calls.len();
        let admitted = match self.state {
            State::Open | State::ForcedOpen => false,
            State::HalfOpen => {
                let timeout = self.config.probe_timeout().as_secs();
                if self.probes.len() as u32 >= self.config.probes {
                    self.probes.retain(|(_, since)| self.now - since < timeout);
                }
                let has_room = (self.probes.len() as u32) < self.config.probes;
                if has_room {
                    self.probes.push((number, self.now));
                }
                has_room
            }
            _ => true,
        };
        if !admitted {
            self.rejected += 1;
            return None;
        }
        self.calls.push(self.era);
        Some(number)
    }

    fn end(&mut self, call: usize, counts: Counts) {
        if self.calls[call] != self.era {
            return;
        }
        if self.state == State::HalfOpen {
            self.probes.retain(|(number, _)| *number != call);
        }
        match (counts, self.state) {
            (Counts::Success, State::HalfOpen) => {
                self.successes += 1;
                if self.successes >= self.config.successes {
                    self.enter(State::Closed);
                }
            }
            (Counts::Failure, State::HalfOpen) => {
                self.reopenings += 1;
                self.enter(State::Open);
            }
            (Counts::Success, _) if self.config.window.is_none() => self.failures.clear(),
            (Counts::Failure, State::Closed | State::MetricsOnly) => {
                self.failures.push(self.now);
                if self.state == State::Closed && self.counted() >= self.config.threshold {
                    self.enter(State::Open);
                }
            }
            _ => {}
        }
    }

    fn counted(&self) -> u32 {
        let inside = |at: &&u64| self.config.window.is_none_or(|window| self.now - **at < window.as_secs());
        self.failures.iter().filter(inside).count() as u32
    }

    fn set(&mut self, state: State) {
        if state == State::Closed || state != self.state {
            if !matches!(state, State::Open | State::HalfOpen) {
                self.reopenings = 0;
            }
            self.enter(state);
            if state == State::ForcedOpen {
                self.opened += 1;
            }
        } else if state == State::Open && self.now >= self.opens_again {
            self.stay_open();
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Begin,
    /// Ends one of the running calls.
    End(prop::sample::Index, Counts),
    Wait(u64),
    Set(State),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let counts =
        prop_oneof![4 => Just(Counts::Failure), 2 => Just(Counts::Success), 1 => Just(Counts::Nothing)];
    let state = prop_oneof![
        Just(State::Closed),
        Just(State::Open),
        Just(State::HalfOpen),
        Just(State::ForcedOpen),
        Just(State::Disabled),
        Just(State::MetricsOnly),
    ];
    let step = prop_oneof![
        8 => Just(Step::Begin),
        8 => (any::<prop::sample::Index>(), counts).prop_map(|(call, counts)| Step::End(call, counts)),
        4 => (0..8_u64).prop_map(Step::Wait),
        1 => state.prop_map(Step::Set),
    ];
    prop::collection::vec(step, 1..120)
}

fn configs() -> impl Strategy<Value = CircuitBreakerConfig> {
    let seconds = |range: std::ops::Range<u64>| {
        prop::option::of(range).prop_map(|some: Option<u64>| some.map(Duration::from_secs))
    };
    (1..5_u32, seconds(1..12), 1..8_u64, 1..3_u32, 1..4_u32, 1..4_u32, seconds(1..6)).prop_map(
        |(threshold, window, recovery, growth, probes, successes, probe_timeout)| CircuitBreakerConfig {
            threshold,
            window,
            recovery: Duration::from_secs(recovery),
            growth: f64::from(growth),
            cap: Some(Duration::from_secs(20)),
            probes,
            successes,
            probe_timeout,
            ..CircuitBreakerConfig::DEFAULT
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn random_histories_agree_with_the_model(config in configs(), steps in steps()) {
        let world = isolate();
        let breaker = CircuitBreaker::try_new("model", config).unwrap();
        let mut model = Model {
            config,
            now: 0,
            state: State::Closed,
            era: 0,
            failures: Vec::new(),
            opens_again: 0,
            reopenings: 0,
            probes: Vec::new(),
            successes: 0,
            calls: Vec::new(),
            opened: 0,
            rejected: 0,
        };
        let mut running = Vec::new();
        for step in steps {
            match step {
                Step::Begin => {
                    let permit = breaker.acquire().ok();
                    let admitted = model.admit();
                    prop_assert_eq!(permit.is_some(), admitted.is_some());
                    running.extend(permit.zip(admitted));
                }
                Step::End(..) if running.is_empty() => {}
                Step::End(index, counts) => {
                    let (permit, call) = running.remove(index.index(running.len()));
                    match counts {
                        Counts::Success => permit.success(),
                        Counts::Failure => {
                            permit.settle(Some(Category::Timeout.into()), Ruling::ByCategory);
                        }
                        Counts::Nothing => drop(permit),
                    }
                    model.end(call, counts);
                }
                Step::Wait(seconds) => {
                    world.advance(Duration::from_secs(seconds));
                    model.now += seconds;
                }
                Step::Set(state) => {
                    breaker.set_state(state);
                    model.set(state);
                }
            }
            let seen = breaker.snapshot();
            prop_assert_eq!(seen.state, model.state);
            prop_assert_eq!(seen.rejected, model.rejected);
            prop_assert_eq!(seen.successes, model.successes);
            prop_assert_eq!(breaker.live.counters.opened.load(Ordering::Relaxed), model.opened);
            if matches!(model.state, State::Closed | State::MetricsOnly) {
                let remembered = if config.window.is_some() { config.threshold } else { u32::MAX };
                prop_assert_eq!(seen.failures, model.counted().min(remembered));
            }
            if model.state == State::Open {
                let left = model.opens_again.saturating_sub(model.now);
                prop_assert_eq!(seen.retry_after, (left > 0).then(|| Duration::from_secs(left)));
            }
        }
    }
}
