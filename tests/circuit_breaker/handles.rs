//! Breakers by the name of their function, and by hand.

use crate::guarded::{Failure, down};
use resilience::policy::circuit_breaker::State;
use resilience::{Rejected, circuit_breaker, testing};
use std::time::Duration;

#[circuit_breaker(threshold = 2, recovery = 30s, name = "handled")]
fn handled(fails: bool) -> Result<u32, Failure> {
    if fails { Err(Failure::Own(down().into())) } else { Ok(1) }
}

fn handle() -> resilience::point::PolicyHandle<resilience::CircuitBreaker> {
    resilience::point("handled").unwrap().breaker().unwrap()
}

fn is_open(outcome: &Result<u32, Failure>) -> bool {
    matches!(outcome, Err(Failure::Rejected(Rejected::CircuitOpen { .. })))
}

#[test]
fn the_state_can_be_read() {
    let world = testing::isolate();
    assert_eq!((handle().state(), handle().snapshot().failures), (State::Closed, 0));
    assert!(handle().is_available());
    let _ = handled(true);
    assert_eq!(handle().snapshot().failures, 1);
    let _ = handled(true);
    let snapshot = handle().snapshot();
    assert_eq!((handle().state(), snapshot.state), (State::Open, State::Open));
    assert_eq!((&*snapshot.name, snapshot.threshold), ("handled", 2));
    assert_eq!(snapshot.retry_after, Some(Duration::from_secs(30)));
    assert!(!handle().is_available());
    assert!(is_open(&handled(false)));
    assert_eq!(handle().snapshot().rejected, 1);
    world.advance(Duration::from_secs(30));
    assert!(handle().is_available());
    assert_eq!(handled(false), Ok(1));
    assert_eq!(handle().state(), State::Closed);
}

#[test]
fn the_breaker_can_be_opened_closed_and_disabled() {
    let world = testing::isolate();
    handle().force_open();
    assert_eq!(handle().state(), State::ForcedOpen);
    world.advance(Duration::from_secs(3600));
    assert!(is_open(&handled(false)), "only a person closes it");
    handle().reset();
    assert_eq!((handle().state(), handled(false)), (State::Closed, Ok(1)));
    handle().disable();
    for _ in 0..10 {
        assert!(matches!(handled(true), Err(Failure::Own(_))));
    }
    assert_eq!(handle().state(), State::Disabled);
    handle().reset();
    handle().open_until(world.now() + Duration::from_secs(5));
    assert!(is_open(&handled(false)));
    world.advance(Duration::from_secs(5));
    assert_eq!(handled(false), Ok(1));
}

#[test]
fn a_forced_open_breaker_has_no_retry_after() {
    let _world = testing::isolate();
    handle().force_open();
    let Err(Failure::Rejected(rejected)) = handled(false) else { panic!() };
    assert_eq!((rejected.retry_after(), rejected.point()), (None, "handled"));
    handle().reset();
}

#[test]
fn metrics_only_counts_and_never_rejects() {
    let _world = testing::isolate();
    handle().metrics_only();
    for _ in 0..10 {
        assert!(matches!(handled(true), Err(Failure::Own(_))));
    }
    assert_eq!(handle().state(), State::MetricsOnly);
}

#[test]
fn permits_can_be_acquired_directly() {
    let _world = testing::isolate();
    let failed = Failure::Own(down().into());
    handle().acquire().unwrap().failure(&failed);
    handle().acquire().unwrap().success();
    handle().acquire().unwrap().failure(&failed);
    drop(handle().acquire().unwrap());
    assert_eq!(
        handle().state(),
        State::Closed,
        "the success cleared the row, the dropped one counts as nothing"
    );
    handle().acquire().unwrap().failure(&failed);
    assert!(matches!(handle().acquire(), Err(Rejected::CircuitOpen { .. })));
    assert!(is_open(&handled(false)));
}

#[test]
fn each_key_has_a_handle() {
    #[circuit_breaker(threshold = 1, key = host, name = "keyed handle")]
    fn keyed(host: &str, fails: bool) -> Result<u32, Failure> {
        let _ = host;
        if fails { Err(Failure::Own(down().into())) } else { Ok(1) }
    }
    let _world = testing::isolate();
    let point = resilience::point("keyed handle").unwrap();
    assert!(point.key("a").breaker().is_none(), "never used");
    let _ = keyed("a", true);
    let breaker = point.key("a").breaker().unwrap();
    assert_eq!(breaker.state(), State::Open);
    assert_eq!(breaker.snapshot().key.as_deref(), Some("a"));
    breaker.reset();
    assert_eq!(keyed("a", false), Ok(1));
}

#[test]
fn the_snapshot_of_the_point_shows_the_state() {
    let _world = testing::isolate();
    let _ = (handled(true), handled(true), handled(false));
    let snapshot = resilience::point("handled").unwrap().snapshot();
    assert_eq!(snapshot.policies[0].kind, "circuit_breaker");
    assert_eq!(snapshot.policies[0].state, Some("open"));
    assert!(
        snapshot.policies[0].counters.iter().any(|(name, count)| name.contains("rejected") && *count == 1),
        "{:?}",
        snapshot.policies[0].counters
    );
}
