//! What is counted for the whole program.

use super::page::now;
use super::shared::Scratch;
use resilience::alerts::{self, AlertLevel};
use resilience::testing::isolate;
use resilience::{checkpoint, circuit_breaker, events, health, job, lock, with_retry};
use std::io::{self, ErrorKind};

#[circuit_breaker(threshold = 1, name = "metrics::opens")]
fn opens() -> io::Result<()> {
    Err(ErrorKind::ConnectionReset.into())
}

#[test]
fn alerts_are_counted_by_level_and_by_suppression() {
    let _world = isolate();
    let scratch = Scratch::new();
    alerts::use_dir(scratch.path("alerts"));
    let raise = || alerts::raise(AlertLevel::Warning, "importer", "the feed is empty", &[]);
    let _ = [raise(), raise(), raise()];
    alerts::raise(AlertLevel::Critical, "importer", "the feed is gone", &[]);
    assert_eq!(now("alerts_total{level=\"WARNING\"}"), Some(3.0));
    assert_eq!(now("alerts_total{level=\"CRITICAL\"}"), Some(1.0));
    assert_eq!(now("alerts_dropped_total{reason=\"held_back\"}"), Some(2.0));
    assert_eq!(now("alerts_dropped_total{reason=\"not_written\"}"), None);
}

#[test]
fn lost_events_of_a_dropped_subscription_stay_counted() {
    let _world = isolate();
    let subscription = events::subscribe();
    let breaker = resilience::point("metrics::opens").unwrap().breaker().unwrap();
    for _ in 0..600 {
        breaker.force_open();
        breaker.reset();
    }
    let lost = Some(subscription.dropped() as f64);
    assert_eq!(lost, Some(200.0));
    assert_eq!(now("events_dropped_total{reason=\"lagged\"}"), lost);
    drop(subscription);
    assert_eq!(now("events_dropped_total{reason=\"lagged\"}"), lost);
}

#[test]
fn a_page_shows_the_last_health_status_without_checking() {
    let _world = isolate();
    let status = |component: &str| now(&format!("health_status{{component=\"{component}\"}}"));
    health::register("metrics check", || health::Answer::warn("slow"));
    assert_eq!(status("metrics check"), None, "nobody has looked");
    health::check("metrics check").unwrap();
    assert_eq!(status("metrics check"), Some(0.5));
    opens().unwrap_err();
    health::check("breakers").unwrap();
    assert_eq!(status("breakers"), Some(0.5), "an open breaker is a warning");
}

#[test]
fn jobs_and_recoveries_are_counted() {
    #[job("metrics:{id}")]
    fn load(id: u32) -> anyhow::Result<u32> {
        if id == 0 { Err(io::Error::from(ErrorKind::InvalidInput).into()) } else { Ok(id) }
    }
    #[with_retry(max = 1, base = 0s)]
    fn recovers(calls: &std::cell::Cell<u32>) -> io::Result<()> {
        calls.set(calls.get() + 1);
        if calls.get() % 2 == 1 { Err(ErrorKind::TimedOut.into()) } else { Ok(()) }
    }
    let _world = isolate();
    let (one, zero) = (load(1), load(0));
    assert!(one.is_ok() && zero.is_err());
    assert_eq!(now("jobs_total{result=\"started\"}"), Some(2.0));
    assert_eq!(now("jobs_total{result=\"done\"}"), Some(1.0));
    assert_eq!(now("jobs_total{result=\"failed\"}"), Some(1.0));
    recovers(&std::cell::Cell::new(0)).unwrap();
    assert_eq!(now("recoveries_total{strategy=\"retry\",result=\"ok\"}"), Some(1.0));
    assert_eq!(now("recoveries_total{strategy=\"retry\",result=\"failed\"}"), None);
}

#[test]
fn refused_steps_and_lock_waits_are_counted() {
    #[checkpoint("metrics:{id}", name = "metrics::step")]
    fn step(id: u32) -> anyhow::Result<f64> {
        Ok(if id == 0 { f64::NAN } else { 1.0 })
    }
    #[job("metrics refused:{id}")]
    fn steps(id: u32) -> anyhow::Result<f64> {
        step(id)
    }
    let _world = isolate();
    steps(1).unwrap();
    let writes = |metric: &str| now(&format!("checkpoint_write{metric}{{store=\"memory\",result=\"ok\"}}"));
    assert_eq!([writes("s_total"), writes("_seconds_count")], [Some(2.0); 2], "the step and the job");
    assert_eq!(writes("_seconds_sum"), Some(0.0));
    let refused = |reason| now(&format!("checkpoint_refused_total{{reason=\"{reason}\"}}"));
    assert_eq!([refused("encode"), refused("outside_job")], [None, None]);
    steps(0).unwrap_err();
    assert_eq!([refused("encode"), refused("outside_job")], [Some(1.0), None]);
    let waits = |part: &str, result: &str| now(&format!("lock_wait_seconds_{part}{{result=\"{result}\"}}"));
    assert_eq!([waits("count", "ok"), waits("count", "timeout")], [None, None]);
    let held = lock::task("metrics").acquire().unwrap();
    let wait = std::time::Duration::from_secs(2);
    std::thread::scope(|scope| {
        let other = resilience::carry_fn(|| lock::task("metrics").wait(wait).acquire().is_err());
        assert!(scope.spawn(other).join().unwrap());
    });
    drop(held);
    let stats = lock::stats();
    assert!(stats.wait_total >= wait);
    assert_eq!([waits("count", "ok"), waits("sum", "ok")], [Some(1.0), Some(0.0)], "it was free");
    assert_eq!(waits("sum", "timeout"), Some(stats.wait_total.as_secs_f64()));
    assert_eq!(waits("count", "timeout"), Some(1.0));
    let bucket = |bound: &str| now(&format!("lock_wait_seconds_bucket{{result=\"timeout\",le=\"{bound}\"}}"));
    assert_eq!([bucket("1"), bucket("+Inf")], [Some(0.0), Some(1.0)]);
}
