//! Policies that answer in place of an error, in a job that a shutdown stops: a refusal by the job is passed on.

use super::{Error, LONG};
use futures::executor::block_on;
use resilience::durable::{JobError, Recovery, Status, WithRecovery, recovery_stats};
use resilience::testing::{World, isolate};
use resilience::{
    Category, Event, Fallback, Rejected, Simplify, cached, checkpoint, degrade, failover, job, jobs,
    shutdown, shutdown_blocking, with_fallback, with_recovery, with_retry,
};
use std::time::{Duration, SystemTime};

fn status(id: &str) -> Status {
    jobs::blocking::get(id).unwrap().expect("it is recorded").status
}

fn steps(id: &str) -> Vec<String> {
    jobs::blocking::steps(id).unwrap().into_iter().map(|step| step.key).collect()
}

/// The answers that were given in place of an error, and the alerts.
fn answers(world: &World) -> Vec<Event> {
    let is_answer = |event: &Event| {
        matches!(
            event,
            Event::FellBack { .. }
                | Event::Simplified { .. }
                | Event::FailedOver { .. }
                | Event::ServedStale { .. }
                | Event::Alert { .. }
        )
    };
    world.events().into_iter().filter(is_answer).collect()
}

fn is_refusal<T>(outcome: &Result<T, Error>) -> bool {
    matches!(outcome, Err(Error::Rejected(Rejected::ShuttingDown { .. })))
}

#[checkpoint("plain:{id}")]
fn plain(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[with_fallback(value = 0)]
#[checkpoint("answered:{id}")]
fn answered(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[with_fallback(value = 0, when = |_| true)]
#[checkpoint("answered-async:{id}")]
async fn answered_async(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[with_recovery(otherwise = skip)]
#[checkpoint("skipped:{id}")]
fn skipped(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[with_recovery(otherwise = escalate)]
#[checkpoint("escalated:{id}")]
fn escalated(id: u32) -> Result<u32, Error> {
    Ok(id)
}

fn not_undone(_: u32) {
    panic!("the step has not run");
}

#[with_recovery(otherwise = rollback, rollback = not_undone)]
#[checkpoint("undone:{id}")]
fn undone_itself(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[derive(Clone, Debug, PartialEq)]
struct Plan(u32);

impl Simplify for Plan {
    fn simplify(&self, level: u32) -> Option<Self> {
        Some(Self(self.0 - level))
    }
}

/// Answers a simpler plan without a step.
#[degrade(plan, on(rejected))]
fn simpler(plan: &Plan) -> Result<u32, Error> {
    if plan.0 < 9 { Ok(0) } else { self::plain(plan.0) }
}

/// Answers another value without a step.
#[failover(model = ["other"])]
fn elsewhere(model: &str) -> Result<u32, Error> {
    if model == "other" { Ok(0) } else { plain(9) }
}

#[cached(ttl = 1s, stale_if_error = 1h, key = id)]
#[checkpoint("stale:{id}:{run}")]
fn stale(id: u32, run: u32) -> Result<u32, Error> {
    Ok(id + run)
}

const QUOTE: Fallback = Fallback::new("quote");

const SKIPPING: WithRecovery<fn(&resilience::Classification) -> Recovery> =
    WithRecovery::new("skipping", |_| Recovery::Skip);

/// One way to answer in place of an error of a step.
fn step_of(how: u32) -> Result<u32, Error> {
    match how {
        0 => answered(9),
        1 => block_on(answered_async(9)),
        2 => QUOTE.call(|| plain(9), |_: &Error| Some(0)),
        3 => block_on(QUOTE.call_async(async || plain(9), async |_: &Error| Some(0))),
        4 => QUOTE.on(&[Category::Rejected]).unless(|_: &Error| false).or_else(plain(9), |_: &Error| Some(0)),
        5 => skipped(9),
        6 => escalated(9),
        7 => undone_itself(9),
        8 => SKIPPING.call(|| plain(9)),
        9 => simpler(&Plan(9)),
        10 => elsewhere("own"),
        11 => stale(9, 1),
        _ => QUOTE.call(
            || {
                resilience::sleep_until_blocking("nap", SystemTime::now() + Duration::from_secs(3_600))?;
                Ok(9)
            },
            |_: &Error| Some(0),
        ),
    }
}

const WAYS: u32 = 13;

#[job("stops:{how}", name = "answers-stops")]
fn stops_before(how: u32) -> Result<u32, Error> {
    shutdown_blocking(LONG);
    let outcome = step_of(how);
    assert!(is_refusal(&outcome), "{how}: {outcome:?}");
    outcome
}

#[test]
fn no_fallback_answers_a_step_refused_by_a_shutdown() {
    for how in 0..WAYS {
        let world = isolate();
        stale(9, 0).unwrap();
        world.advance(Duration::from_secs(60));
        let outcome = stops_before(how);
        assert!(is_refusal(&outcome), "{how}: {outcome:?}");
        assert_eq!(status(&format!("stops:{how}")), Status::Interrupted, "{how}");
        assert_eq!(answers(&world), [], "{how}");
        assert_eq!(recovery_stats().total, 0, "{how}");
    }
}

#[with_fallback(value = 0)]
#[with_retry(max = 5, base = 1h, cap = 1h, jitter = none)]
fn unreachable(fails: bool) -> Result<u32, Error> {
    if fails { Err(Error::Down) } else { Ok(7) }
}

#[job("cut:{id}")]
fn cut(id: u32) -> Result<u32, Error> {
    plain(id)?;
    shutdown_blocking(LONG);
    unreachable(true)
}

#[test]
fn no_fallback_answers_a_wait_ended_by_a_shutdown() {
    let world = isolate();
    assert_eq!(cut(1), Err(Error::Down));
    assert_eq!((status("cut:1"), answers(&world)), (Status::Interrupted, vec![]));
}

#[job("swallows:{id}")]
fn swallows(id: u32) -> Result<u32, Error> {
    shutdown_blocking(LONG);
    Ok(unreachable(true).unwrap_or(id))
}

#[with_fallback(value = 5, when_ok = |value| *value == 0)]
fn refused_value(value: u32) -> Result<u32, Error> {
    Ok(value)
}

#[job("takes:{id}")]
fn takes(id: u32) -> Result<u32, Error> {
    let _ = id;
    shutdown_blocking(LONG);
    refused_value(0)
}

#[test]
fn a_body_cannot_turn_a_shutdown_into_a_result() {
    for (call, id) in [(swallows as fn(u32) -> Result<u32, Error>, "swallows:1"), (takes, "takes:1")] {
        let world = isolate();
        let outcome = call(1);
        let Err(Error::Rejected(Rejected::Job(error))) = outcome else { panic!("{id}: {outcome:?}") };
        assert!(matches!(*error, JobError::Interrupted { .. }), "{error}");
        assert_eq!((status(id), answers(&world)), (Status::Interrupted, vec![]));
    }
}

/// Ends while the process shuts down.
#[checkpoint("ends:{id}")]
fn ends_with_an_answer(id: u32) -> Result<u32, Error> {
    shutdown_blocking(LONG);
    Ok(id + unreachable(true)?)
}

#[job("running:{id}")]
fn running(id: u32) -> Result<u32, Error> {
    ends_with_an_answer(id)
}

#[test]
fn a_fallback_may_answer_a_running_step() {
    let _world = isolate();
    assert_eq!(running(3), Ok(3));
    assert_eq!((status("running:3"), steps("running:3")), (Status::Done, vec!["ends:3".to_owned()]));
}

#[job("inner:{id}")]
fn inner(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[with_fallback(value = 0)]
fn inner_or_none(id: u32) -> Result<u32, Error> {
    inner(id)
}

#[checkpoint("around:{id}")]
fn around(id: u32) -> Result<u32, Error> {
    shutdown_blocking(LONG);
    inner_or_none(id)
}

#[job("outer:{id}")]
fn outer(id: u32) -> Result<u32, Error> {
    around(id)
}

#[job("makes-do:{id}")]
fn makes_do(id: u32) -> Result<u32, Error> {
    shutdown_blocking(LONG);
    Ok(inner(id).unwrap_or(0))
}

#[test]
fn no_fallback_answers_a_refused_inner_job_in_a_step() {
    let world = isolate();
    assert!(is_refusal(&outer(1)));
    assert_eq!((status("outer:1"), steps("outer:1"), answers(&world)), (Status::Interrupted, vec![], vec![]));
    // As where a step is refused.
    let _world = isolate();
    let Err(Error::Rejected(Rejected::Job(error))) = makes_do(1) else { panic!("it has no result") };
    assert!(matches!(*error, JobError::Interrupted { .. }), "{error}");
    assert_eq!(status("makes-do:1"), Status::Interrupted);
}

#[test]
fn fallbacks_answer_everything_outside_jobs() {
    let world = isolate();
    assert!(block_on(shutdown(LONG)).is_complete());
    assert_eq!((inner_or_none(1), unreachable(true), refused_value(0)), (Ok(0), Ok(0), Ok(5)));
    assert_eq!(QUOTE.call(|| inner(1), |_: &Error| Some(5)), Ok(5));
    assert_eq!(SKIPPING.call(|| inner(1)), Ok(0));
    assert_eq!(answers(&world).len(), 4, "{:?}", answers(&world));
}
