//! A panic in any function of the program that a policy calls is the call's, and leaves nothing behind.

use super::*;
use futures::FutureExt;
use futures::executor::block_on;
use resilience::chaos::{self as faults, Chaos, Fault, Plan};
use resilience::policy::keyed::{Key, KeyRef};
use resilience::{
    AdaptiveTimeout, Bulkhead, Cache, CircuitBreaker, Degrade, Failover, Hedge, RateLimit, Simplify, State,
    bulkhead, cached, chaos, circuit_breaker, degrade, failover, hedge, point, rate_limit, timeout,
};
use std::cell::Cell;
use std::hash::{Hash, Hasher};

thread_local! {
    /// Whether the functions of the program panic now.
    static BROKEN: Cell<bool> = const { Cell::new(false) };
}

/// Runs `call` while the functions of the program panic.
fn broken<T>(call: impl FnOnce() -> T) -> bool {
    BROKEN.set(true);
    let panicked = panics(call);
    BROKEN.set(false);
    panicked
}

/// What a function of the program does first.
fn callback() {
    assert!(!BROKEN.get(), "a function of the program");
}

fn key_of(host: &str) -> String {
    callback();
    host.to_owned()
}

fn class_of(failure: &Failure) -> Classification {
    callback();
    failure.classify()
}

fn error_of(rejected: Rejected) -> Failure {
    callback();
    rejected.into()
}

fn always(_: &Failure) -> bool {
    callback();
    true
}

fn never(_: &Failure) -> bool {
    callback();
    false
}

fn is_zero(value: &u32) -> bool {
    callback();
    *value == 0
}

fn slots_in_use(name: &str) -> u32 {
    point(name).unwrap().bulkhead().unwrap().snapshot().in_use
}

mod breakers {
    use super::*;

    #[circuit_breaker(threshold = 1, recovery = 10s, when = always, name = "when panics")]
    #[bulkhead(1)]
    fn when(outcome: Outcome) -> Outcome {
        outcome
    }

    #[circuit_breaker(threshold = 1, recovery = 10s, unless = never, name = "unless panics")]
    #[bulkhead(1)]
    async fn unless(outcome: Outcome) -> Outcome {
        tokio::task::yield_now().await;
        outcome
    }

    #[circuit_breaker(threshold = 1, recovery = 10s, classify = class_of, name = "classify panics")]
    #[bulkhead(1)]
    async fn classify(outcome: Outcome) -> Outcome {
        outcome
    }

    #[circuit_breaker(threshold = 1, recovery = 10s, when_ok = is_zero, name = "when_ok panics")]
    #[bulkhead(1)]
    fn when_ok(outcome: Outcome) -> Outcome {
        if outcome == DOWN { Ok(0) } else { outcome }
    }

    /// The probe whose judge panics gives its place back, and decides nothing.
    #[test]
    fn a_panicking_judge_frees_its_probe() {
        let calls: [(&str, &dyn Fn(Outcome) -> Outcome); 4] = [
            ("when panics", &when),
            ("unless panics", &|outcome| block_on(unless(outcome))),
            ("classify panics", &|outcome| block_on(classify(outcome))),
            ("when_ok panics", &when_ok),
        ];
        for (name, call) in calls {
            let world = testing::isolate();
            let breaker = || point(name).unwrap().breaker().unwrap().state();
            assert!(broken(|| call(DOWN)), "{name}");
            assert_eq!((breaker(), slots_in_use(name)), (State::Closed, 0), "{name}: it counts as nothing");
            let _ = call(DOWN);
            assert_eq!(breaker(), State::Open, "{name}");
            world.advance(SECOND * 10);
            assert!(broken(|| call(DOWN)), "{name}: the probe");
            assert_eq!((breaker(), slots_in_use(name)), (State::HalfOpen, 0), "{name}");
            assert_eq!(call(Ok(1)), Ok(1), "{name}: another probe");
            assert_eq!(breaker(), State::Closed, "{name}");
        }
    }

    #[test]
    fn a_panicking_judge_of_a_value_frees_its_probe() {
        let world = testing::isolate();
        let breaker = CircuitBreaker::new("by hand").threshold(1).recovery(SECOND);
        let judge = |outcome: &Outcome| {
            callback();
            outcome.as_ref().err().map(Classify::classify)
        };
        let sync = |outcome: Outcome| breaker.call_judged(|| outcome.clone(), judge);
        let later = |outcome: Outcome| block_on(breaker.call_async_judged(async || outcome.clone(), judge));
        for call in [&sync as &dyn Fn(Outcome) -> Outcome, &later] {
            assert!(broken(|| call(DOWN)));
            assert_eq!(breaker.state(), State::Closed);
            let _ = call(DOWN);
            world.advance(SECOND);
            assert!(broken(|| call(DOWN)));
            assert!(panics(|| breaker.call(|| -> Outcome { panic!("the body") })));
            assert_eq!((breaker.state(), call(Ok(1))), (State::HalfOpen, Ok(1)));
            assert_eq!(breaker.state(), State::Closed);
        }
    }
}

mod admission {
    use super::*;

    #[bulkhead(1, key = key_of(host), rejected = error_of, name = "slots panic")]
    fn slot(host: &str, body: &dyn Fn() -> Outcome) -> Outcome {
        let _ = host;
        body()
    }

    #[bulkhead(adaptive, cap = 1, classify = class_of, rejected = error_of, name = "adaptive panics")]
    async fn adaptive(body: &dyn Fn() -> Outcome) -> Outcome {
        body()
    }

    #[rate_limit(1, per = 1s, key = key_of(host), rejected = error_of, name = "permits panic")]
    async fn permit(host: &str) -> Outcome {
        let _ = host;
        Ok(1)
    }

    #[test]
    fn panicking_keys_and_conversions_free_their_slots() {
        let world = testing::isolate();
        let used = |name: &str| point(name).unwrap().key("a").bulkhead().map(|slots| slots.snapshot().in_use);
        assert!(broken(|| slot("a", &|| Ok(1))), "the key");
        assert_eq!((used("slots panic"), slot("a", &|| Ok(1))), (None, Ok(1)));
        let refused = slot("a", &|| {
            BROKEN.set(true);
            let outcome = catch_unwind(AssertUnwindSafe(|| slot("b", &|| Ok(1))));
            BROKEN.set(false);
            assert!(outcome.is_err());
            slot("a", &|| Ok(1))
        });
        assert!(matches!(refused, Err(Failure::Rejected(_))), "{refused:?}");
        assert_eq!((used("slots panic"), slot("a", &|| Ok(1))), (Some(0), Ok(1)));

        assert!(broken(|| block_on(adaptive(&|| DOWN))), "the class");
        assert_eq!(slots_in_use("adaptive panics"), 0);
        let slots = point("adaptive panics").unwrap().bulkhead().unwrap();
        let held = slots.acquire().unwrap();
        assert!(broken(|| block_on(adaptive(&|| Ok(1)))), "the error of a refusal");
        drop(held);
        assert_eq!((block_on(adaptive(&|| Ok(1))), slots_in_use("adaptive panics")), (Ok(1), 0));

        assert!(broken(|| block_on(permit("a"))), "the key");
        assert_eq!(block_on(permit("a")), Ok(1), "no permit was taken");
        assert!(broken(|| block_on(permit("a"))));
        world.advance(SECOND);
        assert_eq!(block_on(permit("a")), Ok(1));
    }

    #[test]
    fn panicking_closures_of_values_free_their_slots() {
        let _world = testing::isolate();
        let (slots, limit) =
            (Bulkhead::new("by hand", 1).adaptive().cap(1), RateLimit::new("by hand", 9, SECOND));
        let judge = |_: &Outcome| -> Option<Classification> { panic!("the judge") };
        let body = || -> Outcome { panic!("the body") };
        assert!(panics(|| slots.call(body)) && panics(|| block_on(slots.call_async(async || body()))));
        assert!(panics(|| slots.call_judged(|| DOWN, judge)));
        assert!(panics(|| block_on(slots.call_async_judged(async || DOWN, judge))));
        assert!(panics(|| limit.call(body)) && panics(|| block_on(limit.call_async(async || body()))));
        assert_eq!((slots.snapshot().in_use, slots.snapshot().slots, limit.snapshot().available), (0, 1, 7));
        assert_eq!(slots.call(|| limit.call(|| Outcome::Ok(1))), Ok(1));
    }
}

mod further_calls {
    use super::*;

    struct Plan2(u32);

    impl Simplify for Plan2 {
        fn simplify(&self, level: u32) -> Option<Self> {
            callback();
            (level < 2).then_some(Plan2(self.0 + level))
        }
    }

    #[degrade(plan)]
    #[bulkhead(1, name = "simplify panics")]
    async fn simpler(plan: &Plan2) -> Outcome {
        if plan.0 == 0 { DOWN } else { Ok(1) }
    }

    #[degrade(plan, classify = class_of)]
    #[bulkhead(1, name = "degrade panics")]
    fn judged(plan: &Plan2) -> Outcome {
        if plan.0 == 0 { DOWN } else { Ok(1) }
    }

    #[test]
    fn panicking_simplify_frees_its_slots() {
        let _world = testing::isolate();
        assert!(broken(|| block_on(simpler(&Plan2(0)))) && broken(|| judged(&Plan2(0))));
        assert_eq!((slots_in_use("simplify panics"), slots_in_use("degrade panics")), (0, 0));
        assert_eq!((block_on(simpler(&Plan2(0))), judged(&Plan2(0))), (Ok(1), Ok(1)));
        let value = Degrade::new("by hand");
        let body = |plan: &Plan2| if plan.0 == 0 { DOWN } else { Ok(1) };
        assert!(broken(|| value.call(&Plan2(0), body)));
        assert!(broken(|| block_on(value.call_async(&Plan2(0), async |plan| body(plan)))));
        assert_eq!(value.call(&Plan2(0), body), Ok(1));
    }

    /// A value whose key and copy are made by the program.
    #[derive(Debug, PartialEq)]
    struct Model(u8);

    impl Clone for Model {
        fn clone(&self) -> Self {
            callback();
            Self(self.0)
        }
    }

    impl Key for Model {
        fn read<R>(&self, reader: impl FnOnce(KeyRef<'_>) -> R) -> R {
            callback();
            self.0.read(reader)
        }
    }

    #[failover(model = [Model(1), Model(2)], sticky = 60s, when_ok = is_zero, name = "values panic")]
    #[circuit_breaker(threshold = 9)]
    #[bulkhead(1)]
    fn listed(model: Model) -> Outcome {
        if model.0 == 1 { DOWN } else { Ok(model.0.into()) }
    }

    #[test]
    fn panicking_failover_values_free_their_slots() {
        let world = testing::isolate();
        for _ in 0..3 {
            assert!(broken(|| listed(Model(1))));
            assert_eq!(listed(Model(1)), Ok(2));
            let in_use = point("values panic").unwrap().key("2").bulkhead().unwrap().snapshot().in_use;
            assert_eq!(in_use, 0);
            world.advance(SECOND * 60);
            // The probe at the end of `sticky` is the one that panics.
            assert!(broken(|| listed(Model(1))));
            assert_eq!(listed(Model(1)), Ok(2));
        }
        let value = Failover::new("by hand").sticky(SECOND);
        let models = [Model(1), Model(2)];
        let body = |model: &Model| if model.0 == 1 { DOWN } else { Ok(model.0.into()) };
        assert!(broken(|| value.call(&models[0], &models, body)));
        assert!(panics(|| value.call(&models[0], &models, |_| -> Outcome { panic!("the body") })));
        assert!(broken(|| block_on(value.call_async(&models[0], &models, async |model| body(model)))));
        assert_eq!(value.call(&models[0], &models, body), Ok(2));
    }

    #[hedge(after = 10ms, idempotent, key = key_of(host), name = "hedge panics")]
    #[timeout(adaptive, floor = 1ms, cap = 20ms, rejected = error_of, key = key_of(host))]
    async fn hedged(host: &str, hangs: bool) -> Outcome {
        let _ = host;
        if hangs { std::future::pending().await } else { Ok(1) }
    }

    #[tokio::test(start_paused = true)]
    async fn panicking_hedge_keys_and_errors_free_their_slots() {
        let _world = testing::isolate();
        let call = |hangs| AssertUnwindSafe(hedged("a", hangs)).catch_unwind();
        BROKEN.set(true);
        assert!(call(false).await.is_err(), "the key");
        BROKEN.set(false);
        let late = async {
            tokio::time::sleep(MS * 5).await;
            BROKEN.set(true);
        };
        let (outcome, ()) = tokio::join!(call(true), late);
        BROKEN.set(false);
        assert!(outcome.is_err(), "the error");
        assert_eq!(call(false).await.unwrap(), Ok(1));
        let judge = |_: &Outcome| -> Option<Classification> { panic!("the judge") };
        let (hedge, timeout) = (Hedge::new("by hand", MS), AdaptiveTimeout::new("by hand", MS, SECOND));
        assert!(
            AssertUnwindSafe(hedge.call_async_judged(async || DOWN, judge)).catch_unwind().await.is_err()
        );
        let body = async || -> Outcome { panic!("the body") };
        assert!(AssertUnwindSafe(hedge.call_async(body)).catch_unwind().await.is_err());
        assert!(AssertUnwindSafe(timeout.call_async(body)).catch_unwind().await.is_err());
        assert_eq!((hedge.call_async(async || Outcome::Ok(1)).await, timeout.snapshot().samples), (Ok(1), 0));
    }
}

mod caches {
    use super::*;

    /// A key whose every trait is the program's, and looks into the cache as well: under a lock that would not end.
    #[derive(Debug)]
    struct Id(u32);

    static CACHE: Cache = Cache::new("keys panic");

    fn looks() {
        callback();
        CACHE.snapshot();
    }

    impl Clone for Id {
        fn clone(&self) -> Self {
            looks();
            Self(self.0)
        }
    }

    impl PartialEq for Id {
        fn eq(&self, other: &Self) -> bool {
            looks();
            self.0 == other.0
        }
    }

    impl Eq for Id {}

    impl Hash for Id {
        fn hash<H: Hasher>(&self, state: &mut H) {
            looks();
            (self.0 % 2).hash(state);
        }
    }

    impl Drop for Id {
        fn drop(&mut self) {
            CACHE.snapshot();
        }
    }

    #[cached(instance = CACHE)]
    fn sync(id: Id, outcome: &'static Cell2) -> Outcome {
        let _ = id;
        outcome.0.clone()
    }

    #[cached(instance = CACHE)]
    async fn later(id: Id, outcome: &'static Cell2) -> Outcome {
        let _ = id;
        tokio::task::yield_now().await;
        outcome.0.clone()
    }

    /// What the body returns: part of the key, too.
    #[derive(Clone, Debug)]
    struct Cell2(Outcome);

    impl PartialEq for Cell2 {
        fn eq(&self, other: &Self) -> bool {
            self.0 == other.0
        }
    }

    impl Eq for Cell2 {}

    impl Hash for Cell2 {
        fn hash<H: Hasher>(&self, _: &mut H) {}
    }

    static GOOD: Cell2 = Cell2(Ok(1));

    #[test]
    fn panicking_key_comparisons_leave_no_flight() {
        let _world = testing::isolate();
        let calls: [&dyn Fn(u32) -> Outcome; 3] =
            [&|id| sync(Id(id), &GOOD), &|id| block_on(later(Id(id), &GOOD)), &|id| {
                CACHE.call((&Id(id), &"by hand"), || Ok(1))
            }];
        for call in calls {
            for id in [1, 2, 3, 1, 3, 5] {
                assert!(broken(|| call(id)));
                assert_eq!((call(id), call(id)), (Ok(1), Ok(1)));
                assert_eq!(CACHE.snapshot().waiting, 0);
            }
            CACHE.invalidate((&Id(1), &GOOD));
            assert!(broken(|| CACHE.invalidate((&Id(1), &GOOD))));
            assert!(broken(|| CACHE.put((&Id(1), &GOOD), 7_u32)));
            assert!(broken(|| CACHE.get::<u32>((&Id(1), &GOOD), Duration::MAX)));
            assert_eq!(call(1), Ok(1));
            CACHE.clear();
        }
        assert!(panics(|| CACHE.call("body", || -> Outcome { panic!("the body") })));
        assert!(panics(|| block_on(CACHE.call_async("body", async || -> Outcome { panic!("the body") }))));
        assert_eq!((CACHE.call("body", || Outcome::Ok(1)), CACHE.snapshot().waiting), (Ok(1), 0));
    }

    /// Calls of two keys with one hash, and of one key, meet in a flight.
    #[test]
    fn panicking_comparisons_of_concurrent_keys_leave_no_flight() {
        for (one, other) in [(1, 1), (1, 3)] {
            let _world = testing::isolate();
            let mut first = Box::pin(later(Id(one), &GOOD));
            assert!(poll(first.as_mut()).is_pending());
            let mut second = Box::pin(later(Id(other), &GOOD));
            assert!(broken(|| poll(second.as_mut())));
            drop(second);
            let mut third = Box::pin(later(Id(other), &GOOD));
            assert!(poll(third.as_mut()).is_pending());
            let _ = broken(|| poll(first.as_mut()));
            drop(first);
            assert_eq!(block_on(third), Ok(1));
            assert_eq!(CACHE.snapshot().waiting, 0);
        }
    }
}

mod injected {
    use super::*;

    #[bulkhead(1, name = "faults panic")]
    #[chaos(rate = 50%, fault = fault(), lost = fault())]
    async fn lost() -> Outcome {
        tokio::task::yield_now().await;
        Ok(1)
    }

    fn fault() -> Failure {
        callback();
        Failure::Own(Category::Unknown)
    }

    #[test]
    fn panicking_fault_expressions_free_their_slots() {
        let _world = testing::isolate();
        let chaos = Chaos::new("by hand", 0.5, &[Fault::Error, Fault::LostAnswer]);
        let script = [Fault::Error, Fault::Error, Fault::LostAnswer, Fault::LostAnswer].map(Some);
        for is_async in [true, false] {
            let _armed = faults::arm(Plan::new(SECOND).script(script));
            for expected in [true, false, true, false] {
                BROKEN.set(expected);
                let failed = panics(|| assert!(block_on(lost()).is_err()));
                let by_hand = panics(|| {
                    let outcome = if is_async {
                        block_on(chaos.call_async(fault, async || Outcome::Ok(1)))
                    } else {
                        chaos.call(fault, || Outcome::Ok(1))
                    };
                    assert!(outcome.is_err());
                });
                BROKEN.set(false);
                assert_eq!((failed, by_hand, slots_in_use("faults panic")), (expected, expected, 0));
            }
        }
    }
}
