//! The gate against a slow model of it, and the waiting that a function cannot show.

use super::gate::{Capacity, Gate, GateAnswer, TURN};
use crate::policy::waiters::After;
use proptest::prelude::*;
use std::task::Waker;

const ROOM: Capacity = Capacity { slots: 2, queue: 3 };

/// A bulkhead in the plainest form possible.
#[derive(Debug, Default)]
struct Model {
    running: usize,
    /// The waiting callers, and until when they wait.
    waiting: Vec<(u64, u64)>,
    /// The callers whose turn it is, since when, and until when they wait.
    turns: Vec<(u64, u64, u64)>,
}

impl Model {
    fn in_use(&self) -> usize {
        self.running + self.turns.len()
    }

    fn revise(&mut self, now: u64) {
        while let Some((_, since, _)) = self.turns.first()
            && since + TURN <= now
        {
            self.turns.remove(0);
            self.hand_over(now);
        }
    }

    fn hand_over(&mut self, now: u64) {
        while self.in_use() < 2 && !self.waiting.is_empty() {
            let (number, until) = self.waiting.remove(0);
            if until > now {
                self.turns.push((number, now, until));
            }
        }
    }

    fn arrive(&mut self, number: u64, patience: u64, now: u64) -> GateAnswer {
        self.revise(now);
        if self.in_use() < 2 && self.waiting.is_empty() {
            self.running += 1;
            return GateAnswer::Entered(now);
        }
        if patience == 0 || self.waiting.len() >= 3 {
            return GateAnswer::Refused;
        }
        self.waiting.push((number, now + patience));
        GateAnswer::Waits(number)
    }

    fn look(&mut self, number: u64, until: u64, next: u64, now: u64) -> GateAnswer {
        self.revise(now);
        if let Some(at) = self.turns.iter().position(|turn| turn.0 == number) {
            self.turns.remove(at);
            self.running += 1;
            return GateAnswer::Entered(now);
        }
        let place = self.waiting.iter().position(|waiter| waiter.0 == number);
        if until <= now {
            place.map(|at| self.waiting.remove(at));
            return GateAnswer::Refused;
        }
        if place.is_some() {
            return GateAnswer::Waits(number);
        }
        if self.turns.is_empty() {
            return self.arrive(next, until - now, now);
        }
        let (other, _, other_until) = self.turns.remove(0);
        let place = self.waiting.partition_point(|(number, _)| *number < other);
        self.waiting.insert(place, (other, other_until));
        self.running += 1;
        GateAnswer::Entered(now)
    }

    fn cancel(&mut self, number: u64, now: u64) {
        self.waiting.retain(|waiter| waiter.0 != number);
        if let Some(at) = self.turns.iter().position(|turn| turn.0 == number) {
            self.turns.remove(at);
            self.hand_over(now);
        }
    }

    fn leave(&mut self, now: u64) {
        self.running -= 1;
        self.revise(now);
        self.hand_over(now);
    }
}

#[derive(Clone, Debug)]
enum Step {
    Arrive(u64),
    Look(usize),
    Cancel(usize),
    Leave,
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..4_u64).prop_map(|patience| Step::Arrive(patience * 70_000_000)),
        4 => (0..8_usize).prop_map(Step::Look),
        1 => (0..8_usize).prop_map(Step::Cancel),
        3 => Just(Step::Leave),
        2 => (0..150_000_000_u64).prop_map(Step::Pass),
    ]
}

fn woken(after: &After) -> Option<u64> {
    after.due
}

proptest! {
    /// The mean is left out: no slot that the model knows is held since a known moment.
    #[test]
    fn the_gate_agrees_with_the_model(steps in prop::collection::vec(step(), 1..200)) {
        let (gate, mut model) = (Gate::new(), Model::default());
        let (mut now, mut last) = (0, 0);
        let mut callers: Vec<(u64, u64)> = Vec::new();
        for step in steps {
            match step {
                Step::Arrive(patience) => {
                    let expected = model.arrive(last + 1, patience, now);
                    let arrival = if gate.enter(2) {
                        GateAnswer::Entered(now)
                    } else {
                        let (arrival, after) = gate.arrive(|| ROOM, patience, now, Waker::noop().clone());
                        woken(&after);
                        arrival
                    };
                    prop_assert_eq!(arrival, expected);
                    if let GateAnswer::Waits(number) = arrival {
                        last = number;
                        callers.push((number, now + patience));
                    }
                }
                Step::Look(which) if !callers.is_empty() => {
                    let at = which % callers.len();
                    let (number, until) = callers[at];
                    let expected = model.look(number, until, last + 1, now);
                    let (arrival, after) = gate.look(number, until, || ROOM, now, Waker::noop().clone());
                    woken(&after);
                    prop_assert_eq!(arrival, expected);
                    match arrival {
                        GateAnswer::Waits(number) => {
                            last = last.max(number);
                            callers[at].0 = number;
                        }
                        _ => drop(callers.remove(at)),
                    }
                }
                Step::Cancel(which) if !callers.is_empty() => {
                    let (number, _) = callers.remove(which % callers.len());
                    model.cancel(number, now);
                    woken(&gate.cancel(number, now));
                }
                Step::Leave if model.running > 0 => {
                    model.leave(now);
                    if !gate.leave() {
                        woken(&gate.leave_queue(None, || now));
                    }
                }
                Step::Pass(time) => now += time,
                _ => {}
            }
            let reading = gate.read();
            prop_assert_eq!((reading.in_use as usize, reading.waiting), (model.in_use(), model.waiting.len()));
        }
    }
}

#[test]
fn no_clock_is_read_while_no_caller_waits() {
    let gate = Gate::new();
    assert!(gate.enter(2) && gate.enter(2) && !gate.enter(2));
    assert!(gate.leave() && gate.leave());
    let (arrival, after) = gate.arrive(|| ROOM, 0, 7, Waker::noop().clone());
    assert_eq!((arrival, woken(&after)), (GateAnswer::Entered(7), None));
    let after = gate.leave_queue(Some(7), || unreachable!("no caller waits"));
    assert_eq!(woken(&after), None);
}

#[test]
fn a_hopeless_wait_is_rejected_on_arrival() {
    const MILLI: u64 = 1_000_000;
    let gate = Gate::new();
    let arrive = |patience, now| {
        let (arrival, after) =
            gate.arrive(|| Capacity { slots: 1, queue: 8 }, patience, now, Waker::noop().clone());
        woken(&after);
        arrival
    };
    let look = |number, now| {
        let (arrival, after) =
            gate.look(number, u64::MAX, || Capacity { slots: 1, queue: 8 }, now, Waker::noop().clone());
        woken(&after);
        arrival
    };
    assert!(gate.enter(1));
    // Nothing is known yet.
    let GateAnswer::Waits(first) = arrive(MILLI, 0) else { panic!("the first waits") };
    woken(&gate.cancel(first, 0));
    let waiting: Vec<_> = (0..3).map(|_| arrive(1000 * MILLI, 0)).collect();
    let [GateAnswer::Waits(a), GateAnswer::Waits(b), GateAnswer::Waits(_)] = waiting[..] else {
        panic!("{waiting:?}")
    };
    woken(&gate.leave_queue(None, || 0));
    let GateAnswer::Entered(since) = look(a, 0) else { panic!("its turn") };
    woken(&gate.leave_queue(Some(since), || 40 * MILLI));
    assert_eq!(gate.read().hold, Some(40 * MILLI));
    let GateAnswer::Entered(_) = look(b, 40 * MILLI) else { panic!("its turn") };
    // One caller waits, so that the next one is served after two calls of 40 ms.
    assert_eq!(arrive(79 * MILLI, 41 * MILLI), GateAnswer::Refused);
    assert!(matches!(arrive(80 * MILLI, 41 * MILLI), GateAnswer::Waits(_)));
    // A mean that is not renewed is forgotten.
    assert!(matches!(arrive(79 * MILLI, 1041 * MILLI), GateAnswer::Waits(_)));
}
