//! What each policy shows.

use super::page::now;
use resilience::testing::isolate;
use resilience::{State, bulkhead, cached, circuit_breaker, point, rate_limit, timeout, with_retry};
use std::io::{self, ErrorKind};
use std::time::Duration;

#[circuit_breaker(threshold = 2, recovery = 30s, name = "metrics::moves")]
fn moves(works: bool) -> io::Result<()> {
    if works { Ok(()) } else { Err(ErrorKind::ConnectionReset.into()) }
}

#[test]
fn a_breaker_has_its_transitions_with_their_causes_and_the_time_in_each_state() {
    let world = isolate();
    let changes = |from: &str, to: &str, cause: &str| {
        let labels = format!("from=\"{from}\",to=\"{to}\",cause=\"{cause}\"");
        now(&format!("breaker_transitions_total{{name=\"metrics::moves\",{labels}}}"))
    };
    let seconds = |state: &str| {
        let spent = now(&format!("breaker_state_seconds_total{{name=\"metrics::moves\",state=\"{state}\"}}"));
        spent.map(|seconds| (seconds * 1e3).round())
    };
    let at_start = seconds("closed").unwrap_or(0.0);
    assert!(at_start < 3_600e3, "the age of the test's process");
    world.advance(Duration::from_secs(10));
    (0..2).for_each(|_| drop(moves(false)));
    world.advance(Duration::from_secs(40));
    moves(false).unwrap_err();
    world.advance(Duration::from_secs(40));
    moves(true).unwrap();
    world.advance(Duration::from_millis(2_500));
    assert_eq!(changes("closed", "open", "connection"), Some(1.0));
    assert_eq!(changes("open", "half_open", "timer"), Some(2.0));
    assert_eq!(changes("half_open", "open", "connection"), Some(1.0));
    assert_eq!(changes("half_open", "closed", "probe"), Some(1.0));
    let spent = [seconds("closed"), seconds("open"), seconds("half_open"), seconds("disabled")];
    assert_eq!(spent, [Some(at_start + 12_500.0), Some(80_000.0), None, None]);
    let breaker = point("metrics::moves").unwrap().breaker().unwrap();
    // A reset of a closed breaker is no transition, and loses no time.
    breaker.reset();
    world.advance(Duration::from_secs(1));
    breaker.disable();
    world.advance(Duration::from_secs(3));
    breaker.set_state(State::HalfOpen);
    breaker.force_open();
    breaker.reset();
    assert_eq!(changes("closed", "disabled", "manual"), Some(1.0));
    assert_eq!(changes("disabled", "half_open", "manual"), Some(1.0));
    assert_eq!(changes("forced_open", "closed", "manual"), Some(1.0));
    assert_eq!(changes("closed", "closed", "manual"), None);
    assert_eq!((seconds("closed"), seconds("disabled")), (Some(at_start + 13_500.0), Some(3_000.0)));
}

#[test]
fn a_slow_service_and_a_share_of_failures_are_told_apart() {
    #[circuit_breaker(rate = 50%, min_calls = 4, slow = 1s, slow_rate = 50%, name = "metrics::rates")]
    fn rates(took: Duration, works: bool, world: &resilience::testing::World) -> io::Result<()> {
        world.advance(took);
        moves(works)
    }
    let world = isolate();
    let ratio = || now("breaker_failure_ratio{name=\"metrics::rates\"}");
    assert_eq!(ratio(), Some(-1.0), "too few calls");
    for n in 0..4 {
        rates(Duration::ZERO, n != 0, &world).ok();
    }
    assert_eq!(ratio(), Some(0.25));
    for _ in 0..4 {
        rates(Duration::from_secs(2), true, &world).ok();
    }
    let labels = "from=\"closed\",to=\"open\",cause=\"slow\"";
    assert_eq!(now(&format!("breaker_transitions_total{{name=\"metrics::rates\",{labels}}}")), Some(1.0));
}

#[test]
fn timeouts_of_attempts_and_of_the_whole_call_are_told_apart() {
    #[timeout(10s, name = "metrics::limits")]
    #[with_retry(max = 3, base = 0s, budget = none)]
    #[timeout(4s)]
    async fn limits() -> io::Result<()> {
        std::future::pending().await
    }
    let _world = isolate();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    runtime.block_on(limits()).unwrap_err();
    let count = |scope| now(&format!("timeouts_total{{name=\"metrics::limits\",scope=\"{scope}\"}}"));
    assert_eq!((count("attempt"), count("total")), (Some(2.0), Some(1.0)));
}

#[test]
fn budgets_slots_limits_and_caches_show_what_is_left() {
    #[with_retry(max = 1, base = 0s, name = "metrics::left")]
    #[bulkhead(3)]
    #[rate_limit(5, per = 1h)]
    fn left() -> Result<(), io::Error> {
        assert_eq!(now("bulkhead_in_use{name=\"metrics::left\"}"), Some(1.0));
        Err(ErrorKind::TimedOut.into())
    }
    #[cached(name = "metrics::kept")]
    fn kept(n: u32) -> io::Result<u32> {
        Ok(n)
    }
    let _world = isolate();
    let full = now("retry_budget_tokens{name=\"metrics::left\"}").unwrap();
    left().unwrap_err();
    assert!(now("retry_budget_tokens{name=\"metrics::left\"}").unwrap() < full);
    assert_eq!(now("bulkhead_limit{name=\"metrics::left\"}"), Some(3.0));
    assert_eq!(now("bulkhead_waiting{name=\"metrics::left\"}"), Some(0.0));
    assert_eq!(now("ratelimit_available{name=\"metrics::left\"}"), Some(3.0));
    (0..3).for_each(|n| drop(kept(n % 2)));
    assert_eq!(now("cache_requests_total{name=\"metrics::kept\",result=\"miss\"}"), Some(2.0));
    assert_eq!(now("cache_entries{name=\"metrics::kept\"}"), Some(2.0));
}
