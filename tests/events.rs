//! Listening to events at run time: subscriptions, handlers, and the last events of each point.

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

// Handlers.

/// A handler that counts in itself, and writes what it has counted.
fn counts(kinds: impl IntoIterator<Item = Kind>) -> (events::Handler, Arc<AtomicUsize>) {
    let seen = Arc::new(AtomicUsize::new(0));
    let (mut count, shared) = (0, seen.clone());
    let handler = events::on(kinds, move |_| {
        count += 1;
        shared.store(count, Ordering::Relaxed);
    });
    (handler, seen)
}

#[test]
fn a_call_returns_after_its_events_are_handled() {
    let _world = isolate();
    let (handler, seen) = counts(of_all());
    load().unwrap_err();
    assert_eq!(seen.load(Ordering::Relaxed), 6);
    block_on(load_later()).unwrap_err();
    assert_eq!(seen.load(Ordering::Relaxed), 12);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(load_later()).unwrap_err();
    assert_eq!((seen.load(Ordering::Relaxed), handler.overruns(), handler.skipped()), (18, 0, 0));
    handler.remove();
    load().unwrap_err();
    assert_eq!(seen.load(Ordering::Relaxed), 18);
}

#[test]
fn a_handler_receives_only_the_requested_kinds() {
    let _world = isolate();
    let (_first, gave_up) = counts([Kind::GaveUp]);
    let (_second, two) = counts([Kind::Opened, Kind::Retrying]);
    let (_third, none) = counts([]);
    load().unwrap_err();
    CircuitBreaker::new("opens").force_open();
    let seen = [gave_up, two, none].map(|seen| seen.load(Ordering::Relaxed));
    assert_eq!(seen, [1, 3, 0], "they stay when what refers to them is dropped");
}

#[test]
fn a_panicking_handler_is_counted_and_keeps_running() {
    let _world = isolate();
    let before = resilience::event::hook_panics();
    let mut count = 0;
    let (sender, counted) = channel();
    let _handler = events::on(of_all(), move |_| {
        count += 1;
        sender.send(count).unwrap();
        assert!(count % 2 == 0, "every other event");
    });
    load().unwrap_err();
    assert_eq!(counted.try_iter().collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6]);
    assert!(resilience::event::hook_panics() >= before + 3);
}

#[test]
fn a_handler_may_panic_on_drop() {
    struct Panics;
    impl Drop for Panics {
        fn drop(&mut self) {
            panic!("dropped");
        }
    }
    let _world = isolate();
    let state = Panics;
    let handler = events::on([Kind::Opened], move |_| {
        let _ = &state;
    });
    CircuitBreaker::new("before").force_open();
    handler.remove();
    CircuitBreaker::new("after").force_open();
}

/// A handler that says when it begins, and goes on when it is received to.
struct Blocked {
    handler: events::Handler,
    begun: Receiver<String>,
    goes_on: Sender<()>,
    done: Receiver<String>,
}

fn blocked() -> Blocked {
    let ((begins, begun), (goes_on, may), (ends, done)) = (channel(), channel(), channel());
    let handler = events::on([Kind::Opened, Kind::AttemptFailed], move |record| {
        let point = record.event.point().to_owned();
        begins.send(point.clone()).unwrap();
        may.recv().unwrap();
        ends.send(point).unwrap();
    });
    Blocked { handler, begun, goes_on, done }
}

impl Blocked {
    /// Raises an event on another thread, lets the handler run for a second of the world, and waits for the call.
    fn overruns(&self, world: &World, point: &'static str) {
        let handle = world.handle();
        let call = thread::spawn(move || handle.run(|| CircuitBreaker::new(point).force_open()));
        assert_eq!(self.begun.recv().unwrap(), point);
        world.advance(SECOND);
        call.join().unwrap();
        assert!(self.done.try_recv().is_err(), "the call went on before its handler");
        self.goes_on.send(()).unwrap();
        assert_eq!(self.done.recv().unwrap(), point, "and the handler after it");
    }
}

#[test]
fn a_call_waits_at_most_a_second_for_a_handler() {
    let world = isolate();
    let blocked = blocked();
    blocked.overruns(&world, "waits");
    assert_eq!((blocked.handler.overruns(), blocked.handler.skipped()), (1, 0));
}

#[test]
fn a_call_waits_at_most_a_second_for_all_handlers() {
    let world = isolate();
    let blocked = blocked();
    let handle = world.handle();
    let call = thread::spawn(move || handle.run(load));
    assert_eq!(blocked.begun.recv().unwrap(), "load");
    world.advance(SECOND);
    call.join().unwrap().unwrap_err();
    assert_eq!(blocked.handler.overruns(), 1, "its later events are not waited for");
    for _ in 0..3 {
        blocked.goes_on.send(()).unwrap();
        assert_eq!(blocked.done.recv().unwrap(), "load", "and are handled all the same");
    }
}

#[with_fallback(value = 0)]
#[with_retry(max = 1, base = 10ms, name = "answered")]
fn answered() -> io::Result<u32> {
    Err(io::ErrorKind::ConnectionReset.into())
}

#[failover(host = ["a", "b", "c"])]
#[rate_limit(1, per = 1h, name = "refused")]
fn refused(host: &str) -> io::Result<usize> {
    Ok(host.len())
}

#[circuit_breaker(threshold = 1, recovery = 1s, name = "closes")]
fn closes(is_up: bool) -> io::Result<u32> {
    if is_up { Ok(1) } else { Err(io::ErrorKind::ConnectionReset.into()) }
}

/// Returns how often a call waited for a handler that does not return, and the events of the call.
fn overruns(world: &World, call: fn()) -> (u64, usize) {
    let ((begins, begun), (goes_on, may)) = (channel(), channel::<()>());
    let handler = events::on(of_all(), move |_| {
        begins.send(()).unwrap();
        let _ = may.recv();
    });
    let mut events = events::subscribe();
    let handle = world.handle();
    let call = thread::spawn(move || handle.run(call));
    begun.recv().unwrap();
    world.advance(SECOND);
    call.join().unwrap();
    drop(goes_on);
    let overruns = handler.overruns();
    handler.remove();
    (overruns, std::iter::from_fn(|| events.try_recv()).count())
}

#[test]
fn a_call_waits_at_most_a_second_when_it_goes_on_after_a_failure() {
    let world = isolate();
    let answer = overruns(&world, || assert_eq!(answered().unwrap(), 0));
    assert_eq!(answer, (1, 5), "two attempts, a wait, no more retries, the fallback");
    for host in ["a", "b", "c"] {
        assert_eq!(refused(host).unwrap(), 1);
    }
    assert_eq!(overruns(&world, || _ = refused("a").unwrap_err()), (1, 5), "three rejections and two steps");
    closes(false).unwrap_err();
    world.advance(SECOND);
    assert_eq!(overruns(&world, || assert_eq!(closes(true).unwrap(), 1)), (1, 2), "half-open, then closed");
}

#[test]
fn calls_skip_waiting_for_a_minute_after_three_overruns() {
    let world = isolate();
    let blocked = blocked();
    for point in ["one", "two"] {
        blocked.overruns(&world, point);
    }
    // In time once: the count begins anew.
    blocked.goes_on.send(()).unwrap();
    CircuitBreaker::new("in time").force_open();
    assert_eq!((blocked.begun.recv().unwrap(), blocked.done.recv().unwrap()).0, "in time");
    for point in ["three", "four", "five"] {
        blocked.overruns(&world, point);
    }
    assert_eq!(blocked.handler.overruns(), 5);
    let stuck = CircuitBreaker::new("not waited for");
    stuck.force_open();
    assert_eq!(blocked.handler.overruns(), 5, "the call returned, with the handler stuck");
    blocked.goes_on.send(()).unwrap();
    let done = blocked.done.iter().find(|point| point == "not waited for");
    assert!(done.is_some(), "it gets the event");
    world.advance(60 * SECOND);
    while blocked.begun.try_recv().is_ok() {}
    blocked.overruns(&world, "waited for again");
    assert_eq!(blocked.handler.overruns(), 6);
}

#[test]
fn a_handler_keeps_running_when_the_call_is_dropped() {
    let world = isolate();
    let (begins, begun) = channel();
    let (goes_on, may) = channel::<()>();
    let (ends, ended) = channel();
    let _handler = events::on([Kind::Retrying], move |_| {
        begins.send(()).unwrap();
        may.recv().unwrap();
        ends.send(()).unwrap();
    });
    let handle = world.handle();
    let call = thread::spawn(move || {
        handle.run(|| {
            let mut call = Box::pin(load_later());
            // The wait for the handler ends by the clock, the poll with it, and then the call is dropped.
            let _ = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        });
    });
    begun.recv().unwrap();
    world.advance(SECOND);
    call.join().unwrap();
    goes_on.send(()).unwrap();
    ended.recv().unwrap();
}

#[timeout(5s, thread)]
fn on_helper() -> Result<(), Rejected> {
    CircuitBreaker::new("helper").force_open();
    Ok(())
}

#[test]
fn a_handler_does_not_receive_its_own_events() {
    let _world = isolate();
    let (sent, seen_by_other) = channel();
    let _other = events::on([Kind::Opened], move |record| {
        sent.send(record.event.point().to_owned()).unwrap();
    });
    let (sender, seen) = channel();
    let mut count = 0;
    let handler = events::on([Kind::Opened], move |record| {
        sender.send(record.event.point().to_owned()).unwrap();
        count += 1;
        assert!(count < 10, "it causes itself");
        CircuitBreaker::new("direct").force_open();
        // Nor those of a helper thread, or of one that the context was taken to.
        on_helper().unwrap();
        thread::spawn(carry_fn(|| CircuitBreaker::new("carried").force_open())).join().unwrap();
    });
    CircuitBreaker::new("outer").force_open();
    assert_eq!(seen.try_iter().collect::<Vec<_>>(), ["outer"]);
    assert_eq!(handler.overruns(), 0);
    let seen_by_other: Vec<_> = seen_by_other.iter().take(4).collect();
    assert_eq!(seen_by_other, ["outer", "direct", "helper", "carried"]);
}

#[test]
fn two_handlers_that_raise_events_do_not_loop() {
    let _world = isolate();
    let (sender, raised) = channel();
    let handlers = ["a", "b"].map(|name| {
        let sender = sender.clone();
        events::on([Kind::Opened], move |record| {
            sender.send(format!("{name}: {}", record.event.point())).unwrap();
            CircuitBreaker::new(name).force_open();
        })
    });
    CircuitBreaker::new("outer").force_open();
    let mut all: Vec<_> = raised.iter().take(4).collect();
    all.sort();
    assert_eq!(all, ["a: b", "a: outer", "b: a", "b: outer"]);
    assert!(handlers.iter().all(|handler| handler.overruns() == 0), "they do not wait for each other");
    handlers.into_iter().for_each(events::Handler::remove);
    drop(sender);
    assert_eq!(raised.iter().count(), 0, "nothing more");
}

#[circuit_breaker(threshold = 1, name = "again", rejected = |_| io::Error::other("rejected"))]
#[with_retry(max = 1, base = 1ms, jitter = none, budget = none)]
fn again() -> io::Result<()> {
    Err(io::ErrorKind::ConnectionReset.into())
}

#[test]
fn a_handler_may_call_the_point_that_raised_the_event() {
    let _world = isolate();
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let handler = events::on(of_all(), move |_| {
        let _ = again();
        let _ = events::recent("again");
        let _ = events::subscribe().try_recv();
        counted.fetch_add(1, Ordering::Relaxed);
    });
    again().unwrap_err();
    assert!(calls.load(Ordering::Relaxed) >= 3);
    assert_eq!(handler.overruns(), 0);
}

#[test]
fn a_handler_removes_itself() {
    let _world = isolate();
    let own: Arc<Mutex<Option<events::Handler>>> = Arc::default();
    let (seen, count) = (Arc::new(AtomicUsize::new(0)), own.clone());
    let counts = seen.clone();
    let handler = events::on([Kind::Opened], move |_| {
        counts.fetch_add(1, Ordering::Relaxed);
        if let Some(handler) = count.lock().unwrap().take() {
            handler.remove();
        }
    });
    *own.lock().unwrap() = Some(handler);
    for name in ["first", "second"] {
        CircuitBreaker::new(name).force_open();
    }
    assert_eq!(seen.load(Ordering::Relaxed), 1);
}

#[test]
fn a_handler_that_is_stuck_keeps_its_last_thousand_events() {
    let world = isolate();
    let (begins, begun) = channel();
    let (goes_on, may) = channel::<()>();
    let handler = events::on([Kind::Rejected], move |_| {
        begins.send(()).unwrap();
        may.recv().unwrap();
    });
    let handle = world.handle();
    let calls = thread::spawn(move || {
        handle.run(|| {
            let breaker = CircuitBreaker::new("stuck");
            breaker.force_open();
            for _ in 0..3 {
                breaker.acquire().unwrap_err();
            }
            (0..1_010).for_each(|_| _ = breaker.acquire());
        });
    });
    begun.recv().unwrap();
    // Three calls wait, each for its second, and the others for none.
    while handler.overruns() < 3 {
        world.advance(SECOND);
        thread::yield_now();
    }
    calls.join().unwrap();
    assert_eq!((handler.overruns(), handler.skipped()), (3, 12), "one of 1,013 is handled, 1,000 wait");
    (0..1_001).for_each(|_| goes_on.send(()).unwrap());
    assert_eq!(begun.iter().take(1_000).count(), 1_000);
    drop(goes_on);
    handler.remove();
    assert_eq!(begun.iter().count(), 0);
}

/// Set in the process in which no thread can be started.
const WITHOUT_THREADS: &str = "EVENTS_WITHOUT_THREADS";

#[test]
fn events_are_skipped_and_counted_without_a_thread() {
    if std::env::var_os(WITHOUT_THREADS).is_none() {
        let own = std::env::current_exe().unwrap();
        // No stack is larger than what a process can address, and one test at a time runs on the first thread.
        let run = std::process::Command::new(own)
            .args(["--exact", "events_are_skipped_and_counted_without_a_thread", "--test-threads=1"])
            .envs([(WITHOUT_THREADS, "1"), ("RUST_MIN_STACK", "1000000000000000")])
            .output()
            .unwrap();
        assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stdout));
        assert!(String::from_utf8_lossy(&run.stdout).contains("1 passed"));
        return;
    }
    assert!(thread::Builder::new().spawn(|| ()).is_err(), "a thread could be started");
    let _world = isolate();
    let (handler, seen) = counts(of_all());
    let mut events = events::subscribe();
    load().unwrap_err();
    assert_eq!((handler.skipped(), handler.overruns(), seen.load(Ordering::Relaxed)), (6, 0, 0));
    assert_eq!(std::iter::from_fn(|| events.try_recv()).count(), 6, "others get them");
}

// The last events of a point.

#[test]
fn the_last_events_of_a_point_can_be_read() {
    let world = isolate();
    assert_eq!(events::recent("load"), []);
    for _ in 0..30 {
        load().unwrap_err();
        world.advance(SECOND);
    }
    let last = events::recent("load");
    assert_eq!(last.len(), 100);
    assert!(matches!(last.last().unwrap().event, Event::GaveUp { .. }));
    assert!(last.is_sorted_by_key(|record| record.at), "the oldest first");
    let span = last[99].at.duration_since(last[0].at).unwrap();
    assert!(span > 10 * SECOND && span < 40 * SECOND, "{span:?}");
    assert_eq!(events::recent("load_later"), []);
}

#[test]
fn rejections_do_not_evict_the_opening_of_a_breaker() {
    let world = isolate();
    let breaker = CircuitBreaker::new("down");
    breaker.force_open();
    for _ in 0..10_000 {
        breaker.acquire().unwrap_err();
    }
    world.advance(SECOND);
    breaker.acquire().unwrap_err();
    let kinds: Vec<_> = events::recent("down").iter().map(|record| json!(record)["kind"].clone()).collect();
    assert_eq!(kinds, ["opened", "rejected", "rejected"]);
}

#[test]
fn the_rings_of_many_points_are_bounded_and_the_newest_stay() {
    let world = isolate();
    let points = std::env::var("KEYS").ok().and_then(|keys| keys.parse().ok()).unwrap_or(20_000_u32);
    let name = |point: u32| -> &'static str { Box::leak(format!("point {point}").into()) };
    for point in 0..points {
        CircuitBreaker::new(name(point)).force_open();
        world.advance(Duration::from_millis(1));
    }
    assert_eq!(events::recent("point 0"), [], "those whose last event is oldest have gone");
    let kept = (0..points).filter(|point| !events::recent(name(*point)).is_empty()).collect::<Vec<_>>();
    assert!(kept.is_sorted() && kept.last() == Some(&(points - 1)), "the newest stay");
    assert!((1_000..40_000).contains(&kept.len()), "{}", kept.len());
    assert_eq!(kept.len(), (points - kept[0]) as usize, "and all of them");
}

// Jobs and steps.

#[job("import:{id}", name = "import")]
fn import(id: u32) -> Result<u32, Rejected> {
    let _ = load();
    Ok(page(id)? + page(id)?)
}

#[checkpoint("page:{id}", in_job, name = "page")]
fn page(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

#[checkpoint("rows:{id}", name = "rows")]
fn rows(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

/// As `rows` after its type and name have changed.
#[checkpoint("rows:{id}", name = "texts", was = "rows")]
fn texts(id: u32) -> Result<String, Rejected> {
    Ok(id.to_string())
}

#[checkpoint("odd", name = "odd")]
fn odd() -> Result<f64, Rejected> {
    Ok(f64::NAN)
}

/// The kind and the job of each event, with the reason of a refusal.
fn received(events: &mut events::Subscription) -> Vec<(String, Option<String>)> {
    let records = std::iter::from_fn(|| events.try_recv()).map(|record| {
        let seen = json!(*record);
        let reason = seen["reason"].as_str().map_or(String::new(), |reason| format!(" {reason}"));
        assert_eq!(seen["job"].as_str(), record.job.as_deref(), "{seen}");
        (format!("{}{reason}", seen["kind"].as_str().unwrap()), record.job.clone())
    });
    records.collect()
}

#[test]
fn events_in_a_job_have_its_id() {
    let _world = isolate();
    let mut events = events::subscribe();
    assert_eq!(import(7).unwrap(), 14);
    let received = received(&mut events);
    let kinds: Vec<_> = received.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds[..2], ["job_started", "attempt_failed"]);
    assert_eq!(kinds[kinds.len() - 3..], ["step_recorded", "step_reused", "job_done"]);
    assert!(received.iter().all(|(_, job)| job.as_deref() == Some("import:7")), "{received:?}");
    assert_eq!(events::recent("load").last().unwrap().job.as_deref(), Some("import:7"));
}

#[test]
fn a_refused_step_emits_its_reason() {
    let _world = isolate();
    let mut events = events::subscribe();
    page(1).unwrap_err();
    assert_eq!(received(&mut events), [("step_refused outside_job".to_owned(), None)]);
    odd().unwrap_err();
    assert_eq!(received(&mut events), [("step_refused encode".to_owned(), None)], "its body has run");
    assert_eq!(rows(1).unwrap(), 1);
    texts(1).unwrap_err();
    let expected = ["step_recorded", "step_reused", "step_refused undecodable"];
    assert_eq!(received(&mut events).into_iter().map(|(kind, _)| kind).collect::<Vec<_>>(), expected);
}

// What leaves the program.

#[test]
fn records_are_written_as_json_and_as_one_line() {
    let _world = isolate();
    let breaker = CircuitBreaker::new("a\u{1b}[2J\n\u{202e}b");
    breaker.force_open();
    let mut events = events::recent("a\u{1b}[2J\n\u{202e}b");
    let record = events.pop().unwrap();
    let seen = json!(record);
    let at = seen["at"].as_str().unwrap();
    assert!(at.ends_with('Z') && at.len() == "2026-11-27T17:18:26.250Z".len(), "{at}");
    assert_eq!((&seen["kind"], &seen["point"]), (&json!("opened"), &json!("a\u{1b}[2J\n\u{202e}b")));
    assert_eq!(seen.as_object().unwrap().keys().next().unwrap(), "at");
    assert_eq!(record.to_string(), format!("{at} a\\u{{1b}}[2J\\u{{a}}\\u{{202e}}b: forced open"));
    assert_eq!(serde_json::to_string(&record).unwrap().lines().count(), 1);
}

#[test]
fn every_kind_has_the_name_that_its_event_has_in_json() {
    let _world = isolate();
    let names: Vec<_> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
    let serialised: Vec<_> = Kind::ALL.iter().map(|kind| json!(kind)).collect();
    assert_eq!(serialised, names);
    let mut events = events::subscribe();
    load().unwrap_err();
    assert!(
        kinds(std::iter::from_fn(|| events.try_recv()))
            .iter()
            .all(|kind| names.contains(&kind.as_str().unwrap()))
    );
}
