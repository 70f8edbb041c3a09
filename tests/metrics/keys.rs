//! Keys as labels: who gets one, and what evictions leave.

use super::page::{now, series};
use resilience::testing::isolate;
use resilience::{bulkhead, circuit_breaker, metrics, rate_limit};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};

#[circuit_breaker(threshold = 1_000, key = host, key_label, max_keys = 40, name = "metrics::hosts")]
fn hosts(host: &str) -> io::Result<()> {
    let _ = host;
    Err(ErrorKind::ConnectionReset.into())
}

/// The failures on the page, by key.
fn failures() -> BTreeMap<String, f64> {
    let all = series(&metrics::prometheus()).into_iter();
    let key = |series: &str| {
        let rest = series.strip_prefix("resilience_breaker_calls_total{name=\"metrics::hosts\",key=\"")?;
        rest.strip_suffix("\",result=\"failure\"}").map(str::to_owned)
    };
    all.filter_map(|(name, value)| Some((key(&name)?, value))).collect()
}

fn call(host: &str, times: usize) {
    (0..times).for_each(|_| drop(hosts(host)));
}

fn expect<const N: usize>(rows: [(&str, f64); N]) {
    let rows = rows.map(|(key, count)| (key.to_owned(), count)).into();
    assert_eq!(failures(), rows);
}

#[test]
fn a_key_gets_its_label_at_the_20th_call_and_keeps_it() {
    let _world = isolate();
    expect([]);
    call("a", 19);
    expect([("_other", 19.0)]);
    call("a", 2);
    expect([("_other", 19.0), ("a", 2.0)]);
    call("b", 3);
    expect([("_other", 22.0), ("a", 2.0)]);
    // Evicted, it counts anew: what a page has shown stays, and the sum is that of all calls.
    call("a", 5);
    (0..40).for_each(|n| call(&format!("new {n}"), 1));
    assert_eq!(now("breaker_keys{name=\"metrics::hosts\"}"), Some(40.0));
    assert_eq!(now("breaker_keys_evicted_total{name=\"metrics::hosts\"}"), Some(2.0));
    expect([("_other", 67.0), ("a", 2.0)]);
    call("a", 1);
    expect([("_other", 67.0), ("a", 3.0)]);
}

#[test]
fn a_key_that_cannot_be_a_label_counts_in_other() {
    let _world = isolate();
    call("_other", 30);
    call(&"long".repeat(257), 30);
    call("a", 30);
    expect([("_other", 60.0), ("a", 30.0)]);
    assert_eq!(now("breaker_series_overflow_total{name=\"metrics::hosts\"}"), Some(2.0));
}

#[test]
fn the_first_page_has_the_earlier_counts_of_each_key() {
    let _world = isolate();
    call("a", 30);
    call("b", 5);
    expect([("_other", 5.0), ("a", 30.0)]);
}

#[test]
fn a_hundred_keys_have_labels_and_the_rest_share_one() {
    let _world = isolate();
    for n in 0..130 {
        call(&format!("host {n:03}"), 25);
        // A key that is evicted between two pages counts in `_other`.
        metrics::prometheus();
    }
    let rows = failures();
    assert_eq!(rows.len(), 101);
    assert!(rows.contains_key("host 099") && !rows.contains_key("host 100"), "the first to have 20 calls");
    assert_eq!(rows.values().sum::<f64>(), 130.0 * 25.0);
    assert_eq!(now("breaker_series_overflow_total{name=\"metrics::hosts\"}"), Some(30.0));
    call("host 120", 100);
    assert_eq!(failures().len(), 101);
    let states = series(&metrics::prometheus()).into_keys();
    let is_state = |name: &String| name.starts_with("resilience_breaker_state{name=\"metrics::hosts\"");
    assert_eq!(
        states.filter(is_state).count(),
        600,
        "six for each key with a label, and none for the others"
    );
}

#[test]
fn the_state_of_a_key_is_shown_and_an_evicted_one_is_closed() {
    #[circuit_breaker(threshold = 30, key = host, key_label, max_keys = 3, name = "metrics::states")]
    fn states(host: &str) -> io::Result<()> {
        hosts(host)
    }
    let world = isolate();
    let state = |state: &str| {
        now(&format!("breaker_state{{name=\"metrics::states\",key=\"x\\\"\\n\",state=\"{state}\"}}"))
    };
    (0..30).for_each(|_| drop(states("x\"\n")));
    assert_eq!((state("open"), state("closed")), (Some(1.0), Some(0.0)));
    world.advance(std::time::Duration::from_secs(3_600));
    (0..10).for_each(|n| drop(states(&n.to_string())));
    assert_eq!((state("open"), state("closed")), (Some(0.0), Some(1.0)));
}

#[test]
fn no_key_is_shown_without_key_label() {
    #[circuit_breaker(threshold = 1_000, key = host, name = "metrics::secret")]
    fn secret(host: &str) -> io::Result<()> {
        hosts(host)
    }
    let _world = isolate();
    (0..30).for_each(|_| drop(secret("canary")));
    let page = metrics::prometheus();
    let own: Vec<_> = page.lines().filter(|line| line.contains("metrics::secret")).collect();
    assert!(own.iter().all(|line| !line.contains("key=")), "{own:?}");
    assert_eq!(now("breaker_calls_total{name=\"metrics::secret\",result=\"failure\"}"), Some(30.0));
}

#[test]
fn keyed_bulkheads_and_rate_limits_have_labels() {
    #[bulkhead(1, key = host, key_label, name = "metrics::slots")]
    fn slots(host: &str, depth: u32) -> Result<(), resilience::Rejected> {
        if depth > 0 {
            let _ = slots(host, depth - 1);
            assert_eq!(
                now("bulkhead_in_use{name=\"metrics::slots\",key=\"a\"}"),
                (host == "a").then_some(1.0)
            );
        }
        Ok(())
    }
    #[rate_limit(1, per = 1h, key = host, key_label, name = "metrics::rate")]
    fn rate(host: &str) -> Result<(), resilience::Rejected> {
        let _ = host;
        Ok(())
    }
    let _world = isolate();
    slots("b", 1).unwrap();
    (0..20).for_each(|_| drop(slots("a", 0)));
    slots("a", 1).unwrap();
    assert_eq!(now("bulkhead_rejected_total{name=\"metrics::slots\",key=\"a\"}"), Some(1.0));
    assert_eq!(now("bulkhead_rejected_total{name=\"metrics::slots\",key=\"_other\"}"), Some(1.0));
    assert_eq!(now("bulkhead_in_use{name=\"metrics::slots\",key=\"_other\"}"), Some(0.0));
    (0..25).for_each(|_| drop(rate("c")));
    assert_eq!(now("ratelimit_rejected_total{name=\"metrics::rate\",key=\"c\"}"), Some(24.0));
}
