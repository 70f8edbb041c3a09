//! Every report of a job names the job.

use super::{Error, left_by_earlier_code, recover_all};
use futures::executor::block_on;
use resilience::testing::{World, isolate};
use resilience::{Category, Event, Rejected, checkpoint, job, jobs, with_recovery};
use std::cell::Cell;

thread_local! {
    static FAILS: Cell<bool> = const { Cell::new(false) };
}

#[checkpoint("page:{n}")]
fn page(n: u32) -> Result<u32, Rejected> {
    Ok(n)
}

#[job("reported:{id}")]
fn reported(id: u32) -> Result<u32, Error> {
    page(id)?;
    if FAILS.get() { Err(Error::Down) } else { Ok(id) }
}

#[job("reported-async:{id}")]
async fn reported_async(id: u32) -> Result<u32, Error> {
    page(id)?;
    tokio::task::yield_now().await;
    if FAILS.get() { Err(Error::Down) } else { Ok(id) }
}

#[with_recovery(otherwise = manual)]
#[job("parked:{id}")]
fn parked(id: u32) -> Result<u32, Error> {
    let _ = id;
    Err(Error::Down)
}

#[with_recovery(otherwise = escalate)]
fn escalated() -> Result<u32, Error> {
    Err(Error::Down)
}

#[job("escalates:{id}")]
fn escalates(id: u32) -> Result<u32, Error> {
    let _ = id;
    escalated()
}

#[job("fails:{id}")]
fn fails(id: u32) -> Result<u32, Error> {
    let _ = id;
    Err(Error::Down)
}

#[job("fails-async:{id}")]
async fn fails_async(id: u32) -> Result<u32, Error> {
    tokio::task::yield_now().await;
    fails_quietly(id)
}

fn fails_quietly(_: u32) -> Result<u32, Error> {
    Err(Error::Down)
}

#[job("dies:{id}", max_recoveries = 0)]
fn dies(id: u32) -> Result<u32, Error> {
    Ok(id)
}

/// What was reported of jobs so far, without the points; each report names the job.
fn reports_of(world: &World, job: &str) -> Vec<String> {
    let events = world.events();
    let of_jobs = events.iter().filter(|event| !matches!(event, Event::AttemptFailed { .. }));
    of_jobs
        .map(|event| {
            assert_eq!(event.job(), Some(job), "{event:?}");
            let line = event.to_string();
            assert!(line.contains(job), "{line}");
            line.split_once(": ").map_or(line.clone(), |(_, told)| told.to_owned())
        })
        .collect()
}

#[test]
fn a_job_is_reported_from_start_to_end() {
    let world = isolate();
    reported(1).unwrap();
    let whole = ["job reported:1 started", "step recorded, job reported:1", "job reported:1 done"];
    assert_eq!(reports_of(&world, "reported:1"), whole);

    let world = isolate();
    block_on(reported_async(1)).unwrap();
    let whole =
        ["job reported-async:1 started", "step recorded, job reported-async:1", "job reported-async:1 done"];
    assert_eq!(reports_of(&world, "reported-async:1"), whole);
}

#[test]
fn a_failure_is_reported_with_its_category() {
    let world = isolate();
    FAILS.set(true);
    reported(1).unwrap_err();
    assert!(
        reports_of(&world, "reported:1").contains(&"job reported:1 failed: unavailable, medium".to_owned())
    );
    let world = isolate();
    block_on(reported_async(1)).unwrap_err();
    let failed = "job reported-async:1 failed: unavailable, medium".to_owned();
    assert!(reports_of(&world, "reported-async:1").contains(&failed));

    let world = isolate();
    parked(1).unwrap_err();
    let whole = [
        "job parked:1 started",
        "job parked:1 manual: unavailable, medium",
        "CRITICAL: job parked:1: the job waits for a person: unavailable",
    ];
    assert_eq!(reports_of(&world, "parked:1"), whole);
}

#[test]
fn a_dropped_and_continued_call_is_reported() {
    let world = isolate();
    {
        let mut call = Box::pin(reported_async(1));
        assert!(block_on(async { futures::poll!(&mut call) }).is_pending());
    }
    let dropped =
        "job reported-async:1 interrupted: its call was dropped, or its store did not record its end";
    assert_eq!(reports_of(&world, "reported-async:1").last().map(String::as_str), Some(dropped));
    block_on(reported_async(1)).unwrap();
    let reports = reports_of(&world, "reported-async:1");
    let resumed = [
        "job reported-async:1 resumed",
        "recorded step reused, job reported-async:1",
        "job reported-async:1 done",
    ];
    assert_eq!(reports[reports.len() - 3..], resumed);
}

#[test]
fn the_obstacle_to_a_recovery_is_reported_once() {
    let world = isolate();
    left_by_earlier_code("nameless:1", "nameless:{id}", "{}");
    recover_all();
    let reports = reports_of(&world, "nameless:1");
    let [report] = &*reports else { panic!("{reports:?}") };
    assert!(report.contains("which no function of this program has"), "{report}");
}

#[test]
fn a_recovery_lists_the_categories_of_its_failures() {
    let _world = isolate();
    for (id, name) in [("fails:1", "fails:{id}"), ("fails-async:1", "fails-async:{id}")] {
        left_by_earlier_code(id, name, r#"{"id":1}"#);
        let recovered = recover_all();
        let [job] = &*recovered.jobs else { panic!("{recovered}") };
        assert_eq!(job.class.map(|class| class.category), Some(Category::Unavailable), "{recovered}");
        let text = recovered.to_string();
        assert!(text.contains(&format!("{id} is failed (unavailable)")), "{text}");
    }
    left_by_earlier_code("reported:1", "reported:{id}", r#"{"id":1}"#);
    let recovered = recover_all();
    assert!(recovered.jobs.iter().all(|job| job.class.is_none()), "{recovered}");
    assert!(recovered.to_string().ends_with("reported:1 is done"), "{recovered}");
}

#[test]
fn an_alert_names_the_job() {
    let world = isolate();
    escalates(1).unwrap_err();
    let escalated = "CRITICAL: job escalates:1: escalated: unavailable".to_owned();
    assert!(reports_of(&world, "escalates:1").contains(&escalated));

    let world = isolate();
    let store = left_by_earlier_code("dies:1", "dies:{id}", r#"{"id":1}"#);
    let mut record = block_on(resilience::durable::Store::get(&*store, "j/dies:1")).unwrap().unwrap();
    record.recoveries = 1;
    block_on(resilience::durable::Store::cas(&*store, Some(record.revision), record)).unwrap();
    recover_all();
    let whole =
        ["job dies:1 dead", "CRITICAL: job dies:1: the job is dead: recovered too often"].map(str::to_owned);
    assert_eq!(reports_of(&world, "dies:1"), whole);
    assert!(jobs::blocking::get("dies:1").unwrap().is_some());
}
