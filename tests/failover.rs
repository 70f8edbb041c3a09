//! `#[failover]`: after a failure, the same call with the next value of an argument.

#[path = "shared/woken.rs"]
mod woken;

use resilience::policy::keyed::{Key, KeyRef};
use resilience::testing::rejected;
use resilience::{
    Category, Classification, Classify, Event, Failover, Point, Rejected, bulkhead, cached, circuit_breaker,
    failover, hedge, point, rate_limit, testing, timeout, with_fallback, with_retry,
};
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Context;
use std::time::Duration;
use woken::Woken;

#[path = "failover/shapes.rs"]
mod shapes;
#[path = "failover/state.rs"]
mod state;
#[path = "failover/sticky.rs"]
mod sticky;

const SECOND: Duration = Duration::from_secs(1);

/// An error of the body, with the value that it was called with, or a refusal.
#[derive(Debug, PartialEq)]
enum Fails {
    Body(Category, String),
    Rejected(Rejected),
}

impl Classify for Fails {
    fn classify(&self) -> Classification {
        match self {
            Self::Body(category, _) => (*category).into(),
            Self::Rejected(rejected) => rejected.classify(),
        }
    }
}

impl From<Rejected> for Fails {
    fn from(rejected: Rejected) -> Self {
        Self::Rejected(rejected)
    }
}

fn fails<T>(category: Category, value: impl ToString) -> Result<T, Fails> {
    Err(Fails::Body(category, value.to_string()))
}

/// Answers with the value, unless it is one of those that are `down`, and notes it.
fn ask(value: &str, down: &str, seen: &Mutex<String>) -> Result<String, Fails> {
    *seen.lock().unwrap() += value;
    if down.contains(value) { fails(Category::Timeout, value) } else { Ok(value.to_owned()) }
}

fn ok(value: &str) -> Result<String, Fails> {
    Ok(value.to_owned())
}

#[failover(value = ["a", "b", "c"])]
fn borrowed(value: &str, down: &str, seen: &Mutex<String>) -> Result<String, Fails> {
    ask(value, down, seen)
}

#[failover(value = ["a", "b", "c"])]
async fn owned(value: String, down: &str, seen: &Mutex<String>) -> Result<String, Fails> {
    tokio::task::yield_now().await;
    let moved = value;
    ask(&moved, down, seen)
}

#[tokio::test]
async fn the_own_value_is_tried_first_then_each_later_one() {
    let _world = testing::isolate();
    for (own, down, expected, order) in [
        ("a", "", ok("a"), "a"),
        ("a", "a", ok("b"), "ab"),
        ("a", "ab", ok("c"), "abc"),
        ("a", "abc", fails(Category::Timeout, "a"), "abc"),
        ("b", "b", ok("c"), "bc"),
        ("b", "bc", fails(Category::Timeout, "b"), "bc"),
        ("c", "c", fails(Category::Timeout, "c"), "c"),
        ("x", "", ok("x"), "x"),
        ("x", "x", ok("a"), "xa"),
        ("x", "xab", ok("c"), "xabc"),
        ("x", "xabc", fails(Category::Timeout, "x"), "xabc"),
    ] {
        let seen = Mutex::default();
        assert_eq!(borrowed(own, down, &seen), expected, "{own} {down}");
        assert_eq!(seen.into_inner().unwrap(), order);
        let seen = Mutex::default();
        assert_eq!(owned(own.to_owned(), down, &seen).await, expected, "{own} {down}");
        assert_eq!(seen.into_inner().unwrap(), order);
    }
}

#[test]
fn only_listed_categories_cause_a_failover() {
    fn count(category: Category, calls: &AtomicU32) -> Result<u32, Fails> {
        fails(category, calls.fetch_add(1, Ordering::Relaxed))
    }
    #[failover(value = ["a", "b"])]
    fn usual(value: &str, category: Category, calls: &AtomicU32) -> Result<u32, Fails> {
        let _ = value;
        count(category, calls)
    }
    #[failover(value = ["a", "b"], on(invalid, conflict))]
    fn chosen(value: &str, category: Category, calls: &AtomicU32) -> Result<u32, Fails> {
        let _ = value;
        count(category, calls)
    }
    let _world = testing::isolate();
    for category in Category::ALL {
        let calls = AtomicU32::new(0);
        assert_eq!(usual("a", category, &calls), fails(category, 0));
        let is_usual = matches!(
            category,
            Category::Timeout
                | Category::Connection
                | Category::Unavailable
                | Category::RateLimited
                | Category::Resource
                | Category::NotFound
        );
        assert_eq!(calls.swap(0, Ordering::Relaxed), if is_usual { 2 } else { 1 }, "{category}");
        assert_eq!(chosen("a", category, &calls), fails(category, 0));
        let is_chosen = matches!(category, Category::Invalid | Category::Conflict);
        assert_eq!(calls.into_inner(), if is_chosen { 2 } else { 1 }, "{category}");
    }
}

#[tokio::test]
async fn a_rejection_fails_over_and_the_best_error_is_returned() {
    #[failover(value = ["a", "b", "c"])]
    fn asked(value: &str, error: fn(&str) -> Fails) -> Result<(), Fails> {
        Err(error(value))
    }
    #[failover(value = ["a", "b", "c"])]
    async fn asked_async(value: &str, error: fn(&str) -> Fails) -> Result<(), Fails> {
        Err(error(value))
    }
    fn open(wait: u64) -> Fails {
        rejected::circuit_open("p", Some(Duration::from_secs(wait))).into()
    }
    fn limited(wait: u64) -> Fails {
        rejected::rate_limited("p", Some(Duration::from_secs(wait))).into()
    }
    fn full(point: &'static str) -> Fails {
        rejected::bulkhead_full(point).into()
    }
    fn body(value: &str) -> Fails {
        Fails::Body(Category::Timeout, value.to_owned())
    }
    fn invalid(value: &str) -> Fails {
        Fails::Body(Category::Invalid, value.to_owned())
    }
    let _world = testing::isolate();
    type Answer = fn(&str) -> Fails;
    let cases: [(Answer, Fails); 7] = [
        (|value| open(if value == "b" { 3 } else { 9 }), open(3)),
        (|value| if value == "a" { full("p") } else { limited(5) }, limited(5)),
        (|value| if value == "a" { full("a") } else { full("p") }, full("a")),
        (|value| if value == "a" { open(1) } else { body(value) }, body("b")),
        (|value| if value == "a" { body(value) } else { open(1) }, body("a")),
        (|value| if value == "a" { open(1) } else { invalid(value) }, invalid("b")),
        (|value| if value == "a" { body(value) } else { invalid(value) }, body("a")),
    ];
    for (error, expected) in &cases {
        assert_eq!(asked("a", *error).as_ref(), Err(expected));
        assert_eq!(asked_async("a", *error).await.as_ref(), Err(expected));
    }
}

#[test]
fn a_nested_rejection_fails_over() {
    #[circuit_breaker(key = value, threshold = 1)]
    fn inner(value: &str) -> Result<String, Fails> {
        if value == "a" { fails(Category::Unavailable, value) } else { ok(value) }
    }
    #[failover(value = ["a", "b"], on(corrupt))]
    fn outer(value: &str) -> Result<String, Fails> {
        inner(value)
    }
    let _world = testing::isolate();
    assert_eq!(outer("a"), fails(Category::Unavailable, "a"), "not a category of `on`");
    assert_eq!(outer("a"), ok("b"), "the breaker inside is open");
}

#[tokio::test(start_paused = true)]
async fn no_value_is_called_without_time_left() {
    #[timeout(2s)]
    #[failover(value = ["a", "b", "c"])]
    #[timeout(1s)]
    async fn hangs(value: &str, seen: &Mutex<String>) -> Result<String, Fails> {
        *seen.lock().unwrap() += value;
        std::future::pending().await
    }
    let _world = testing::isolate();
    let seen = Mutex::default();
    assert!(matches!(hangs("a", &seen).await, Err(Fails::Rejected(Rejected::TimedOut { .. }))));
    assert_eq!(seen.into_inner().unwrap(), "ab");
}

#[test]
fn retries_and_failovers_nest_in_source_order() {
    #[failover(value = ["a", "b"], name = "each is retried")]
    #[with_retry(max = 2, base = 0s)]
    fn above(value: &str, seen: &Mutex<String>) -> Result<String, Fails> {
        ask(value, "ab", seen)
    }
    #[with_retry(max = 2, base = 0s, name = "each walks the list")]
    #[failover(value = ["a", "b"])]
    fn below(value: &str, seen: &Mutex<String>) -> Result<String, Fails> {
        ask(value, "ab", seen)
    }
    let _world = testing::isolate();
    let seen = Mutex::default();
    assert_eq!(above("a", &seen), fails(Category::Timeout, "a"));
    assert_eq!(seen.into_inner().unwrap(), "aaabbb");
    let seen = Mutex::default();
    assert_eq!(below("a", &seen), fails(Category::Timeout, "a"));
    assert_eq!(seen.into_inner().unwrap(), "ababab");
    for name in ["each is retried", "each walks the list"] {
        let info = point(name).unwrap().info();
        assert_eq!(info.max_calls, 9, "three attempts of up to three values");
        assert!(info.to_string().contains("up to 9 calls"), "{info}");
    }
    let budget = point("each walks the list").unwrap().budget().unwrap();
    assert_eq!(budget.tokens(), 500 - 2 * 10, "two retries after a timeout, and no step");
}

#[test]
fn the_inventory_shows_the_list_and_the_worst_case() {
    #[failover(value = ["a", "b", "c"], sticky = 90s, on(timeout, connection), name = "listed")]
    #[timeout(2s)]
    async fn listed(value: &str) -> Result<String, Fails> {
        ok(value)
    }
    let _ = listed;
    let info = point("listed").unwrap().info();
    assert_eq!(
        info.stack[0].to_string(),
        "failover(value = [a, b, c], sticky = 90s, on = timeout, connection)"
    );
    assert_eq!((info.max_calls, info.worst_case), (4, Some(8 * SECOND)));
}

#[test]
fn each_failover_emits_an_event_and_is_counted() {
    let world = testing::isolate();
    borrowed("a", "ab", &Mutex::default()).unwrap();
    borrowed("b", "b", &Mutex::default()).unwrap();
    let lines: Vec<_> = world.events().iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "failover::borrowed: failed over to b: timeout, medium",
            "failover::borrowed: failed over to c: timeout, medium",
            "failover::borrowed: failed over to c: timeout, medium",
        ]
    );
    let [_, Event::FailedOver { step, value, class, .. }, _] = &world.events()[..] else { panic!() };
    assert_eq!((*step, value.as_deref(), class.category), (2, Some("c"), Category::Timeout));
    let shown = point("failover::borrowed").unwrap().snapshot().policies[0].to_string();
    assert!(shown.starts_with("failover: failed_over 3, answered 2"), "{shown}");
    let failover = point("failover::borrowed").unwrap().failover().unwrap();
    assert_eq!(failover.snapshot().answered.into_iter().collect::<Vec<_>>(), [("c".to_owned(), 2)]);
}

#[test]
fn the_count_of_answers_includes_evicted_values() {
    let _world = testing::isolate();
    let pods = Arc::new(Failover::new("pods"));
    Point::register(&pods);
    for n in 0..1_500 {
        let call = |pod: &String| if pod == "down" { fails(Category::Timeout, pod) } else { Ok(()) };
        pods.call(&"down".to_owned(), &[format!("pod {n}")], call).unwrap();
    }
    let shown = point("pods").unwrap().snapshot().policies[0].to_string();
    assert!(shown.starts_with("failover: failed_over 1500, answered 1500"), "{shown}");
    assert_eq!(pods.snapshot().answered.len(), 1_024, "the values that answered last");
}

#[test]
fn answers_of_other_values_are_cached_only_with_degraded() {
    #[cached(key = value)]
    #[failover(value = ["a", "b"])]
    fn plain(value: &str, seen: &Mutex<String>) -> Result<String, Fails> {
        ask(value, "a", seen)
    }
    #[cached(key = value, degraded)]
    #[failover(value = ["a", "b"])]
    fn kept(value: &str, seen: &Mutex<String>) -> Result<String, Fails> {
        ask(value, "a", seen)
    }
    let _world = testing::isolate();
    let seen = Mutex::default();
    assert_eq!((plain("a", &seen), plain("a", &seen)), (ok("b"), ok("b")));
    assert_eq!((plain("b", &seen), plain("b", &seen)), (ok("b"), ok("b")));
    assert_eq!(seen.into_inner().unwrap(), "ababb");
    let seen = Mutex::default();
    assert_eq!((kept("a", &seen), kept("a", &seen)), (ok("b"), ok("b")));
    assert_eq!(seen.into_inner().unwrap(), "ab");
}

#[tokio::test]
async fn a_failover_value_runs_sync_and_async_calls() {
    static BY_HAND: Failover = Failover::new("by hand").on(&[Category::Timeout]);
    let world = testing::isolate();
    let seen = Mutex::default();
    let list = ["a", "b", "c"];
    assert_eq!(BY_HAND.call(&"a", &list, |value| ask(value, "a", &seen)), ok("b"));
    assert_eq!(BY_HAND.call(&"x", &[], |value| ask(value, "x", &seen)), fails(Category::Timeout, "x"));
    let other = BY_HAND.call(&"a", &list, |value| fails::<()>(Category::Resource, value));
    assert_eq!(other, fails(Category::Resource, "a"));
    let answer = BY_HAND.call_async(&"b", &list, async |value| ask(value, "b", &seen)).await;
    assert_eq!((answer, world.events().len()), (ok("c"), 2));
    assert_eq!(seen.into_inner().unwrap(), "abxbc");
    let numbers = BY_HAND.call(&3, &[3, 4], |n| if *n == 3 { fails(Category::Timeout, n) } else { Ok(*n) });
    assert_eq!(numbers, Ok(4));
    let futures = async { BY_HAND.call_async(&"a", &["a"], async |value| ok(value)).await };
    assert_eq!(tokio::spawn(futures).await.unwrap(), ok("a"));
}

#[test]
fn the_call_with_the_next_value_lets_other_tasks_run_first() {
    #[failover(value = ["a", "b", "c"])]
    async fn borrowed(value: &str, seen: &Mutex<String>) -> Result<String, Fails> {
        ask(value, "abc", seen)
    }
    #[failover(value = ["a", "b", "c"])]
    async fn owned(value: String, seen: &Mutex<String>) -> Result<String, Fails> {
        ask(&value, "abc", seen)
    }
    static BY_HAND: Failover = Failover::new("by hand");
    let seen = &Mutex::<String>::default();
    type Call<'a> = Pin<Box<dyn Future<Output = Result<String, Fails>> + 'a>>;
    let all: [Call<'_>; 3] = [
        Box::pin(borrowed("a", seen)),
        Box::pin(owned("a".into(), seen)),
        Box::pin(BY_HAND.call_async(&"a", &["b", "c"], |value| std::future::ready(ask(value, "abc", seen)))),
    ];
    for mut call in all {
        seen.lock().unwrap().clear();
        let woken = Arc::new(Woken::default());
        let waker = woken.clone().into();
        let mut poll = || call.as_mut().poll(&mut Context::from_waker(&waker));
        for (asked, n) in [("a", 1), ("ab", 2)] {
            assert!(poll().is_pending());
            assert_eq!((&**seen.lock().unwrap(), woken.0.load(Ordering::Relaxed)), (asked, n));
        }
        assert!(poll().is_ready());
        assert_eq!(&**seen.lock().unwrap(), "abc");
    }
}
