//! `#[degrade]`: after a call that was too much, a simpler one.

#[path = "shared/woken.rs"]
mod woken;

use resilience::{
    Category, Classification, Classify, Degrade, Event, Simplify, Timeout, cached, circuit_breaker, degrade,
    point, testing, timeout, with_retry,
};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Context;
use std::time::Duration;
use woken::Woken;

#[derive(Debug, PartialEq)]
struct Fails(Category, u32);

impl Classify for Fails {
    fn classify(&self) -> Classification {
        self.0.into()
    }
}

impl From<resilience::Rejected> for Fails {
    fn from(rejected: resilience::Rejected) -> Self {
        Self(rejected.classify().category, 0)
    }
}

/// Half of the steps at each level.
#[derive(Debug, PartialEq)]
struct Plan(u32);

impl Simplify for Plan {
    fn simplify(&self, level: u32) -> Option<Self> {
        assert_ne!(self.0, 666, "no simpler plan");
        (self.0 >> level > 0).then_some(Plan(self.0 >> level))
    }
}

impl AsRef<u32> for Plan {
    fn as_ref(&self) -> &u32 {
        &self.0
    }
}

/// Runs a plan of as many steps as it can, and notes what it was asked for.
fn step(plan: &Plan, at_most: u32, seen: &Mutex<Vec<u32>>) -> Result<u32, Fails> {
    seen.lock().unwrap().push(plan.0);
    if plan.0 > at_most { Err(Fails(Category::Timeout, plan.0)) } else { Ok(plan.0) }
}

#[degrade(plan)]
fn borrowed(plan: &Plan, at_most: u32, seen: &Mutex<Vec<u32>>) -> Result<u32, Fails> {
    step(plan, at_most, seen)
}

#[degrade(plan)]
async fn owned(plan: Plan, at_most: u32, seen: &Mutex<Vec<u32>>) -> Result<u32, Fails> {
    tokio::task::yield_now().await;
    step(&plan, at_most, seen)
}

#[tokio::test]
async fn each_level_is_derived_from_the_original_argument() {
    let _world = testing::isolate();
    for (at_most, expected, levels) in [
        (100, Ok(100), vec![100]),
        (50, Ok(50), vec![100, 50]),
        (25, Ok(25), vec![100, 50, 25]),
        (12, Ok(12), vec![100, 50, 25, 12]),
        (11, Err(Fails(Category::Timeout, 100)), vec![100, 50, 25, 12]),
    ] {
        let seen = Mutex::default();
        assert_eq!(borrowed(&Plan(100), at_most, &seen), expected, "the first error, if all fail");
        assert_eq!(seen.into_inner().unwrap(), levels);
        let seen = Mutex::default();
        assert_eq!(owned(Plan(100), at_most, &seen).await, expected);
        assert_eq!(seen.into_inner().unwrap(), levels);
    }
}

#[test]
fn no_further_call_is_made_without_a_simpler_version() {
    let seen = Mutex::default();
    assert_eq!(borrowed(&Plan(2), 0, &seen), Err(Fails(Category::Timeout, 2)));
    assert_eq!(seen.into_inner().unwrap(), [2, 1]);
}

#[test]
fn an_argument_may_be_called_like_a_key() {
    #[degrade(max)]
    fn own(max: &Plan, at_most: u32, seen: &Mutex<Vec<u32>>) -> Result<u32, Fails> {
        step(max, at_most, seen)
    }
    #[degrade(name, max = 2, name = "degrade::shared")]
    fn shared(name: &Plan, at_most: u32, seen: &Mutex<Vec<u32>>) -> Result<u32, Fails> {
        step(name, at_most, seen)
    }
    #[degrade(timed)]
    fn switch(timed: &Plan, at_most: u32, seen: &Mutex<Vec<u32>>) -> Result<u32, Fails> {
        step(timed, at_most, seen)
    }
    #[degrade(plan, timed)]
    fn timed(plan: &Plan, timed: u32, seen: &Mutex<Vec<u32>>) -> Result<u32, Fails> {
        step(plan, timed, seen)
    }
    for call in [own, shared, switch, timed] {
        let seen = Mutex::default();
        assert_eq!(call(&Plan(100), 25, &seen), Ok(25));
        assert_eq!(seen.into_inner().unwrap(), [100, 50, 25]);
    }
    assert!(point("degrade::shared").is_some());
}

#[test]
fn only_listed_categories_cause_a_simpler_call() {
    fn fails(category: Category, calls: &AtomicU32) -> Result<u32, Fails> {
        let number = calls.fetch_add(1, Ordering::Relaxed);
        Err(Fails(category, number))
    }
    #[degrade(plan)]
    fn usual(plan: &Plan, category: Category, calls: &AtomicU32) -> Result<u32, Fails> {
        let _ = plan;
        fails(category, calls)
    }
    #[degrade(plan, max = 1, on(invalid, conflict))]
    fn chosen(plan: &Plan, category: Category, calls: &AtomicU32) -> Result<u32, Fails> {
        let _ = plan;
        fails(category, calls)
    }
    for category in Category::ALL {
        let calls = AtomicU32::new(0);
        assert_eq!(usual(&Plan(100), category, &calls), Err(Fails(category, 0)));
        let is_too_much = matches!(category, Category::Timeout | Category::Resource | Category::Unavailable);
        assert_eq!(calls.swap(0, Ordering::Relaxed), if is_too_much { 4 } else { 1 }, "{category}");
        assert_eq!(chosen(&Plan(100), category, &calls), Err(Fails(category, 0)));
        let is_chosen = matches!(category, Category::Invalid | Category::Conflict);
        assert_eq!(calls.into_inner(), if is_chosen { 2 } else { 1 }, "{category}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_level_starts_without_time_left() {
    #[degrade(plan)]
    async fn takes_its_time(plan: &Plan, calls: &AtomicU32) -> Result<u32, Fails> {
        calls.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(resilience::remaining().unwrap_or_default()).await;
        Err(Fails(Category::Timeout, plan.0))
    }
    const LIMIT: Timeout = Timeout::new(Duration::from_secs(1));
    let _world = testing::isolate();
    let calls = AtomicU32::new(0);
    let failed = LIMIT.call_async(async || takes_its_time(&Plan(100), &calls).await).await;
    assert_eq!((failed, calls.load(Ordering::Relaxed)), (Err(Fails(Category::Timeout, 100)), 1));
}

#[test]
fn each_level_passes_the_breaker_and_is_retried() {
    #[degrade(plan)]
    #[with_retry(max = 1, base = 0s, name = "leveled")]
    #[circuit_breaker(threshold = 5)]
    fn leveled(plan: &Plan, seen: &Mutex<Vec<u32>>) -> Result<u32, Fails> {
        step(plan, 0, seen)
    }
    let _world = testing::isolate();
    let seen = Mutex::default();
    assert_eq!(leveled(&Plan(100), &seen), Err(Fails(Category::Timeout, 100)));
    assert_eq!(*seen.lock().unwrap(), [100, 100, 50, 50, 25], "the breaker has opened");
    let info = point("leveled").unwrap().info();
    assert_eq!((info.max_calls, &*info.stack[0].to_string()), (8, "degrade(argument = plan, max = 3)"));
    let budget = point("leveled").unwrap().budget().unwrap();
    assert_eq!(budget.tokens(), 500 - 3 * 10, "three retries after a timeout, and no level");
}

#[test]
fn a_panic_in_simplify_reaches_the_caller() {
    let seen = Mutex::default();
    let call = || borrowed(&Plan(666), 0, &seen);
    assert!(catch_unwind(AssertUnwindSafe(call)).is_err());
    assert_eq!(borrowed(&Plan(1), 1, &seen), Ok(1));
}

#[test]
fn each_level_emits_an_event_and_is_counted() {
    let world = testing::isolate();
    borrowed(&Plan(100), 25, &Mutex::default()).unwrap();
    let lines: Vec<_> = world.events().iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "degrade::borrowed: simplified to level 1: timeout, medium",
            "degrade::borrowed: simplified to level 2: timeout, medium"
        ]
    );
    assert!(matches!(world.events()[0], Event::Simplified { level: 1, .. }));
    let shown = point("degrade::borrowed").unwrap().snapshot().policies[0].to_string();
    assert_eq!(shown, "degrade: simplified 2, answered 1");
}

#[test]
fn simpler_answers_are_cached_only_with_degraded() {
    static CALLS: AtomicU32 = AtomicU32::new(0);
    fn run(plan: &Plan) -> Result<u32, Fails> {
        CALLS.fetch_add(1, Ordering::Relaxed);
        if plan.0 > 50 { Err(Fails(Category::Timeout, plan.0)) } else { Ok(plan.0) }
    }
    #[cached(key = plan.0)]
    #[degrade(plan)]
    fn plain(plan: &Plan) -> Result<u32, Fails> {
        run(plan)
    }
    #[cached(key = plan.0, degraded)]
    #[degrade(plan)]
    fn kept(plan: &Plan) -> Result<u32, Fails> {
        run(plan)
    }
    #[cached(key = plan.0)]
    fn around(plan: &Plan) -> Result<u32, Fails> {
        borrowed(plan, 50, &Mutex::default())
    }
    let _world = testing::isolate();
    let calls = || CALLS.swap(0, Ordering::Relaxed);
    assert_eq!((plain(&Plan(100)), plain(&Plan(100)), calls()), (Ok(50), Ok(50), 4));
    assert_eq!((plain(&Plan(40)), plain(&Plan(40)), calls()), (Ok(40), Ok(40), 1));
    assert_eq!((kept(&Plan(100)), kept(&Plan(100)), calls()), (Ok(50), Ok(50), 2));
    let cache = point("degrade::around").unwrap().cache().unwrap();
    assert_eq!((around(&Plan(100)), cache.snapshot().entries), (Ok(50), 0), "nor of a function inside");
}

#[tokio::test]
async fn simpler_async_answers_are_cached_only_with_degraded() {
    async fn run(plan: &Plan, calls: &AtomicU32) -> Result<u32, Fails> {
        tokio::task::yield_now().await;
        calls.fetch_add(1, Ordering::Relaxed);
        if plan.0 > 50 { Err(Fails(Category::Timeout, plan.0)) } else { Ok(plan.0) }
    }
    #[cached(key = plan.0)]
    #[degrade(plan)]
    async fn plain(plan: &Plan, calls: &AtomicU32) -> Result<u32, Fails> {
        run(plan, calls).await
    }
    #[cached(key = plan.0, degraded)]
    #[degrade(plan)]
    async fn kept(plan: &Plan, calls: &AtomicU32) -> Result<u32, Fails> {
        run(plan, calls).await
    }
    #[cached(key = plan.0, name = "around async")]
    async fn around(plan: Plan) -> Result<u32, Fails> {
        owned(plan, 50, &Mutex::default()).await
    }
    let _world = testing::isolate();
    let bodies = AtomicU32::new(0);
    let calls = || bodies.swap(0, Ordering::Relaxed);
    let (large, small) = (Plan(100), Plan(40));
    assert_eq!((plain(&large, &bodies).await, plain(&large, &bodies).await, calls()), (Ok(50), Ok(50), 4));
    assert_eq!((plain(&small, &bodies).await, plain(&small, &bodies).await, calls()), (Ok(40), Ok(40), 1));
    assert_eq!((kept(&large, &bodies).await, kept(&large, &bodies).await, calls()), (Ok(50), Ok(50), 2));
    let cache = point("around async").unwrap().cache().unwrap();
    assert_eq!((around(Plan(100)).await, cache.snapshot().entries), (Ok(50), 0), "nor of a function inside");
}

#[tokio::test(start_paused = true)]
async fn a_degrade_value_runs_sync_and_async_calls() {
    const FEWER: Degrade = Degrade::new("by hand").max(2).on(&[Category::Timeout]);
    let world = testing::isolate();
    let seen = Mutex::default();
    assert_eq!(FEWER.call(&Plan(100), |plan| step(plan, 30, &seen)), Ok(25));
    assert_eq!(FEWER.call(&Plan(100), |plan| step(plan, 20, &seen)), Err(Fails(Category::Timeout, 100)));
    let answer = FEWER.call_async(&Plan(100), async |plan| step(plan, 50, &seen)).await;
    assert_eq!((answer, world.events().len()), (Ok(50), 5));
}

#[test]
fn a_simpler_call_lets_other_tasks_run_first() {
    #[derive(Debug)]
    struct AsMuch;
    impl Simplify for AsMuch {
        fn simplify(&self, _: u32) -> Option<Self> {
            Some(AsMuch)
        }
    }
    fn fails(calls: &Cell<u32>) -> Result<(), Fails> {
        calls.set(calls.get() + 1);
        Err(Fails(Category::Timeout, calls.get()))
    }
    #[degrade(plan, max = 2)]
    async fn borrowed(plan: &AsMuch, calls: &Cell<u32>) -> Result<(), Fails> {
        let _ = plan;
        fails(calls)
    }
    #[degrade(plan, max = 2)]
    async fn owned(plan: AsMuch, calls: &Cell<u32>) -> Result<(), Fails> {
        let _ = &plan;
        fails(calls)
    }
    const BY_HAND: Degrade = Degrade::new("by hand").max(2);
    let calls = &Cell::new(0);
    type Call<'a> = Pin<Box<dyn Future<Output = Result<(), Fails>> + 'a>>;
    let all: [Call<'_>; 3] = [
        Box::pin(borrowed(&AsMuch, calls)),
        Box::pin(owned(AsMuch, calls)),
        Box::pin(BY_HAND.call_async(&AsMuch, async |_| fails(calls))),
    ];
    for mut call in all {
        calls.set(0);
        let woken = Arc::new(Woken::default());
        let waker = woken.clone().into();
        let mut poll = || call.as_mut().poll(&mut Context::from_waker(&waker));
        for level in 1..=2 {
            assert!(poll().is_pending());
            assert_eq!((calls.get(), woken.0.load(Ordering::Relaxed)), (level, level));
        }
        assert!(poll().is_ready());
        assert_eq!(calls.get(), 3);
    }
}

#[tokio::test]
async fn a_timeout_ends_simpler_calls_that_are_never_pending() {
    struct AsMuch;
    impl Simplify for AsMuch {
        fn simplify(&self, level: u32) -> Option<Self> {
            assert!(level < 1_000_000, "no timeout has ended the calls");
            Some(AsMuch)
        }
    }
    #[timeout(1ms)]
    #[degrade(plan, max = 4294967295)]
    async fn endless(plan: &AsMuch) -> Result<(), Fails> {
        let _ = plan;
        Err(Fails(Category::Unavailable, 0))
    }
    assert!(matches!(endless(&AsMuch).await, Err(Fails(_, 0))));
}

#[tokio::test]
async fn functions_of_every_shape_are_supported() {
    struct Service;
    #[async_trait::async_trait]
    trait Run {
        async fn run(&self, plan: Plan, name: String) -> Result<String, Fails>;
    }
    #[async_trait::async_trait]
    impl Run for Service {
        #[degrade(plan, clone(name))]
        async fn run(&self, plan: Plan, name: String) -> Result<String, Fails> {
            if plan.0 > 50 {
                return Err(Fails(Category::Resource, plan.0));
            }
            let moved = name;
            Ok(moved)
        }
    }
    #[degrade(subject)]
    fn generic<T: Simplify + AsRef<u32>>(subject: &T, mut count: u32) -> Option<u32> {
        count += 1;
        Some(*subject.as_ref() + count)
    }
    #[degrade(plan)]
    #[timeout(60s)]
    async fn sent(plan: Plan) -> Result<u32, Fails> {
        tokio::task::yield_now().await;
        Ok(plan.0)
    }
    assert_eq!(Service.run(Plan(100), "name".into()).await.unwrap(), "name");
    assert_eq!(generic(&Plan(7), 1), Some(9));
    assert_eq!(tokio::spawn(sent(Plan(7))).await.unwrap(), Ok(7));
}
