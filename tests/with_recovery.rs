//! `#[with_recovery]` through the macro: what becomes of a failure by what it means, in and outside of jobs.

use resilience::durable::{Recovery, Status, WithRecovery, recovery_stats};
use resilience::testing::{World, isolate};
use resilience::{
    Category, Classification, Classify, Event, Rejected, checkpoint, job, jobs, recover, with_fallback,
    with_recovery, with_retry,
};
use std::cell::{Cell, RefCell};
use std::sync::{Mutex, PoisonError};

#[derive(Clone, Copy, Debug, Classify, PartialEq)]
enum Error {
    #[classify(transient)]
    Busy,
    #[classify(corrupt)]
    Corrupt,
    #[classify(not_found)]
    Missing,
    #[classify(invalid, severity = fatal)]
    Invalid,
    #[classify(permanent)]
    Broken,
    #[classify(rejected)]
    Refused,
    #[classify(status = 503)]
    Down,
}

impl From<Rejected> for Error {
    fn from(_: Rejected) -> Self {
        Self::Refused
    }
}

thread_local! {
    static LOG: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

fn log(text: impl Into<String>) {
    LOG.with(|log| log.borrow_mut().push(text.into()));
}

fn logged() -> Vec<String> {
    LOG.with(RefCell::take)
}

/// The alerts of the test: their messages and reasons.
fn alerts(world: &World) -> Vec<String> {
    let alert = |event: Event| match event {
        Event::Alert { message, reason, .. } => Some(format!("{message}: {reason}")),
        _ => None,
    };
    world.events().into_iter().filter_map(alert).collect()
}

#[with_recovery(otherwise = escalate)]
#[with_retry(max = 2, jitter = none)]
fn mostly_saved(calls: &Cell<u32>, fails: bool) -> Result<u32, Error> {
    calls.set(calls.get() + 1);
    if fails || calls.get() % 2 == 1 { Err(Error::Busy) } else { Ok(1) }
}

#[with_fallback(value = 7)]
async fn answered() -> Result<u32, Error> {
    tokio::task::yield_now().await;
    Err(Error::Invalid)
}

#[tokio::test]
async fn saved_calls_count_as_successful_recoveries() {
    let _world = isolate();
    let calls = Cell::new(0);
    for _ in 0..99 {
        mostly_saved(&calls, false).unwrap();
    }
    assert_eq!(answered().await, Ok(7));
    let stats = recovery_stats();
    assert_eq!((stats.total, stats.succeeded), (100, 100));
    assert_eq!((count("retry"), count("fallback")), ((99, 99), (1, 1)));
    mostly_saved(&calls, true).unwrap_err();
    assert_eq!((count("retry"), count("escalate")), ((100, 99), (1, 0)));
    assert!(recovery_stats().success_rate() > 0.97);
    let saved = |name: &str| {
        let stats = recovery_stats();
        let found = stats.by_point.iter().find(|(point, _, _)| point == name);
        found.map(|(_, taken, worked)| (*taken, *worked)).expect("a point")
    };
    assert_eq!(saved("with_recovery::mostly_saved"), (101, 99));
    assert_eq!(saved("with_recovery::answered"), (1, 1));
}

/// Of a strategy: how often it was taken, and how often it worked.
fn count(word: &str) -> (u64, u64) {
    let stats = recovery_stats();
    let found = stats.by_strategy.iter().find(|(strategy, _, _)| *strategy == word);
    found.map(|(_, taken, worked)| (*taken, *worked)).expect("a strategy")
}

fn undo(name: &str, error: &Error) -> Result<(), Error> {
    log(format!("undo {name}, {error:?}"));
    if name == "stuck" { Err(Error::Broken) } else { Ok(()) }
}

async fn undo_async(name: &str) {
    tokio::task::yield_now().await;
    log(format!("undo {name}"));
}

#[with_recovery(
    on(corrupt, rollback),
    on(not_found, rejected, skip),
    on(severity >= fatal, manual),
    otherwise = escalate,
    rollback = undo(name, error)
)]
fn sync(name: &str, fails_with: Option<Error>) -> Result<Vec<String>, Error> {
    log("body");
    match fails_with {
        Some(error) => Err(error),
        None => Ok(vec![name.to_owned()]),
    }
}

#[with_recovery(on(corrupt, rollback), on(not_found, skip), otherwise = escalate, rollback = undo_async(name))]
async fn later(name: &str, error: Option<Error>) -> Result<Vec<String>, Error> {
    tokio::task::yield_now().await;
    log("body");
    match error {
        Some(error) => Err(error),
        None => Ok(vec![name.to_owned()]),
    }
}

#[test]
fn an_argument_moved_by_the_undo_is_kept_by_clone() {
    fn undone(name: String) {
        log(format!("undo {name}"));
    }
    #[with_fallback(|name: String| Some(name.len()))]
    #[with_recovery(otherwise = rollback, rollback = undone, clone(name))]
    fn answered(name: String) -> Result<usize, Error> {
        drop(name);
        Err(Error::Broken)
    }
    let _world = isolate();
    assert_eq!(answered("seven".to_owned()).unwrap(), 5);
    assert_eq!(logged(), ["undo seven"]);
}

#[test]
fn the_first_rule_that_applies_decides() {
    let world = isolate();
    assert_eq!(sync("a", None), Ok(vec!["a".to_owned()]));
    assert_eq!(recovery_stats().total, 0, "a success is no recovery");
    assert_eq!(logged(), ["body"]);

    assert_eq!(sync("a", Some(Error::Corrupt)), Err(Error::Corrupt), "undone, and the caller is told");
    assert_eq!(logged(), ["body", "undo a, Corrupt"]);
    assert_eq!((count("rollback"), alerts(&world)), ((1, 1), vec![]));

    assert_eq!(sync("a", Some(Error::Missing)), Ok(vec![]), "skipped");
    assert_eq!(sync("a", Some(Error::Refused)), Ok(vec![]), "a rule may name several");
    assert_eq!(count("skip"), (2, 2));

    assert_eq!(sync("a", Some(Error::Invalid)), Err(Error::Invalid));
    assert_eq!((count("manual"), alerts(&world)), ((1, 0), vec!["escalated: invalid".to_owned()]));

    assert_eq!(sync("a", Some(Error::Broken)), Err(Error::Broken));
    assert_eq!(count("escalate"), (1, 0));
    assert_eq!(alerts(&world).len(), 2);
    let stats = recovery_stats();
    assert_eq!((stats.total, stats.succeeded), (5, 3));
    assert!((stats.success_rate() - 0.6).abs() < 1e-9);
}

#[test]
fn a_failed_undo_raises_an_alert() {
    let world = isolate();
    assert_eq!(sync("stuck", Some(Error::Corrupt)), Err(Error::Corrupt));
    assert_eq!(logged(), ["body", "undo stuck, Corrupt"]);
    assert_eq!(
        (count("rollback"), alerts(&world)),
        ((1, 0), vec!["an undo failed: the undo of `with_recovery`".to_owned()])
    );
}

#[tokio::test(start_paused = true)]
async fn async_functions_apply_the_same_rules() {
    let world = isolate();
    assert_eq!(later("a", None).await, Ok(vec!["a".to_owned()]));
    assert_eq!(later("a", Some(Error::Corrupt)).await, Err(Error::Corrupt));
    assert_eq!(logged(), ["body", "body", "undo a"]);
    assert_eq!(later("a", Some(Error::Missing)).await, Ok(vec![]));
    assert_eq!(later("a", Some(Error::Busy)).await, Err(Error::Busy));
    assert_eq!(alerts(&world), ["escalated: transient"]);
    assert_eq!((count("rollback"), count("skip"), count("escalate")), ((1, 1), (1, 1), (1, 0)));
}

#[with_recovery(on(not_found, skip))]
fn option(found: bool) -> Option<u32> {
    found.then_some(1)
}

#[with_fallback(value = 9)]
#[with_recovery(on(not_found, skip), otherwise = retry)]
#[with_retry(max = 2, jitter = none)]
fn stacked(error: Error) -> Result<u32, Error> {
    log("body");
    Err(error)
}

#[test]
fn recovery_runs_after_retries_and_before_fallbacks() {
    let _world = isolate();
    assert_eq!((option(true), option(false)), (Some(1), None), "without a class nothing applies");
    assert_eq!(stacked(Error::Busy), Ok(9), "retried, then answered");
    assert_eq!(logged().len(), 3);
    assert_eq!(count("retry"), (1, 0));
    assert_eq!(stacked(Error::Missing), Ok(0), "skipped before the fallback is asked");
    assert_eq!(logged().len(), 1);
}

#[checkpoint("reserve:{id}", rollback = unreserve)]
fn reserve(id: u32) -> Result<u32, Error> {
    log("reserve");
    Ok(id)
}

fn unreserve(id: u32) {
    log(format!("unreserve {id}"));
}

#[with_recovery(on(corrupt, rollback), on(not_found, skip), on(severity >= fatal, manual))]
fn step_of(error: Error) -> Result<u32, Error> {
    Err(error)
}

#[job("order:{id}")]
fn order(id: u32, error: u32) -> Result<u32, Error> {
    reserve(id)?;
    let errors = [Error::Corrupt, Error::Missing, Error::Invalid, Error::Broken];
    Ok(id + step_of(errors[error as usize])?)
}

#[test]
fn recovery_on_a_step_decides_how_the_job_ends() {
    let world = isolate();
    let status = |id: &str| jobs::blocking::get(id).unwrap().unwrap().status;
    assert_eq!(order(1, 0), Err(Error::Corrupt));
    assert_eq!(
        (status("order:1"), logged()),
        (Status::RolledBack, vec!["reserve".to_owned(), "unreserve 1".to_owned()])
    );
    assert_eq!(order(2, 1), Ok(2));
    assert_eq!(status("order:2"), Status::Done);
    assert_eq!(order(3, 2), Err(Error::Invalid));
    assert_eq!(status("order:3"), Status::Manual);
    assert_eq!(count("rollback"), (1, 1), "the undo of the first");
    assert_eq!(order(4, 3), Err(Error::Broken));
    assert_eq!((status("order:4"), logged()), (Status::Failed, vec!["reserve".to_owned(); 3]));
    assert_eq!(alerts(&world).len(), 1, "for who waits for a person: {:?}", alerts(&world));
}

#[checkpoint("fragile:{id}", rollback = breaks)]
fn fragile(id: u32) -> Result<u32, Error> {
    Ok(id)
}

fn breaks(id: u32) {
    panic!("the undo of {id}");
}

#[with_recovery(on(corrupt, rollback))]
#[job("fragile:{id}")]
fn fragile_order(id: u32) -> Result<u32, Error> {
    fragile(id)?;
    Err(Error::Corrupt)
}

#[test]
fn a_panicking_undo_counts_as_failed() {
    let world = isolate();
    assert_eq!(fragile_order(1), Err(Error::Corrupt), "the body's own error, no panic");
    assert_eq!(jobs::blocking::get("fragile:1").unwrap().unwrap().status, Status::Manual);
    assert_eq!(count("rollback"), (1, 0));
    assert_eq!(alerts(&world).len(), 1, "{:?}", alerts(&world));
}

#[job("interrupted:{id}")]
fn interrupted(id: u32) -> Result<u32, Error> {
    static SEEN: Mutex<Vec<u32>> = Mutex::new(Vec::new());
    let mut seen = SEEN.lock().unwrap_or_else(PoisonError::into_inner);
    seen.push(id);
    assert!(seen.ends_with(&[id, id]), "the first run panics");
    if id == 1 { Ok(id) } else { Err(Error::Down) }
}

#[test]
fn the_history_of_a_job_records_its_recoveries() {
    let _world = isolate();
    for (id, strategy, category) in [(1, "resume", None), (2, "failed", Some("unavailable"))] {
        let panic = std::panic::catch_unwind(|| interrupted(id));
        assert!(panic.is_err());
        jobs::blocking::resume(&format!("interrupted:{id}")).unwrap();
        recover().until_done().blocking().unwrap();
        let job = jobs::blocking::get(&format!("interrupted:{id}")).unwrap().unwrap();
        let event = job.events.last().expect("an event");
        assert_eq!((event.strategy.as_str(), event.category.as_deref()), (strategy, category), "{job:?}");
        assert_eq!(
            (job.recoveries, event.code.as_deref()),
            (0, category.map(|_| "503")),
            "its process lived"
        );
    }
}

#[test]
fn the_inventory_lists_the_recovery_rules() {
    let found = resilience::points().into_iter().find(|point| point.name.ends_with("::sync"));
    let text = found.expect("a point").to_string();
    assert!(
        text.contains("corrupt: rollback, not_found: skip, rejected: skip, severity >= fatal: manual"),
        "{text}"
    );
    assert_eq!(Error::Invalid.classify().category, Category::Invalid);
}

/// A value that `when_ok` refuses has no error: an undo that does not name it runs all the same.
#[test]
fn a_refused_value_is_rolled_back() {
    #[with_recovery(otherwise = rollback, rollback = undone, when_ok = |value| *value == 7)]
    fn refuses(error: u32) -> Result<u32, Error> {
        Ok(error)
    }
    fn undone(error: u32) {
        log(format!("undone {error}"));
    }
    let _world = isolate();
    assert_eq!((refuses(7), refuses(8)), (Ok(7), Ok(8)));
    assert_eq!(logged(), ["undone 7"]);
}

thread_local! {
    static CHOSEN: Cell<Recovery> = const { Cell::new(Recovery::Retry) };
}

const CHOOSING: WithRecovery<fn(&Classification) -> Recovery> =
    WithRecovery::new("choosing", |_| CHOSEN.get());

#[job("chosen:{id}")]
fn chosen(id: u32) -> Result<u32, Error> {
    reserve(id)?;
    CHOOSING.call(|| Err(Error::Corrupt))
}

#[job("chosen-async:{id}")]
async fn chosen_async(id: u32) -> Result<u32, Error> {
    reserve(id)?;
    CHOOSING.call_async(async || Err(Error::Corrupt)).await
}

#[tokio::test]
async fn a_recovery_value_takes_its_strategy_at_run_time() {
    let world = isolate();
    let fails = || Err::<u32, _>(Error::Corrupt);
    for (strategy, expected) in [
        (Recovery::Retry, Err(Error::Corrupt)),
        (Recovery::Skip, Ok(0)),
        (Recovery::Rollback, Err(Error::Corrupt)),
        (Recovery::Escalate, Err(Error::Corrupt)),
        (Recovery::Manual, Err(Error::Corrupt)),
    ] {
        CHOSEN.set(strategy);
        assert_eq!(CHOOSING.call(fails), expected, "{strategy:?}");
        assert_eq!(CHOOSING.call_async(async || fails()).await, expected, "{strategy:?}");
    }
    assert_eq!(CHOOSING.call(|| Ok::<_, Error>(5)), Ok(5));
    assert_eq!(alerts(&world), ["escalated: corrupt"; 4]);
    let stats = recovery_stats();
    let of_point: Vec<_> = stats.by_point.iter().filter(|(point, ..)| point == "choosing").collect();
    assert_eq!(of_point, [&("choosing".to_owned(), 8, 2)]);
}

#[tokio::test]
async fn a_recovery_value_ends_the_surrounding_job() {
    let world = isolate();
    for (id, strategy, status, undone) in [
        (1, Recovery::Rollback, Status::RolledBack, 1),
        (2, Recovery::Manual, Status::Manual, 0),
        (3, Recovery::Escalate, Status::Failed, 0),
    ] {
        CHOSEN.set(strategy);
        chosen(id).unwrap_err();
        chosen_async(id).await.unwrap_err();
        for key in [format!("chosen:{id}"), format!("chosen-async:{id}")] {
            assert_eq!(jobs::get(&key).await.unwrap().unwrap().status, status, "{key}");
        }
        let mut log = logged();
        log.retain(|line| line != "reserve");
        assert_eq!(log, vec![format!("unreserve {id}"); 2 * undone]);
    }
    assert_eq!(alerts(&world).iter().filter(|alert| alert.starts_with("escalated")).count(), 2);
}

#[test]
fn statistics_have_the_waits_and_the_bytes() {
    use resilience::{checkpoint, with_retry};
    use std::time::Duration;
    #[checkpoint("page:{n}")]
    #[with_retry(max = 2, base = 1s, jitter = none)]
    fn page(n: u32, fails: &std::cell::Cell<u32>) -> Result<String, Rejected> {
        let _ = n;
        match fails.get() {
            0 => Ok("four".to_owned()),
            left => {
                fails.set(left - 1);
                Err(resilience::testing::rejected::timed_out("page", Duration::from_secs(1)))
            }
        }
    }
    let world = isolate();
    assert_eq!((recovery_stats().retry_wait_mean, recovery_stats().checkpoint_bytes), (None, 0));
    page(1, &std::cell::Cell::new(2)).unwrap();
    page(2, &std::cell::Cell::new(0)).unwrap();
    let stats = recovery_stats();
    assert_eq!(world.waits(), [Duration::from_secs(1), Duration::from_secs(2)]);
    assert_eq!(stats.retry_wait_mean, Some(Duration::from_millis(1500)));
    assert_eq!(stats.checkpoint_bytes, 2 * 6, "`\"four\"` twice");
    assert_eq!(stats.lock_wait, resilience::lock::stats().wait_total);
    assert_eq!((stats.total, stats.succeeded), (1, 1));
}

/// The alerts of the test, each with its job.
fn alerts_of_jobs(world: &World) -> Vec<(Option<String>, &'static str)> {
    let alert = |event: Event| match event {
        Event::Alert { job, message, .. } => Some((job, message)),
        _ => None,
    };
    world.events().into_iter().filter_map(alert).collect()
}

#[with_recovery(otherwise = escalate)]
#[job("paged:{id}")]
fn paged(id: u32, fails: bool) -> Result<u32, Error> {
    if fails { Err(Error::Broken) } else { Ok(id) }
}

#[with_recovery(otherwise = escalate)]
#[job("paged-later:{id}")]
async fn paged_later(id: u32, fails: bool) -> Result<u32, Error> {
    if fails { Err(Error::Broken) } else { Ok(id) }
}

#[test]
fn failed_jobs_are_escalated_by_name_and_refused_calls_are_not() {
    let world = isolate();
    let later = |id, fails| futures::executor::block_on(paged_later(id, fails));
    for id in 1..=3 {
        assert_eq!((paged(id, true), later(id, true)), (Err(Error::Broken), Err(Error::Broken)));
    }
    let escalated = (1..=3).flat_map(|id| [format!("paged:{id}"), format!("paged-later:{id}")]);
    let expected: Vec<_> = escalated.map(|job| (Some(job), "escalated")).collect();
    assert_eq!(alerts_of_jobs(&world), expected);
    let count = || {
        let stats = recovery_stats();
        stats.by_strategy.iter().find(|(word, ..)| *word == "escalate").map(|(_, taken, _)| *taken)
    };
    assert_eq!(count(), Some(6));
    assert_eq!((paged(4, false), later(4, false)), (Ok(4), Ok(4)));
    // Refused: it has failed before, and another input under a known id.
    assert_eq!((paged(1, true), later(1, true)), (Err(Error::Refused), Err(Error::Refused)));
    assert_eq!((paged(4, true), later(4, true)), (Err(Error::Refused), Err(Error::Refused)));
    assert_eq!((alerts_of_jobs(&world).len(), count()), (6, Some(6)), "no failure of a job");
}
