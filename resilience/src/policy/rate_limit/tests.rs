//! The gate against a slow model of it, and clocks that do not go evenly.

use super::gate::{Gate, GateAnswer, Rate};
use crate::policy::waiters::After;
use proptest::prelude::*;
use std::task::Waker;

const MILLI: u64 = 1_000_000;

fn rate(interval: u64, burst: u32) -> Rate {
    Rate::new(interval, burst)
}

/// A gate with a clock of its own, in nanoseconds.
struct Clocked {
    gate: Gate,
    rate: Rate,
}

impl Clocked {
    fn new(rate: Rate) -> Self {
        Self { gate: Gate::new(), rate }
    }

    fn pass(&self, now: u64) -> Result<(), u64> {
        self.gate.pass(self.rate, || now)
    }

    fn arrive(&self, patience: u64, now: u64) -> GateAnswer {
        let (arrival, after) = self.gate.arrive(self.rate, patience, || now, Waker::noop().clone());
        done(&after);
        arrival
    }

    fn look(&self, number: u64, now: u64) -> GateAnswer {
        let (arrival, after) = self.gate.look(number, 0, self.rate, || now, Waker::noop().clone());
        done(&after);
        arrival
    }
}

fn done(_: &After) {}

/// A model that counts every call that has passed, and looks through all of them each time.
#[derive(Default)]
struct Model {
    /// The times of passed calls.
    passed: Vec<u64>,
    now: u64,
    /// The waiting callers, and until which reading of the clock each keeps its place without being polled.
    waiting: Vec<(u64, u64)>,
}

impl Model {
    /// Sets the clock. One that goes back makes the debt larger, at most to what it can be: then the calls that have
    /// passed count as a whole burst at this moment.
    fn tick(&mut self, now: u64, rate: Rate) {
        self.now = now;
        if self.due(rate) > now + rate.tolerance + rate.interval {
            self.passed = vec![now; (rate.tolerance / rate.interval) as usize + 1];
        }
    }

    fn due(&self, rate: Rate) -> u64 {
        self.passed.iter().fold(0, |due: u64, at| due.max(*at) + rate.interval)
    }

    /// Returns the time until the next call may pass, by the definition of the algorithm: the theoretical arrival time
    /// of each call is an interval after that of the one before, or after its own arrival.
    fn wait(&self, before: usize, rate: Rate) -> u64 {
        let due = (0..before).fold(self.due(rate).max(self.now), |due, _| due + rate.interval);
        due.saturating_sub(rate.tolerance).saturating_sub(self.now)
    }

    fn arrive(&mut self, patience: u64, number: u64, rate: Rate) -> GateAnswer {
        self.drop_late(self.waiting.len());
        match self.wait(self.waiting.len(), rate) {
            0 => {
                self.passed.push(self.now);
                GateAnswer::Passes
            }
            wait if wait > patience => GateAnswer::Refused(wait),
            wait => {
                self.waiting.push((number, self.now + wait + 100 * MILLI));
                GateAnswer::Waits(number, wait)
            }
        }
    }

    /// Drops those of the first `before` in the queue that are no longer polled.
    fn drop_late(&mut self, before: usize) {
        let mut place = 0;
        let now = self.now;
        self.waiting.retain(|(_, until)| {
            place += 1;
            place > before || *until > now
        });
    }

    /// Polls a waiting call; one that has lost its place starts over, with no time left to wait.
    fn look(&mut self, number: u64, rate: Rate) -> GateAnswer {
        let place_of = |waiting: &[(u64, u64)]| waiting.iter().position(|(waiter, _)| *waiter == number);
        let Some(place) = place_of(&self.waiting) else { return self.arrive(0, number, rate) };
        self.drop_late(place);
        let place = place_of(&self.waiting).expect("it waits");
        match self.wait(place, rate) {
            0 => {
                self.waiting.remove(place);
                self.passed.push(self.now);
                GateAnswer::Passes
            }
            wait => GateAnswer::Waits(number, wait),
        }
    }
}

#[derive(Clone, Debug)]
enum Step {
    Pass,
    Arrive(u64),
    Look(usize),
    Cancel(usize),
    Later(u64),
    /// The clock goes back.
    Earlier(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => Just(Step::Pass),
        3 => (0..50 * MILLI).prop_map(Step::Arrive),
        3 => (0..8_usize).prop_map(Step::Look),
        1 => (0..8_usize).prop_map(Step::Cancel),
        4 => (0..40 * MILLI).prop_map(Step::Later),
        // As after a suspension of two hours.
        1 => Just(Step::Later(7_200_000 * MILLI)),
        1 => (0..40 * MILLI).prop_map(Step::Earlier),
        1 => Just(Step::Earlier(MILLI)),
    ]
}

proptest! {
    #[test]
    fn the_gate_agrees_with_the_model(
        steps in prop::collection::vec(step(), 1..150),
        interval in 1..20 * MILLI,
        burst in 1..6_u32,
    ) {
        let rate = rate(interval, burst);
        let (clocked, mut model) = (Clocked::new(rate), Model::default());
        // Far enough from the beginning to go back.
        let (mut now, mut last) = (3_600_000 * MILLI, 0);
        model.tick(now, rate);
        prop_assert_eq!(clocked.pass(now), Ok(()));
        prop_assert_eq!(model.arrive(0, 0, rate), GateAnswer::Passes);
        let mut callers: Vec<u64> = Vec::new();
        for step in steps {
            // What the clock shows between two looks at it is seen by neither.
            if matches!(step, Step::Pass | Step::Arrive(_)) || matches!(step, Step::Look(_) if !callers.is_empty()) {
                model.tick(now, rate);
            }
            match step {
                Step::Pass => {
                    let expected = match model.arrive(0, 0, rate) {
                        GateAnswer::Passes => Ok(()),
                        GateAnswer::Refused(wait) | GateAnswer::Waits(_, wait) => Err(wait),
                    };
                    prop_assert_eq!(clocked.pass(now), expected);
                }
                Step::Arrive(patience) => {
                    let expected = model.arrive(patience, last + 1, rate);
                    prop_assert_eq!(clocked.arrive(patience, now), expected);
                    if let GateAnswer::Waits(number, _) = expected {
                        last = number;
                        callers.push(number);
                    }
                }
                Step::Look(which) if !callers.is_empty() => {
                    let at = which % callers.len();
                    let expected = model.look(callers[at], rate);
                    prop_assert_eq!(clocked.look(callers[at], now), expected);
                    if !matches!(expected, GateAnswer::Waits(..)) {
                        callers.remove(at);
                    }
                }
                Step::Cancel(which) if !callers.is_empty() => {
                    let number = callers.remove(which % callers.len());
                    model.waiting.retain(|(waiter, _)| *waiter != number);
                    done(&clocked.gate.cancel(number));
                }
                Step::Later(time) => now += time,
                Step::Earlier(time) => now -= time,
                _ => {}
            }
        }
    }

    #[test]
    fn no_period_admits_more_than_the_count_plus_the_burst(
        pauses in prop::collection::vec(0..30 * MILLI, 1..300),
        count in 1..20_u64,
        burst in 1..30_u32,
    ) {
        let per = 100 * MILLI;
        let clocked = Clocked::new(rate(per.div_ceil(count), burst));
        let (mut now, mut passed) = (0, Vec::new());
        for pause in pauses {
            now += pause;
            while clocked.pass(now).is_ok() {
                passed.push(now);
            }
        }
        for (at, first) in passed.iter().enumerate() {
            let inside = passed.iter().skip(at).take_while(|moment| *moment - first < per).count();
            prop_assert!(inside as u64 <= count + u64::from(burst), "{inside}");
        }
    }
}

#[test]
fn after_a_sleep_at_most_a_burst_passes() {
    let clocked = Clocked::new(rate(10 * MILLI, 3));
    for now in [0, 7_200_000 * MILLI, 86_400_000 * MILLI] {
        let passed = std::iter::from_fn(|| clocked.pass(now).ok()).count();
        assert_eq!(passed, 3, "at {now}");
        assert_eq!(clocked.pass(now), Err(10 * MILLI));
    }
}

#[test]
fn a_clock_set_back_delays_by_at_most_one_interval() {
    let clocked = Clocked::new(rate(10 * MILLI, 3));
    let hour = 3_600_000 * MILLI;
    assert_eq!(std::iter::from_fn(|| clocked.pass(2 * hour).ok()).count(), 3);
    assert_eq!(clocked.pass(2 * hour + 4 * MILLI), Err(6 * MILLI));
    assert_eq!(clocked.pass(2 * hour + 3 * MILLI), Err(7 * MILLI));
    for earlier in [hour, hour / 2, 0] {
        assert_eq!(clocked.pass(earlier), Err(10 * MILLI), "the whole burst is used up");
        assert_eq!(clocked.pass(earlier + 6 * MILLI), Err(4 * MILLI));
    }
    assert_eq!(clocked.pass(10 * MILLI), Ok(()));
    assert_eq!(clocked.pass(10 * MILLI), Err(10 * MILLI));
}

#[test]
fn the_longest_interval_is_counted_without_overflow() {
    let clocked = Clocked::new(Rate { interval: 1 << 63, tolerance: 0 });
    assert_eq!(clocked.pass(0), Ok(()));
    assert_eq!(clocked.pass(1), Err((1 << 63) - 1));
    let wide = Clocked::new(Rate { interval: 1 << 31, tolerance: (1 << 63) - (1 << 31) });
    assert_eq!(wide.pass(0), Ok(()));
    assert_eq!(wide.gate.read(wide.rate, 0).available, u64::from(u32::MAX));
}

#[test]
fn a_caller_that_is_not_polled_loses_its_place() {
    let clocked = Clocked::new(rate(10 * MILLI, 1));
    assert_eq!(clocked.pass(0), Ok(()));
    let GateAnswer::Waits(first, wait) = clocked.arrive(20 * MILLI, 0) else { panic!("it waits") };
    assert_eq!(wait, 10 * MILLI);
    assert_eq!(clocked.arrive(20 * MILLI, 0), GateAnswer::Waits(2, 20 * MILLI));
    let late = 121 * MILLI;
    assert_eq!(clocked.arrive(0, late), GateAnswer::Passes, "both were dropped");
    assert_eq!(clocked.look(first, late), GateAnswer::Refused(10 * MILLI));
    assert_eq!(clocked.look(first, late + 10 * MILLI), GateAnswer::Passes);
}

#[test]
fn a_caller_that_leaves_wakes_the_first_alone() {
    const CALLERS: u64 = 1_000;
    let clocked = Clocked::new(rate(MILLI, 1));
    assert_eq!(clocked.pass(0), Ok(()));
    for n in 1..=CALLERS {
        assert_eq!(clocked.arrive(u64::MAX, 0), GateAnswer::Waits(n, n * MILLI));
    }
    assert_eq!(clocked.gate.cancel(500).wake.len(), 0, "the first waits as long as before");
    for n in 1..400 {
        assert_eq!(clocked.gate.cancel(n).wake.len(), 1);
        assert_eq!(clocked.look(n + 1, 0), GateAnswer::Waits(n + 1, MILLI));
    }
    let woken_after = |number: u64, now: u64| {
        let (answer, after) =
            clocked.gate.look(number, u64::MAX, clocked.rate, || now, Waker::noop().clone());
        assert_eq!(answer, GateAnswer::Passes, "{number}");
        after.wake.len()
    };
    let waiting = (400..=CALLERS).filter(|number| *number != 500);
    for (number, now) in waiting.zip(1..) {
        assert_eq!(woken_after(number, now * MILLI), usize::from(number < CALLERS), "{number}");
    }
    assert_eq!(clocked.arrive(u64::MAX, 600 * MILLI), GateAnswer::Waits(CALLERS + 1, MILLI));
    assert_eq!(clocked.arrive(u64::MAX, 600 * MILLI), GateAnswer::Waits(CALLERS + 2, 2 * MILLI));
    assert_eq!(woken_after(CALLERS + 1, 601 * MILLI), 0, "no caller has left");
}
