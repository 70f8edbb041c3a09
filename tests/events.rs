//! Listening to events at run time: subscriptions, handlers, and the last events of each point.

#[path = "events/handlers.rs"]
mod handlers;
#[path = "events/records.rs"]
mod records;

use futures::executor::block_on;
use resilience::events::{self, Kind};
use resilience::testing::{World, isolate};
use resilience::{
    CircuitBreaker, Event, Rejected, carry_fn, checkpoint, circuit_breaker, failover, job, rate_limit,
    timeout, with_fallback, with_retry,
};
use serde_json::{Value, json};
use std::future::Future;
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier, Mutex};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

#[with_retry(max = 2, base = 10ms, jitter = none, budget = none, name = "load")]
fn load() -> io::Result<u32> {
    Err(io::ErrorKind::ConnectionReset.into())
}

#[with_retry(max = 2, base = 10ms, jitter = none, budget = none, name = "load_later")]
async fn load_later() -> io::Result<u32> {
    Err(io::ErrorKind::ConnectionReset.into())
}

fn of_all() -> impl Iterator<Item = Kind> {
    Kind::ALL.iter().copied()
}

fn kinds(records: impl IntoIterator<Item = Arc<events::EventRecord>>) -> Vec<Value> {
    records.into_iter().map(|record| serde_json::to_value(&*record).unwrap()["kind"].clone()).collect()
}

// Subscriptions.

#[test]
fn a_subscription_gets_every_event_in_order() {
    let _world = isolate();
    let (mut one, mut other) = (events::subscribe(), events::subscribe());
    load().unwrap_err();
    let expected = ["attempt_failed", "retrying", "attempt_failed", "retrying", "attempt_failed", "gave_up"];
    assert_eq!(kinds(std::iter::from_fn(|| one.try_recv())), expected);
    assert_eq!(kinds(std::iter::from_fn(|| other.try_recv())), expected);
    assert!(one.try_recv().is_none());
    assert_eq!(one.dropped(), 0);
}

#[test]
fn a_subscription_begins_with_its_call_and_ends_when_dropped() {
    let _world = isolate();
    load().unwrap_err();
    let mut events = events::subscribe();
    assert!(events.try_recv().is_none(), "earlier events are in `recent`");
    drop(events);
    load().unwrap_err();
    assert!(events::subscribe().try_recv().is_none());
}

#[test]
fn a_slow_subscription_loses_its_oldest_events_and_counts_them() {
    let _world = isolate();
    let breaker = CircuitBreaker::new("flood");
    let mut events = events::subscribe();
    breaker.force_open();
    for _ in 0..1_100 {
        breaker.acquire().unwrap_err();
    }
    assert_eq!(events.dropped(), 101, "1 and 1,100 events, of which 1,000 are kept");
    let kept = kinds(std::iter::from_fn(|| events.try_recv()));
    assert_eq!(kept.len(), 1_000);
    assert!(kept.iter().all(|kind| kind == "rejected"), "the oldest has gone first");
    breaker.reset();
    assert_eq!(kinds(events.try_recv()), ["closed"]);
    assert_eq!(events.dropped(), 101);
}

#[test]
fn an_event_is_received_without_a_runtime_and_on_one() {
    let world = isolate();
    let mut events = events::subscribe();
    let ready = Arc::new(Barrier::new(2));
    let (handle, at_start) = (world.handle(), ready.clone());
    let raises = thread::spawn(move || {
        at_start.wait();
        handle.run(|| {
            CircuitBreaker::new("one").force_open();
            CircuitBreaker::new("two").force_open();
            CircuitBreaker::new("three").force_open();
        });
    });
    ready.wait();
    assert_eq!(events.recv_blocking().event.point(), "one");
    assert_eq!(block_on(events.recv()).event.point(), "two");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    assert_eq!(runtime.block_on(events.recv()).event.point(), "three");
    raises.join().unwrap();
}

#[test]
fn a_dropped_recv_loses_no_event() {
    let _world = isolate();
    let mut events = events::subscribe();
    {
        let mut waits = pin!(events.recv());
        assert!(waits.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        CircuitBreaker::new("kept").force_open();
    }
    assert_eq!(events.try_recv().unwrap().event.point(), "kept");
}

#[test]
fn a_panicking_waker_does_not_affect_the_call() {
    struct Panics;
    impl Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("a broken executor");
        }
    }
    let _world = isolate();
    let mut events = events::subscribe();
    {
        let waker = Waker::from(Arc::new(Panics));
        assert!(pin!(events.recv()).poll(&mut Context::from_waker(&waker)).is_pending());
        CircuitBreaker::new("woken").force_open();
    }
    assert_eq!(events.try_recv().unwrap().event.point(), "woken");
}

#[test]
fn a_world_receives_only_its_own_events() {
    let mut outside = events::subscribe();
    let world = isolate();
    let mut inside = events::subscribe();
    CircuitBreaker::new("in a world").force_open();
    assert_eq!(inside.try_recv().unwrap().event.point(), "in a world");
    drop(world);
    CircuitBreaker::new("outside of it").force_open();
    assert!(inside.try_recv().is_none());
    let heard = std::iter::from_fn(|| outside.try_recv());
    let heard: Vec<_> = heard.map(|record| record.event.point().to_owned()).collect();
    assert!(heard.contains(&"outside of it".to_owned()) && !heard.contains(&"in a world".to_owned()));
}
