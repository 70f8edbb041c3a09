//! Policies after years without a call: they admit calls as at first.

use resilience::{Budget, Bulkhead, CircuitBreaker, RateLimit, Retry, State, testing};
use std::io::{Error, ErrorKind};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 3_600);

fn down() -> Result<(), Error> {
    Err(ErrorKind::TimedOut.into())
}

#[test]
fn an_idle_policy_admits_calls_as_at_first() {
    for days in [1, 100, 397, 399, 800, 1_200, 3_650, 36_500] {
        let world = testing::isolate();
        let budget = Budget::new().throttle(2.0);
        let retry = Retry::new().max(1_000).base(Duration::ZERO).budget(&BUDGET);
        let _ = retry.call(down);
        assert_eq!((BUDGET.tokens(), BUDGET.denied()), (0, 1));
        for _ in 0..50 {
            let _ = budget.call(down);
        }
        assert!(budget.refusal() > 0.5);
        let limit = RateLimit::new("limit", 3, SECOND);
        let admitted = || (0..10).filter(|_| limit.acquire().is_ok()).count();
        assert_eq!(admitted(), 3);
        let in_a_row = CircuitBreaker::new("in a row").threshold(3);
        let within = CircuitBreaker::new("within").threshold(3).window(60 * SECOND);
        let by_rate = CircuitBreaker::new("by rate").rate(0.5).window(60 * SECOND).min_calls(4);
        for breaker in [&in_a_row, &within, &by_rate] {
            let _ = (breaker.call(down), breaker.call(down));
            assert_eq!(breaker.state(), State::Closed);
        }
        let opened = CircuitBreaker::new("opened").threshold(1).recovery(SECOND);
        let _ = opened.call(down);
        assert_eq!(opened.state(), State::Open);
        let bulkhead = Bulkhead::new("slots", 20).adaptive();
        for _ in 0..5 {
            bulkhead.acquire().unwrap().failure(&Error::from(ErrorKind::TimedOut));
            world.advance(2 * SECOND);
        }
        assert!(bulkhead.snapshot().slots < 20);

        world.advance(DAY * days);
        assert_eq!(BUDGET.tokens(), 500, "{days} days");
        assert!(budget.refusal() == 0.0, "{days} days");
        assert_eq!(admitted(), 3, "{days} days");
        let _ = (within.call(down), within.call(down));
        assert_eq!(within.state(), State::Closed, "{days} days");
        let _ = (by_rate.call(down), by_rate.call(down), by_rate.call(down));
        assert_eq!(by_rate.state(), State::Closed, "{days} days");
        let _ = in_a_row.call(down);
        assert_eq!(in_a_row.state(), State::Open, "time does not end a run of failures");
        opened.call(|| Ok::<_, Error>(())).unwrap();
        assert_eq!(opened.state(), State::Closed, "{days} days");
        assert!(bulkhead.acquire().is_ok());
    }
}

static BUDGET: Budget = Budget::new();
