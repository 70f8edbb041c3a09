//! What each policy shows.

use super::page::now;
use resilience::testing::isolate;
use resilience::{
    Classify, State, bulkhead, cached, circuit_breaker, point, rate_limit, timeout, with_fallback, with_retry,
};
use std::io::{self, ErrorKind};
use std::time::Duration;

#[circuit_breaker(threshold = 2, recovery = 30s, name = "metrics::moves")]
fn moves(works: bool) -> io::Result<()> {
    if works { Ok(()) } else { Err(ErrorKind::ConnectionReset.into()) }
}

#[test]
fn breaker_transitions_and_state_times_are_exported() {
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
fn slow_calls_and_failure_rates_are_distinguished() {
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
fn timeouts_of_attempts_and_whole_calls_are_distinguished() {
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
fn budgets_slots_limits_and_caches_show_their_remainder() {
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

#[test]
fn retries_that_give_up_are_counted_by_reason() {
    #[derive(Debug, Classify)]
    enum Answer {
        #[classify(rate_limited, retry_after = .after)]
        Busy { after: Duration },
        #[classify(unavailable)]
        Down,
    }
    #[with_retry(max = 1, base = 0s, give_up_after = 10s, retry_after_cap = 30s, name = "metrics::gives_up")]
    fn ends(after: Option<u64>) -> Result<(), Answer> {
        Err(after.map_or(Answer::Down, |after| Answer::Busy { after: Duration::from_secs(after) }))
    }
    let _world = isolate();
    let count = |result| now(&format!("retry_calls_total{{name=\"metrics::gives_up\",result=\"{result}\"}}"));
    let results = ["exhausted", "deadline", "retry_after", "budget_denied"];
    for seconds in [0, 20, 60] {
        ends(Some(seconds)).unwrap_err();
    }
    assert_eq!(results.map(count), [Some(1.0), Some(1.0), Some(1.0), None]);
    let mut calls = 3;
    while count("budget_denied").is_none() {
        calls += 1;
        assert!(calls < 10_000, "the budget has an end");
        ends(None).unwrap_err();
    }
    let all = results.map(|result| count(result).unwrap()).iter().sum::<f64>();
    assert_eq!(all, f64::from(calls), "each call once");
    assert_eq!(now("retry_budget_denied_total{name=\"metrics::gives_up\"}"), Some(1.0));
}

#[test]
fn a_breaker_shows_slow_and_ignored_calls() {
    #[derive(Debug, Classify)]
    #[classify(cancelled)]
    struct Given;
    #[circuit_breaker(threshold = 3, slow = 1s, slow_rate = 90%, name = "metrics::slow")]
    fn slow(took: Duration, works: bool, world: &resilience::testing::World) -> Result<(), Either> {
        world.advance(took);
        if works { Ok(()) } else { Err(Either::Given(Given)) }
    }
    #[derive(Debug, Classify)]
    enum Either {
        #[classify(transparent)]
        Given(Given),
        #[classify(transparent)]
        Rejected(resilience::Rejected),
    }
    impl From<resilience::Rejected> for Either {
        fn from(rejected: resilience::Rejected) -> Self {
            Self::Rejected(rejected)
        }
    }
    let world = isolate();
    slow(Duration::ZERO, true, &world).unwrap();
    slow(Duration::from_secs(2), true, &world).unwrap();
    slow(Duration::ZERO, false, &world).unwrap_err();
    let count = |result| now(&format!("breaker_calls_total{{name=\"metrics::slow\",result=\"{result}\"}}"));
    assert_eq!([count("slow"), count("ignored"), count("failure")], [Some(1.0), Some(1.0), None]);
}

#[test]
fn a_fallback_shows_which_of_its_steps_answered() {
    #[with_fallback(first, second, name = "metrics::steps")]
    fn steps(n: u32) -> io::Result<u32> {
        let _ = n;
        Err(ErrorKind::TimedOut.into())
    }
    fn first(n: u32) -> io::Result<u32> {
        if n == 1 { Ok(n) } else { Err(ErrorKind::TimedOut.into()) }
    }
    fn second(n: u32) -> io::Result<u32> {
        if n == 2 { Ok(n) } else { Err(ErrorKind::TimedOut.into()) }
    }
    let _world = isolate();
    let _ = [steps(1), steps(2), steps(2), steps(3)];
    let count = |result, step| {
        now(&format!("fallbacks_total{{name=\"metrics::steps\",result=\"{result}\",step=\"{step}\"}}"))
    };
    let counts = [count("answered", 1), count("answered", 2), count("answered", 3)];
    assert_eq!(counts, [Some(1.0), Some(2.0), None]);
    assert_eq!(now("fallbacks_total{name=\"metrics::steps\",result=\"failed\",step=\"all\"}"), Some(1.0));
}
