//! The throttle of a budget: calls are refused here while the service accepts too few.

use futures::executor::block_on;
use resilience::deadline::{Deadline, Header};
use resilience::testing::{self, World};
use resilience::{
    Budget, Category, Classification, Classify, Event, Point, Rejected, Retry, bulkhead, circuit_breaker,
    failover, point, timeout, with_retry,
};
use std::cell::Cell;
use std::fmt::Debug;
use std::future::{Future, pending};
use std::task::{Context, Waker};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

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

/// The service in a world of its own, and the point that calls it.
struct Service {
    world: World,
    point: Point,
    fails: Cell<Option<Category>>,
    sent: Cell<u32>,
}

impl Service {
    fn answer(&self) -> Result<u32, Failure> {
        self.sent.set(self.sent.get() + 1);
        self.fails.get().map_or(Ok(self.sent.get()), |category| Err(Failure::Own(category)))
    }

    /// How many of the next `calls` calls reach the service, which answers so.
    fn reached(&self, call: &dyn Fn() -> Result<u32, Failure>, calls: u32, fails: Option<Category>) -> u32 {
        self.fails.set(fails);
        let before = self.sent.get();
        (0..calls).for_each(|_| drop(call()));
        self.sent.get() - before
    }

    fn budget(&self) -> &'static Budget {
        self.point.budget().expect("a budget")
    }

    fn counter(&self, name: &str) -> u64 {
        let policies = self.point.snapshot().policies;
        let mut counters = policies.iter().flat_map(|policy| &policy.counters);
        counters.find(|(counter, _)| *counter == name).expect("a counter").1
    }
}

fn throttled(outcome: &Result<u32, Failure>) -> bool {
    matches!(outcome, Err(Failure::Rejected(Rejected::Throttled { .. })))
}

/// Plays `scene` to both functions, each in its own world; they must do the same.
fn alike<T: PartialEq + Debug>(
    module: &str,
    now: impl Fn(&Service) -> Result<u32, Failure>,
    later: impl Fn(&Service) -> Result<u32, Failure>,
    scene: impl Fn(&Service, &dyn Fn() -> Result<u32, Failure>) -> T,
) -> T {
    let play = |function: &str, call: &dyn Fn(&Service) -> Result<u32, Failure>| {
        let world = testing::isolate();
        let point = point(&format!("{module}::{function}")).expect("a point");
        let service = Service { world, point, fails: Cell::new(None), sent: Cell::new(0) };
        scene(&service, &|| call(&service))
    };
    let (now, later) = (play("now", &now), play("later", &later));
    assert_eq!(now, later, "the sync and the async function differ");
    now
}

/// `both!(name: with_retry(throttle = 2.0))` makes `name(scene)`.
macro_rules! both {
    ($name:ident: $($policy:ident($($settings:tt)*)),+) => {
        mod $name {
            use super::*;

            $(#[$policy($($settings)*)])+
            fn now(service: &Service) -> Result<u32, Failure> {
                service.answer()
            }

            $(#[$policy($($settings)*)])+
            async fn later(service: &Service) -> Result<u32, Failure> {
                tokio::task::yield_now().await;
                service.answer()
            }

            pub(super) fn play<T: PartialEq + Debug>(
                scene: impl Fn(&Service, &dyn Fn() -> Result<u32, Failure>) -> T,
            ) -> T {
                alike(module_path!(), now, |service| block_on(later(service)), scene)
            }
        }
    };
}

both!(single: with_retry(max = 0, throttle = 2.0));
both!(retried: with_retry(max = 2, base = 0s, throttle = 2.0));
both!(eager: with_retry(max = 0, throttle = 1.0));
both!(unless_told: with_retry(max = 0, throttle));
both!(above_a_breaker: with_retry(max = 0, throttle = 2.0), circuit_breaker(threshold = 1));

#[test]
fn a_service_that_is_down_gets_a_tenth_of_the_calls() {
    let (reached, refused) = single::play(|service, call| {
        let reached = service.reached(call, 1_000, Some(Category::Unavailable));
        assert_eq!(service.counter("throttled"), service.budget().throttled());
        assert!((service.budget().refusal() - 0.9).abs() < 1e-9, "never all of them");
        (reached, service.budget().throttled())
    });
    assert_eq!(u64::from(reached) + refused, 1_000);
    assert!((60..180).contains(&reached), "{reached}");
}

#[test]
fn a_service_that_accepts_half_of_the_attempts_gets_all_calls() {
    let reached = single::play(|service, call| {
        let pair = |_| service.reached(call, 1, None) + service.reached(call, 1, Some(Category::Unavailable));
        (0..500).map(pair).sum::<u32>()
    });
    assert_eq!(reached, 1_000);
}

#[test]
fn a_smaller_factor_throttles_earlier_and_the_default_is_two() {
    let scene = |service: &Service, call: &dyn Fn() -> Result<u32, Failure>| {
        service.reached(call, 30, None);
        service.reached(call, 30, Some(Category::Unavailable));
        (service.budget().refusal() * 1000.0).round()
    };
    assert_eq!(single::play(scene), 0.0);
    assert_eq!(unless_told::play(scene), 0.0);
    assert!(eager::play(scene) > 200.0);
}

#[test]
fn a_recovered_service_gets_all_calls_within_two_minutes() {
    single::play(|service, call| {
        service.reached(call, 200, Some(Category::Unavailable));
        service.world.advance(SECOND * 119);
        assert!(service.budget().refusal() > 0.5);
        service.world.advance(SECOND);
        assert_eq!(service.budget().refusal(), 0.0);
        assert_eq!(service.reached(call, 100, None), 100);
    });
}

#[test]
fn the_retries_of_an_admitted_call_are_not_throttled() {
    retried::play(|service, call| {
        service.fails.set(Some(Category::Unavailable));
        for _ in 0..100 {
            let (before, outcome) = (service.sent.get(), call());
            let attempts = service.sent.get() - before;
            assert!(
                if throttled(&outcome) { attempts == 0 } else { attempts == 3 },
                "{attempts} {outcome:?}"
            );
            service.world.advance(SECOND / 10);
        }
        assert!(service.budget().throttled() > 50);
    });
}

#[test]
fn every_attempt_is_counted() {
    retried::play(|service, call| {
        service.fails.set(Some(Category::Unavailable));
        assert!(call().is_err());
        assert_eq!(service.budget().refusal(), 3.0 / 4.0);
    });
}

#[test]
fn successes_for_a_breaker_count_as_accepted() {
    single::play(|service, call| {
        assert_eq!(service.reached(call, 200, Some(Category::NotFound)), 200);
        assert_eq!(service.reached(call, 200, Some(Category::Invalid)), 200);
        // As many failures as successes are within the factor.
        assert_eq!(service.reached(call, 400, Some(Category::Unavailable)), 400);
        assert_eq!(service.reached(call, 200, Some(Category::Cancelled)), 200, "neither");
    });
}

#[test]
fn rejections_by_other_policies_are_not_counted() {
    above_a_breaker::play(|service, call| {
        service.point.breaker().expect("a breaker").force_open();
        assert_eq!(service.reached(call, 500, None), 0);
        assert_eq!((service.budget().refusal(), service.budget().throttled()), (0.0, 0));
    });
}

#[test]
fn a_throttled_call_costs_no_tokens_and_is_reported() {
    single::play(|service, call| {
        service.reached(call, 20, Some(Category::Unavailable));
        let tokens = service.budget().tokens();
        let refused = (0..200).map(|_| call()).find(throttled).expect("a refusal");
        let Err(Failure::Rejected(rejected)) = refused else { unreachable!() };
        assert_eq!(rejected.point(), &*service.point.name());
        assert_eq!((rejected.key(), rejected.retry_after()), (None, None));
        let text = format!("`{}` was throttled: its service accepts too few calls", service.point.name());
        assert_eq!(rejected.to_string(), text);
        let class = rejected.classify();
        assert_eq!((class.category, class.delivered), (Category::Rejected, resilience::Delivered::No));
        assert_eq!(service.budget().tokens(), tokens);
        let reported = |event: &Event| matches!(event, Event::Rejected { policy: "with_retry", .. });
        let reported = service.world.events().iter().filter(|event| reported(event)).count();
        assert_eq!(reported as u64, service.counter("throttled"));
    });
}

#[test]
fn a_reset_admits_all_calls_again() {
    single::play(|service, call| {
        service.reached(call, 200, Some(Category::Unavailable));
        let refused = service.budget().throttled();
        service.budget().reset();
        assert_eq!((service.budget().refusal(), service.budget().tokens()), (0.0, 500));
        assert_eq!(service.budget().throttled(), refused, "counts stay");
        assert_eq!(service.reached(call, 1, None), 1);
    });
}

#[test]
fn the_inventory_lists_the_throttle() {
    single::play(|service, _| {
        let settings = &service.point.info().stack[0].settings;
        assert!(settings.iter().any(|setting| setting.to_string() == "throttle = 2.0"), "{settings:?}");
    });
}

#[with_retry(max = 0, throttle = 2.0)]
#[circuit_breaker(threshold = 1_000, key = tenant)]
fn for_tenant(tenant: &str, service: &Cell<u32>) -> Result<u32, Failure> {
    service.set(service.get() + 1);
    Err(Failure::Own(if tenant == "dead" { Category::Unavailable } else { Category::NotFound }))
}

#[test]
fn each_key_has_its_own_throttle() {
    let _world = testing::isolate();
    let sent = Cell::new(0);
    let outcomes: Vec<_> = (0..200).map(|_| for_tenant("dead", &sent)).collect();
    let Some(Err(Failure::Rejected(rejected))) = outcomes.into_iter().find(throttled) else { unreachable!() };
    assert_eq!(rejected.key(), Some("dead"));
    sent.set(0);
    (0..200).for_each(|_| drop(for_tenant("well", &sent)));
    assert_eq!(sent.get(), 200);
    // A full bucket, and still no throttle that may be forgotten.
    for n in 0..2_000 {
        drop(for_tenant(&format!("new {n}"), &sent));
    }
    let point = point("with_retry::throttle::for_tenant").expect("a point");
    assert!(point.key("dead").budget().is_some_and(|budget| budget.refusal() > 0.5), "kept");
}

static SHARED: Budget = Budget::new().throttle(1.0);

#[with_retry(max = 0, budget = SHARED, throttle)]
fn reads(fails: bool) -> Result<u32, Failure> {
    if fails { Err(Failure::Own(Category::Unavailable)) } else { Ok(1) }
}

#[with_retry(max = 0, budget = SHARED, throttle)]
async fn writes(fails: bool) -> Result<u32, Failure> {
    reads_nothing(fails)
}

fn reads_nothing(fails: bool) -> Result<u32, Failure> {
    if fails { Err(Failure::Own(Category::Unavailable)) } else { Ok(1) }
}

#[test]
fn functions_share_the_throttle_of_a_static_budget() {
    let _world = testing::isolate();
    (0..100).for_each(|_| drop(reads(true)));
    assert!((0..200).map(|_| block_on(writes(false))).any(|outcome| throttled(&outcome)));
    assert!(SHARED.throttled() > 0);
}

#[failover(host = ["dead", "well"])]
#[with_retry(max = 0, throttle = 2.0)]
async fn elsewhere(host: &str, sent: &Cell<u32>) -> Result<u32, Failure> {
    if host == "dead" {
        sent.set(sent.get() + 1);
        return Err(Failure::Own(Category::Unavailable));
    }
    Ok(7)
}

#[test]
fn a_throttled_call_fails_over_to_the_next_value() {
    let _world = testing::isolate();
    let sent = Cell::new(0);
    for _ in 0..500 {
        assert_eq!(block_on(elsewhere("dead", &sent)), Ok(7));
    }
    assert!(sent.get() < 120, "{}", sent.get());
}

fn dropped_while_it_runs(future: impl Future) {
    let mut future = Box::pin(future);
    assert!(future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
}

#[timeout(1s)]
#[with_retry(max = 0, throttle = 2.0, name = "throttle::hangs")]
#[bulkhead(1, wait = 10s)]
async fn hangs() -> Result<u32, Failure> {
    pending().await
}

fn refusal_of(name: &str) -> f64 {
    point(name).and_then(|point| point.budget()).expect("a budget").refusal()
}

#[tokio::test(start_paused = true)]
async fn dropped_calls_are_not_counted_and_timed_out_ones_not_accepted() {
    let _world = testing::isolate();
    (0..20).for_each(|_| dropped_while_it_runs(hangs()));
    assert_eq!(refusal_of("throttle::hangs"), 0.0);
    // The second waits for a slot until its time is over: it has not reached the service.
    let (first, second) = tokio::join!(hangs(), hangs());
    assert!(!throttled(&first) && !throttled(&second));
    assert_eq!(refusal_of("throttle::hangs"), 0.5, "one attempt");
}

#[timeout(20s)]
#[with_retry(max = 0, throttle = 2.0, name = "throttle::impatient")]
#[timeout(10s)]
async fn impatient(own_client: bool) -> Result<u32, Failure> {
    if own_client {
        tokio::time::sleep(Duration::from_millis(1)).await;
        return Err(Failure::Own(Category::Timeout));
    }
    pending().await
}

#[tokio::test(start_paused = true)]
async fn calls_ended_by_a_request_deadline_are_not_counted() {
    let _world = testing::isolate();
    let request = || Deadline::at_most(Duration::from_secs(30)).header(Header::TimeoutMs, "1");
    for _ in 0..50 {
        assert!(!matches!(request().run(impatient(false)).await, Ok(Ok(_))));
        assert!(!matches!(request().run(impatient(true)).await, Ok(Ok(_))));
    }
    assert_eq!(refusal_of("throttle::impatient"), 0.0);
}

#[with_retry(max = 0, throttle = 2.0, name = "throttle::blocks")]
fn blocks(world: &World, left: Duration) -> Result<u32, Failure> {
    world.advance(left);
    Err(Failure::Own(Category::Timeout))
}

#[test]
fn sync_calls_ended_by_a_request_deadline_are_not_counted() {
    let world = testing::isolate();
    let request = |left| {
        let deadline = Deadline::at_most(SECOND * 30).header(Header::TimeoutMs, "1000");
        let _ = deadline.run_blocking(|| blocks(&world, left));
    };
    (0..50).for_each(|_| request(SECOND));
    assert_eq!(refusal_of("throttle::blocks"), 0.0);
    request(SECOND / 2);
    assert_eq!(refusal_of("throttle::blocks"), 0.5, "it failed before its client left");
}

#[with_retry(max = 0, throttle = 2.0, name = "throttle::panics")]
async fn panics() -> Result<u32, Failure> {
    tokio::task::yield_now().await;
    panic!("on purpose")
}

#[test]
fn a_panic_is_not_counted() {
    let _world = testing::isolate();
    for _ in 0..10 {
        let call = std::panic::AssertUnwindSafe(|| block_on(panics()));
        assert!(std::panic::catch_unwind(call).is_err());
    }
    assert_eq!(refusal_of("throttle::panics"), 0.0);
}

#[with_retry(max = 0, throttle = 2.0)]
fn optional() -> Option<u32> {
    None
}

#[with_retry(max = 0, throttle = 2.0, rejected = |rejected| rejected.to_string(), classify = |_| Category::Unavailable)]
fn with_an_error_of_its_own<T: Default>(fails: bool) -> Result<T, String> {
    if fails { Err("down".to_owned()) } else { Ok(T::default()) }
}

#[test]
fn a_throttled_call_returns_none_or_a_converted_error() {
    let _world = testing::isolate();
    (0..50).for_each(|_| assert_eq!(optional(), None));
    let budget = point("with_retry::throttle::optional").and_then(|point| point.budget()).expect("a budget");
    assert!(budget.throttled() > 0);
    let errors: Vec<_> = (0..50).filter_map(|_| with_an_error_of_its_own::<u8>(true).err()).collect();
    assert!(errors.iter().any(|error| error.contains("was throttled")), "{errors:?}");
}

#[test]
fn budget_values_throttle_calls() {
    let _world = testing::isolate();
    let budget = Budget::new().throttle(2.0);
    let down = || Err::<u32, _>(Failure::Own(Category::Unavailable));
    let retry = Retry::new().max(1).base(Duration::ZERO);
    let outcomes: Vec<_> = (0..100).map(|_| budget.call(|| retry.call(down))).collect();
    let refused = outcomes.iter().filter(|outcome| throttled(outcome)).count();
    assert_eq!(refused as u64, budget.throttled());
    assert!(refused > 50);
    budget.reset();
    let later: Vec<_> = (0..100).map(|_| block_on(budget.call_async(async || down()))).collect();
    assert!(later.iter().filter(|outcome| throttled(outcome)).count() > 50);
    budget.reset();
    let judge = |outcome: &Result<u32, Failure>| outcome.as_ref().err().map(|_| Category::NotFound.into());
    for _ in 0..100 {
        assert!(!throttled(&budget.call_judged(down, judge)));
        assert!(!throttled(&block_on(budget.call_async_judged(async || down(), judge))));
    }
}

#[test]
fn each_world_has_its_own_throttle() {
    {
        let _world = testing::isolate();
        (0..100).for_each(|_| drop(reads(true)));
        assert!(SHARED.refusal() > 0.0);
    }
    let _world = testing::isolate();
    assert_eq!((SHARED.refusal(), SHARED.throttled()), (0.0, 0));
}

#[test]
fn a_named_budget_with_a_factor_throttles_without_the_key() {
    static NAMED: Budget = Budget::new().throttle(2.0);
    const POLICY: Retry = Retry::new().max(0).budget(&NAMED);
    #[with_retry(max = 0, budget = NAMED, name = "named throttle")]
    fn call() -> Result<u32, Failure> {
        Err(Failure::Own(Category::Unavailable))
    }
    #[circuit_breaker(threshold = 1_000)]
    #[with_retry(max = 0, budget = NAMED)]
    async fn inside() -> Result<u32, Failure> {
        Err(Failure::Own(Category::Unavailable))
    }
    #[with_retry(policy = POLICY)]
    fn by_settings() -> Result<u32, Failure> {
        Err(Failure::Own(Category::Unavailable))
    }
    let is_throttled =
        |outcome: Result<u32, Failure>| matches!(outcome, Err(Failure::Rejected(Rejected::Throttled { .. })));
    for kind in [|| call(), || block_on(inside()), || by_settings()] {
        let _world = testing::isolate();
        let refused = (0..300).filter(|_| is_throttled(kind())).count();
        assert!((200..290).contains(&refused), "{refused}");
    }
    let _world = testing::isolate();
    (0..100).for_each(|_| drop(call()));
    let counters = &point("named throttle").unwrap().snapshot().policies[0].counters;
    assert!(counters.contains(&("throttled", NAMED.throttled())), "{counters:?}");
}

#[test]
fn a_named_budget_throttles_only_types_that_hold_a_rejection() {
    static NAMED: Budget = Budget::new().throttle(1.0);
    static PLAIN: Budget = Budget::new();
    #[with_retry(max = 0, budget = NAMED)]
    fn cannot(calls: &Cell<u32>) -> Result<(), std::fmt::Error> {
        calls.set(calls.get() + 1);
        Err(std::fmt::Error)
    }
    #[derive(Debug, PartialEq)]
    struct Busy;
    #[with_retry(max = 0, budget = NAMED, rejected = |_| Busy)]
    fn converted() -> Result<(), Busy> {
        Ok(())
    }
    #[with_retry(max = 0, budget = NAMED)]
    fn option() -> Option<()> {
        None
    }
    #[with_retry(max = 0, budget = PLAIN)]
    fn plain(calls: &Cell<u32>) -> Result<u32, Failure> {
        calls.set(calls.get() + 1);
        Err(Failure::Own(Category::Unavailable))
    }
    let (_world, calls) = (testing::isolate(), Cell::new(0));
    (0..100).for_each(|_| cannot(&calls).unwrap_or_default());
    assert_eq!(calls.take(), 100);
    assert!((0..100).all(|_| option().is_none()));
    assert!(NAMED.throttled() > 0, "no value");
    assert!((0..100).any(|_| converted() == Err(Busy)));
    (0..100).for_each(|_| drop(plain(&calls)));
    assert_eq!((calls.take(), PLAIN.throttled()), (100, 0), "without a factor nothing is refused");
}
