//! Handlers: how long a call waits for them, and what they may do.

use super::*;

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
            .args([
                "--exact",
                "handlers::events_are_skipped_and_counted_without_a_thread",
                "--test-threads=1",
            ])
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
