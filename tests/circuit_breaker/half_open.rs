//! Probes: how a breaker finds out that all is well again.

use crate::guarded::{Failure, down};
use resilience::{Category, Rejected, circuit_breaker, testing};
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::sync::oneshot;

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn one_success_closes_the_breaker_and_a_failure_reopens_it() {
    guarded!(plain: circuit_breaker(threshold = 2, recovery = 5s));
    plain(&|it| {
        it.fail(down());
        it.fail(down());
        it.pass(5 * SECOND);
        assert!(it.fail(down()), "a probe runs");
        assert!(it.refuses(), "one failure of a probe is enough");
        it.pass(5 * SECOND);
        it.succeed().unwrap();
        it.fail(down());
        assert!(!it.refuses(), "closed, it counts from the beginning");
    });
}

#[test]
fn several_successes_can_be_required() {
    guarded!(two: circuit_breaker(threshold = 1, recovery = 5s, successes = 2));
    two(&|it| {
        it.fail(down());
        it.pass(5 * SECOND);
        it.succeed().unwrap();
        it.fail(down());
        assert!(it.refuses(), "a failure after the first success opens it");
        it.pass(5 * SECOND);
        it.succeed().unwrap();
        it.succeed().unwrap();
        let events = it.world.events();
        assert!(matches!(events.last(), Some(resilience::Event::Closed { .. })), "{events:?}");
    });
}

#[test]
fn an_ignored_probe_result_changes_no_state() {
    guarded!(plain: circuit_breaker(threshold = 1, recovery = 5s));
    plain(&|it| {
        it.fail(down());
        it.pass(5 * SECOND);
        it.fail(Category::Cancelled);
        assert!(it.fail(down()), "the next probe takes its place");
        assert!(it.refuses());
        it.pass(5 * SECOND);
        it.fail(Category::NotFound);
        assert!(!it.refuses(), "an answer is a success");
        it.fail(down());
        assert!(it.refuses(), "it was closed: the threshold is 1");
    });
}

#[test]
fn a_panicking_probe_frees_its_slot() {
    guarded!(plain: circuit_breaker(threshold = 1, recovery = 5s));
    plain(&|it| {
        it.fail(down());
        it.pass(5 * SECOND);
        let probe = std::panic::AssertUnwindSafe(|| it.run(|| panic!("probe")));
        assert!(std::panic::catch_unwind(probe).is_err());
        assert_eq!(it.succeed(), Ok(1));
    });
}

type Gate = oneshot::Receiver<Result<u32, Failure>>;

/// A call whose end the test decides.
struct Running {
    future: Pin<Box<dyn Future<Output = Result<u32, Failure>>>>,
    end: oneshot::Sender<Result<u32, Failure>>,
}

fn start<F: Future<Output = Result<u32, Failure>> + 'static>(
    call: impl Fn(Gate) -> F,
) -> Result<Running, Rejected> {
    let (end, gate) = oneshot::channel();
    let mut future = Box::pin(call(gate));
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Pending => Ok(Running { future, end }),
        Poll::Ready(Err(Failure::Rejected(rejected))) => Err(rejected),
        Poll::Ready(other) => panic!("{other:?}"),
    }
}

impl Running {
    fn end(self, outcome: Result<u32, Failure>) {
        self.end.send(outcome).unwrap();
        let _ = futures::executor::block_on(self.future);
    }
}

fn failed() -> Result<u32, Failure> {
    Err(Failure::Own(down().into()))
}

/// `gated!(name: circuit_breaker(..))`: a function that ends as its gate says.
macro_rules! gated {
    ($name:ident: $policy:ident($($settings:tt)*)) => {
        #[$policy($($settings)*)]
        async fn $name(mut gate: &RefCell<Gate>) -> Result<u32, Failure> {
            let _ = &mut gate;
            std::future::poll_fn(|cx| Pin::new(&mut *gate.borrow_mut()).poll(cx)).await.unwrap()
        }
    };
}

#[test]
fn only_one_probe_runs_at_a_time() {
    gated!(one: circuit_breaker(threshold = 1, recovery = 5s, successes = 2));
    let call = |gate| async { one(&RefCell::new(gate)).await };
    let world = testing::isolate();
    start(call).unwrap().end(failed());
    world.advance(5 * SECOND);
    let probe = start(call).unwrap();
    assert!(start(call).is_err(), "a second one at the same time");
    probe.end(Ok(1));
    let probe = start(call).expect("the next probe");
    assert!(start(call).is_err());
    probe.end(Ok(1));
    let (a, b) = (start(call).unwrap(), start(call).unwrap());
    a.end(Ok(1));
    b.end(Ok(1));
}

#[test]
fn several_probes_may_run_at_a_time() {
    gated!(two: circuit_breaker(threshold = 1, recovery = 5s, probes = 2, successes = 2));
    let call = |gate| async { two(&RefCell::new(gate)).await };
    let world = testing::isolate();
    start(call).unwrap().end(failed());
    world.advance(5 * SECOND);
    let (a, b) = (start(call).unwrap(), start(call).unwrap());
    assert!(start(call).is_err(), "a third one");
    a.end(Ok(1));
    b.end(Ok(1));
    let free: Vec<_> = (0..5).map(|_| start(call).unwrap()).collect();
    free.into_iter().for_each(|running| running.end(Ok(1)));
}

#[test]
fn a_late_success_closes_the_breaker() {
    gated!(slow: circuit_breaker(threshold = 1, recovery = 5s));
    let call = |gate| async { slow(&RefCell::new(gate)).await };
    let world = testing::isolate();
    start(call).unwrap().end(failed());
    world.advance(5 * SECOND);
    let late = start(call).unwrap();
    world.advance(5 * SECOND);
    let next = start(call).expect("the first probe is late");
    assert!(start(call).is_err(), "one slot");
    late.end(Ok(1));
    let closed: Vec<_> = (0..3).map(|_| start(call).expect("closed")).collect();
    next.end(failed());
    closed.into_iter().for_each(|running| running.end(Ok(1)));
    assert!(start(call).is_ok(), "the other probe was admitted before it closed");
}

#[test]
fn late_results_of_several_probes_count_one_by_one() {
    gated!(three: circuit_breaker(threshold = 1, recovery = 5s, probes = 2, successes = 3));
    let call = |gate| async { three(&RefCell::new(gate)).await };
    let world = testing::isolate();
    start(call).unwrap().end(failed());
    world.advance(5 * SECOND);
    let (a, b) = (start(call).unwrap(), start(call).unwrap());
    world.advance(5 * SECOND);
    let (c, d) = (start(call).unwrap(), start(call).unwrap());
    assert!(start(call).is_err());
    a.end(Ok(1));
    c.end(Ok(1));
    assert!(!world.events().iter().any(|event| matches!(event, resilience::Event::Closed { .. })));
    b.end(Ok(1));
    assert!(matches!(world.events().last(), Some(resilience::Event::Closed { .. })));
    d.end(failed());
    assert!(start(call).is_ok());
}

#[test]
fn a_late_failure_reopens_and_later_results_are_ignored() {
    gated!(slow: circuit_breaker(threshold = 1, recovery = 5s, probe_timeout = 2s));
    let call = |gate| async { slow(&RefCell::new(gate)).await };
    let world = testing::isolate();
    start(call).unwrap().end(failed());
    world.advance(5 * SECOND);
    let late = start(call).unwrap();
    world.advance(2 * SECOND);
    let next = start(call).unwrap();
    late.end(failed());
    assert!(start(call).is_err(), "open again");
    next.end(Ok(1));
    assert!(start(call).is_err(), "its half-open period is over");
    world.advance(5 * SECOND);
    start(call).unwrap().end(Ok(1));
    assert!(matches!(world.events().last(), Some(resilience::Event::Closed { .. })));
}

#[test]
fn a_probe_that_never_reports_loses_its_slot() {
    gated!(forgetful: circuit_breaker(threshold = 1, recovery = 5s, probe_timeout = 2s));
    let call = |gate| async { forgetful(&RefCell::new(gate)).await };
    let world = testing::isolate();
    start(call).unwrap().end(failed());
    world.advance(5 * SECOND);
    let lost = start(call).unwrap();
    world.advance(SECOND);
    assert!(start(call).is_err());
    world.advance(SECOND);
    let next = start(call).expect("two seconds are over");
    drop(lost);
    assert!(start(call).is_err(), "it had no slot to free");
    next.end(Ok(1));
    let (a, b) = (start(call).expect("closed"), start(call).expect("closed"));
    a.end(Ok(1));
    b.end(Ok(1));
}

#[test]
fn the_default_probe_timeout_is_the_recovery_time() {
    gated!(patient: circuit_breaker(threshold = 1, recovery = 5s));
    let call = |gate| async { patient(&RefCell::new(gate)).await };
    let world = testing::isolate();
    start(call).unwrap().end(failed());
    world.advance(5 * SECOND);
    let _lost = start(call).unwrap();
    world.advance(4 * SECOND);
    assert!(start(call).is_err());
    world.advance(SECOND);
    assert!(start(call).is_ok());
}

#[test]
fn a_dropped_probe_frees_its_slot_at_once() {
    gated!(plain: circuit_breaker(threshold = 1, recovery = 5s));
    let call = |gate| async { plain(&RefCell::new(gate)).await };
    let world = testing::isolate();
    start(call).unwrap().end(failed());
    world.advance(5 * SECOND);
    drop(start(call).unwrap());
    start(call).expect("another probe").end(Ok(1));
    let (a, b) = (start(call).expect("closed"), start(call).expect("closed"));
    a.end(Ok(1));
    b.end(Ok(1));
}

#[test]
fn a_result_is_judged_against_the_state_that_admitted_its_call() {
    gated!(plain: circuit_breaker(threshold = 2, recovery = 5s, probes = 3, successes = 3));
    let call = |gate| async { plain(&RefCell::new(gate)).await };
    let world = testing::isolate();
    let early: Vec<_> = (0..5).map(|_| start(call).unwrap()).collect();
    let [first, second, failing, succeeding, last] = early.try_into().ok().unwrap();
    first.end(failed());
    second.end(failed());
    assert!(start(call).is_err(), "open");
    let opened = world.events().len();
    // Its failure neither opens it again nor moves its time; its success does not close it.
    world.advance(4 * SECOND);
    failing.end(failed());
    succeeding.end(Ok(1));
    assert!(start(call).is_err(), "still open");
    world.advance(SECOND);
    let probe = start(call).expect("the time is over");
    last.end(failed());
    let another = start(call).expect("still half-open");
    probe.end(Ok(1));
    another.end(Ok(1));
    start(call).unwrap().end(Ok(1));
    let told: Vec<_> = world.events()[opened..].iter().map(|event| format!("{event:?}")).collect();
    assert!(!told.iter().any(|event| event.starts_with("Opened")), "{told:#?}");
    assert!(told.last().unwrap().starts_with("Closed"), "{told:#?}");
}
