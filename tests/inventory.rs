//! `points()`, `snapshot()` and `point(name)`: every annotated function, before its first call and after.

// Nothing of this crate is used: being named is enough for its points.
use resilience_rename as _;

use resilience::{
    CircuitBreaker, Point, PointInfo, Rejected, circuit_breaker, point, points, snapshot, testing, timeout,
    with_fallback, with_retry,
};
use std::sync::Arc;
use std::time::Duration;

/// Never called: the inventory knows it all the same.
#[allow(dead_code, reason = "it is here to be listed")]
#[with_fallback(value = 0)]
#[timeout(10s)]
#[with_retry(max = 3, on(rate_limited, max = 5))]
#[circuit_breaker(threshold = 7, recovery = 30s)]
#[timeout(2s)]
async fn never_called() -> Result<u32, Rejected> {
    Ok(1)
}

#[with_retry(max = 2, base = 10ms)]
fn retried() -> Option<u32> {
    None
}

#[with_retry(max = u32::MAX)]
fn endless() -> Option<u32> {
    Some(1)
}

mod inner {
    pub struct Client;

    impl Client {
        #[resilience::with_retry(max = 1)]
        pub fn fetch(&self) -> Option<u32> {
            Some(1)
        }

        #[resilience::with_retry(max = 2, name = "Client::named")]
        pub fn named(&self) -> Option<u32> {
            Some(1)
        }
    }

    pub struct Server;

    impl Server {
        #[resilience::with_retry(max = 5)]
        pub fn fetch(&self) -> Option<u32> {
            Some(1)
        }
    }
}

fn info(name: &str) -> PointInfo {
    points().into_iter().find(|point| *point.name == *name).unwrap_or_else(|| panic!("{name} is not listed"))
}

fn setting(info: &PointInfo, policy: usize, key: &str) -> String {
    let settings = &info.stack[policy].settings;
    settings
        .iter()
        .find(|setting| setting.name == key)
        .unwrap_or_else(|| panic!("no {key} in {settings:?}"))
        .value
        .to_string()
}

#[test]
fn a_function_is_listed_before_its_first_call() {
    let info = info("inventory::never_called");
    assert!(info.file.ends_with("tests/inventory.rs"), "{}", info.file);
    assert_eq!(info.line, line_of("#[with_fallback(value = 0)]"));
    let kinds: Vec<_> = info.stack.iter().map(|policy| policy.kind).collect();
    assert_eq!(kinds, ["with_fallback", "timeout", "with_retry", "circuit_breaker", "timeout"]);
    assert!(!info.ambiguous);
}

fn line_of(text: &str) -> u32 {
    let place = include_str!("inventory.rs").lines().position(|line| line.trim() == text).unwrap();
    u32::try_from(place).unwrap() + 1
}

#[test]
fn the_inventory_has_max_calls_and_the_worst_case() {
    let whole = info("inventory::never_called");
    assert_eq!(whole.max_calls, 1 + 3 + 5, "the counts of categories add up");
    assert_eq!(whole.worst_case, Some(Duration::from_secs(10)));
    assert_eq!(info("inventory::retried").max_calls, 3);
    assert_eq!(info("inventory::retried").worst_case, None, "nothing bounds an attempt");
    assert_eq!(info("inventory::endless").max_calls, 4_294_967_296);
    assert_eq!((retried(), endless()), (None, Some(1)));
}

#[test]
fn settings_are_effective_and_include_defaults() {
    let info = info("inventory::never_called");
    assert_eq!(setting(&info, 2, "max"), "3");
    assert_eq!(setting(&info, 2, "base"), "100ms");
    assert_eq!(setting(&info, 2, "cap"), "10s");
    assert_eq!(setting(&info, 2, "jitter"), "full");
    assert_eq!(setting(&info, 3, "threshold"), "7");
    assert_eq!(setting(&info, 3, "recovery"), "30s");
    assert_eq!(setting(&info, 3, "probes"), "1");
}

#[test]
fn the_settings_of_a_helper_thread_are_listed() {
    #[timeout(50ms, thread)]
    fn by_default() -> Option<u32> {
        Some(1)
    }
    #[timeout(50ms, thread, threads = 3, stack = 512KiB)]
    fn as_written() -> Option<u32> {
        Some(1)
    }
    assert_eq!((by_default(), as_written()), (Some(1), Some(1)));
    let own = |name: &str| {
        let settings = info(name).stack[0].settings.clone();
        settings.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    let name = "inventory::by_default";
    assert_eq!(own(name), "limit = 50ms, thread = true, threads = 16, stack = 8MiB");
    let name = "inventory::as_written";
    assert_eq!(own(name), "limit = 50ms, thread = true, threads = 3, stack = 512KiB");
    assert_eq!(setting(&info("inventory::never_called"), 1, "limit"), "10s");
    let keys = info("inventory::never_called").stack[1].settings.len();
    assert_eq!(keys, 1, "an async function has no helper thread");
}

#[test]
fn a_point_has_a_text_form() {
    let text = info("inventory::never_called").to_string();
    assert!(text.contains("inventory::never_called"), "{text}");
    assert!(text.contains("tests/inventory.rs:"), "{text}");
    assert!(text.contains("up to 9 calls"), "{text}");
    assert!(text.contains("threshold = 7"), "{text}");
}

#[test]
fn points_that_share_a_name_are_numbered_and_flagged() {
    let (first, second) = (info("inventory::inner::fetch"), info("inventory::inner::fetch#2"));
    assert!(first.line < second.line);
    assert_eq!((first.max_calls, second.max_calls), (2, 6));
    assert!(first.ambiguous && second.ambiguous);
    assert!(second.to_string().contains("write `name = "), "{second}");
    assert_eq!((inner::Client.fetch(), inner::Server.fetch()), (Some(1), Some(1)));
}

#[test]
fn a_point_can_be_named() {
    let named = info("Client::named");
    assert_eq!((named.max_calls, named.ambiguous), (3, false));
    assert!(point("inventory::inner::named").is_none(), "its path is not its name");
    assert_eq!(inner::Client.named(), Some(1));
}

#[test]
fn a_breaker_with_a_taken_name_is_numbered_and_flagged() {
    let _world = testing::isolate();
    let breaker = |threshold| Arc::new(CircuitBreaker::new("search").threshold(threshold));
    let (first, second) = (breaker(1), breaker(2));
    Point::register(&first);
    assert!(!info("search").ambiguous);
    Point::register(&second);
    let (one, two) = (info("search"), info("search#2"));
    assert!(one.ambiguous && two.ambiguous);
    assert!(two.to_string().contains("register it under another name"), "{two}");
    point("search#2").unwrap().breaker().unwrap().force_open();
    assert_eq!((first.state().as_str(), second.state().as_str()), ("closed", "forced_open"));
    assert_eq!(second.snapshot().name.to_string(), "search", "its own name is what events and errors say");

    drop(first);
    assert!(point("search").is_none());
    assert!(!info("search#2").ambiguous, "the number stays, what it told apart is gone");
    let third = breaker(3);
    Point::register(&third);
    assert_eq!(setting(&info("search"), 0, "threshold"), "3");
    assert!(info("search#2").ambiguous);
}

#[test]
fn a_breaker_and_a_function_with_one_name_are_flagged() {
    let _world = testing::isolate();
    let breaker = Arc::new(CircuitBreaker::new("Client::named"));
    Point::register(&breaker);
    Point::register(&breaker);
    assert!(info("Client::named").ambiguous && info("Client::named#2").ambiguous);
    assert_eq!(info("Client::named").max_calls, 3, "the function keeps its name");
    assert!(point("Client::named#3").is_none(), "a breaker joins once");
    drop(breaker);
    assert!(!info("Client::named").ambiguous);
}

#[test]
fn a_point_is_found_by_name() {
    let found = point("inventory::inner::fetch#2").unwrap();
    assert_eq!(&*found.name(), "inventory::inner::fetch#2");
    assert_eq!(found.info().max_calls, 6);
    assert!(point("inventory::nothing").is_none());
    assert!(point("").is_none());
}

#[test]
fn points_inside_functions_and_macros_are_listed() {
    macro_rules! made {
        ($name:ident) => {
            #[with_retry(max = 1)]
            fn $name() -> Option<u32> {
                Some(1)
            }
        };
    }
    made!(made_by_a_macro);
    assert_eq!(made_by_a_macro(), Some(1));
    assert!(points().iter().any(|point| point.name.ends_with("made_by_a_macro")));
}

/// Three functions at one line: only their place in the table tells them apart.
macro_rules! clients {
    ($($client:ident $max:literal)*) => {
        $(
            struct $client;

            impl $client {
                #[with_retry(max = $max, base = 0s, budget = none, name = "Clients::fetch")]
                fn fetch(&self) -> Option<u32> {
                    None
                }
            }
        )*
    };
}

clients!(A 11 B 12 C 13);

#[test]
fn points_of_one_macro_call_are_distinguished() {
    let _world = testing::isolate();
    let mut found: Vec<_> =
        points().into_iter().filter(|info| info.name.starts_with("Clients::fetch")).collect();
    let names: Vec<_> = found.iter().map(|info| info.name.to_string()).collect();
    assert_eq!(names, ["Clients::fetch", "Clients::fetch#2", "Clients::fetch#3"]);
    assert!(found.iter().all(|info| info.ambiguous), "{found:?}");
    let reached: Vec<_> = names.iter().map(|name| point(name).unwrap().info().max_calls).collect();
    assert_eq!(reached, found.iter().map(|info| info.max_calls).collect::<Vec<_>>());
    found.sort_by_key(|info| info.max_calls);
    assert_eq!(found.iter().map(|info| info.max_calls).collect::<Vec<_>>(), [12, 13, 14]);
    for (call, info) in [A.fetch(), B.fetch(), C.fetch()].into_iter().zip(&found) {
        assert_eq!(call, None);
        let retries = point(&info.name).unwrap().snapshot().policies[0].counters[0].1;
        assert_eq!(retries, info.max_calls - 1, "{}", info.name);
    }
}

#[test]
fn thousands_of_breakers_of_one_name_can_join_and_leave() {
    let _world = testing::isolate();
    let many: Vec<_> = (0..3_000).map(|_| Arc::new(CircuitBreaker::new("tenant"))).collect();
    many.iter().for_each(Point::register);
    assert!(point("tenant").is_some() && point("tenant#3000").is_some() && point("tenant#3001").is_none());
    let listed =
        |points: Vec<PointInfo>| points.iter().filter(|info| info.name.starts_with("tenant")).count();
    assert_eq!(listed(points()), 3_000);
    drop(many);
    assert_eq!(listed(points()), 0);
    let again = Arc::new(CircuitBreaker::new("tenant"));
    Point::register(&again);
    assert!(point("tenant").is_some() && !info("tenant").ambiguous);
}

#[test]
fn a_generic_function_is_one_point() {
    #[with_retry(max = 1)]
    fn generic_point<T>(value: Option<T>) -> Option<T>
    where
        T: Copy,
    {
        value
    }
    assert_eq!((generic_point(Some(1)), generic_point(Some("a"))), (Some(1), Some("a")));
    assert_eq!(points().iter().filter(|point| point.name.contains("generic_point")).count(), 1);
}

#[test]
fn names_are_unique_and_sorted() {
    let names: Vec<_> = points().iter().map(|point| point.name.to_string()).collect();
    let mut sorted = names.clone();
    sorted.sort();
    sorted.dedup();
    assert_eq!(names, sorted);
    let in_snapshot: Vec<_> = snapshot().points.iter().map(|point| point.name.to_string()).collect();
    assert_eq!(names, in_snapshot);
}

#[test]
fn events_and_rejections_carry_the_name() {
    #[circuit_breaker(threshold = 1, name = "Quotes::get")]
    fn get() -> Result<u32, Rejected> {
        refused()
    }
    fn refused() -> Result<u32, Rejected> {
        #[timeout(1ms, name = "Quotes::slow")]
        async fn slow() -> Result<u32, Rejected> {
            std::future::pending().await
        }
        futures::executor::block_on(slow())
    }
    let world = testing::isolate();
    assert_eq!(get().unwrap_err().point(), "Quotes::slow");
    assert_eq!(get().unwrap_err().point(), "Quotes::get");
    let names: Vec<_> = world.events().iter().map(|event| event.point().to_owned()).collect();
    assert!(names.iter().all(|name| name.starts_with("Quotes::")), "{names:?}");
}

#[test]
fn the_snapshot_counts_failures_and_omits_unknown_counts() {
    #[with_retry(max = 2, base = 0s, name = "snapshot of retries")]
    fn fails() -> Option<u32> {
        None
    }
    let _world = testing::isolate();
    let before = point("snapshot of retries").unwrap().snapshot();
    let calls = |snapshot: &resilience::PointSnapshot| {
        snapshot.calls.as_ref().map(|calls| (calls.total, calls.failed.clone(), calls.attempts))
    };
    // Without `ops` only what goes wrong is counted.
    let counted = |total, failed, attempts| cfg!(feature = "ops").then_some((total, failed, attempts));
    assert_eq!(calls(&before), counted(0, vec![], 0));
    assert!(before.policies[0].counters.iter().all(|(_, count)| *count == 0), "{before:?}");
    assert_eq!(fails(), None);
    let after = point("snapshot of retries").unwrap().snapshot();
    let retries = after.policies[0].counters.iter().find(|(name, _)| name.contains("retries"));
    assert_eq!(retries.map(|(_, count)| *count), Some(2), "{after:?}");
    assert_eq!(calls(&after), counted(1, vec![("unknown", 1)], 3));
}

#[tokio::test(start_paused = true)]
async fn the_counters_of_a_test_world_start_at_zero() {
    #[timeout(1s, name = "worlds::cut")]
    async fn cut() -> Result<u32, Rejected> {
        std::future::pending().await
    }
    #[with_fallback(value = 1)]
    #[with_retry(max = 1, base = 0s, name = "worlds::retried")]
    async fn retried() -> Option<u32> {
        None
    }
    #[resilience::checkpoint("part:{n}", name = "worlds::part")]
    async fn part(n: u32) -> Result<u32, Rejected> {
        Ok(n)
    }
    #[resilience::with_recovery(otherwise = skip)]
    #[resilience::job("whole:{n}", name = "worlds::whole")]
    async fn whole(n: u32) -> Result<u32, Rejected> {
        part(n).await?;
        part(n).await?;
        cut().await
    }
    let counted = |name| {
        let policies = point(name).unwrap().snapshot().policies.into_iter();
        policies.map(|policy| policy.counters.iter().map(|(_, count)| count).sum()).collect::<Vec<u64>>()
    };
    let names = ["worlds::cut", "worlds::retried", "worlds::part", "worlds::whole"];
    for _ in 0..2 {
        let _world = testing::isolate();
        for name in names {
            assert!(counted(name).iter().all(|count| *count == 0), "{name}: {:?}", counted(name));
        }
        assert_eq!(retried().await, Some(1));
        assert_eq!(whole(1).await.ok(), Some(0));
        for name in names {
            assert!(counted(name).iter().all(|count| *count > 0), "{name}: {:?}", counted(name));
        }
    }
}

#[test]
fn the_values_that_calls_pass_are_not_known_in_another_test_world() {
    #[with_retry(instance = retry, name = "worlds::retry")]
    fn retries(retry: &resilience::Retry) -> Option<u32> {
        Some(1)
    }
    #[circuit_breaker(instance = breaker, name = "worlds::breaker")]
    fn guarded(breaker: &CircuitBreaker) -> Result<u32, Rejected> {
        Ok(1)
    }
    let settings = |name| format!("{:?}", point(name).unwrap().info().stack);
    let unknown = {
        let _world = testing::isolate();
        ["worlds::retry", "worlds::breaker"].map(settings)
    };
    for n in 1..3 {
        let _world = testing::isolate();
        assert_eq!(["worlds::retry", "worlds::breaker"].map(settings), unknown);
        assert_eq!(retries(&resilience::Retry::new().max(n)), Some(1));
        assert_eq!(guarded(&CircuitBreaker::new("own").threshold(n)).ok(), Some(1));
        assert_ne!(settings("worlds::retry"), unknown[0]);
        assert_ne!(settings("worlds::breaker"), unknown[1]);
    }
}

#[test]
fn handles_are_found_by_name() {
    let never = point("inventory::never_called").unwrap();
    assert!(never.breaker().is_some() && never.budget().is_some());
    let retried = point("inventory::retried").unwrap();
    assert!(retried.breaker().is_none() && retried.budget().is_some());
    #[with_retry(budget = none, name = "without a budget")]
    fn free() -> Option<u32> {
        Some(1)
    }
    assert_eq!(free(), Some(1));
    assert!(point("without a budget").unwrap().budget().is_none());
}

#[test]
fn raw_identifiers_are_listed_without_the_prefix() {
    #[with_retry(max = 1)]
    fn r#match() -> Option<u32> {
        Some(1)
    }
    assert_eq!(r#match(), Some(1));
    let names: Vec<_> = points().iter().map(|point| point.name.to_string()).collect();
    assert!(names.iter().any(|name| name == "inventory::match"), "{names:?}");
}

#[test]
fn points_of_an_otherwise_unused_crate_are_listed() {
    let names: Vec<_> = points().iter().map(|point| point.name.to_string()).collect();
    for name in ["resilience_rename::renamed", "resilience_rename::through_a_framework"] {
        assert!(names.iter().any(|listed| listed == name), "{name} is not in {names:?}");
    }
}
