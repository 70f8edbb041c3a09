//! Every order in which a few threads can meet in a flight.

use super::flight::{Flights, NONE, Role, WaitOutcome};
use crate::policy::waiters::loom::{Caller, together};
use loom::sync::Arc;
use loom::thread;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Poll, Waker};

type Shared = Flights<u8, u32>;

/// A call that waits.
struct Waits {
    flight: u64,
    number: u64,
    caller: Caller,
    turn: Option<WaitOutcome<u32>>,
}

impl Waits {
    fn join(flights: &Shared, flight: u64, ends: u64) -> Self {
        let number = flights.join(flight, ends).unwrap();
        Self { flight, number, caller: Caller::default(), turn: None }
    }

    fn poll(mut self, flights: &Shared) -> Self {
        if let Poll::Ready(turn) = flights.poll(self.flight, self.number, &self.caller.waker()) {
            self.turn = Some(turn);
        }
        self
    }

    /// Returns its turn, once all else has happened: a waiter was woken.
    fn ends(self, flights: &Shared) -> WaitOutcome<u32> {
        if self.turn.is_none() {
            assert!(self.caller.is_woken(), "its wake-up was lost");
        }
        let polled = if self.turn.is_none() { self.poll(flights) } else { self };
        polled.turn.expect("what it was woken for")
    }
}

/// Returns a flight with its leader.
fn led() -> (Arc<Shared>, u64) {
    let flights = Arc::new(Shared::new());
    let flight = flights.lead(1, 0, || true).unwrap();
    (flights, flight)
}

#[test]
fn a_result_reaches_every_waiter() {
    loom::model(|| {
        let (flights, flight) = led();
        let (one, two) = (Waits::join(&flights, flight, NONE), Waits::join(&flights, flight, NONE));
        let shared = flights.clone();
        let one = thread::spawn(move || one.poll(&shared));
        let (two, ()) =
            together(&flights, |flights| two.poll(flights), move |flights| flights.land(flight, 7, || ()));
        let one = one.join().unwrap();
        assert_eq!(
            (one.ends(&flights), two.ends(&flights)),
            (WaitOutcome::Landed(7), WaitOutcome::Landed(7))
        );
        assert_eq!(flights.count(), 0);
    });
}

#[test]
fn a_waiter_leads_after_the_leader_and_another_waiter_leave() {
    loom::model(|| {
        let (flights, flight) = led();
        let (leaves, stays) = (Waits::join(&flights, flight, NONE), Waits::join(&flights, flight, 1));
        let shared = flights.clone();
        let abandons = thread::spawn(move || shared.abandon(flight));
        let (stays, ()) = together(
            &flights,
            |flights| stays.poll(flights),
            move |flights| flights.leave(leaves.flight, leaves.number),
        );
        abandons.join().unwrap();
        assert_eq!(stays.ends(&flights), WaitOutcome::Lead);
        flights.land(flight, 7, || ());
        assert_eq!(flights.count(), 0);
    });
}

#[test]
fn a_waiter_that_joins_as_the_leader_leaves_takes_over() {
    loom::model(|| {
        let (flights, flight) = led();
        let (joined, ()) = together(
            &flights,
            move |flights| flights.join(flight, NONE),
            move |flights| flights.abandon(flight),
        );
        match joined {
            None => assert!(flights.lead(1, 0, || true).is_some()),
            Some(number) => {
                let turn = flights.poll(flight, number, Waker::noop());
                assert_eq!(turn, Poll::Ready(WaitOutcome::Lead));
            }
        }
    });
}

#[test]
fn no_call_joins_a_landed_flight_without_its_result() {
    loom::model(|| {
        let (flights, flight) = led();
        // The call keeps the flight until it takes the result.
        let waits = Waits::join(&flights, flight, NONE).poll(&flights);
        let known = Arc::new(loom::sync::atomic::AtomicBool::new(false));
        let seen = known.clone();
        let (joined, ()) = together(
            &flights,
            move |flights| {
                let is_known = seen.load(Ordering::Acquire);
                (is_known, flights.join(flight, NONE))
            },
            move |flights| {
                flights.land(flight, 7, || ());
                known.store(true, Ordering::Release);
            },
        );
        assert!(!matches!(joined, (true, Some(_))), "{joined:?}");
        if let (_, Some(number)) = joined {
            assert_eq!(flights.poll(flight, number, Waker::noop()), Poll::Ready(WaitOutcome::Landed(7)));
        }
        assert_eq!(waits.ends(&flights), WaitOutcome::Landed(7));
        assert_eq!(flights.count(), 0);
    });
}

#[test]
fn only_one_of_two_concurrent_calls_leads() {
    loom::model(|| {
        let flights = Arc::new(Shared::new());
        let lead = |flights: &Shared| flights.lead(1, 0, || true);
        let (one, two) = together(&flights, lead, lead);
        assert!(one.is_some() != two.is_some());
    });
}

#[test]
fn only_one_of_two_waiters_replaces_the_leader() {
    loom::model(|| {
        let (flights, flight) = led();
        let start =
            move |flights: &Shared| matches!(flights.lead_or_alone(1, 0, Some(flight)), Role::Leads(_));
        let (one, two) = together(&flights, start, start);
        assert!(one != two);
        flights.land(flight, 7, || unreachable!("another has taken its place"));
    });
}

#[test]
fn no_result_from_before_a_change_is_stored_after_it() {
    /// Returns the stored value: changed only under the lock of the flights.
    fn stored() -> std::sync::Arc<AtomicU32> {
        Default::default()
    }
    loom::model(|| {
        let (flights, flight) = led();
        let changes = flights.changes();
        let value = stored();
        let (kept, changed) = (value.clone(), value.clone());
        let alone = value.clone();
        let shared = flights.clone();
        let other = thread::spawn(move || {
            shared.keep_alone(changes, || alone.store(2, Ordering::SeqCst));
        });
        together(
            &flights,
            move |flights| flights.land(flight, 7, || kept.store(1, Ordering::SeqCst)),
            move |flights| flights.change(&[1], || changed.store(0, Ordering::SeqCst)),
        );
        other.join().unwrap();
        assert_eq!(value.load(Ordering::SeqCst), 0);
    });
}
