//! The page of metrics: what it says, and that a reader of the format accepts it under load; needs the feature `ops`.

#![cfg(feature = "ops")]

#[path = "metrics/bridge.rs"]
mod bridge;
#[path = "metrics/durations.rs"]
mod durations;
#[path = "metrics/keys.rs"]
mod keys;
#[path = "metrics/load.rs"]
mod load;
#[path = "metrics/many.rs"]
mod many;
#[path = "metrics/page.rs"]
mod page;
#[path = "metrics/policies.rs"]
mod policies;
#[path = "metrics/program.rs"]
mod program;
mod shared;

use page::series;
use resilience::testing::isolate;
use resilience::{carry_fn, circuit_breaker, metrics, point, with_fallback, with_retry};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

#[with_fallback(value = 0, name = "metrics: \"a\\b\nc\"")]
#[with_retry(max = 1, base = 0s, budget = none)]
#[circuit_breaker(threshold = 3)]
fn hostile_name(fails: bool) -> io::Result<u32> {
    if fails { Err(ErrorKind::ConnectionReset.into()) } else { Ok(1) }
}

#[with_retry(max = 2, base = 0s, budget = none, name = "metrics::load")]
#[circuit_breaker(threshold = 1_000_000)]
fn under_load(n: u64) -> io::Result<u64> {
    match n % 5 {
        0 => Err(ErrorKind::TimedOut.into()),
        1 => Err(ErrorKind::InvalidInput.into()),
        _ => Ok(n),
    }
}

const ESCAPED: &str = r#"name="metrics: \"a\\b\nc\"""#;

#[test]
fn a_page_has_every_series_with_its_name_escaped() {
    let _world = isolate();
    let at = |series: &BTreeMap<String, f64>, metric: &str, labels: &str| {
        series.get(&format!("resilience_{metric}{{{ESCAPED}{labels}}}")).copied()
    };
    let before = series(&metrics::prometheus());
    assert_eq!(at(&before, "calls_total", ",outcome=\"success\""), Some(0.0));
    assert_eq!(at(&before, "calls_total", ",outcome=\"error\""), Some(0.0));
    assert_eq!(at(&before, "calls_total", ",outcome=\"timeout\""), None, "never counted");
    assert_eq!(at(&before, "fallbacks_total", ",result=\"answered\",step=\"1\""), None, "never counted");
    assert_eq!(at(&before, "degraded", ""), Some(0.0));
    assert_eq!(hostile_name(false).unwrap(), 1);
    assert_eq!((hostile_name(true).unwrap(), hostile_name(true).unwrap()), (0, 0));
    let after = series(&metrics::prometheus());
    assert_eq!(at(&after, "calls_total", ",outcome=\"success\""), Some(3.0), "what the caller got");
    assert_eq!(at(&after, "attempts_total", ",category=\"connection\",handled=\"true\""), Some(2.0));
    assert_eq!(at(&after, "attempts_total", ",category=\"none\",handled=\"false\""), Some(3.0));
    assert_eq!(at(&after, "retry_amplification", ""), Some(5.0 / 3.0));
    assert_eq!(at(&after, "fallbacks_total", ",result=\"answered\",step=\"1\""), Some(2.0));
    assert_eq!(at(&after, "degraded", ""), Some(1.0));
    assert_eq!(at(&after, "breaker_opened_total", ""), Some(1.0));
    let state = |series: &_, state: &str| at(series, "breaker_state", &format!(",state=\"{state}\""));
    assert_eq!((state(&after, "open"), state(&after, "closed")), (Some(1.0), Some(0.0)));
    point("metrics: \"a\\b\nc\"").unwrap().breaker().unwrap().reset();
    let reset = series(&metrics::prometheus());
    assert_eq!((state(&reset, "open"), state(&reset, "closed")), (Some(0.0), Some(1.0)));
    assert_eq!(at(&reset, "breaker_opened_total", ""), Some(1.0), "a reset touches no counter");
}

#[test]
fn retries_that_another_retry_repeats_are_counted() {
    #[with_retry(max = 2, base = 0s, name = "metrics::outer")]
    fn outer() -> io::Result<()> {
        inner()
    }
    #[with_retry(max = 2, base = 0s, name = "metrics::inner")]
    fn inner() -> io::Result<()> {
        Err(ErrorKind::TimedOut.into())
    }
    let _world = isolate();
    let nested = |name| {
        let page = series(&metrics::prometheus());
        page.get(&format!("resilience_nested_retries_total{{name=\"metrics::{name}\"}}")).copied()
    };
    inner().unwrap_err();
    assert_eq!(nested("inner"), None, "its own retries are no others'");
    outer().unwrap_err();
    assert_eq!((nested("outer"), nested("inner")), (None, Some(4.0)));
}

/// What promtool says of `page`; `None` where it is not installed.
fn promtool(page: &str) -> Option<String> {
    let mut tool = Command::new("promtool");
    tool.args(["check", "metrics"]).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut tool = match tool.spawn() {
        Ok(tool) => tool,
        Err(error) if error.kind() == ErrorKind::NotFound => return None,
        Err(error) => panic!("{error}"),
    };
    tool.stdin.take().expect("a pipe").write_all(page.as_bytes()).expect("a reader");
    let output = tool.wait_with_output().expect("its output");
    Some(format!("{}{}", output.status, String::from_utf8_lossy(&output.stderr)))
}

#[test]
fn pages_under_load_are_complete_and_never_decrease() {
    let _world = isolate();
    let is_over = AtomicBool::new(false);
    let pages = thread::scope(|scope| {
        for _ in 0..2 {
            let work = carry_fn(|| (0..5_000).for_each(|n| drop(under_load(n))));
            scope.spawn(work);
        }
        let scrape = carry_fn(|| {
            let mut pages = vec![metrics::prometheus()];
            while !is_over.load(Ordering::Relaxed) && pages.len() < 50 {
                pages.push(metrics::prometheus());
            }
            pages
        });
        let pages = scope.spawn(scrape).join().expect("pages");
        is_over.store(true, Ordering::Relaxed);
        pages
    });
    let mut last = BTreeMap::new();
    for page in pages.iter().chain([&metrics::prometheus()]) {
        let now = series(page);
        let sum = |start: &str| -> f64 {
            now.iter().filter(|(name, _)| name.starts_with(start)).map(|(_, value)| value).sum()
        };
        let calls = sum("resilience_calls_total{name=\"metrics::load\"");
        let is_last = |(name, _): &(&String, _)| {
            name.starts_with("resilience_attempts_total{name=\"metrics::load\"")
                && name.ends_with("\"false\"}")
        };
        assert_eq!(calls, now.iter().filter(is_last).map(|(_, value)| value).sum::<f64>());
        for (name, value) in last.iter().filter(|(name, _): &(&String, _)| name.contains("_total{")) {
            assert!(now.get(name).is_some_and(|now| now >= value), "{name} fell from {value}");
        }
        last = now;
    }
    assert_eq!(last["resilience_calls_total{name=\"metrics::load\",outcome=\"success\"}"], 6_000.0);
    assert_eq!(last["resilience_calls_total{name=\"metrics::load\",outcome=\"timeout\"}"], 2_000.0);
    let retried = "resilience_attempts_total{name=\"metrics::load\",category=\"timeout\",handled=\"true\"}";
    assert_eq!(last[retried], 4_000.0);
    match promtool(pages.last().expect("a page")) {
        Some(said) => assert!(said.starts_with("exit status: 0"), "{said}"),
        None => eprintln!("SKIPPED: `promtool` is not installed (Debian package `prometheus`)"),
    }
}
