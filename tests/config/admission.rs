//! Limits and windows that change while calls run and wait.

#[path = "../shared/woken.rs"]
mod woken;

use crate::support::{load, shown};
use futures::executor::block_on;
use resilience::{Budget, Rejected, Retry, State, bulkhead, circuit_breaker, hedge, point, rate_limit};
use std::cell::Cell;
use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use woken::Woken;

thread_local! {
    /// How many calls of this test may end.
    static ENDS: Cell<u32> = const { Cell::new(0) };
}

async fn until_it_may_end() {
    poll_fn(|_| match ENDS.get() {
        0 => Poll::Pending,
        left => {
            ENDS.set(left - 1);
            Poll::Ready(())
        }
    })
    .await;
}

#[bulkhead(2, wait = 1m, name = "admission::slots")]
async fn in_a_slot() -> Result<(), Rejected> {
    until_it_may_end().await;
    Ok(())
}

#[bulkhead(2, name = "admission::refused")]
async fn in_a_slot_or_not() -> Result<(), Rejected> {
    poll_fn(|_| Poll::<()>::Pending).await;
    Ok(())
}

fn poll<F: Future>(future: &mut Pin<&mut F>) -> Poll<F::Output> {
    future.as_mut().poll(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn a_lower_limit_admits_no_call_until_enough_have_ended() {
    let _world = resilience::testing::isolate();
    let (mut one, mut other) = (pin!(in_a_slot()), pin!(in_a_slot()));
    assert!(poll(&mut one).is_pending() && poll(&mut other).is_pending());
    load("[\"admission::slots\".bulkhead]\nslots = 1\n").unwrap();
    let mut third = pin!(in_a_slot());
    assert!(poll(&mut third).is_pending());
    ENDS.set(1);
    assert_eq!(poll(&mut one), Poll::Ready(Ok(())));
    // One still runs, and that is the limit.
    ENDS.set(1);
    assert!(poll(&mut third).is_pending());
    assert_eq!(ENDS.get(), 1, "the third has not begun");
    assert_eq!(poll(&mut other), Poll::Ready(Ok(())));
    ENDS.set(1);
    assert_eq!(poll(&mut third), Poll::Ready(Ok(())));
}

#[test]
fn a_higher_limit_admits_the_next_call() {
    let _world = resilience::testing::isolate();
    let (mut one, mut other) = (pin!(in_a_slot_or_not()), pin!(in_a_slot_or_not()));
    assert!(poll(&mut one).is_pending() && poll(&mut other).is_pending());
    assert!(matches!(block_on(in_a_slot_or_not()), Err(Rejected::BulkheadFull { .. })));
    load("[\"admission::refused\".bulkhead]\nslots = 3\n").unwrap();
    let mut third = pin!(in_a_slot_or_not());
    assert!(poll(&mut third).is_pending());
    assert!(matches!(block_on(in_a_slot_or_not()), Err(Rejected::BulkheadFull { .. })));
}

#[test]
fn a_refused_load_changes_nothing() {
    let _world = resilience::testing::isolate();
    let (mut one, mut other) = (pin!(in_a_slot()), pin!(in_a_slot()));
    assert!(poll(&mut one).is_pending());
    let text = "[\"admission::slots\".bulkhead]\nslots = 1\n[\"admission::slot\".bulkhead]\nslots = 3\n";
    assert_eq!(load(text).unwrap().warnings.len(), 1, "no function has the second name");
    assert!(poll(&mut other).is_pending(), "it waits");
    let seen = || {
        let now = resilience::snapshot();
        let listed: Vec<_> = resilience::points().iter().map(|point| format!("{point:?}")).collect();
        (resilience::config::current(), now.notes.clone(), format!("{:?}", now.points), listed)
    };
    let before = seen();
    for refused in [
        "[\"admission::slots\".bulkhead]\nslots = 0\n[\"admission::refused\".bulkhead]\nslots = 1\n",
        "[\"admission::refused\".bulkhead]\nslots = 1\n[retry",
        "[\"admission::no_name\".bulk_head]\nslots = 1\n",
        "",
    ] {
        load(refused).unwrap_err();
        assert!(seen() == before, "{refused}");
        assert!(poll(&mut other).is_pending(), "{refused}");
    }
    // The functions that the settings in force change are still known.
    load("# nothing\n").unwrap();
    ENDS.set(1);
    assert_eq!(poll(&mut other), Poll::Ready(Ok(())));
}

#[bulkhead(3, key = tenant, name = "admission::slots_by_tenant")]
fn in_a_slot_of(tenant: &str) -> Result<u32, Rejected> {
    let _ = tenant;
    Ok(point("admission::slots_by_tenant").unwrap().key("acme").bulkhead().unwrap().snapshot().slots)
}

#[test]
fn a_disabled_bulkhead_shows_the_slots_that_it_has_while_enabled() {
    let _world = resilience::testing::isolate();
    let bulkhead = |name| point(name).unwrap().bulkhead().unwrap();
    let slots = || (bulkhead("admission::refused").snapshot().slots, in_a_slot_of("acme").unwrap());
    load("[bulkhead]\nslots = 5\n[\"admission::refused\".bulkhead]\nenabled = false\n").unwrap();
    assert_eq!(slots(), (5, 5));
    let texts = ["admission::refused", "admission::slots_by_tenant", "admission::adaptive"].map(|name| {
        load(&format!("[\"{name}\".bulkhead]\nenabled = false\n")).unwrap();
        if name.ends_with("adaptive") {
            adaptively().unwrap()
        }
        format!("{:?} {:?}", point(name).unwrap().snapshot(), slots())
    });
    for text in texts {
        assert!(!text.contains(&u32::MAX.to_string()), "{text}");
    }
    let adaptive = bulkhead("admission::adaptive");
    let held: Vec<_> = (0..50).map(|_| adaptive.acquire().unwrap()).collect();
    assert_eq!(
        adaptive.snapshot().to_string(),
        "admission::adaptive: in use 50 of 20, waiting 0, rejected 0"
    );
    drop(held);
}

#[bulkhead(adaptive, name = "admission::adaptive")]
fn adaptively() -> Result<(), Rejected> {
    Ok(())
}

#[test]
fn an_adaptive_limit_keeps_within_changed_bounds_from_the_next_call_on() {
    let _world = resilience::testing::isolate();
    adaptively().unwrap();
    let bulkhead = point("admission::adaptive").unwrap().bulkhead().unwrap();
    let admitted = || (0..300).map_while(|_| bulkhead.acquire().ok()).collect::<Vec<_>>().len();
    bulkhead.acquire().unwrap().failure(&std::io::Error::from(std::io::ErrorKind::TimedOut));
    assert_eq!(admitted(), 18, "a tenth less than at the start");
    load("[\"admission::adaptive\".bulkhead]\ncap = 5\n").unwrap();
    assert_eq!((admitted(), bulkhead.snapshot().slots), (5, 5));
    load("[\"admission::adaptive\".bulkhead]\nfloor = 30\n").unwrap();
    assert_eq!((admitted(), bulkhead.snapshot().slots), (30, 30));
    load("# nothing\n").unwrap();
    assert_eq!(admitted(), 18, "what it has learned survives");
}

#[rate_limit(1, per = 1h, name = "admission::rate")]
fn at_a_rate() -> Result<(), Rejected> {
    Ok(())
}

#[test]
fn a_higher_rate_holds_from_the_next_call_on() {
    let world = resilience::testing::isolate();
    at_a_rate().unwrap();
    assert!(matches!(at_a_rate(), Err(Rejected::RateLimited { .. })));
    load("[\"admission::rate\".rate_limit]\ncount = 3600\n").unwrap();
    world.advance(Duration::from_secs(1));
    at_a_rate().unwrap();
    load("# nothing\n").unwrap();
    assert!(matches!(at_a_rate(), Err(Rejected::RateLimited { .. })));
}

#[rate_limit(1, per = 1h, wait = 10h, name = "admission::turns")]
async fn in_turn() -> Result<(), Rejected> {
    Ok(())
}

/// Else later calls would overtake them.
#[test]
fn a_higher_rate_admits_waiting_calls_earlier() {
    let world = resilience::testing::isolate();
    block_on(in_turn()).unwrap();
    let (mut one, mut two, mut three) = (pin!(in_turn()), pin!(in_turn()), pin!(in_turn()));
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(woken.clone());
    assert!(one.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    assert!(poll(&mut two).is_pending() && poll(&mut three).is_pending());
    load("[\"admission::turns\".rate_limit]\ncount = 3600\n").unwrap();
    assert_eq!(woken.0.load(Ordering::SeqCst), 1, "it is woken, and needs no other call to leave");
    assert!(poll(&mut one).is_pending() && poll(&mut two).is_pending());
    world.advance(Duration::from_secs(1));
    assert!(poll(&mut two).is_pending(), "the first is before it");
    assert_eq!(poll(&mut one), Poll::Ready(Ok(())));
    world.advance(Duration::from_secs(1));
    assert_eq!(poll(&mut two), Poll::Ready(Ok(())));
    load("[\"admission::turns\".rate_limit]\nenabled = false\n").unwrap();
    assert_eq!(poll(&mut three), Poll::Ready(Ok(())));
}

#[circuit_breaker(rate = 50%, window_calls = 10, min_calls = 4, name = "admission::window")]
fn by_rate(fails: bool) -> std::io::Result<()> {
    if fails { Err(std::io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
}

#[test]
fn only_a_changed_window_resets_the_statistics() {
    let _world = resilience::testing::isolate();
    let breaker = point("admission::window").unwrap().breaker().unwrap();
    let calls = || breaker.snapshot().calls;
    (0..3).for_each(|_| drop(by_rate(true)));
    load("[\"admission::window\".circuit_breaker]\nrecovery = \"5s\"\n").unwrap();
    assert_eq!((calls(), breaker.state()), (Some(3), State::Closed));
    load("[\"admission::window\".circuit_breaker]\nwindow_calls = 20\n").unwrap();
    (0..3).for_each(|_| drop(by_rate(true)));
    assert_eq!((calls(), breaker.state()), (Some(3), State::Closed));
    drop(by_rate(true));
    assert_eq!(breaker.state(), State::Open);
}

#[circuit_breaker(rate = 50%, name = "admission::default_window")]
fn by_default_window(fails: bool) -> std::io::Result<()> {
    if fails { Err(std::io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
}

#[test]
fn a_minimum_over_the_default_window_resets_the_statistics() {
    let _world = resilience::testing::isolate();
    let breaker = point("admission::default_window").unwrap().breaker().unwrap();
    let state = || (breaker.snapshot().calls, breaker.state());
    (0..15).for_each(|_| drop(by_default_window(true)));
    load("[\"admission::default_window\".circuit_breaker]\nmin_calls = 100\n").unwrap();
    assert_eq!(state(), (Some(15), State::Closed), "the window still has 100 calls");
    load("[\"admission::default_window\".circuit_breaker]\nmin_calls = 200\n").unwrap();
    (0..199).for_each(|_| drop(by_default_window(true)));
    assert_eq!(state(), (Some(199), State::Closed));
    load("# nothing\n").unwrap();
    (0..19).for_each(|_| drop(by_default_window(true)));
    assert_eq!(state(), (Some(19), State::Closed));
    drop(by_default_window(true));
    assert_eq!(breaker.state(), State::Open);
}

#[circuit_breaker(rate = 50%, window_calls = 20, min_calls = 10, name = "admission::busy")]
fn busy(fails: bool) -> std::io::Result<()> {
    by_rate_of(fails)
}

#[circuit_breaker(rate = 50%, window = 7d, min_calls = 10, name = "admission::busy_for_long")]
fn busy_for_long(fails: bool) -> std::io::Result<()> {
    by_rate_of(fails)
}

#[circuit_breaker(rate = 50%, window_calls = 20, min_calls = 10, key = host, name = "admission::busy_host")]
fn busy_host(host: &str, fails: bool) -> std::io::Result<()> {
    let _ = host;
    by_rate_of(fails)
}

fn by_rate_of(fails: bool) -> std::io::Result<()> {
    if fails { Err(std::io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
}

/// Fails calls until `call` is refused. Returns how many it took.
fn failures_until_refused(call: impl Fn(bool) -> std::io::Result<()>) -> usize {
    let refused = |failed: &std::io::Result<()>| {
        let error = failed.as_ref().expect_err("it fails");
        error.kind() != std::io::ErrorKind::ConnectionReset
    };
    (0..1_000).take_while(|_| !refused(&call(true))).count()
}

/// A breaker with enough results only counts a success, without a look at its window.
#[test]
fn successes_after_a_change_of_the_window_are_inside_the_new_one() {
    let world = resilience::testing::isolate();
    load("# nothing\n").unwrap();
    (0..30).for_each(|_| busy(false).unwrap());
    load("[\"admission::busy\".circuit_breaker]\nwindow_calls = 100\n").unwrap();
    (0..200).for_each(|_| busy(false).unwrap());
    assert_eq!(failures_until_refused(busy), 50, "half of the last 100");

    (0..30).for_each(|_| busy_host("eu", false).unwrap());
    load("[\"admission::busy_host\".key.eu.circuit_breaker]\nwindow_calls = 100\n").unwrap();
    (0..200).for_each(|_| busy_host("eu", false).unwrap());
    assert_eq!(failures_until_refused(|fails| busy_host("eu", fails)), 50);

    load("# nothing\n").unwrap();
    (0..300).for_each(|_| busy_for_long(false).unwrap());
    load("[\"admission::busy_for_long\".circuit_breaker]\nwindow = \"100s\"\n").unwrap();
    (0..70).for_each(|_| busy_for_long(false).unwrap());
    world.advance(Duration::from_secs(1));
    assert_eq!(failures_until_refused(busy_for_long), 70, "half of the calls since the change");
}

#[circuit_breaker(rate = 50%, window_calls = 20, min_calls = 10, name = "admission::off")]
fn off_and_on(fails: bool) -> std::io::Result<()> {
    by_rate_of(fails)
}

#[test]
fn a_breaker_that_is_switched_off_counts_no_successes() {
    let _world = resilience::testing::isolate();
    load("# nothing\n").unwrap();
    (0..11).for_each(|_| off_and_on(false).unwrap());
    (0..9).for_each(|_| drop(off_and_on(true)));
    load("[\"admission::off\".circuit_breaker]\nenabled = false\n").unwrap();
    (0..50).for_each(|_| off_and_on(false).unwrap());
    (0..50).for_each(|_| drop(off_and_on(true)));
    load("# nothing\n").unwrap();
    let breaker = point("admission::off").unwrap().breaker().unwrap();
    assert_eq!((breaker.snapshot().failures, breaker.state()), (9, State::Closed), "those before");
    assert_eq!(failures_until_refused(off_and_on), 1, "half of the last 20");
}

#[circuit_breaker(rate = 50%, window_calls = 20, min_calls = 10, name = "admission::looked_at")]
fn looked_at(fails: bool) -> std::io::Result<()> {
    by_rate_of(fails)
}

/// The result that reaches `min_calls` is judged, also after a snapshot is read.
#[test]
fn a_snapshot_after_a_lower_min_calls_changes_nothing() {
    for is_read in [false, true] {
        let _world = resilience::testing::isolate();
        load("# nothing\n").unwrap();
        (0..9).for_each(|_| drop(looked_at(true)));
        load("[\"admission::looked_at\".circuit_breaker]\nmin_calls = 5\n").unwrap();
        let breaker = point("admission::looked_at").unwrap().breaker().unwrap();
        if is_read {
            assert_eq!(breaker.snapshot().failure_rate, Some(1.0));
        }
        looked_at(false).unwrap();
        assert_eq!(breaker.state(), State::Open, "read before: {is_read}");
    }
}

#[circuit_breaker(threshold = 3, window = 60s, name = "admission::times")]
fn by_times() -> std::io::Result<()> {
    Err(std::io::ErrorKind::ConnectionReset.into())
}

#[test]
fn a_changed_window_of_a_threshold_forgets_the_failures() {
    let _world = resilience::testing::isolate();
    let breaker = point("admission::times").unwrap().breaker().unwrap();
    let fail_twice = || (0..2).for_each(|_| drop(by_times()));
    for window in ["10s", "2m"] {
        load("# nothing\n").unwrap();
        fail_twice();
        assert_eq!(breaker.snapshot().failures, 2);
        load(&format!("[\"admission::times\".circuit_breaker]\nwindow = \"{window}\"\n")).unwrap();
        assert_eq!(breaker.snapshot().failures, 0);
        fail_twice();
        assert_eq!((breaker.snapshot().failures, breaker.state()), (2, State::Closed));
    }
    load("[\"admission::times\".circuit_breaker]\nwindow = \"2m\"\nthreshold = 4\n").unwrap();
    assert_eq!(breaker.snapshot().failures, 2, "of the same window");
}

static HEDGED: AtomicU32 = AtomicU32::new(0);

#[hedge(after = 1s, idempotent, name = "admission::hedged")]
async fn hedged(answers: u32) -> Result<u32, Rejected> {
    let number = HEDGED.fetch_add(1, Ordering::SeqCst) + 1;
    if number == answers { Ok(number) } else { std::future::pending().await }
}

#[test]
fn a_hedge_can_be_delayed_and_disabled_at_run_time() {
    let world = resilience::testing::isolate();
    let call = |answers| {
        HEDGED.store(0, Ordering::SeqCst);
        hedged(answers)
    };
    load("[\"admission::hedged\".hedge]\nafter = \"5s\"\n").unwrap();
    let mut future = pin!(call(2));
    assert!(poll(&mut future).is_pending());
    world.advance(Duration::from_secs(4));
    assert!(poll(&mut future).is_pending());
    assert_eq!(HEDGED.load(Ordering::SeqCst), 1);
    world.advance(Duration::from_secs(1));
    assert_eq!(poll(&mut future), Poll::Ready(Ok(2)));

    load("[hedge]\nenabled = false\n").unwrap();
    let mut future = pin!(call(2));
    assert!(poll(&mut future).is_pending());
    world.advance(Duration::from_secs(60));
    assert!(poll(&mut future).is_pending());
    assert_eq!(HEDGED.load(Ordering::SeqCst), 1);
}

static READS: Budget = Budget::new();

#[hedge(after = p90, idempotent, budget = READS, name = "admission::measured")]
async fn measured() -> Result<(), Rejected> {
    let mut is_polled = false;
    poll_fn(|_| if std::mem::replace(&mut is_polled, true) { Poll::Ready(()) } else { Poll::Pending }).await;
    Ok(())
}

#[test]
fn a_disabled_hedge_keeps_its_settings_and_its_percentile() {
    let world = resilience::testing::isolate();
    let hedge = point("admission::measured").unwrap().hedge().unwrap();
    let take = |time: Duration| {
        let mut call = pin!(measured());
        assert!(poll(&mut call).is_pending());
        world.advance(time);
        assert_eq!(poll(&mut call), Poll::Ready(Ok(())));
    };
    let (quick, slow) = (Duration::from_millis(10), Duration::from_secs(1));
    let down = || -> Result<(), std::io::Error> { Err(std::io::ErrorKind::ConnectionReset.into()) };
    drop(Retry::new().max(1).base(Duration::ZERO).budget(&READS).call(down));
    load("[hedge]\nenabled = false\n").unwrap();
    assert_eq!(shown("admission::measured", "hedge", "after"), "after = p90");
    assert_eq!(shown("admission::measured", "hedge", "max"), "max = 1");
    assert_eq!(
        (hedge.snapshot().after, hedge.snapshot().tokens),
        (None, 495),
        "the budget is that of the code"
    );
    hedge.reset();
    take(Duration::ZERO);
    assert_eq!(READS.tokens(), 495, "no token comes back from a call without a hedge");
    load("[hedge]\nenabled = true\n").unwrap();
    (0..94).for_each(|_| take(quick));
    (0..5).for_each(|_| take(slow));
    assert_eq!(hedge.snapshot().after, None, "99 calls: none was measured while it was disabled");
    take(slow);
    assert_eq!(hedge.snapshot().after, Some(quick), "94 of 100 calls are as quick");
}

#[test]
fn a_higher_limit_admits_waiting_calls() {
    let _world = resilience::testing::isolate();
    let slots = |slots: u32| {
        load(&format!("[\"admission::slots\".bulkhead]\nslots = {slots}\nqueue = 5\n")).unwrap();
    };
    slots(1);
    let (mut one, mut two, mut three) = (pin!(in_a_slot()), pin!(in_a_slot()), pin!(in_a_slot()));
    assert!(poll(&mut one).is_pending() && poll(&mut three).is_pending());
    let woken = Arc::new(Woken::default());
    assert!(two.as_mut().poll(&mut Context::from_waker(&woken.clone().into())).is_pending());
    slots(3);
    assert_eq!(woken.0.load(Ordering::SeqCst), 1, "it is woken, and needs no other call to end");
    ENDS.set(2);
    assert_eq!(poll(&mut two), Poll::Ready(Ok(())), "though the first still runs");
    assert_eq!(poll(&mut three), Poll::Ready(Ok(())));
    assert!(poll(&mut one).is_pending());
}
