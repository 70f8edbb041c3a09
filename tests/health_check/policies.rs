//! Checks behind policies, and what their looks leave alone.

use super::*;

// What a check must not change.

#[derive(Debug, thiserror::Error, Classify)]
enum Failure {
    #[error("down")]
    #[classify(connection)]
    Down,
    #[error(transparent)]
    #[classify(transparent)]
    Rejected(#[from] Rejected),
}

/// An error whose class is written, so that only the compiler knows it.
#[derive(Debug)]
struct Written(Rejected);

impl std::fmt::Display for Written {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("written")
    }
}

impl Classify for Written {
    fn classify(&self) -> resilience::Classification {
        self.0.classify()
    }
}

impl From<Rejected> for Written {
    fn from(rejected: Rejected) -> Self {
        Self(rejected)
    }
}

#[health_check("guarded", critical)]
#[circuit_breaker(name = "health::guarded", threshold = 1, recovery = 60s)]
fn guarded() -> Result<(), Failure> {
    Ok(())
}

#[health_check("guarded later", critical)]
#[circuit_breaker(name = "health::guarded_later", threshold = 1, recovery = 60s)]
async fn guarded_later() -> Result<(), Written> {
    Ok(())
}

fn traffic_closes_it(name: &str, point_name: &str, call: impl FnOnce()) {
    let world = isolate();
    let breaker = point(point_name).unwrap().breaker().unwrap();
    breaker.open_until(world.now() + Duration::from_secs(60));
    for second in 0..70 {
        let status = look(name);
        assert_eq!(status.level, Level::Warn, "{status}");
        assert!(status.message.starts_with("not judged: "), "{status}");
        assert!(is_ready(name), "it never decides readiness");
        assert_eq!(breaker.state(), State::Open, "no probe after {second} s");
        world.advance(SECOND);
    }
    call();
    assert_eq!(breaker.state(), State::Closed, "by the traffic");
    assert_eq!(look(name).level, Level::Pass);
}

#[test]
fn a_check_behind_an_open_breaker_uses_no_probe() {
    traffic_closes_it("guarded", "health::guarded", || guarded().unwrap());
    traffic_closes_it("guarded later", "health::guarded_later", || {
        futures::executor::block_on(guarded_later()).unwrap();
    });
}

#[test]
fn a_rejected_closure_is_not_judged() {
    let world = isolate();
    point("health::guarded").unwrap().breaker().unwrap().open_until(world.now() + SECOND);
    health::register("closure", guarded);
    assert!(look("closure").message.starts_with("not judged: "));
}

static BUDGET: Budget = Budget::new();

#[health_check("retried")]
#[with_retry(max = 3, base = 1ms, budget = BUDGET)]
fn retried() -> Result<(), Failure> {
    Err(Failure::Down)
}

#[health_check("retried later")]
#[with_retry(max = 3, base = 1ms, budget = BUDGET)]
async fn retried_later() -> Result<(), Failure> {
    Err(Failure::Down)
}

#[test]
fn retries_in_a_check_cost_no_budget() {
    let _world = isolate();
    let full = BUDGET.tokens();
    assert_eq!(
        [text("retried"), text("retried later")],
        ["retried: fail: down", "retried later: fail: down"]
    );
    assert_eq!(BUDGET.tokens(), full);
    retried().unwrap_err();
    assert!(BUDGET.tokens() < full, "those of the traffic do");
}

#[circuit_breaker(name = "health::elsewhere", threshold = 1, recovery = 60s)]
fn elsewhere() -> Result<(), Failure> {
    Ok(())
}

#[timeout(5s, thread)]
fn on_a_thread() -> Result<(), Failure> {
    elsewhere()
}

#[test]
fn other_threads_know_that_they_run_a_check() {
    let world = isolate();
    let breaker = point("health::elsewhere").unwrap().breaker().unwrap();
    breaker.open_until(world.now() + SECOND);
    world.advance(SECOND);
    health::register("carried", || thread::spawn(carry_fn(elsewhere)).join().unwrap());
    health::register("helper", on_a_thread);
    for name in ["carried", "helper"] {
        assert!(look(name).message.starts_with("not judged: "), "{name}");
        assert_eq!(breaker.state(), State::Open);
    }
    elsewhere().unwrap();
    assert_eq!(breaker.state(), State::Closed, "outside of a check a probe runs");
}
