//! Durations of the functions with `timed`.

use super::page::{now, series};
use resilience::testing::{World, isolate};
use resilience::{Event, Rejected, bulkhead, circuit_breaker, metrics, rate_limit, timeout, with_retry};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::{Context, Poll, Waker};
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
    let comma = if label.is_empty() { "" } else { "," };
    let start = format!("resilience_{metric}_bucket{{name=\"{name}\"{comma}{label},le=\"");
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
    let at = |suffix: &str| series[&format!("resilience_{metric}_{suffix}{{name=\"{name}\"{comma}{label}}}")];
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
fn every_outcome_has_one_duration_per_call() {
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
fn a_function_without_timed_has_no_durations() {
    #[with_retry(max = 1, base = 0s, timed = false, name = "metrics::untimed")]
    fn untimed() -> Result<(), Rejected> {
        Ok(())
    }
    let _world = isolate();
    untimed().unwrap();
    assert_eq!(now("calls_total{name=\"metrics::untimed\",outcome=\"success\"}"), Some(1.0));
    assert!(!metrics::prometheus().contains("duration_seconds_count{name=\"metrics::untimed\""));
}

/// How many attempts a function has made, by whether a retry followed.
fn attempts(name: &str) -> [f64; 2] {
    let page = series(&metrics::prometheus());
    ["false", "true"].map(|handled| {
        let is_such = |series: &str| {
            series.starts_with(&format!("resilience_attempts_total{{name=\"{name}\","))
                && series.contains(handled)
        };
        page.iter().filter(|(series, _)| is_such(series)).map(|(_, count)| count).sum()
    })
}

/// How many were measured, and how long they took together.
fn measured(name: &str) -> [Option<(f64, f64)>; 2] {
    ["false", "true"].map(|handled| {
        let at = |part: &str| {
            now(&format!("attempt_duration_seconds_{part}{{name=\"{name}\",handled=\"{handled}\"}}"))
        };
        Some((at("count")?, at("sum")?))
    })
}

#[test]
fn attempt_durations_exclude_waits_and_hooks() {
    #[with_retry(max = 2, base = 2s, jitter = none, budget = none, on_give_up = passes_ten_seconds,
        name = "metrics::attempts", timed)]
    fn attempted(world: &World, took: Duration, failures: &mut u32) -> io::Result<()> {
        timed_body(world, took, failures)
    }
    let world = isolate();
    attempted(&world, Duration::from_millis(7), &mut 0).unwrap();
    assert_eq!(measured("metrics::attempts"), [Some((1.0, 0.007)), None]);
    attempted(&world, Duration::from_millis(300), &mut 1).unwrap();
    attempted(&world, Duration::from_millis(200), &mut 9).unwrap_err();
    let (steps, sum, count) = durations("attempt_duration_seconds", "metrics::attempts", "handled=\"true\"");
    assert_eq!(steps, [("0.25".to_owned(), 2.0), ("0.5".to_owned(), 3.0)]);
    assert_eq!((sum, count), (0.7, 3.0));
    let (steps, sum, count) = durations("attempt_duration_seconds", "metrics::attempts", "handled=\"false\"");
    assert_eq!(steps, [("0.01".to_owned(), 1.0), ("0.25".to_owned(), 2.0), ("0.5".to_owned(), 3.0)]);
    assert_eq!((sum, count), (0.507, 3.0));
    assert_eq!(attempts("metrics::attempts"), [3.0, 3.0]);
    let panics = catch_unwind(AssertUnwindSafe(|| attempted(&world, Duration::from_secs(2), &mut 77)));
    assert!(panics.is_err());
    assert_eq!(measured("metrics::attempts")[0], Some((4.0, 2.507)), "an attempt that panicked");
    assert_eq!(attempts("metrics::attempts"), [4.0, 3.0]);
}

fn passes_ten_seconds(_: &Event) {
    #[with_retry(max = 1, base = 10s, jitter = none, budget = none)]
    fn waits() -> io::Result<()> {
        Err(ErrorKind::ConnectionReset.into())
    }
    waits().unwrap_err();
}

fn timed_body(world: &World, took: Duration, failures: &mut u32) -> io::Result<()> {
    world.advance(took);
    assert_ne!(*failures, 77, "on purpose");
    if *failures == 0 {
        return Ok(());
    }
    *failures -= 1;
    Err(ErrorKind::ConnectionReset.into())
}

#[test]
fn attempts_of_dropped_calls_are_measured() {
    #[with_retry(max = 2, base = 10s, jitter = none, budget = none, timed, name = "metrics::dropped")]
    async fn dropped(ends: bool) -> io::Result<()> {
        tokio::time::sleep(Duration::from_millis(400)).await;
        if ends { Err(ErrorKind::ConnectionReset.into()) } else { std::future::pending().await }
    }
    let _world = isolate();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    for (ends, seconds, expected, sum) in
        [(false, 3, [1.0, 0.0], 3.0), (true, 5, [2.0, 0.0], 3.4), (true, 12, [3.0, 1.0], 3.8)]
    {
        let limit = Duration::from_secs(seconds);
        runtime.block_on(async { tokio::time::timeout(limit, dropped(ends)).await }).unwrap_err();
        assert_eq!(attempts("metrics::dropped"), expected);
        let [last, handled] = measured("metrics::dropped");
        assert_eq!(last, Some((expected[0], sum)));
        assert_eq!(handled.map_or(0.0, |(count, _)| count), expected[1]);
    }
}

#[test]
fn rejections_above_a_retry_are_not_measured_as_attempts() {
    #[circuit_breaker(threshold = 1, timed, name = "metrics::above")]
    #[with_retry(max = 1, base = 0s, budget = none)]
    fn above(world: &World) -> io::Result<()> {
        world.advance(Duration::from_millis(10));
        Err(ErrorKind::ConnectionReset.into())
    }
    let world = isolate();
    above(&world).unwrap_err();
    above(&world).unwrap_err();
    assert_eq!(attempts("metrics::above"), [2.0, 1.0], "the refusal is the one attempt of its call");
    assert_eq!(measured("metrics::above"), [Some((1.0, 0.01)), Some((1.0, 0.01))]);
}

#[test]
fn attempts_on_other_threads_and_of_instances_are_measured() {
    static OWNED: resilience::Retry = resilience::Retry::new().max(1).base(Duration::ZERO);
    #[with_retry(max = 1, base = 0s, budget = none, timed, name = "metrics::threads")]
    #[timeout(60s, thread)]
    fn threads() -> io::Result<()> {
        Err(ErrorKind::ConnectionReset.into())
    }
    #[timeout(60s, thread)]
    #[with_retry(instance = OWNED, timed, name = "metrics::on_thread")]
    fn on_thread() -> io::Result<()> {
        Err(ErrorKind::ConnectionReset.into())
    }
    #[with_retry(max = 1, base = 0s, throttle = 2.0, timed, name = "metrics::throttled")]
    #[timeout(60s)]
    async fn throttled() -> io::Result<()> {
        Err(ErrorKind::ConnectionReset.into())
    }
    let _world = isolate();
    threads().unwrap_err();
    on_thread().unwrap_err();
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap()
        .block_on(throttled())
        .unwrap_err();
    for name in ["metrics::threads", "metrics::on_thread", "metrics::throttled"] {
        assert_eq!(attempts(name), [1.0, 1.0], "{name}");
        assert_eq!(measured(name).map(|all| all.map(|(count, _)| count)), [Some(1.0), Some(1.0)], "{name}");
    }
}

#[test]
fn waits_for_a_slot_are_measured_for_admitted_calls() {
    #[bulkhead(1, wait = 5s, queue = 4, timed, name = "metrics::admitted_slots")]
    async fn slots(is_ready: &Cell<bool>) -> io::Result<()> {
        poll_fn(|_| if is_ready.get() { Poll::Ready(Ok(())) } else { Poll::Pending }).await
    }
    let world = isolate();
    let cx = &mut Context::from_waker(Waker::noop());
    let is_ready = Cell::new(false);
    let mut calls: Vec<_> = (0..4).map(|_| Box::pin(slots(&is_ready))).collect();
    assert!(calls.iter_mut().all(|call| call.as_mut().poll(cx).is_pending()));
    let waits = || durations("bulkhead_wait_seconds", "metrics::admitted_slots", "");
    assert_eq!(waits(), (vec![("0.005".to_owned(), 1.0)], 0.0, 1.0), "one was admitted at once");
    world.advance(Duration::from_secs(2));
    drop(calls.pop());
    drop(calls.remove(0));
    assert!(calls[0].as_mut().poll(cx).is_pending());
    assert_eq!(waits(), (vec![("0.005".to_owned(), 1.0), ("2.5".to_owned(), 2.0)], 2.0, 2.0));
    world.advance(Duration::from_secs(3));
    assert!(calls[1].as_mut().poll(cx).is_ready(), "refused after its five seconds");
    is_ready.set(true);
    assert!(calls[0].as_mut().poll(cx).is_ready());
    assert_eq!(waits().2, 2.0, "neither the refused nor the cancelled one was admitted");
    assert_eq!(now("bulkhead_rejected_total{name=\"metrics::admitted_slots\"}"), Some(1.0));
}

#[test]
fn waits_for_a_rate_limit_are_measured_for_admitted_calls() {
    #[rate_limit(1, per = 1s, wait = 1500ms, key = customer, timed, name = "metrics::admitted_turns")]
    fn turns(customer: u32) -> Result<u32, Rejected> {
        Ok(customer)
    }
    let _world = isolate();
    for customer in [1, 1, 2] {
        turns(customer).unwrap();
    }
    let (steps, sum, count) = durations("ratelimit_wait_seconds", "metrics::admitted_turns", "");
    assert_eq!(steps, [("0.005".to_owned(), 2.0), ("1".to_owned(), 3.0)]);
    assert_eq!((sum, count), (1.0, 3.0));
}

#[test]
fn config_stops_all_durations_and_starts_call_durations() {
    #[with_retry(max = 1, base = 1s, jitter = none, budget = none, timed, name = "metrics::prepared")]
    #[bulkhead(1)]
    fn prepared() -> io::Result<()> {
        Err(ErrorKind::ConnectionReset.into())
    }
    #[with_retry(max = 1, base = 1s, jitter = none, budget = none, name = "metrics::unprepared")]
    #[bulkhead(1)]
    fn unprepared() -> io::Result<()> {
        Err(ErrorKind::ConnectionReset.into())
    }
    let _world = isolate();
    let counts = |name: &str| {
        let labels = [
            "call_duration_seconds_count{,outcome=\"error\"}",
            "retry_delay_seconds_count{,source=\"backoff\"}",
            "attempt_duration_seconds_count{,handled=\"true\"}",
            "bulkhead_wait_seconds_count{}",
        ];
        labels.map(|label| now(&label.replace('{', &format!("{{name=\"{name}\""))).unwrap_or(0.0))
    };
    let call = || {
        prepared().unwrap_err();
        unprepared().unwrap_err();
        [counts("metrics::prepared"), counts("metrics::unprepared")]
    };
    assert_eq!(call(), [[1.0, 1.0, 1.0, 2.0], [0.0; 4]]);
    let timed = |is_timed: bool| {
        let variables = [("RESILIENCE__METRICS__TIMED", is_timed.to_string())];
        resilience::config::Config::new().variables(variables).load().unwrap();
    };
    timed(false);
    assert_eq!(call(), [[1.0, 1.0, 1.0, 2.0], [0.0; 4]]);
    timed(true);
    assert_eq!(call(), [[2.0, 2.0, 2.0, 4.0], [1.0, 1.0, 0.0, 0.0]]);
    resilience::config::Config::new().load().unwrap();
    assert_eq!(call(), [[3.0, 3.0, 3.0, 6.0], [1.0, 1.0, 0.0, 0.0]]);
}
