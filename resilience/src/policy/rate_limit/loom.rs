//! Every order in which a few callers can meet at the gate.

use super::gate::{Gate, GateAnswer, Rate};
use crate::policy::waiters::After;
use crate::policy::waiters::loom::{Caller, together};
use loom::sync::Arc;
use std::task::Waker;

const INTERVAL: u64 = 1_000;
const LONG: u64 = 1 << 40;

const fn rate(burst: u32) -> Rate {
    Rate::new(INTERVAL, burst)
}

/// Passes or waits.
fn arrive(caller: &Caller, gate: &Gate, now: u64) -> GateAnswer {
    if gate.pass(rate(1), || now).is_ok() {
        return GateAnswer::Passes;
    }
    let (arrival, after) = gate.arrive(rate(1), LONG, || now, caller.waker());
    finish(after);
    arrival
}

fn look(caller: &Caller, gate: &Gate, number: u64, now: u64) -> GateAnswer {
    let (arrival, after) = gate.look(number, LONG, rate(1), || now, caller.waker());
    finish(after);
    arrival
}

fn finish(after: After) {
    after.wake.into_iter().for_each(Waker::wake);
}

/// Returns a gate whose word and lock are made, with one call let through.
fn used(burst: u32) -> Arc<Gate> {
    let gate = Arc::new(Gate::new());
    assert_eq!(gate.pass(rate(burst), || 0), Ok(()));
    assert_eq!(gate.read(rate(burst), 0).waiting, 0);
    gate
}

fn waits(caller: &Caller, gate: &Gate) -> u64 {
    match arrive(caller, gate, 0) {
        GateAnswer::Waits(number, _) => number,
        other => panic!("{other:?}"),
    }
}

#[test]
fn no_more_calls_pass_than_the_burst() {
    loom::model(|| {
        let gate = used(2);
        let pass = |gate: &Gate| gate.pass(rate(2), || 0);
        let (a, b) = together(&gate, pass, pass);
        assert_eq!([a, b].iter().filter(|passed| passed.is_ok()).count(), 1);
        assert_eq!(gate.read(rate(2), 0).wait, INTERVAL);
    });
}

#[test]
fn a_charge_is_not_lost_while_waiters_leave_the_queue() {
    loom::model(|| {
        let gate = used(4);
        let (passed, ()) = together(
            &gate,
            |gate| [(); 2].map(|()| gate.pass(rate(4), || 0)),
            |gate| {
                finish(gate.cancel(1));
                finish(gate.cancel(2));
            },
        );
        assert_eq!(passed, [Ok(()), Ok(())]);
        assert_eq!(gate.read(rate(4), 0).available, 1);
    });
}

#[test]
fn only_one_of_two_concurrent_callers_passes_at_once() {
    loom::model(|| {
        let gate = used(1);
        let (first, second) = (Caller::default(), Caller::default());
        let (a, b) = (first.clone(), second.clone());
        let both =
            together(&gate, move |gate| arrive(&a, gate, INTERVAL), move |gate| arrive(&b, gate, INTERVAL));
        let (waiting, number) = match both {
            (GateAnswer::Passes, GateAnswer::Waits(number, INTERVAL)) => (second, number),
            (GateAnswer::Waits(number, INTERVAL), GateAnswer::Passes) => (first, number),
            other => panic!("{other:?}"),
        };
        assert_eq!(look(&waiting, &gate, number, 2 * INTERVAL), GateAnswer::Passes);
        assert_eq!(gate.read(rate(1), 2 * INTERVAL).wait, INTERVAL);
    });
}

#[test]
fn a_new_caller_does_not_overtake_the_queue() {
    loom::model(|| {
        let gate = used(1);
        let caller = Caller::default();
        let number = waits(&caller, &gate);
        let (looked, newcomer) = together(
            &gate,
            move |gate| look(&caller, gate, number, INTERVAL),
            |gate| gate.pass(rate(1), || INTERVAL),
        );
        assert_eq!((looked, newcomer), (GateAnswer::Passes, Err(INTERVAL)));
        assert_eq!(gate.pass(rate(1), || 2 * INTERVAL), Ok(()));
    });
}

#[test]
fn a_cancelled_callers_place_goes_to_the_next() {
    loom::model(|| {
        let gate = used(1);
        let (first, second) = (Caller::default(), Caller::default());
        let (cancelled, behind) = (waits(&first, &gate), waits(&second, &gate));
        let looks = second.clone();
        let ((), looked) = together(
            &gate,
            move |gate| finish(gate.cancel(cancelled)),
            move |gate| look(&looks, gate, behind, INTERVAL),
        );
        if looked != GateAnswer::Passes {
            assert_eq!(looked, GateAnswer::Waits(behind, INTERVAL));
            assert!(second.is_woken());
            assert_eq!(look(&second, &gate, behind, INTERVAL), GateAnswer::Passes);
        }
        let reading = gate.read(rate(1), INTERVAL);
        assert_eq!((reading.waiting, reading.wait), (0, INTERVAL));
    });
}

#[test]
fn a_caller_that_arrives_during_a_reset_passes_or_is_woken() {
    loom::model(|| {
        let gate = used(1);
        let caller = Caller::default();
        let arrives = caller.clone();
        let (arrival, ()) =
            together(&gate, move |gate| arrive(&arrives, gate, 0), |gate| finish(gate.forget()));
        if let GateAnswer::Waits(number, _) = arrival {
            assert!(caller.is_woken());
            assert_eq!(look(&caller, &gate, number, 0), GateAnswer::Passes);
        }
        assert_eq!(gate.read(rate(1), 0).waiting, 0);
    });
}
