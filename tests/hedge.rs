//! `#[hedge]`: a slow call is made once more, and the first answer is taken.

use futures::FutureExt as _;
use resilience::{
    Budget, Bulkhead, Category, Classification, Classify, Event, Hedge, Rejected, Simplify, State, Timeout,
    bulkhead, circuit_breaker, degrade, hedge, point, rate_limit, testing, timeout, with_fallback,
    with_retry,
};
use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use tokio::time::{Instant, sleep};

const MS: Duration = Duration::from_millis(1);

#[derive(Clone, Debug, PartialEq)]
enum Failure {
    Own(Category),
    Rejected(Rejected),
}

impl From<Rejected> for Failure {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

impl Classify for Failure {
    fn classify(&self) -> Classification {
        match self {
            Self::Own(category) => (*category).into(),
            Self::Rejected(rejected) => rejected.classify(),
        }
    }
}

type Outcome = Result<u32, Failure>;

const DOWN: Outcome = Err(Failure::Own(Category::Unavailable));

/// What the calls of a test do: how many milliseconds each takes, and what it returns.
#[derive(Debug, Default)]
struct Script {
    steps: Vec<(u32, Outcome)>,
    begun: AtomicU32,
    dropped: AtomicU32,
}

impl Script {
    fn new(steps: impl IntoIterator<Item = (u32, Outcome)>) -> Self {
        Self { steps: steps.into_iter().collect(), ..Self::default() }
    }

    /// One call after the other succeeds after these times, with its number.
    fn taking<const N: usize>(times: [u32; N]) -> Self {
        Self::new(times.into_iter().zip(0..).map(|(time, number)| (time, Ok(number))))
    }

    async fn call(&self) -> Outcome {
        struct Unfinished<'a>(&'a AtomicU32);
        impl Drop for Unfinished<'_> {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let number = self.begun.fetch_add(1, Ordering::Relaxed) as usize;
        let unfinished = Unfinished(&self.dropped);
        let (time, outcome) = &self.steps[number % self.steps.len()];
        sleep(MS * *time).await;
        std::mem::forget(unfinished);
        outcome.clone()
    }

    /// How many calls have begun, and how many of them were dropped before their end.
    fn seen(&self) -> (u32, u32) {
        (self.begun.load(Ordering::Relaxed), self.dropped.load(Ordering::Relaxed))
    }
}

/// What `call` returns, and after how many milliseconds.
async fn timed<T>(call: impl Future<Output = T>) -> (T, u128) {
    let began = Instant::now();
    let outcome = call.await;
    (outcome, began.elapsed().as_millis())
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// What the hedge of the point has counted: made, won by an extra call, denied.
fn counts(name: &str) -> (u64, u64, u64) {
    let now = point(name).expect("a point").hedge().expect("a hedge").snapshot();
    (now.hedged, now.won_by_extra, now.denied)
}

#[hedge(after = 10ms, idempotent, name = "one")]
async fn one(script: &Script) -> Outcome {
    script.call().await
}

#[hedge(after = 10ms, max = 2, idempotent, name = "two")]
async fn two(script: &Script) -> Outcome {
    script.call().await
}

mod answers {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_first_success_is_returned() {
        for (times, answer, after, begun) in [
            ([0, 0, 0], 0, 0, 1),
            ([10, 0, 0], 0, 10, 1),
            ([11, 0, 0], 1, 10, 2),
            ([100, 50, 0], 1, 60, 2),
            ([60, 55, 0], 0, 60, 2),
        ] {
            let world = testing::isolate();
            let script = Script::taking(times);
            assert_eq!(timed(one(&script)).await, (Ok(answer), after), "{times:?}");
            assert_eq!(script.seen(), (begun, begun - 1), "the loser of {times:?} is dropped");
            assert_eq!(world.events().len(), script.seen().1 as usize);
            let extra = u64::from(begun - 1);
            assert_eq!(counts("one"), (extra, if answer == 1 { extra } else { 0 }, 0));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_second_extra_call_follows_after_the_same_delay() {
        let world = testing::isolate();
        let script = Script::taking([100, 500, 500]);
        assert_eq!(timed(two(&script)).await, (Ok(0), 100));
        assert_eq!((script.seen(), counts("two")), ((3, 2), (2, 0, 0)));
        let lines: Vec<_> = world.events().iter().map(ToString::to_string).collect();
        assert_eq!(lines, ["two: extra call 1 after 10ms", "two: extra call 2 after 10ms"]);
        let script = Script::taking([100, 100, 5]);
        assert_eq!(timed(two(&script)).await, (Ok(2), 25));
    }

    #[tokio::test(start_paused = true)]
    async fn an_error_waits_for_the_calls_that_run() {
        let _world = testing::isolate();
        let other = Err(Failure::Own(Category::Timeout));
        for (steps, outcome, after, begun) in [
            ([(5, DOWN), (0, Ok(1))], DOWN, 5, 1),
            ([(15, DOWN), (15, Ok(1))], Ok(1), 25, 2),
            ([(30, Ok(0)), (5, DOWN)], Ok(0), 30, 2),
            ([(15, DOWN), (15, other.clone())], DOWN, 25, 2),
            ([(30, DOWN), (5, other.clone())], other, 30, 2),
        ] {
            let script = Script::new(steps);
            assert_eq!(timed(one(&script)).await, (outcome, after), "{script:?}");
            assert_eq!(script.seen().0, begun);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_value_refused_by_when_ok_is_a_failure() {
        #[hedge(after = 10ms, idempotent, when_ok = |value| *value == 1)]
        async fn judged(script: &Script) -> Outcome {
            script.call().await
        }
        let _world = testing::isolate();
        assert_eq!(timed(judged(&Script::taking([30, 5]))).await, (Ok(0), 30));
        assert_eq!(
            timed(judged(&Script::new([(30, DOWN), (5, Ok(1))]))).await,
            (Ok(1), 30),
            "the first failure"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn none_is_a_failure() {
        #[hedge(after = 10ms, idempotent)]
        async fn optional(script: &Script) -> Option<u32> {
            script.call().await.ok()
        }
        assert_eq!(timed(optional(&Script::new([(15, DOWN), (15, Ok(1))]))).await, (Some(1), 25));
        assert_eq!(timed(optional(&Script::new([(15, DOWN), (15, DOWN)]))).await, (None, 25));
    }

    #[tokio::test(start_paused = true)]
    async fn dropping_a_call_drops_its_extra_calls() {
        let _world = testing::isolate();
        let script = Script::taking([100, 100, 100]);
        let cut = tokio::time::timeout(MS * 25, two(&script)).await;
        assert!(cut.is_err());
        assert_eq!(script.seen(), (3, 3));
    }

    #[tokio::test]
    async fn a_panic_in_the_body_reaches_the_caller() {
        #[hedge(after = 1ms, idempotent)]
        async fn panics() -> Outcome {
            tokio::task::yield_now().await;
            panic!("the body");
        }
        assert!(tokio::spawn(panics()).await.unwrap_err().is_panic());
    }

    #[tokio::test(start_paused = true)]
    async fn a_panicking_callback_drops_the_other_calls() {
        #[hedge(after = 10ms, idempotent, when_ok = |value| *value / (*value - 1) == 0, name = "judge panics")]
        #[bulkhead(2)]
        async fn judged(script: &Script) -> Outcome {
            script.call().await
        }
        fn no_class() -> Category {
            panic!("no class")
        }
        #[hedge(after = 10ms, idempotent, classify = |_| no_class())]
        async fn classified(script: &Script) -> Outcome {
            script.call().await
        }
        let _world = testing::isolate();
        // The extra call ends first, and 1 / 0 is judged while the call itself runs.
        let script = Script::new([(100, Ok(2)), (5, Ok(1))]);
        assert!(AssertUnwindSafe(judged(&script)).catch_unwind().await.is_err());
        assert_eq!(script.seen(), (2, 1));
        assert_eq!(point("judge panics").unwrap().bulkhead().unwrap().snapshot().in_use, 0);
        assert_eq!(judged(&Script::new([(5, Ok(2))])).await, Ok(2));
        let script = Script::new([(100, DOWN), (5, DOWN)]);
        assert!(AssertUnwindSafe(classified(&script)).catch_unwind().await.is_err());
        assert_eq!(script.seen(), (2, 1));
    }
}

mod extra_calls {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn extra_calls_need_a_free_slot() {
        static FULL: Bulkhead = Bulkhead::new("full", 1).wait(Duration::from_secs(1));
        #[hedge(after = 10ms, idempotent, name = "slots")]
        #[bulkhead(1, wait = 1s)]
        async fn slots(script: &Script) -> Outcome {
            script.call().await
        }
        #[hedge(after = 10ms, idempotent, name = "refused slots")]
        #[bulkhead(1)]
        async fn refused(script: &Script) -> Outcome {
            script.call().await
        }
        #[hedge(after = 10ms, idempotent, name = "given slots")]
        #[bulkhead(instance = FULL)]
        async fn given(script: &Script) -> Outcome {
            script.call().await
        }
        let world = testing::isolate();
        let times = [30, 1];
        assert_eq!(timed(slots(&Script::taking(times))).await, (Ok(0), 30));
        assert_eq!(timed(refused(&Script::taking(times))).await, (Ok(0), 30));
        assert_eq!(timed(given(&Script::taking(times))).await, (Ok(0), 30));
        for name in ["slots", "refused slots", "given slots"] {
            assert_eq!(counts(name), (0, 0, 1), "{name}");
            assert_eq!(point(name).unwrap().hedge().unwrap().snapshot().tokens, 500, "it was not made");
        }
        let rejected = point("slots").unwrap().bulkhead().unwrap().snapshot();
        assert_eq!((rejected.rejected, rejected.waited, FULL.snapshot().rejected), (0, 0, 0));
        assert_eq!(world.events(), []);
    }

    #[tokio::test(start_paused = true)]
    async fn extra_calls_need_a_free_permit_of_the_rate_limit() {
        #[hedge(after = 10ms, idempotent, name = "rate")]
        #[rate_limit(1, per = 1m, wait = 2m)]
        async fn rate(script: &Script) -> Outcome {
            script.call().await
        }
        let world = testing::isolate();
        assert_eq!(timed(rate(&Script::taking([30, 1]))).await, (Ok(0), 30));
        let limit = point("rate").unwrap().rate_limit().unwrap().snapshot();
        assert_eq!((counts("rate"), limit.rejected, limit.waited), ((0, 0, 1), 0, 0));
        assert_eq!(world.events(), []);
    }

    #[tokio::test(start_paused = true)]
    async fn extra_calls_are_not_made_while_the_first_call_waits() {
        #[hedge(after = 10ms, idempotent, name = "queued")]
        #[bulkhead(1, wait = 1s)]
        async fn queued(script: &Script) -> Outcome {
            script.call().await
        }
        let _world = testing::isolate();
        let script = Script::taking([35, 5]);
        let (first, second) = tokio::join!(queued(&script), queued(&script));
        assert_eq!((first, second, script.seen()), (Ok(0), Ok(1), (2, 0)));
        assert_eq!(counts("queued"), (0, 0, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn extra_calls_are_not_made_through_an_open_breaker() {
        #[hedge(after = 10ms, idempotent, name = "opens")]
        #[circuit_breaker(threshold = 1, recovery = 1m)]
        async fn opens(script: &Script) -> Outcome {
            script.call().await
        }
        let world = testing::isolate();
        let script = Script::new([(30, Ok(0)), (5, DOWN)]);
        let call = async {
            sleep(MS * 5).await;
            opens(&Script::new([(0, DOWN)])).await
        };
        let (answer, failed) = tokio::join!(opens(&script), call);
        assert_eq!((answer, failed, script.seen()), (Ok(0), DOWN, (1, 0)));
        assert_eq!(counts("opens"), (0, 0, 1));
        let shown = point("opens").unwrap().snapshot().policies[1].to_string();
        assert!(shown.contains("rejected 0"), "{shown}");
        assert_eq!(world.events().len(), 1, "only that it opened");
        let refused = opens(&script).await;
        assert!(
            matches!(refused, Err(Failure::Rejected(Rejected::CircuitOpen { .. }))),
            "the call itself is"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn extra_calls_are_not_made_without_time_left() {
        #[timeout(25ms)]
        #[hedge(after = 10ms, max = 2, idempotent, name = "limited")]
        async fn limited(script: &Script) -> Outcome {
            script.call().await
        }
        let _world = testing::isolate();
        let script = Script::taking([100, 100, 0]);
        assert!(limited(&script).await.is_err());
        assert_eq!((script.seen().0, counts("limited")), (2, (1, 0, 1)), "5 ms are left for the third");
        const SHORT: Timeout = Timeout::new(Duration::from_millis(20));
        let script = Script::taking([15, 0]);
        assert_eq!(SHORT.call_async(|| one(&script)).await, Ok(0));
        assert_eq!((script.seen().0, counts("one")), (1, (0, 0, 1)), "10 ms are left of 20");
    }

    #[tokio::test(start_paused = true)]
    async fn extra_calls_need_a_budget_more_than_half_full() {
        static SMALL: Budget = Budget::new().capacity(20).refill(0);
        #[hedge(after = 10ms, idempotent, budget = SMALL, name = "budgeted")]
        async fn budgeted(script: &Script) -> Outcome {
            script.call().await
        }
        let _world = testing::isolate();
        let slow = || Script::new([(30, DOWN), (30, DOWN)]);
        for (tokens, made) in [(15, 2), (10, 2), (10, 1)] {
            let script = slow();
            assert_eq!(budgeted(&script).await, DOWN);
            assert_eq!((SMALL.tokens(), script.seen().0), (tokens, made));
        }
        assert_eq!((counts("budgeted"), SMALL.denied()), ((2, 0, 1), 0), "no retry was denied");
        assert_eq!(budgeted(&Script::taking([1])).await, Ok(0));
        assert_eq!(SMALL.tokens(), 11);
        assert_eq!(budgeted(&Script::taking([30, 1])).await, Ok(1));
        assert_eq!(SMALL.tokens(), 11 - 5 + 1, "one call returns one token");
    }

    #[tokio::test(start_paused = true)]
    async fn extra_calls_are_paid_by_the_budget_of_the_retry() {
        #[with_retry(max = 1, base = 0s, name = "retried")]
        #[hedge(after = 10ms, idempotent)]
        async fn retried(script: &Script) -> Outcome {
            script.call().await
        }
        #[with_retry(max = 1, base = 0s, name = "keyed")]
        #[hedge(after = 10ms, idempotent, key = host)]
        async fn keyed(host: &str, script: &Script) -> Outcome {
            let _ = host;
            script.call().await
        }
        let _world = testing::isolate();
        let script = Script::new([(30, DOWN), (30, DOWN), (30, Ok(2)), (5, Ok(3))]);
        assert_eq!(timed(retried(&script)).await, (Ok(3), 40 + 15), "each attempt is hedged");
        let tokens = point("retried").unwrap().budget().unwrap().tokens();
        assert_eq!((tokens, counts("retried")), (500 - 3 * 5 + 1, (2, 1, 0)));
        assert_eq!(point("retried").unwrap().hedge().unwrap().snapshot().tokens, 500);
        let info = point("retried").unwrap().info();
        assert_eq!((info.max_calls, &*info.stack[1].to_string()), (4, "hedge(after = 10ms, max = 1)"));
        assert_eq!(keyed("a", &Script::taking([30, 1])).await, Ok(1));
        let keyed = point("keyed").unwrap();
        assert_eq!(keyed.key("a").budget().unwrap().tokens(), 496);
        assert_eq!(keyed.key("a").hedge().unwrap().snapshot().hedged, 1);
    }
}

mod policies_below {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn losers_do_not_count_for_the_breaker() {
        #[hedge(after = 10ms, idempotent, name = "guarded")]
        #[circuit_breaker(threshold = 1)]
        async fn guarded(script: &Script) -> Outcome {
            script.call().await
        }
        let _world = testing::isolate();
        assert_eq!(guarded(&Script::taking([100, 5])).await, Ok(1));
        assert_eq!(guarded(&Script::taking([20, 50])).await, Ok(0));
        let shown = point("guarded").unwrap().snapshot().policies[1].to_string();
        assert_eq!(
            shown,
            "circuit_breaker closed: opened 0, rejected 0, failures 0, cancelled 2, panicked 0, slow 0, ignored 0"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_slow_loser_counts_as_slow_but_not_as_a_failure() {
        #[hedge(after = 50ms, idempotent, name = "slow losers")]
        #[circuit_breaker(threshold = 1, slow = 40ms, slow_rate = 90%, window = 10, min_calls = 2)]
        async fn guarded(script: &Script) -> Outcome {
            script.call().await
        }
        let _world = testing::isolate();
        let breaker = point("slow losers").unwrap().breaker().unwrap();
        let now = || {
            let now = breaker.snapshot();
            (now.state, now.failures, now.calls, now.slow_rate)
        };
        assert_eq!(guarded(&Script::taking([100, 5])).await, Ok(1));
        assert_eq!(now(), (State::Closed, 0, Some(2), Some(0.5)), "it ran for 55 ms");
        assert_eq!(guarded(&Script::taking([60, 20])).await, Ok(0));
        let (state, failures, calls, rate) = now();
        assert_eq!(
            (state, failures, calls),
            (State::Closed, 0, Some(3)),
            "one that lost after 10 ms is nothing"
        );
        assert!(rate.is_some_and(|rate| rate > 0.6), "two of three are slow: {rate:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_loser_returns_its_probe() {
        #[hedge(after = 10ms, idempotent, name = "probed")]
        #[circuit_breaker(threshold = 1, recovery = 1s, probes = 2, successes = 2)]
        async fn probed(script: &Script) -> Outcome {
            script.call().await
        }
        #[hedge(after = 10ms, idempotent, name = "one probe")]
        #[circuit_breaker(threshold = 1, recovery = 1s)]
        async fn one_probe(script: &Script) -> Outcome {
            script.call().await
        }
        let _world = testing::isolate();
        assert_eq!(probed(&Script::new([(0, DOWN)])).await, DOWN);
        assert_eq!(one_probe(&Script::new([(0, DOWN)])).await, DOWN);
        sleep(MS * 1_000).await;
        let breaker = point("probed").unwrap().breaker().unwrap();
        assert_eq!(probed(&Script::taking([100, 5])).await, Ok(1));
        assert_eq!((breaker.state(), breaker.is_available()), (State::HalfOpen, true));
        assert_eq!(probed(&Script::taking([5])).await, Ok(0));
        assert_eq!(breaker.state(), State::Closed);
        let script = Script::taking([30, 5]);
        assert_eq!(one_probe(&script).await, Ok(0));
        assert_eq!((script.seen().0, counts("one probe")), (1, (0, 0, 1)), "the probe is under way");
    }

    #[tokio::test(start_paused = true)]
    async fn an_outer_timeout_ends_every_call() {
        #[timeout(50ms)]
        #[hedge(after = 10ms, idempotent, name = "cut")]
        #[circuit_breaker(threshold = 9)]
        async fn cut(script: &Script) -> Outcome {
            script.call().await
        }
        let _world = testing::isolate();
        let script = Script::taking([100, 100]);
        let (outcome, after) = timed(cut(&script)).await;
        assert!(matches!(outcome, Err(Failure::Rejected(Rejected::TimedOut { .. }))));
        assert_eq!((after, script.seen()), (50, (2, 2)));
        assert_eq!(point("cut").unwrap().breaker().unwrap().snapshot().failures, 2);
    }

    #[tokio::test(start_paused = true)]
    async fn every_call_has_its_own_timeout_and_slot() {
        #[timeout(1s)]
        #[hedge(after = 10ms, idempotent)]
        #[bulkhead(4, name = "contexts")]
        #[timeout(30ms)]
        async fn contexts(left: &Mutex<Vec<u128>>) -> Outcome {
            let bulkhead = point("contexts").unwrap().bulkhead().unwrap();
            for _ in 0..2 {
                left.lock().unwrap().push(resilience::remaining().unwrap().as_millis());
                sleep(MS * 15).await;
            }
            Ok(bulkhead.snapshot().in_use)
        }
        let left = Mutex::default();
        assert_eq!(timed(contexts(&left)).await, (Ok(2), 30));
        assert_eq!(left.into_inner().unwrap(), [30, 30, 15, 15]);
        assert_eq!(point("contexts").unwrap().bulkhead().unwrap().snapshot().in_use, 0);
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_inside_an_extra_one_waits_for_its_own_admission() {
        #[bulkhead(1, wait = 1s)]
        async fn inner(script: &Script) -> Outcome {
            script.call().await
        }
        #[hedge(after = 10ms, idempotent)]
        async fn outer(script: &Script) -> Outcome {
            inner(script).await
        }
        let _world = testing::isolate();
        let script = Script::new([(30, DOWN), (5, Ok(1))]);
        assert_eq!(
            timed(outer(&script)).await,
            (Ok(1), 35),
            "the extra call waits for the slot of another function"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn degrade_and_fallback_compose_with_hedge() {
        #[derive(Debug)]
        struct Plan(u32);
        impl Simplify for Plan {
            fn simplify(&self, level: u32) -> Option<Self> {
                Some(Plan(self.0 >> level))
            }
        }
        #[with_fallback(value = 99)]
        #[degrade(plan, max = 1)]
        #[hedge(after = 10ms, idempotent)]
        async fn above(plan: &Plan, script: &Script) -> Outcome {
            script.call().await.map(|number| number + plan.0)
        }
        #[hedge(after = 10ms, idempotent)]
        #[degrade(plan, max = 1)]
        async fn below(plan: &Plan, script: &Script) -> Outcome {
            script.call().await.map(|number| number + plan.0)
        }
        let _world = testing::isolate();
        let script = Script::new([(15, DOWN), (15, DOWN), (30, Ok(2)), (5, Ok(3))]);
        assert_eq!(timed(above(&Plan(100), &script)).await, (Ok(53), 25 + 15));
        assert_eq!(above(&Plan(100), &Script::new([(1, DOWN)])).await, Ok(99));
        let script = Script::new([(5, DOWN), (30, Ok(1)), (20, DOWN), (60, Ok(3))]);
        assert_eq!(timed(below(&Plan(100), &script)).await, (Ok(51), 35));
    }
}

mod percentiles {
    use super::*;

    #[hedge(after = p95, idempotent, name = "measured")]
    async fn measured(time: u32, script: &Script) -> Outcome {
        let _ = script.begun.fetch_add(1, Ordering::Relaxed);
        sleep(MS * time).await;
        Ok(time)
    }

    fn hedge() -> resilience::point::PolicyHandle<resilience::Hedge> {
        point("measured").unwrap().hedge().unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn no_extra_call_is_made_before_100_calls_were_measured() {
        let _world = testing::isolate();
        let script = Script::default();
        for call in 0..100 {
            assert_eq!(hedge().snapshot().after, None, "after {call} calls");
            measured(10, &script).await.unwrap();
        }
        assert_eq!((script.seen().0, hedge().snapshot().hedged), (100, 0));
        let after = hedge().snapshot().after.unwrap();
        assert!((MS * 10..MS * 12).contains(&after), "{after:?}");
        measured(30, &script).await.unwrap();
        assert_eq!((script.seen().0, hedge().snapshot().hedged), (102, 1));
        hedge().reset();
        assert_eq!(hedge().snapshot().after, None);
    }

    #[tokio::test(start_paused = true)]
    async fn a_lasting_slowdown_is_learned_within_100_calls() {
        for before in [100, 200, 1_000] {
            let _world = testing::isolate();
            let script = Script::default();
            for _ in 0..before {
                measured(100, &script).await.unwrap();
            }
            for _ in 0..100 {
                measured(500, &script).await.unwrap();
            }
            let now = hedge().snapshot();
            assert!(now.after.unwrap() >= MS * 500, "{now} after {before}");
            let hedged = now.hedged;
            assert!(hedged * 10 < before + 100, "{hedged} of {}", before + 100);
            for _ in 0..1_000 {
                measured(500, &script).await.unwrap();
            }
            assert_eq!(hedge().snapshot().hedged, hedged, "no call is slower than the others");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn rejected_calls_are_not_measured() {
        #[hedge(after = p95, idempotent, name = "mixed")]
        #[bulkhead(2)]
        async fn mixed(script: &Script) -> Outcome {
            script.call().await
        }
        let _world = testing::isolate();
        let after = || point("mixed").unwrap().hedge().unwrap().snapshot().after;
        for _ in 0..99 {
            assert!(tokio::time::timeout(MS * 20, mixed(&Script::taking([100]))).await.is_err());
        }
        let (slow, refused) = (Script::taking([20]), Script::taking([0]));
        let mut both = (Box::pin(mixed(&slow)), Box::pin(mixed(&slow)));
        assert!(poll(both.0.as_mut()).is_pending() && poll(both.1.as_mut()).is_pending());
        for _ in 0..200 {
            assert!(mixed(&refused).await.is_err());
        }
        assert_eq!(after(), None, "neither of the two has ended, and the others were refused");
        drop(both);
        assert_eq!(after().map(|after| after.as_millis()), Some(20));
        for _ in 0..10 {
            assert_eq!(mixed(&Script::taking([100, 5])).await, Ok(1));
        }
        sleep(MS * 1_000).await;
        let after = after().unwrap().as_millis();
        assert!((25..=30).contains(&after), "they lost after 25 ms: {after}");
    }

    #[tokio::test(start_paused = true)]
    async fn every_key_has_its_own_percentile() {
        #[hedge(after = p95, idempotent, key = host, max_keys = 2, key_label, name = "hosts")]
        async fn fetch(host: &str, time: u32) -> Outcome {
            let _ = host;
            sleep(MS * time).await;
            Ok(time)
        }
        let world = testing::isolate();
        for _ in 0..120 {
            fetch("slow", 100).await.unwrap();
            fetch("fast", 10).await.unwrap();
        }
        fetch("slow", 50).await.unwrap();
        fetch("fast", 50).await.unwrap();
        let hosts = point("hosts").unwrap();
        let after = |host| hosts.key(host).hedge().unwrap().snapshot().after.unwrap().as_millis();
        assert_eq!((after("slow"), after("fast")), (100, 10));
        let [Event::Hedged { key, number: 1, .. }] = &world.events()[..] else { panic!() };
        assert_eq!(key.as_deref(), Some("fast"));
        let policy = &hosts.snapshot().policies[0];
        assert_eq!(policy.to_string().lines().next(), Some("hedge: hedged 1, won_by_extra 0, denied 0"));
        assert_eq!(policy.keys[0].to_string(), "fast: ready, hedged 1, won_by_extra 0, denied 0");
        let settings = hosts.info().stack[0].to_string();
        assert_eq!(settings, "hedge(after = p95, max = 1, key_label = true, max_keys = 2)");
        fetch("new", 1).await.unwrap();
        let keys: Vec<_> = hosts.keys().iter().map(|key| key.key().to_owned()).collect();
        assert_eq!(keys, ["fast", "new"], "a budget that is not full goes last");
    }
}

mod executors {
    use super::*;

    #[test]
    fn no_runtime_is_needed() {
        #[hedge(after = 1ms, idempotent)]
        async fn bare(calls: &AtomicU32) -> Outcome {
            if calls.fetch_add(1, Ordering::Relaxed) == 0 {
                std::future::pending::<()>().await;
            }
            Ok(7)
        }
        let calls = AtomicU32::new(0);
        assert_eq!(futures::executor::block_on(bare(&calls)), Ok(7));
        assert_eq!(calls.into_inner(), 2);
    }

    /// Each poll of either takes the whole budget of the task.
    #[tokio::test]
    async fn two_always_ready_bodies_end_by_their_timeout() {
        static POLLS: [AtomicU32; 2] = [AtomicU32::new(0), AtomicU32::new(0)];
        #[timeout(200ms)]
        #[hedge(after = 10ms, idempotent)]
        async fn busy(begun: &AtomicU32, step: &dyn Fn()) -> Outcome {
            let number = begun.fetch_add(1, Ordering::Relaxed) as usize;
            loop {
                tokio::task::consume_budget().await;
                POLLS[number].fetch_add(1, Ordering::Relaxed);
                step();
            }
        }
        let world = testing::isolate();
        let begun = AtomicU32::new(0);
        // The time passes with the work that is done.
        let outcome = busy(&begun, &|| world.advance(Duration::from_micros(10))).await;
        assert!(matches!(outcome, Err(Failure::Rejected(Rejected::TimedOut { .. }))));
        let polls = POLLS.each_ref().map(|polls| polls.load(Ordering::Relaxed));
        assert_eq!(begun.into_inner(), 2);
        assert!(polls[1] > 1_000 && polls[0] < polls[1] * 3, "{polls:?}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn calls_can_be_spawned() {
        let calls = (0..50).map(|_| {
            tokio::spawn(async {
                let script = Script::taking([2_000, 0]);
                let answer = one(&script).await;
                (answer, script.seen())
            })
        });
        for call in calls.collect::<Vec<_>>() {
            assert_eq!(call.await.unwrap(), (Ok(1), (2, 1)));
        }
    }
}

mod by_hand {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_hedge_value_runs_closures() {
        static SEARCH: Hedge = Hedge::new("by hand", Duration::from_millis(10)).max(2);
        static SLOTS: Bulkhead = Bulkhead::new("slots by hand", 2).wait(Duration::from_secs(1));
        let world = testing::isolate();
        let script = Arc::new(Script::taking([100, 100, 5]));
        let call = tokio::spawn({
            let script = script.clone();
            async move { SEARCH.call_async(async || script.call().await).await }
        });
        assert_eq!(call.await.unwrap(), Ok(2));
        let script = Script::taking([60, 60, 5]);
        let guarded = SEARCH.call_async(async || SLOTS.call_async(async || script.call().await).await);
        assert_eq!(timed(guarded).await, (Ok(0), 60));
        let (now, slots) = (SEARCH.snapshot(), SLOTS.snapshot());
        assert_eq!((now.hedged, now.won_by_extra, now.denied), (3, 1, 1));
        assert_eq!((slots.rejected, slots.in_use), (0, 0), "the third call had no slot");
        assert_eq!(world.events().len(), 3);
        let judged = SEARCH.call_async_judged(
            async || script.call().await.is_ok(),
            |is_ok| (!is_ok).then(|| Category::Unknown.into()),
        );
        assert!(judged.await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_user_provided_instance_is_used() {
        struct Client {
            hedge: Arc<Hedge>,
        }
        impl Client {
            #[hedge(instance = self.hedge, idempotent, name = "Client::get")]
            async fn get(&self, script: &Script) -> Outcome {
                script.call().await
            }
        }
        let _world = testing::isolate();
        let millis: u64 = "10".parse().unwrap();
        let hedge = Arc::new(Hedge::try_new("client", Duration::from_millis(millis)).unwrap());
        resilience::Point::register(&hedge);
        let info = point("Client::get").unwrap().info();
        assert_eq!((info.stack[0].to_string().as_str(), info.max_calls), ("hedge(instance = ..)", u64::MAX));
        let client = Client { hedge };
        assert_eq!(client.get(&Script::taking([100, 5])).await, Ok(1));
        assert_eq!(point("Client::get").unwrap().info().max_calls, 2);
        let joined = point("client").unwrap().hedge().unwrap().snapshot();
        assert_eq!(joined.to_string(), "client: after 10ms, hedged 1, won by extra 1, denied 0");
    }
}

mod shapes {
    use super::*;

    struct Service {
        host: String,
        calls: AtomicU32,
    }

    impl Service {
        fn new() -> Self {
            Self { host: "a.example".into(), calls: AtomicU32::new(0) }
        }

        async fn slow_once(&self) -> u32 {
            let call = self.calls.fetch_add(1, Ordering::Relaxed);
            if call == 0 {
                std::future::pending::<()>().await;
            }
            call
        }

        #[hedge(after = 10ms, idempotent, key = self.host, name = "Service::method")]
        async fn method(&self, ids: &[u64], (a, b): (u32, u32)) -> Result<String, Failure> {
            let call = self.slow_once().await;
            Ok(format!("{} {call} {} {}", self.host, ids.len(), a + b))
        }

        #[hedge(after = 10ms, idempotent, clone(name), name = "Service::moves")]
        async fn moves(self: Arc<Self>, name: String, mut count: u32) -> Result<String, Failure> {
            count += self.slow_once().await;
            let moved = name;
            Ok(format!("{moved} {count}"))
        }

        #[hedge(after = 10ms, idempotent, name = "Service::future")]
        fn future(&self) -> impl Future<Output = Outcome> + Send {
            async { Ok(self.slow_once().await) }
        }

        #[hedge(after = 10ms, idempotent, name = "Service::boxed")]
        fn boxed(&self) -> Pin<Box<dyn Future<Output = Outcome> + Send + '_>> {
            Box::pin(async move { Ok(self.slow_once().await) })
        }
    }

    #[async_trait::async_trait]
    trait Get {
        async fn get(&self, name: String) -> Result<String, Failure>;
    }

    #[async_trait::async_trait]
    impl Get for Service {
        #[hedge(after = 10ms, idempotent, name = "Get::get")]
        #[timeout(60s)]
        async fn get(&self, name: String) -> Result<String, Failure> {
            if name.is_empty() {
                return Err(Failure::Own(Category::Invalid));
            }
            let call = self.slow_once().await;
            Ok(format!("{name} {call}"))
        }
    }

    #[hedge(after = 10ms, idempotent)]
    async fn generic<T: AsRef<str> + Sync + ?Sized, const N: usize>(
        text: &T,
        service: &Service,
    ) -> Option<usize> {
        service.slow_once().await;
        Some(text.as_ref().len() + N)
    }

    #[hedge(after = 10ms, idempotent)]
    async fn opaque(service: &Service) -> Result<impl std::fmt::Display, Failure> {
        let call = service.slow_once().await;
        if call > 9 {
            Err(Failure::Own(Category::Invalid))?
        }
        Ok(call)
    }

    #[tokio::test(start_paused = true)]
    async fn functions_of_every_shape_are_supported() {
        let service = || Arc::new(Service::new());
        assert_eq!(service().method(&[1, 2], (3, 4)).await.unwrap(), "a.example 1 2 7");
        let spawned = tokio::spawn(service().moves("Ada".into(), 10));
        assert_eq!(spawned.await.unwrap().unwrap(), "Ada 11");
        assert_eq!(service().future().await, Ok(1));
        assert_eq!(service().boxed().await, Ok(1));
        assert_eq!(service().get("Ada".into()).await.unwrap(), "Ada 1");
        assert!(service().get(String::new()).await.is_err());
        assert_eq!(generic::<str, 3>("rust", &service()).await, Some(7));
        assert_eq!(opaque(&service()).await.unwrap().to_string(), "1");
    }

    #[test]
    fn a_call_dropped_at_any_poll_frees_its_resources() {
        #[with_retry(max = 1, base = 0s, name = "dropped")]
        #[hedge(after = 10ms, max = 2, idempotent)]
        #[circuit_breaker(threshold = 5)]
        #[bulkhead(4, wait = 1s)]
        async fn dropped(steps: &AtomicU32) -> Outcome {
            for _ in 0..3 {
                steps.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
            }
            DOWN
        }
        for polls in 0..40 {
            let world = testing::isolate();
            let steps = AtomicU32::new(0);
            {
                let mut call = pin!(dropped(&steps));
                for _ in 0..polls {
                    if poll(call.as_mut()).is_ready() {
                        break;
                    }
                    world.advance(MS * 8);
                }
            }
            let (in_use, hedge) = {
                let point = point("dropped").unwrap();
                (point.bulkhead().unwrap().snapshot().in_use, point.hedge().unwrap().snapshot())
            };
            assert_eq!((in_use, hedge.denied), (0, 0), "after {polls} polls");
            let tokens = u64::from(point("dropped").unwrap().budget().unwrap().tokens());
            assert!(
                (500 - 5 - 5 * hedge.hedged..=500 - 5 * hedge.hedged).contains(&tokens),
                "{tokens}: {hedge}"
            );
        }
    }
}
