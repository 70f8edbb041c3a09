//! Calls outside of a test world, where a success ends an async call before it is judged.

use super::guarded::{Failure, Outcome, down};
use futures::executor::block_on;
use resilience::{Category, State, circuit_breaker, point};
use std::future::pending;
use std::pin::pin;
use std::task::{Context, Waker};

#[circuit_breaker(threshold = 3, recovery = 1h)]
async fn plain(result: Result<u32, Category>) -> Outcome {
    result.map_err(|category| Failure::Own(category.into()))
}

#[circuit_breaker(threshold = 3, recovery = 1h, key = id, name = "outside keyed")]
async fn keyed(id: u32, result: Result<u32, Category>) -> Outcome {
    if id == 0 {
        pending::<()>().await;
    }
    result.map_err(|category| Failure::Own(category.into()))
}

#[test]
fn a_success_clears_the_failures_before_it() {
    let calls: [&dyn Fn(Result<u32, Category>) -> Outcome; 2] =
        [&|result| block_on(plain(result)), &|result| block_on(keyed(1, result))];
    for call in calls {
        for _ in 0..3 {
            assert!(matches!(call(Err(down())), Err(Failure::Own(_))));
            assert!(matches!(call(Err(down())), Err(Failure::Own(_))));
            assert_eq!(call(Ok(7)).ok(), Some(7));
            assert_eq!(call(Ok(8)).ok(), Some(8));
        }
        for _ in 0..3 {
            assert!(matches!(call(Err(down())), Err(Failure::Own(_))));
        }
        assert!(matches!(call(Ok(9)), Err(Failure::Rejected(_))));
    }
}

#[test]
fn a_success_is_no_cancelled_call() {
    let cancelled = || {
        let counters = point("outside keyed").unwrap().snapshot().policies[0].counters.clone();
        counters.iter().find(|(name, _)| *name == "cancelled").unwrap().1
    };
    for id in 2..5 {
        assert_eq!(block_on(keyed(id, Ok(id))).ok(), Some(id));
    }
    assert_eq!(cancelled(), 0);
    {
        let mut call = pin!(keyed(0, Ok(1)));
        assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    }
    assert_eq!(cancelled(), 1);
}

#[circuit_breaker(rate = 50%, window = 10_000, name = "outside rated")]
async fn rated(result: Result<u32, Category>) -> Outcome {
    result.map_err(|category| Failure::Own(category.into()))
}

#[circuit_breaker(rate = 50%, window = 1h, name = "outside timed", timed)]
async fn timed(result: Result<u32, Category>) -> Outcome {
    result.map_err(|category| Failure::Own(category.into()))
}

#[circuit_breaker(rate = 50%, window = 10_000, key = id, name = "outside rated keys")]
fn rated_keys(id: u32, result: Result<u32, Category>) -> Outcome {
    result.map(|value| value + id).map_err(|category| Failure::Own(category.into()))
}

/// As many failures as successes open the breaker, whether or not a success is followed by a look at the window.
#[test]
fn each_success_counts_once_in_a_rate() {
    let state = |name: &str| point(name).unwrap().breaker().map(|breaker| breaker.state());
    let calls: [(&str, &dyn Fn(Result<u32, Category>) -> Outcome); 2] = [
        ("outside rated", &|result| block_on(rated(result))),
        ("outside timed", &|result| block_on(timed(result))),
    ];
    for (name, call) in calls {
        for n in 0..1_000 {
            assert_eq!(call(Ok(n)).ok(), Some(n));
        }
        for n in 0..1_000 {
            assert!(matches!(call(Err(down())), Err(Failure::Own(_))), "{name}: {n} failures");
        }
        assert_eq!(state(name), Some(State::Open), "{name}");
    }
    for n in 0..100 {
        assert_eq!(rated_keys(1, Ok(n)).ok(), Some(n + 1));
    }
    for n in 0..100 {
        assert!(matches!(rated_keys(1, Err(down())), Err(Failure::Own(_))), "{n} failures");
    }
    assert!(matches!(rated_keys(1, Ok(1)), Err(Failure::Rejected(_))));
    assert_eq!(rated_keys(2, Ok(1)).ok(), Some(3));
}
