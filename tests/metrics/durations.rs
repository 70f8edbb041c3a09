//! Durations of the functions with `timed`.

use super::page::{now, series};
use resilience::testing::{World, isolate};
use resilience::{Rejected, circuit_breaker, metrics, timeout, with_retry};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

#[with_retry(max = 2, base = 2s, jitter = none, budget = none, timed, name = "metrics::timed")]
fn timed(world: &World, took: Duration, failures: &mut u32) -> io::Result<()> {
    world.advance(took);
    if *failures == 0 {
        return Ok(());
    }
    *failures -= 1;
    Err(ErrorKind::ConnectionReset.into())
}

/// The durations of one outcome: the buckets that are not like the one before, the sum and the number.
fn durations(metric: &str, name: &str, label: &str) -> (Vec<(String, f64)>, f64, f64) {
    let page = metrics::prometheus();
    let series = series(&page);
    let start = format!("resilience_{metric}_bucket{{name=\"{name}\",{label},le=\"");
    // In the order of the page, which is that of the bounds.
    let bound = |line: &str| Some(line.strip_prefix(&start)?.split('"').next()?.to_owned());
    let bounds: Vec<_> = page.lines().filter_map(bound).collect();
    let mut before = 0.0;
    let mut steps = Vec::new();
    for bound in &bounds {
        let count = series[&format!("{start}{bound}\"}}")];
        assert!(count >= before, "buckets are cumulative");
        if count > before {
            steps.push((bound.clone(), count));
        }
        before = count;
    }
    assert_eq!(bounds.last().map(String::as_str), Some("+Inf"));
    let at = |suffix: &str| series[&format!("resilience_{metric}_{suffix}{{name=\"{name}\",{label}}}")];
    assert_eq!(at("count"), before, "the number is that of the last bucket");
    (steps, at("sum"), at("count"))
}

#[test]
fn a_call_is_measured_with_its_waits_and_counted_by_its_outcome() {
    let world = isolate();
    timed(&world, Duration::from_millis(5), &mut 0).unwrap();
    timed(&world, Duration::from_millis(6), &mut 0).unwrap();
    timed(&world, Duration::from_millis(200), &mut 9).unwrap_err();
    let (steps, sum, count) = durations("call_duration_seconds", "metrics::timed", "outcome=\"success\"");
    assert_eq!(steps, [("0.005".to_owned(), 1.0), ("0.01".to_owned(), 2.0)]);
    assert_eq!((sum, count), (0.011, 2.0));
    let (steps, sum, _) = durations("call_duration_seconds", "metrics::timed", "outcome=\"error\"");
    // Three attempts of 200 ms, and waits of 2 s and 4 s.
    assert_eq!((steps, sum), (vec![("10".to_owned(), 1.0)], 6.6));
    let (steps, sum, count) = durations("retry_delay_seconds", "metrics::timed", "source=\"backoff\"");
    assert_eq!(steps, [("2.5".to_owned(), 1.0), ("5".to_owned(), 2.0)]);
    assert_eq!((sum, count), (6.0, 2.0));
    assert_eq!(now("retry_delay_seconds_count{name=\"metrics::timed\",source=\"retry_after\"}"), None);
}

#[test]
fn every_outcome_has_its_durations_and_as_many_as_there_are_calls() {
    #[circuit_breaker(threshold = 1, recovery = 1h, name = "metrics::ends")]
    #[timeout(1s, timed)]
    async fn ends(how: u32) -> Result<u32, io::Error> {
        match how {
            0 => Ok(0),
            1 => Err(ErrorKind::InvalidInput.into()),
            2 => panic!("on purpose"),
            _ => std::future::pending().await,
        }
    }
    let _world = isolate();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    for how in [0, 1, 2] {
        let _ = catch_unwind(AssertUnwindSafe(|| runtime.block_on(ends(how))));
    }
    runtime.block_on(async {
        let mut call = Box::pin(ends(3));
        tokio::select! {
            biased;
            _ = &mut call => unreachable!(),
            () = std::future::ready(()) => {}
        }
        drop(call);
        drop(ends(3));
        ends(4).await.unwrap_err();
        ends(5).await.unwrap_err();
    });
    let counted = |metric: &str| -> BTreeMap<String, f64> {
        let start = format!("resilience_{metric}{{name=\"metrics::ends\",outcome=\"");
        let all = series(&metrics::prometheus()).into_iter().filter(|(_, count)| *count > 0.0);
        all.filter_map(|(name, count)| Some((name.strip_prefix(&start)?.to_owned(), count))).collect()
    };
    let ends = counted("calls_total");
    assert_eq!(ends.len(), 6, "{ends:?}");
    assert!(ends.values().all(|count| *count == 1.0), "one of each: {ends:?}");
    assert_eq!(counted("call_duration_seconds_count"), ends);
}

#[test]
fn a_function_without_timed_has_none() {
    #[with_retry(max = 1, base = 0s, timed = false, name = "metrics::untimed")]
    fn untimed() -> Result<(), Rejected> {
        Ok(())
    }
    let _world = isolate();
    untimed().unwrap();
    assert_eq!(now("calls_total{name=\"metrics::untimed\",outcome=\"success\"}"), Some(1.0));
    assert!(!metrics::prometheus().contains("duration_seconds_count{name=\"metrics::untimed\""));
}
