//! A breaker that opens by slowness.

use super::guarded::{Failure, Guarded, Outcome};
use resilience::deadline::Deadline;
use resilience::{
    Bulkhead, Category, CircuitBreaker, Event, State, bulkhead, circuit_breaker, point, rate_limit, testing,
    timeout,
};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;
use tokio::time::sleep;

const SECOND: Duration = Duration::from_secs(1);

guarded!(half_of_ten: circuit_breaker(slow = 2s, slow_rate = 50%, window = 10, min_calls = 4));
guarded!(half_of_a_minute: circuit_breaker(slow = 2s, slow_rate = 50%, window = 60s, min_calls = 4));
guarded!(as_it_comes: circuit_breaker(slow = 2s));
guarded!(beside_others: circuit_breaker(threshold = 3, rate = 90%, slow = 2s, window = 10, min_calls = 4));
guarded!(not_found_is_exempt: circuit_breaker(slow = 2s, min_calls = 1, unless = Failure::is_not_found));

impl Guarded<'_> {
    /// Makes a call that takes `time` and succeeds.
    fn takes(&self, time: Duration) {
        self.ends(time, Ok(1));
    }

    /// Makes a call that ends after `time`.
    fn ends(&self, time: Duration, outcome: Outcome) {
        let returned = self.run(|| {
            self.pass(time);
            outcome.clone()
        });
        assert_eq!(returned, outcome);
    }
}

fn own(category: Category) -> Outcome {
    Err(Failure::Own(category.into()))
}

#[test]
fn the_breaker_opens_at_the_rate_of_slow_calls() {
    for breaker in [half_of_ten, half_of_a_minute] {
        breaker(&|it| {
            it.takes(3 * SECOND);
            it.takes(3 * SECOND);
            it.takes(SECOND);
            assert!(!it.rejects_without_counting(), "three calls are too few");
            it.takes(2 * SECOND);
            assert!(it.refuses(), "the fourth makes them enough, and two of four are slow");
        });
        breaker(&|it| {
            (0..20).for_each(|_| it.takes(2 * SECOND));
            assert!(!it.rejects_without_counting(), "no longer than `slow`");
            (0..20).for_each(|_| it.takes(Duration::ZERO));
        });
    }
}

#[test]
fn only_slow_failures_count_as_slow() {
    half_of_ten(&|it| {
        (0..3).for_each(|_| it.ends(SECOND, own(Category::Unavailable)));
        it.ends(3 * SECOND, own(Category::NotFound));
        it.ends(3 * SECOND, own(Category::Unavailable));
        assert!(!it.rejects_without_counting(), "2 of 5, and failures alone do not open it");
        it.ends(3 * SECOND, own(Category::Unavailable));
        assert!(it.refuses());
    });
}

#[test]
fn slow_calls_leave_the_window() {
    half_of_ten(&|it| {
        (0..6).for_each(|_| it.takes(Duration::ZERO));
        (0..4).for_each(|_| it.takes(3 * SECOND));
        (0..10).for_each(|_| it.takes(Duration::ZERO));
        (0..4).for_each(|_| it.takes(3 * SECOND));
        assert!(!it.rejects_without_counting(), "4 of the last 10");
        it.takes(3 * SECOND);
        assert!(it.refuses());
    });
    half_of_a_minute(&|it| {
        (0..3).for_each(|_| it.takes(3 * SECOND));
        it.pass(60 * SECOND);
        (0..3).for_each(|_| it.takes(3 * SECOND));
        assert!(!it.rejects_without_counting());
        it.takes(3 * SECOND);
        assert!(it.refuses());
    });
}

#[test]
fn the_default_is_eighty_of_the_last_hundred_calls() {
    as_it_comes(&|it| {
        (0..50).for_each(|_| it.ends(SECOND, own(Category::Unavailable)));
        assert!(!it.rejects_without_counting(), "no threshold holds");
        (0..79).for_each(|_| it.takes(3 * SECOND));
        assert!(!it.rejects_without_counting());
        it.takes(3 * SECOND);
        assert!(it.refuses());
    });
}

#[test]
fn an_explicit_threshold_and_rate_stay_active() {
    beside_others(&|it| {
        (0..3).for_each(|_| it.ends(SECOND, own(Category::Unavailable)));
        assert!(it.refuses(), "three in a row");
    });
    beside_others(&|it| {
        (0..2).for_each(|_| it.ends(SECOND, own(Category::Unavailable)));
        it.takes(3 * SECOND);
        it.ends(3 * SECOND, own(Category::Unavailable));
        assert!(!it.rejects_without_counting(), "2 of 4 are slow, 3 of 4 failed, 1 in a row");
        (0..6).for_each(|_| it.takes(3 * SECOND));
        assert!(it.refuses(), "8 of 10 are slow");
    });
}

#[test]
fn the_event_names_slow_calls_as_the_cause() {
    #[circuit_breaker(slow = 2s, slow_rate = 50%, window = 10, min_calls = 2, name = "opened")]
    fn call(world: &testing::World, time: Duration, outcome: Outcome) -> Outcome {
        world.advance(time);
        outcome
    }
    let world = testing::isolate();
    let opened = || world.events().iter().rev().find(|event| matches!(event, Event::Opened { .. })).cloned();
    let _ = call(&world, SECOND, Ok(1));
    let _ = call(&world, 3 * SECOND, Ok(1));
    let text = opened().expect("one of two was slow").to_string();
    assert_eq!(text, "opened: opened after 1 slow calls, for 60s");
    world.advance(60 * SECOND);
    let _ = call(&world, 3 * SECOND, Ok(1));
    assert!(
        matches!(opened(), Some(Event::Opened { slow: 1, failures: 0, class: None, .. })),
        "a slow probe"
    );

    point("opened").unwrap().breaker().unwrap().reset();
    let _ = call(&world, 3 * SECOND, own(Category::Unavailable));
    let _ = call(&world, SECOND, Ok(1));
    let Some(Event::Opened { slow, failures, .. }) = opened() else { panic!("one of two was slow") };
    assert_eq!((slow, failures), (1, 1));

    point("opened").unwrap().breaker().unwrap().reset();
    point("opened").unwrap().breaker().unwrap().force_open();
    assert_eq!(opened().unwrap().to_string(), "opened: forced open");
}

#[test]
fn a_slow_probe_reopens_the_breaker() {
    half_of_ten(&|it| {
        (0..4).for_each(|_| it.takes(3 * SECOND));
        it.pass(60 * SECOND);
        it.takes(3 * SECOND);
        assert!(it.refuses());
        assert_eq!(it.retry_after(), Some(60 * SECOND));
        it.pass(60 * SECOND);
        it.takes(2 * SECOND);
        it.takes(3 * SECOND);
        assert!(!it.rejects_without_counting(), "closed, with an empty window");
    });
}

#[test]
fn ignored_results_do_not_count_as_slow() {
    not_found_is_exempt(&|it| {
        it.ends(3 * SECOND, own(Category::Cancelled));
        it.ends(3 * SECOND, own(Category::NotFound));
        assert!(!it.rejects_without_counting());
        it.takes(3 * SECOND);
        assert!(it.refuses());
    });
}

/// The state, the number of failures and the share of slow calls of the point `name`.
fn now(name: &str) -> (State, u32, Option<f64>) {
    let now = point(name).expect("a point").breaker().expect("a breaker").snapshot();
    (now.state, now.failures, now.slow_rate)
}

#[timeout(20s)]
#[circuit_breaker(slow = 2s, slow_rate = 100%, min_calls = 2, name = "slow with waits")]
#[rate_limit(1, per = 5s, wait = 20s)]
#[bulkhead(1, wait = 20s)]
async fn waits(time: Duration) -> Outcome {
    sleep(time).await;
    Ok(1)
}

#[tokio::test(start_paused = true)]
async fn waits_for_admission_below_are_not_slow() {
    let _world = testing::isolate();
    let all = tokio::join!(waits(SECOND), waits(SECOND), waits(SECOND));
    assert_eq!(all, (Ok(1), Ok(1), Ok(1)), "they waited up to 10 s for the rate limit");
    assert_eq!(now("slow with waits"), (State::Closed, 0, Some(0.0)));
    let (first, second) = tokio::join!(waits(7 * SECOND), waits(SECOND));
    assert_eq!((first, second), (Ok(1), Ok(1)), "the second waited for the slot, too");
    assert_eq!(now("slow with waits"), (State::Closed, 0, Some(0.2)));
}

/// The bodies run on helper threads, below one timeout and below two.
#[test]
fn waits_for_admission_on_a_helper_thread_are_not_slow() {
    #[circuit_breaker(slow = 2s, slow_rate = 100%, min_calls = 2, name = "slow on a thread")]
    #[timeout(60s, thread)]
    #[bulkhead(1, wait = 20s)]
    fn one(go: Receiver<()>) -> Outcome {
        go.recv().unwrap_err();
        Ok(1)
    }
    #[circuit_breaker(slow = 2s, slow_rate = 100%, min_calls = 2, name = "slow on two threads")]
    #[timeout(60s, thread)]
    #[timeout(50s, thread)]
    #[bulkhead(1, wait = 20s)]
    fn two(go: Receiver<()>) -> Outcome {
        go.recv().unwrap_err();
        Ok(1)
    }
    let calls: [(fn(Receiver<()>) -> Outcome, _); 2] =
        [(one, "slow on a thread"), (two, "slow on two threads")];
    for (call, name) in calls {
        let world = testing::isolate();
        let slots = || point(name).unwrap().bulkhead().unwrap().snapshot();
        let (first_go, first) = channel();
        let (_, second) = channel();
        let run = |go| {
            let handle = world.handle();
            move || handle.run(|| call(go))
        };
        let outcomes = thread::scope(|scope| {
            let first = scope.spawn(run(first));
            until(|| slots().in_use == 1);
            let second = scope.spawn(run(second));
            until(|| slots().waiting == 1);
            world.advance(5 * SECOND);
            drop(first_go);
            [first, second].map(|call| call.join().unwrap())
        });
        assert_eq!(outcomes, [Ok(1), Ok(1)]);
        assert_eq!(now(name), (State::Closed, 0, Some(0.5)), "the second only waited: {name}");
    }
}

/// Lets other threads run until it `is_so`.
fn until(is_so: impl Fn() -> bool) {
    while !is_so() {
        thread::yield_now();
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_cut_off_by_a_timeout_is_a_failure_and_slow() {
    #[timeout(5s)]
    #[circuit_breaker(slow = 2s, slow_rate = 100%, min_calls = 2, window = 10, name = "slow below a timeout")]
    async fn above(time: Duration) -> Outcome {
        sleep(time).await;
        Ok(1)
    }
    #[circuit_breaker(slow = 2s, slow_rate = 100%, min_calls = 2, window = 10, name = "slow above a timeout")]
    #[timeout(5s)]
    async fn below(time: Duration) -> Outcome {
        sleep(time).await;
        Ok(1)
    }
    let _world = testing::isolate();
    above(10 * SECOND).await.unwrap_err();
    below(10 * SECOND).await.unwrap_err();
    above(SECOND).await.unwrap();
    below(SECOND).await.unwrap();
    for name in ["slow below a timeout", "slow above a timeout"] {
        assert_eq!(now(name), (State::Closed, 1, Some(0.5)), "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_dropped_late_is_slow_but_not_a_failure() {
    #[circuit_breaker(rate = 10%, slow = 2s, slow_rate = 100%, min_calls = 2, name = "slow and dropped")]
    #[bulkhead(1, wait = 60s)]
    async fn hangs() -> Outcome {
        std::future::pending().await
    }
    async fn dropped_after(time: Duration) {
        tokio::select! { biased; _ = hangs() => unreachable!(), () = sleep(time) => {} }
    }
    let _world = testing::isolate();
    let calls = || point("slow and dropped").unwrap().breaker().unwrap().snapshot().calls;
    dropped_after(SECOND).await;
    assert_eq!(calls(), Some(0), "it counts as nothing");
    tokio::join!(dropped_after(3 * SECOND), dropped_after(3 * SECOND));
    assert_eq!(calls(), Some(1), "the other one waited for the slot");
    let client = Deadline::at_most(60 * SECOND).client_waits(3 * SECOND);
    client.run(hangs()).await.unwrap_err();
    assert_eq!(calls(), Some(1), "the client has left");
    dropped_after(3 * SECOND).await;
    let snapshot = point("slow and dropped").unwrap().breaker().unwrap().snapshot();
    assert_eq!((snapshot.state, snapshot.failures), (State::Open, 0));
    sleep(60 * SECOND).await;
    dropped_after(3 * SECOND).await;
    assert_eq!(now("slow and dropped").0, State::Open, "a probe that was dropped late");
}

#[tokio::test(start_paused = true)]
async fn breaker_values_measure_slow_calls() {
    static SLOW: CircuitBreaker = CircuitBreaker::new("by hand").slow(SECOND).slow_rate(1.0).min_calls(3);
    static SLOTS: Bulkhead = Bulkhead::new("slots", 1).wait(Duration::from_secs(60));
    async fn call(time: Duration) -> Outcome {
        SLOW.call_async(async || {
            SLOTS
                .call_async(async || {
                    sleep(time).await;
                    Ok(1)
                })
                .await
        })
        .await
    }
    let _world = testing::isolate();
    let (first, second) = tokio::join!(call(10 * SECOND), call(SECOND));
    assert_eq!((first, second), (Ok(1), Ok(1)));
    let permit = SLOW.acquire().unwrap();
    sleep(2 * SECOND).await;
    permit.success();
    let rate = SLOW.snapshot().slow_rate.unwrap();
    assert!((0.66..0.67).contains(&rate), "{rate}");
}

#[tokio::test(start_paused = true)]
async fn keyed_and_shared_breakers_measure_slow_calls() {
    static SLOW: CircuitBreaker = CircuitBreaker::new("given").slow(SECOND).min_calls(1);
    #[allow(clippy::declare_interior_mutable_const, reason = "a policy to start from")]
    const SLOWNESS: CircuitBreaker = CircuitBreaker::new("constant").slow(SECOND).min_calls(1);
    #[circuit_breaker(slow = 1s, min_calls = 1, key = host, name = "slow keys")]
    async fn keyed(host: &str, time: Duration) -> Outcome {
        sleep(time).await;
        Ok(u32::try_from(host.len()).unwrap())
    }
    #[circuit_breaker(instance = SLOW)]
    async fn given(time: Duration) -> Outcome {
        sleep(time).await;
        Ok(1)
    }
    #[circuit_breaker(policy = SLOWNESS, name = "slow policy")]
    async fn constant(time: Duration) -> Outcome {
        sleep(time).await;
        Ok(1)
    }
    let _world = testing::isolate();
    keyed("a", 2 * SECOND).await.unwrap();
    keyed("b", SECOND).await.unwrap();
    let keys = point("slow keys").unwrap().snapshot().policies.remove(0).keys;
    assert_eq!(keys.iter().map(|row| row.state).collect::<Vec<_>>(), ["open", "closed"]);
    given(2 * SECOND).await.unwrap();
    constant(2 * SECOND).await.unwrap();
    assert_eq!((SLOW.state(), now("slow policy").0), (State::Open, State::Open));
    let settings = point("slow keys").unwrap().info().stack.remove(0).to_string();
    assert!(settings.contains("slow = 1s, slow_rate = 0.8"), "{settings}");
}
