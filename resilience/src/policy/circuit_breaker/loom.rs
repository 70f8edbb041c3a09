//! Every order in which a few threads can meet in a breaker.
//!
//! Loom runs each test once for every interleaving of the atomic operations that the memory model allows. So the scenes
//! are as small as they can be: two or three threads, one operation each, around one transition. They check properties
//! that no test in real time can show: that a transition happens once, that no probe slot is lost, and that a late
//! result decides nothing. `RUSTFLAGS="--cfg loom"` builds them in place of the other tests.

use super::config::CircuitBreakerConfig;
use super::gate::Gate;
use super::snapshot::State;
use super::state::{Token, Transition};
use crate::base::shards::here;
use crate::classify::{Category, Classification};
use crate::policy::waiters::loom::together;
use loom::sync::Arc;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(1000);

fn config(threshold: u32, probes: u32) -> CircuitBreakerConfig {
    CircuitBreakerConfig { threshold, probes, recovery: LONG, ..CircuitBreakerConfig::DEFAULT }
}

fn fail(gate: &Gate, token: Token, config: &CircuitBreakerConfig) -> Option<Transition> {
    gate.failed(token, &Classification::new(Category::Timeout), false, config)
}

#[test]
fn concurrent_failures_trip_once() {
    loom::model(|| {
        let (gate, config) = (Arc::new(Gate::new()), config(2, 1));
        let token = gate.load().token();
        let twice = move |gate: &Gate| [fail(gate, token, &config), fail(gate, token, &config)];
        let (a, b) = together(&gate, twice, twice);
        assert_eq!(a.iter().chain(&b).flatten().count(), 1);
        assert_eq!(gate.word(), gate_word(State::Open));
    });
}

fn gate_word(state: State) -> super::state::PackedState {
    super::state::PackedState::FIRST.next(state)
}

#[test]
fn a_concurrent_success_is_before_or_after_the_failures() {
    loom::model(|| {
        let (gate, config) = (Arc::new(Gate::new()), config(2, 1));
        let token = gate.load().token();
        fail(&gate, token, &config);
        let (succeeded, failed) = together(
            &gate,
            move |gate| gate.succeeded(token, false, &config),
            move |gate| fail(gate, token, &config),
        );
        assert_eq!(succeeded, None);
        let tripped = gate.word() == gate_word(State::Open);
        assert_eq!(failed.is_some(), tripped);
        assert!(tripped || gate.word().failures() <= 1);
    });
}

#[test]
fn no_more_probes_run_than_allowed() {
    loom::model(|| {
        let (gate, config) = (Arc::new(Gate::new()), config(1, 1));
        gate.set(State::HalfOpen);
        let admit = move |gate: &Gate| gate.admit(&config).0.ok();
        let (a, b) = together(&gate, admit, admit);
        assert_eq!(a.iter().chain(&b).count(), 1);
    });
}

#[test]
fn the_open_time_ends_with_one_transition() {
    loom::model(|| {
        let (gate, config) = (Arc::new(Gate::new()), config(1, 1));
        gate.open_until(Some(crate::base::clock::origin()), &config);
        let admit = move |gate: &Gate| gate.admit(&config);
        let (a, b) = together(&gate, admit, admit);
        let both = [a, b];
        let is_half_opened =
            |transition: &Option<Transition>| transition.is_some_and(|change| change.to == State::HalfOpen);
        assert_eq!(both.iter().filter(|(admission, _)| admission.is_ok()).count(), 1);
        assert_eq!(both.iter().filter(|(_, transition)| is_half_opened(transition)).count(), 1);
    });
}

#[test]
fn a_returned_probe_slot_is_never_lost() {
    loom::model(|| {
        let (gate, config) = (Arc::new(Gate::new()), config(1, 1));
        gate.set(State::HalfOpen);
        let first = gate.admit(&config).0.unwrap();
        let (_, second) =
            together(&gate, move |gate| gate.given_back(first), move |gate| gate.admit(&config).0);
        assert_eq!(gate.admit(&config).0.is_ok(), second.is_err());
    });
}

#[test]
fn a_probe_and_a_late_call_decide_once() {
    loom::model(|| {
        let (gate, config) = (Arc::new(Gate::new()), config(1, 2));
        let late = gate.load().token();
        gate.set(State::HalfOpen);
        let [a, b] = [(); 2].map(|()| gate.admit(&config).0.unwrap());
        let (closed, reopened) = together(
            &gate,
            move |gate| {
                assert_eq!(fail(gate, late, &config), None);
                gate.succeeded(a, false, &config)
            },
            move |gate| fail(gate, b, &config),
        );
        assert_eq!(usize::from(closed.is_some()) + usize::from(reopened.is_some()), 1);
        let state = if closed.is_some() { State::Closed } else { State::Open };
        // The two probes raised the generation, and then one decision did.
        let probing = gate_word(State::HalfOpen).next(State::HalfOpen).next(State::HalfOpen);
        assert_eq!(gate.word(), probing.next(state));
    });
}

#[test]
fn a_late_probe_and_its_replacement_decide_once() {
    loom::model(|| {
        let config = CircuitBreakerConfig { probe_timeout: Some(Duration::ZERO), ..config(1, 1) };
        let gate = Arc::new(Gate::new());
        gate.set(State::HalfOpen);
        let [late, next] = [(); 2].map(|()| gate.admit(&config).0.unwrap());
        let (closed, reopened) = together(
            &gate,
            move |gate| gate.succeeded(late, false, &config),
            move |gate| fail(gate, next, &config),
        );
        assert_eq!(usize::from(closed.is_some()) + usize::from(reopened.is_some()), 1);
        let state = if closed.is_some() { State::Closed } else { State::Open };
        assert_eq!(gate.word().state(), state);
    });
}

#[test]
fn metrics_only_keeps_one_of_two_concurrent_counts() {
    loom::model(|| {
        let (gate, config) = (Arc::new(Gate::new()), config(1, 1));
        gate.set(State::MetricsOnly);
        let token = gate.word().token();
        let (succeeded, failed) = together(
            &gate,
            move |gate| gate.succeeded(token, false, &config),
            move |gate| fail(gate, token, &config),
        );
        assert_eq!((succeeded, failed), (None, None));
        assert_eq!(gate.word().state(), State::MetricsOnly);
        assert!(gate.word().failures() <= 1);
    });
}

#[test]
fn a_concurrent_failure_does_not_undo_a_reset() {
    loom::model(|| {
        let (gate, config) = (Arc::new(Gate::new()), config(1, 1));
        let token = gate.load().token();
        let (closed, opened) =
            together(&gate, move |gate| gate.reset(), move |gate| fail(gate, token, &config));
        assert_eq!(closed.is_some(), opened.is_some());
        assert_eq!(gate.word().state(), State::Closed);
        assert_eq!(gate.word().failures(), 0);
    });
}

/// Returns the settings of a breaker with a rate that opens only by failures, over the last 8 calls or over a time.
fn by_rate(rate: f64, min_calls: u32, window: Option<Duration>) -> CircuitBreakerConfig {
    let config = config(u32::MAX, 1);
    CircuitBreakerConfig { rate: Some(rate), window_calls: Some(8), min_calls, window, ..config }
}

/// Returns the breaker with the state of its counters made, as a model needs it before there are threads.
fn with_counters(config: &CircuitBreakerConfig) -> (Arc<Gate>, Token) {
    let gate = Arc::new(Gate::new());
    let token = gate.load().token();
    assert_eq!(gate.succeeded(token, false, config), None);
    (gate, token)
}

/// Does the work of a call that succeeds.
fn succeed(gate: &Gate, token: Token, config: &CircuitBreakerConfig) -> Option<Transition> {
    if !gate.load().is_clean(token) {
        return gate.succeeded(token, false, config);
    }
    let here = here();
    if gate.count_success(here) {
        gate.look(here, config);
    }
    None
}

#[test]
fn concurrent_results_enter_the_window_once_each() {
    for window in [None, Some(LONG)] {
        loom::model(move || {
            let config = by_rate(1.0, 1, window);
            let (gate, token) = with_counters(&config);
            let both = together(
                &gate,
                move |gate| [succeed(gate, token, &config), succeed(gate, token, &config)],
                move |gate| fail(gate, token, &config),
            );
            assert_eq!(both, ([None, None], None));
            let reading = gate.read("loom".into(), &config);
            assert_eq!((reading.calls, reading.failures), (Some(4), 1));
        });
    }
}

#[test]
fn concurrent_failures_trip_a_rate_once() {
    for window in [None, Some(LONG)] {
        loom::model(move || {
            let config = by_rate(0.5, 3, window);
            let (gate, token) = with_counters(&config);
            let once = move |gate: &Gate| fail(gate, token, &config);
            let (a, b) = together(&gate, once, once);
            assert_eq!(a.iter().chain(&b).count(), 1);
            assert_eq!(gate.word(), gate_word(State::Open));
        });
    }
}

#[test]
fn the_success_that_reaches_min_calls_is_judged() {
    for window in [None, Some(LONG)] {
        loom::model(move || {
            let config = by_rate(0.25, 3, window);
            let (gate, token) = with_counters(&config);
            assert_eq!(fail(&gate, token, &config), None);
            let once = move |gate: &Gate| succeed(gate, token, &config);
            let (a, b) = together(&gate, once, once);
            assert_eq!(a.iter().chain(&b).count(), 1, "one of three has failed");
            assert_eq!(gate.word(), gate_word(State::Open));
        });
    }
}

/// It may be counted after the transition: its generation is looked at before, without the lock.
#[test]
fn a_success_during_a_reset_is_counted_at_most_once() {
    for window in [None, Some(LONG)] {
        loom::model(move || {
            let config = by_rate(1.0, 1, window);
            let (gate, token) = with_counters(&config);
            together(&gate, move |gate| succeed(gate, token, &config), |gate| gate.reset());
            let next = gate.load().token();
            assert_eq!(gate.succeeded(next, false, &config), None);
            let calls = gate.read("loom".into(), &config).calls;
            assert!(matches!(calls, Some(1 | 2)), "{calls:?}");
        });
    }
}
