//! A breaker for each key: how keys are written, seen and evicted.

use crate::guarded::{Failure, down};
use resilience::{CircuitBreakers, Event, Point, Rejected, State, circuit_breaker, point, testing};
use std::time::Duration;

const SECOND: Duration = Duration::from_secs(1);

fn failed() -> Result<u32, Failure> {
    Err(Failure::Own(down().into()))
}

fn rejected(outcome: Result<u32, Failure>) -> Option<Rejected> {
    match outcome {
        Err(Failure::Rejected(rejected @ Rejected::CircuitOpen { .. })) => Some(rejected),
        _ => None,
    }
}

fn keys(name: &str) -> Vec<String> {
    point(name).unwrap().keys().iter().map(|key| key.key().to_owned()).collect()
}

struct Client {
    tenant: &'static str,
}

impl Client {
    #[circuit_breaker(threshold = 1, key = "{self.tenant}/{host}", name = "Client::get")]
    fn get(&self, host: &str) -> Result<u32, Failure> {
        let _ = host;
        failed()
    }

    #[circuit_breaker(threshold = 1, key = "{{{host}}}:{port}", name = "Client::connect")]
    async fn connect(&self, host: String, port: u16) -> Result<u32, Failure> {
        drop((host, port));
        failed()
    }
}

#[test]
fn a_template_builds_a_key_from_several_values() {
    let _world = testing::isolate();
    let (acme, other) = (Client { tenant: "acme" }, Client { tenant: "other" });
    assert!(rejected(acme.get("a.example")).is_none());
    assert!(rejected(acme.get("b.example")).is_none(), "another host");
    assert!(rejected(other.get("a.example")).is_none(), "another tenant");
    assert!(rejected(other.get("a/b c")).is_none());
    let again = rejected(acme.get("a.example")).expect("the same");
    assert_eq!(again.key(), Some("acme/a.example"));
    assert_eq!(
        keys("Client::get"),
        ["acme/a.example", "acme/b.example", "other/a%2Fb%20c", "other/a.example"]
    );
    assert_eq!(point("Client::get").unwrap().key("acme/a.example").state(), Some(State::Open));
}

#[test]
fn a_template_may_contain_braces_in_an_async_function() {
    let _world = testing::isolate();
    let client = Client { tenant: "acme" };
    let connect = |host: &str, port| futures::executor::block_on(client.connect(host.to_owned(), port));
    assert!(rejected(connect("a", 80)).is_none());
    assert!(rejected(connect("a", 443)).is_none());
    assert_eq!(rejected(connect("a", 80)).unwrap().key(), Some("{a}:80"));
}

struct Resource {
    r#type: &'static str,
}

// A keyword is written as in `format!`, or as the raw name.
#[circuit_breaker(threshold = 1, key = "{type}:{resource.type}:{resource.r#type}", name = "keywords")]
fn keywords(r#type: u32, resource: &Resource) -> Result<u32, Failure> {
    let _ = (r#type, resource);
    failed()
}

#[test]
fn a_template_may_contain_raw_names() {
    let _world = testing::isolate();
    assert!(keywords(7, &Resource { r#type: "a" }).is_err());
    assert_eq!(keys("keywords"), ["7:a:a"]);
}

#[circuit_breaker(threshold = 2, recovery = 10s, key = host, name = "listed")]
fn listed(host: u32, fails: bool) -> Result<u32, Failure> {
    let _ = host;
    if fails { failed() } else { Ok(1) }
}

#[test]
fn keys_are_listed_with_their_state_and_have_rows_in_the_snapshot() {
    let world = testing::isolate();
    assert!(point("listed").unwrap().keys().is_empty());
    let _ = (listed(7, true), listed(7, true), listed(7, true), listed(3, false));
    let listed: Vec<_> = point("listed").unwrap().keys();
    let states: Vec<_> = listed.iter().map(|key| (key.key(), key.state().unwrap())).collect();
    assert_eq!(states, [("3", State::Closed), ("7", State::Open)]);
    assert_eq!(listed[1].to_string(), "7: open");
    assert_eq!(listed[1].breaker().unwrap().snapshot().retry_after, Some(10 * SECOND));

    world.advance(SECOND);
    let snapshot = resilience::snapshot();
    let row = snapshot.points.iter().find(|row| &*row.name == "listed").unwrap();
    let policy = &row.policies[0];
    assert_eq!(policy.state, None, "each key has its own");
    assert_eq!(
        policy.keys.iter().map(|row| (&*row.key, row.state)).collect::<Vec<_>>(),
        [("3", "closed"), ("7", "open")]
    );
    assert_eq!(policy.keys[1].retry_after, Some(9 * SECOND));
    assert!(policy.keys[1].counters.contains(&("rejected", 1)), "{policy:?}");
    assert!(policy.counters.contains(&("failures", 2)), "{policy:?}");
    assert!(snapshot.to_string().contains("7: open for 9s"), "{snapshot}");
    let plain = point("handled").unwrap();
    assert!(plain.keys().is_empty() && plain.snapshot().policies[0].keys.is_empty());
}

#[test]
fn the_key_is_carried_by_events_but_not_shown_in_messages() {
    #[circuit_breaker(threshold = 1, recovery = 1s, key = host)]
    fn quiet(host: &str) -> Result<u32, Failure> {
        let _ = host;
        failed()
    }
    #[circuit_breaker(threshold = 1, key = host, key_label)]
    fn shown(host: &str) -> Result<u32, Failure> {
        let _ = host;
        failed()
    }
    let world = testing::isolate();
    let _ = (quiet("a.example"), shown("b.example"));
    let refused = rejected(quiet("a.example")).unwrap();
    assert_eq!((refused.key(), refused.to_string().contains("a.example")), (Some("a.example"), false));
    let text = rejected(shown("b.example")).unwrap().to_string();
    assert!(text.contains("`b.example`") && text.contains("::shown` (key"), "{text}");
    world.advance(SECOND);
    let _ = quiet("a.example");
    let carried =
        world.events().into_iter().filter(|event| event.point().ends_with("quiet")).map(
            |event| match event {
                Event::Opened { key, .. }
                | Event::Rejected { key, .. }
                | Event::HalfOpened { key, .. }
                | Event::Closed { key, .. } => key.map(|key| key.to_string()),
                other => panic!("{other:?}"),
            },
        );
    assert_eq!(carried.collect::<Vec<_>>(), vec![Some("a.example".to_owned()); 4]);
}

#[test]
fn dead_hosts_do_not_block_live_ones() {
    #[circuit_breaker(threshold = 3, recovery = 50ms, key = host, name = "crawler")]
    fn crawl(host: u32) -> Result<u32, Failure> {
        let _ = host;
        failed()
    }
    let world = testing::isolate();
    for dead in 0..1024 {
        (0..3).for_each(|_| drop(crawl(dead)));
    }
    world.advance(SECOND);
    let refused = (0..200).filter(|n| rejected(crawl(10_000 + n % 2)).is_some()).count();
    assert_eq!(refused, 200 - 6, "each live host fails three times, then its breaker is open");
    assert_eq!(keys("crawler").len(), 1024);
}

#[test]
fn open_and_half_open_breakers_are_evicted_last() {
    #[circuit_breaker(threshold = 1, recovery = 10s, key = key, max_keys = 3, name = "three keys")]
    fn call(key: &str, fails: bool) -> Result<u32, Failure> {
        let _ = key;
        if fails { failed() } else { Ok(1) }
    }
    let world = testing::isolate();
    let breaker = |key: &str| point("three keys").unwrap().key(key).breaker();
    let _ = (call("open", true), call("a", false), call("b", false), call("c", false));
    assert_eq!(keys("three keys"), ["b", "c", "open"], "an idle one goes before the open one");
    world.advance(10 * SECOND);
    let _ = call("d", false);
    assert_eq!(keys("three keys"), ["b", "c", "d"], "its time is over, and it is the oldest");

    let _ = call("b", true);
    world.advance(10 * SECOND);
    let (b, _) = (breaker("b").unwrap(), (call("c", false), call("d", false)));
    let probe = b.acquire().unwrap();
    assert_eq!(b.state(), State::HalfOpen);
    let _ = (call("e", false), call("f", false));
    assert_eq!(keys("three keys"), ["b", "e", "f"], "a probe is running");
    world.advance(10 * SECOND);
    let _ = call("g", false);
    assert_eq!(keys("three keys"), ["e", "f", "g"], "a probe that does not report protects no longer");
    drop(probe);

    for key in ["e", "f", "g"] {
        breaker(key).unwrap().reset();
        let _ = call(key, true);
    }
    world.advance(10 * SECOND);
    let probes = ["e", "f", "g"].map(|key| breaker(key).unwrap().acquire_owned().unwrap());
    let _ = (call("h", false), call("i", true), call("i", true));
    assert_eq!(keys("three keys"), ["(overflow)", "e", "f", "g"], "each has a probe, which no new key ends");
    for probe in probes {
        probe.success();
    }
    let _ = call("h", false);
    assert!(keys("three keys").contains(&"h".to_owned()), "one of the three has gone");
    let _ = call("e", false);

    breaker("e").unwrap().force_open();
    let _ = (call("h", false), call("i", false));
    assert_eq!(keys("three keys"), ["(overflow)", "e", "h", "i"], "a state set by an operator is kept");
}

#[test]
fn counts_of_evicted_keys_and_running_calls_are_kept() {
    #[circuit_breaker(threshold = 1, key = key, max_keys = 1, name = "one key")]
    fn call(key: &str, fails: bool) -> Result<u32, Failure> {
        let _ = key;
        if fails { failed() } else { Ok(1) }
    }
    let _world = testing::isolate();
    let count = |what: &str| {
        let counters = point("one key").unwrap().snapshot().policies[0].counters.clone();
        counters.iter().find(|(name, _)| *name == what).unwrap().1
    };
    let _ = call("a", false);
    let running = point("one key").unwrap().key("a").breaker().unwrap();
    let permits = [running.clone().acquire_owned().unwrap(), running.clone().acquire_owned().unwrap()];
    let _ = (call("b", true), call("b", true));
    assert_eq!(keys("one key"), ["b"]);
    let [failing, dropped] = permits;
    failing.failure(&Failure::Own(down().into()));
    drop((dropped, running));
    assert_eq!(["failures", "opened", "cancelled", "rejected"].map(count), [2, 2, 1, 1]);
}

static HOSTS: CircuitBreakers =
    CircuitBreakers::new().name("hosts").threshold(2).recovery(Duration::from_secs(5)).max_keys(2);

struct Shared {
    host: String,
}

impl Shared {
    #[circuit_breaker(instance = HOSTS.get(&self.host))]
    fn get(&self) -> Result<u32, Failure> {
        failed()
    }

    #[circuit_breaker(instance = HOSTS.get(&self.host))]
    async fn put(&self) -> Result<u32, Failure> {
        std::future::ready(()).await;
        failed()
    }

    #[circuit_breaker(instance = HOSTS.get(self.host.as_str()))]
    fn list(&self) -> Result<u32, Failure> {
        Ok(1)
    }
}

#[tokio::test]
async fn a_set_is_shared_by_several_functions() {
    let world = testing::isolate();
    let client = Shared { host: "a.example".to_owned() };
    let _ = client.get();
    let _ = client.put().await;
    let refused = rejected(client.list()).expect("two failures of two methods");
    assert_eq!(
        (refused.point(), refused.key(), refused.retry_after()),
        ("hosts", Some("a.example"), Some(5 * SECOND))
    );
    assert_eq!(Shared { host: "b.example".to_owned() }.list(), Ok(1));
    assert_eq!(HOSTS.keys(), ["a.example", "b.example"]);
    assert_eq!(HOSTS.get("c").state(), State::Closed);
    assert_eq!(HOSTS.keys(), ["a.example", "c"], "the bound holds, and the open one stays");
    let snapshot = HOSTS.snapshot();
    assert_eq!(
        (&*snapshot[0].name, snapshot[0].key.as_deref(), snapshot[0].state),
        ("hosts", Some("a.example"), State::Open)
    );

    assert!(point("hosts").is_none());
    Point::register_set(&HOSTS);
    Point::register_set(&HOSTS);
    let joined = point("hosts").unwrap();
    assert_eq!(
        joined.keys().iter().map(ToString::to_string).collect::<Vec<_>>(),
        ["a.example: open", "c: closed"]
    );
    assert!(joined.info().stack[0].to_string().contains("max_keys = 2"), "{joined}");
    assert_eq!(joined.snapshot().policies[0].keys.len(), 2);
    assert!(point("hosts#2").is_none(), "it joined once");
    joined.key("a.example").breaker().unwrap().reset();
    assert_eq!(client.list(), Ok(1));
    drop(world);
    let _world = testing::isolate();
    assert!(HOSTS.keys().is_empty() && point("hosts").is_none(), "a world has state of its own");
}

/// How many keys come; `KEYS=1000000` asks for a million.
fn many() -> u32 {
    std::env::var("KEYS").map_or(20_000, |keys| keys.parse().expect("a number of keys"))
}

#[circuit_breaker(threshold = 1, recovery = 10s, key = host, max_keys = 4, name = "many")]
fn flooded(host: u32, fails: bool) -> Result<u32, Failure> {
    if fails { failed() } else { Ok(host) }
}

#[test]
fn an_open_breaker_stays_open_among_many_keys() {
    let _world = testing::isolate();
    assert!(rejected(flooded(0, true)).is_none());
    for host in 1..=many() {
        assert!(matches!(flooded(host, false), Ok(found) if found == host));
    }
    assert!(rejected(flooded(0, false)).is_some());
    assert_eq!(keys("many").len(), 4);
}
