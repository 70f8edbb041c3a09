//! Every order in which a few callers can meet at the gate.
//!
//! A grant of a slot that wakes no caller fails `a_slot_that_is_freed_while_a_caller_arrives_is_not_lost`,
//! `a_caller_that_leaves_the_queue_passes_on_its_turn`, `a_new_caller_does_not_overtake_the_queue` and
//! `a_turn_is_used_or_expires`.

use super::gate::{Capacity, Gate, GateAnswer, TURN};
use crate::policy::waiters::After;
use crate::policy::waiters::loom::{Caller, together};
use loom::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::Waker;

const ROOM: Capacity = Capacity { slots: 1, queue: 8 };
const LONG: u64 = 1 << 40;

/// Enters or waits.
fn arrive(caller: &Caller, gate: &Gate) -> GateAnswer {
    if gate.enter(1) {
        return GateAnswer::Entered(0);
    }
    let (arrival, after) = gate.arrive(|| ROOM, LONG, 0, caller.waker());
    finish(after);
    arrival
}

fn look(caller: &Caller, gate: &Gate, number: u64, now: u64) -> GateAnswer {
    let (arrival, after) = gate.look(number, LONG, || ROOM, now, caller.waker());
    finish(after);
    arrival
}

fn finish(after: After) {
    after.wake.into_iter().for_each(Waker::wake);
}

fn leave(gate: &Gate) {
    if !gate.leave() {
        finish(gate.leave_queue(None, || 0));
    }
}

/// Returns a gate whose one slot is in use, made before the threads are.
fn full() -> Arc<Gate> {
    let gate = Arc::new(Gate::new());
    gate.queue();
    assert!(gate.enter(1));
    assert_eq!(gate.read().in_use, 1);
    gate
}

fn waits(caller: &Caller, gate: &Gate) -> u64 {
    match arrive(caller, gate) {
        GateAnswer::Waits(number) => number,
        other => panic!("{other:?}"),
    }
}

fn is_empty(gate: &Gate) -> bool {
    let reading = gate.read();
    (reading.in_use, reading.waiting) == (0, 0)
}

#[test]
fn a_slot_that_is_freed_while_a_caller_arrives_is_not_lost() {
    loom::model(|| {
        let gate = full();
        let caller = Caller::default();
        let arrives = caller.clone();
        let ((), arrival) = together(&gate, leave, move |gate| arrive(&arrives, gate));
        match arrival {
            GateAnswer::Waits(number) => {
                assert!(caller.is_woken());
                assert!(matches!(look(&caller, &gate, number, 0), GateAnswer::Entered(_)));
            }
            arrival => assert!(matches!(arrival, GateAnswer::Entered(_)), "{arrival:?}"),
        }
        leave(&gate);
        assert!(is_empty(&gate));
    });
}

#[test]
fn a_caller_that_leaves_the_queue_passes_on_its_turn() {
    loom::model(|| {
        let gate = full();
        let (first, second) = (Caller::default(), Caller::default());
        let (cancelled, behind) = (waits(&first, &gate), waits(&second, &gate));
        together(&gate, leave, move |gate| finish(gate.cancel(cancelled, 0)));
        assert!(second.is_woken());
        assert!(matches!(look(&second, &gate, behind, 0), GateAnswer::Entered(_)));
        leave(&gate);
        assert!(is_empty(&gate));
    });
}

#[test]
fn a_new_caller_does_not_overtake_the_queue() {
    loom::model(|| {
        let gate = full();
        let (first, newcomer) = (Caller::default(), Caller::default());
        let number = waits(&first, &gate);
        let arrives = newcomer.clone();
        let ((), arrival) = together(&gate, leave, move |gate| arrive(&arrives, gate));
        assert!(matches!(arrival, GateAnswer::Waits(_)), "{arrival:?}");
        assert!(matches!(look(&first, &gate, number, 0), GateAnswer::Entered(_)));
        leave(&gate);
        assert!(newcomer.is_woken());
    });
}

#[test]
fn a_turn_is_used_or_expires() {
    loom::model(|| {
        let gate = full();
        let (first, second) = (Caller::default(), Caller::default());
        let (slow, behind) = (waits(&first, &gate), waits(&second, &gate));
        leave(&gate);
        assert!(first.is_woken() && !second.is_woken());
        let queue = gate.queue().clone();
        let looks = first.clone();
        let ((), arrival) = together(
            &gate,
            move |_| {
                let after = queue.lock().look(TURN);
                finish(after);
            },
            move |gate| look(&looks, gate, slow, TURN - 1),
        );
        match arrival {
            GateAnswer::Entered(_) if second.is_woken() => {
                // It came too late, and before the second had taken the slot.
                assert!(matches!(look(&second, &gate, behind, TURN), GateAnswer::Waits(_)));
                leave(&gate);
                assert!(matches!(look(&second, &gate, behind, TURN), GateAnswer::Entered(_)));
            }
            GateAnswer::Entered(_) => {}
            arrival => panic!("{arrival:?}"),
        }
        assert_eq!(gate.read().in_use, 1);
    });
}

#[test]
fn no_more_calls_run_than_there_are_slots() {
    loom::model(|| {
        let gate = Arc::new(Gate::new());
        gate.queue();
        assert!(gate.enter(1));
        leave(&gate);
        let running = Arc::new(loom::sync::atomic::AtomicU32::new(0));
        let caller = |running: Arc<loom::sync::atomic::AtomicU32>| {
            move |gate: &Gate| {
                let caller = Caller::default();
                let GateAnswer::Entered(_) = arrive(&caller, gate) else { return None };
                assert_eq!(running.fetch_add(1, Ordering::Relaxed), 0);
                running.fetch_sub(1, Ordering::Relaxed);
                leave(gate);
                Some(())
            }
        };
        let (a, b) = together(&gate, caller(running.clone()), caller(running));
        assert!(a.is_some() || b.is_some());
    });
}

#[test]
fn a_caller_that_arrives_while_slots_are_added_gets_one() {
    loom::model(|| {
        let gate = full();
        let slots = Arc::new(loom::sync::atomic::AtomicU64::new(1));
        let (seen, added) = (slots.clone(), slots);
        let caller = Caller::default();
        let arrives = caller.clone();
        let (arrival, ()) = together(
            &gate,
            move |gate| {
                let room = || Capacity { slots: seen.load(Ordering::Relaxed), queue: 8 };
                let (arrival, after) = gate.arrive(room, LONG, 0, arrives.waker());
                finish(after);
                arrival
            },
            move |gate| {
                added.store(2, Ordering::Relaxed);
                finish(gate.resize(|| added.load(Ordering::Relaxed), 0));
            },
        );
        if let GateAnswer::Waits(number) = arrival {
            assert!(caller.is_woken());
            assert!(matches!(look(&caller, &gate, number, 0), GateAnswer::Entered(_)));
        }
        assert_eq!(gate.read().in_use, 2);
    });
}

#[test]
fn a_turn_given_up_during_an_arrival_frees_its_slot() {
    loom::model(|| {
        let gate = full();
        let (first, newcomer) = (Caller::default(), Caller::default());
        let number = waits(&first, &gate);
        leave(&gate);
        assert!(first.is_woken());
        let arrives = newcomer.clone();
        let (arrival, ()) =
            together(&gate, move |gate| arrive(&arrives, gate), move |gate| finish(gate.cancel(number, 0)));
        if let GateAnswer::Waits(number) = arrival {
            assert!(newcomer.is_woken());
            assert!(matches!(look(&newcomer, &gate, number, 0), GateAnswer::Entered(_)));
        }
        leave(&gate);
        assert!(is_empty(&gate));
    });
}

#[test]
fn a_new_caller_does_not_overtake_while_slots_are_added() {
    loom::model(|| {
        let gate = full();
        let (first, newcomer) = (Caller::default(), Caller::default());
        let number = waits(&first, &gate);
        let slots = Arc::new(loom::sync::atomic::AtomicU64::new(1));
        let (seen, added) = (slots.clone(), slots);
        let (arrival, ()) = together(
            &gate,
            move |gate| {
                let room = || Capacity { slots: seen.load(Ordering::Relaxed), queue: 8 };
                let (arrival, after) = gate.arrive(room, LONG, 0, newcomer.waker());
                finish(after);
                arrival
            },
            move |gate| {
                added.store(2, Ordering::Relaxed);
                finish(gate.resize(|| added.load(Ordering::Relaxed), 0));
            },
        );
        assert!(matches!(arrival, GateAnswer::Waits(_)), "{arrival:?}");
        assert!(first.is_woken());
        assert!(matches!(look(&first, &gate, number, 0), GateAnswer::Entered(_)));
    });
}
