//! Undoing the steps of a job, the last one first; each undo is itself a recorded step.
//!
//! The order is that in which the steps *ended*, backwards; a number from the store's counter is in each record. An
//! undo runs under the job's lease, in a step of its own whose key names the incarnation of what it undoes, so that
//!
//! - an undo that was recorded before a crash is not run again,
//! - a step that is done again after a rollback is another incarnation, with another undo and another idempotency key.
//!
//! A step that an undo calls belongs to that undo, not to the job: it runs again with the next one, and is not undone.
//!
//! An undo that fails or panics, or that cannot be found for certain, leaves the job `Manual` with a critical alert:
//! those that come before it in the order are not undone, because their undoing may depend on it.

use crate::base::block_on::{Mode, block_on};
use crate::base::stopping;
use crate::base::stopping::PROBLEM;
use crate::classify::Classification;
use crate::durable::job::running::{CatchPanic, RunningJob, steps};
use crate::durable::job::unfinished::EndReport;
use crate::durable::lease::acquire::PendingClaim;
use crate::durable::record::codec;
use crate::durable::record::error::{JobError, Subject};
use crate::durable::record::history::{JobHistory, kept, kept_panic};
use crate::durable::record::key::place;
use crate::durable::record::{Record, Status};
use crate::durable::scope::{InScope, Step};
use crate::durable::step::namesakes::{are_named_alike, could_be_undone, lines, point_of};
use crate::durable::step::site::{self, NAMESAKES, Undo};
use crate::durable::store::{Claim, Claimed, Completion, Holder, StoreError, writes};
use crate::durable::under_way::UnderWay;
use crate::point::{PointName, PointSite};
use serde::de::DeserializeOwned;
use std::convert::Infallible;

/// The name of the strategy in the statistics.
const ROLLBACK: &str = "rollback";

/// Returns how the step of `record` is undone, if it can be undone.
///
/// It is found by the name that the record has, also an earlier one (`was`); of several functions with one name, by
/// what the record noted of its function.
///
/// # Errors
///
/// Why that is not known: also of a step that could be undone when it was recorded, and that this program does not
/// have.
fn undo_of(record: &Record) -> Result<Option<Undo>, String> {
    let function = &*record.function;
    let Some(points) = NAMESAKES.get(function) else {
        let mut steps = site::named(function).peekable();
        if steps.peek().is_none() && could_be_undone(&record.note) {
            let words = "this program has no such step; if it was renamed, write";
            return Err(format!("`{function}` cannot be undone: {words} `was = \"{function}\"`"));
        }
        return Ok(steps.find_map(|step| step.undo));
    };
    match point_of(points, &record.note) {
        Some(point) => Ok(undos(&[point]).next()),
        None if are_named_alike(points) && undos(points).count() == 1 => Ok(undos(points).next()),
        None if undos(points).next().is_none() => Ok(None),
        None => {
            Err(format!("`{function}` is the name of several steps ({}): give each a `name`", lines(points)))
        }
    }
}

/// Returns the undos of the steps that `points` are, whatever their names.
fn undos(points: &[&'static PointSite]) -> impl Iterator<Item = Undo> {
    points.iter().flat_map(|point| site::at(point)).filter_map(|step| step.undo)
}

/// Checks that no two steps of this program that can be undone have one name, modules included. If several steps
/// have one given `name`, they are one step to the records, and it has one undo.
pub(crate) fn check_names() -> Result<(), JobError> {
    let unclear = NAMESAKES.iter().filter(|(_, points)| {
        let is_twin =
            |one: &&PointSite| points.iter().filter(|two| two.written() == one.written()).count() > 1;
        let is_one_step = are_named_alike(points) && undos(points).count() == 1;
        !is_one_step && points.iter().any(|point| is_twin(point) && undos(&[*point]).next().is_some())
    });
    match unclear.min_by_key(|(name, _)| *name) {
        None => Ok(()),
        Some((name, points)) => {
            let at = Subject::new(PointName::from(lines(points)), name.as_str());
            Err(JobError::SameName { at, what: "steps with an undo" })
        }
    }
}

/// Returns the recorded value for an undo.
///
/// # Errors
///
/// Why the value cannot be read as a `T`: the undo does not run then, and the job waits for a person.
#[doc(hidden)]
pub fn recorded<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    codec::decode(bytes).map_err(|error| format!("the recorded value cannot be read: {error}"))
}

/// The types that an undo can return: `()`, or a `Result` with any value and any error.
#[diagnostic::on_unimplemented(
    message = "an undo returns `()` or a `Result`",
    label = "this undo returns `{Self}`",
    note = "the job records whether the undo succeeded, and the class of its error"
)]
#[doc(hidden)]
pub trait Undone {
    /// The error with which it can fail.
    type Error;

    /// Returns the error; `None` if it worked.
    fn error(self) -> Option<Self::Error>;
}

impl Undone for () {
    type Error = Infallible;

    fn error(self) -> Option<Infallible> {
        None
    }
}

impl<T, E> Undone for Result<T, E> {
    type Error = E;

    fn error(self) -> Option<E> {
        self.err()
    }
}

/// Returns why an undo failed that returned an error of `class`, for an expansion; `text` is what the error lets a
/// record keep.
#[doc(hidden)]
pub fn undo_failed(class: Classification, text: Option<String>) -> String {
    let text = text.map(|text| format!(": {}", kept(&text))).unwrap_or_default();
    format!("it returned an error ({class}){text}")
}

/// Marks the job as one that undoes its steps from now on.
pub(crate) async fn start(job: RunningJob, mode: Mode, class: Classification) -> Result<Status, JobError> {
    let note = JobHistory::read(&job.record.note);
    let event = job.event("rollback", "started", "the body failed");
    let note = note.failed(class, job.text.clone(), event);
    let (mut job, record) = job.record_as(mode, Status::RollingBack, note).await?;
    job.record = record;
    job.unfinished.begins_undoing();
    crate::durable::moment::reached("rollback started");
    finish(job, mode).await
}

/// Undoes the remaining steps, and ends the job.
///
/// Each pass through the loop reads one step, undoes it and frees it, so that a crash between any two of them is
/// gone on from: an undo that has a record is not run again, and a free step is left out.
///
/// # Errors
///
/// Of the store, and [`JobError::Interrupted`] at a shutdown; in both cases the job stays `RollingBack`.
pub(crate) async fn finish(mut job: RunningJob, mode: Mode) -> Result<Status, JobError> {
    let failed = |error| JobError::store(job.at.clone(), error);
    let mut done = steps(job.store(), job.id()).await.map_err(failed)?;
    done.retain(|step| step.status == Status::Done);
    done.sort_by_key(|step| std::cmp::Reverse(step.order));
    let mut kept = 0;
    for step in &done {
        let undo = match undo_of(step) {
            Ok(Some(undo)) => undo,
            Ok(None) => {
                kept += 1;
                continue;
            }
            Err(unclear) => return park(job, mode, &unclear).await,
        };
        if stopping::has_begun() {
            // Dropped, the job is released, and its recovery goes on with the next undo.
            job.unfinished.interrupted(PROBLEM);
            return Err(JobError::Interrupted { at: job.at, problem: PROBLEM.to_owned() });
        }
        // One value at a time.
        let Some(step) = &job.store().get(&step.key).await.map_err(failed)? else { continue };
        if let Err(why) = undo_step(&job, mode, undo, step).await? {
            return park(job, mode, &format!("the undo of `{}` failed: {why}", step.function)).await;
        }
        // A job that starts again has to do it again.
        free(&job, step).await?;
        crate::durable::moment::reached("in rollback");
    }
    let words = match kept {
        0 => "every step is undone".to_owned(),
        n => format!("{n} steps have no undo and stay as they are"),
    };
    let strategy = Some((ROLLBACK, true));
    let report = EndReport { strategy, undone: done.len() - kept, ..EndReport::default() };
    job.reporting(report).stop(mode, Status::RolledBack, None, &words).await?;
    Ok(Status::RolledBack)
}

/// Leaves the job to a person, since a step could not be undone because of `problem`.
async fn park(job: RunningJob, mode: Mode, problem: &str) -> Result<Status, JobError> {
    let report =
        EndReport { strategy: Some((ROLLBACK, false)), ..EndReport::alert("an undo failed", problem) };
    let event = job.event(Status::Manual.as_str(), "failed", problem);
    let note =
        JobHistory { problem: Some(problem.to_owned()), ..JobHistory::read(&job.record.note) }.with(event);
    job.reporting(report).end_as(mode, Status::Manual, note).await?;
    Ok(Status::Manual)
}

/// Undoes what `step` recorded, unless that was done before; the inner error says why that failed.
async fn undo_step(
    job: &RunningJob,
    mode: Mode,
    undo: Undo,
    step: &Record,
) -> Result<Result<(), String>, JobError> {
    let failed = |error| JobError::store(job.at.clone(), error);
    let name = step.key.strip_prefix(&place::step(Some(job.id()), "")).unwrap_or(&step.key);
    let holder = Holder { key: job.lease.state().key.clone(), fence: job.fence() };
    let key = place::undo(job.id(), name, step.incarnation);
    let claim = Claim {
        holder: Some(holder.clone()),
        ..Claim::new(key.clone(), job.store().owner(), step.function.clone())
    };
    let record = match PendingClaim::new(job.store(), claim, Status::Free, None).await.map_err(failed)? {
        Claimed::Held(record) => record,
        Claimed::Done(_) => return Ok(Ok(())),
        _ => return Ok(Err("its own record is not free".to_owned())),
    };
    let scope = job.scope().clone();
    let Some(inside) = scope.job.as_ref().map(|job| Step::in_job(job, &record)) else {
        return Ok(Err("it is not part of a job".to_owned()));
    };
    let scope = scope.in_step(inside, key.clone());
    // Inside of a step nothing is refused.
    let _under_way = UnderWay::step(&scope, job.store(), &job.at.point, name, key.clone()).ok();
    // A panic is a failure like any other: the job must not be undone for ever.
    let undoing = CatchPanic::new(InScope::new(&scope, undo(step.value.clone())));
    let undone = match mode {
        Mode::Async => undoing.await,
        Mode::Blocking => block_on(undoing),
    };
    crate::durable::moment::reached("after undo");
    match undone {
        Ok(Ok(())) => {}
        Ok(Err(why)) => return Ok(Err(why)),
        Err(panic) => return Ok(Err(format!("it panicked: {}", kept_panic(&*panic)))),
    }
    let completion = Completion::step(record, holder, b"null".to_vec());
    writes::complete(&**job.store(), completion).await.map_err(failed)?;
    Ok(Ok(()))
}

/// Marks `step` as undone, so that it runs again.
async fn free(job: &RunningJob, step: &Record) -> Result<(), JobError> {
    // Begun again, it is another one for the outside world: it has another idempotency key.
    let incarnation = step.incarnation.saturating_add(1);
    let free = Record { status: Status::Free, completed: 0, incarnation, ..step.clone() };
    match job.store().cas(Some(step.revision), free).await {
        // Whoever changed it in between has the job now.
        Ok(_) | Err(StoreError::Conflict { .. }) => Ok(()),
        Err(error) => Err(JobError::store(job.at.clone(), error)),
    }
}
