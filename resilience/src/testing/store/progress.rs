//! The recoveries of a job that dies again and again.
//!
//! They count from one again once the job has got further than at the death before. What it records after each recovery
//! in the same way is no progress: else a job that kills its process would never be dead.

use super::{Verdict, cases, claim, hold, ok, same, short, watch};
use crate::durable::Record;
use crate::durable::store::{Claim, Completion, Cursor, Holder, Otherwise, Store};

cases![
    an_equal_cursor_is_no_progress,
    a_cursor_that_returns_to_its_value_is_no_progress,
    a_step_recorded_again_is_no_progress,
    a_step_recorded_again_by_an_undo_is_no_progress,
    a_step_after_the_end_of_its_loop_is_progress,
];

const JOB: &str = "j/job";

fn holder(job: &Record) -> Holder {
    Holder { key: job.key.clone(), fence: job.fence }
}

/// Records where the loop of `job` is.
async fn saves(store: &dyn Store, job: &Record, value: &[u8]) -> Verdict {
    let cursor = Cursor { key: "p/job/rows".to_owned(), holder: holder(job), value: value.to_vec() };
    ok(store.put_cursor(cursor).await, "a cursor")
}

/// Records the step under `key`, which this version of the code repeats.
async fn repeats(store: &dyn Store, job: &Record, key: &str, version: u32, tally: Option<&str>) -> Verdict {
    let (holder, on_mismatch) = (holder(job), Otherwise::Rerun);
    let step = Claim { holder: Some(holder.clone()), version, on_mismatch, ..claim(store, key) };
    let step = hold(store, step).await?;
    let end = Completion::step(step, holder, version.to_string().into_bytes());
    let end = Completion { tally: tally.map(str::to_owned), ..end };
    ok(store.complete(end).await, "a step").map(drop)
}

/// Lets the owner of the job die, and takes the job over.
async fn dies(store: &dyn Store) -> Result<Record, String> {
    watch(store, JOB).await?;
    hold(store, short(store, JOB)).await
}

/// A job that saves its position before it kills its process saves the same one after each recovery.
async fn an_equal_cursor_is_no_progress(store: &dyn Store) -> Verdict {
    let mut job = hold(store, short(store, JOB)).await?;
    for recoveries in 1..=3 {
        saves(store, &job, b"1").await?;
        job = dies(store).await?;
        same(job.recoveries, recoveries, "the recoveries without progress")?;
    }
    Ok(())
}

/// A job that begins its loop from the start saves the same positions after each recovery.
async fn a_cursor_that_returns_to_its_value_is_no_progress(store: &dyn Store) -> Verdict {
    let mut job = hold(store, short(store, JOB)).await?;
    for recoveries in 1..=3 {
        saves(store, &job, b"0").await?;
        saves(store, &job, b"1").await?;
        job = dies(store).await?;
        same(job.recoveries, recoveries, "the recoveries without progress")?;
    }
    saves(store, &job, b"2").await?;
    same(dies(store).await?.recoveries, 1, "the recoveries since the job got further")
}

/// With `rerun` a step whose inputs differ in each run is recorded again in each.
async fn a_step_recorded_again_is_no_progress(store: &dyn Store) -> Verdict {
    let mut job = hold(store, short(store, JOB)).await?;
    for recoveries in 1..=3 {
        repeats(store, &job, "s/job/a", recoveries, Some("n/job/")).await?;
        job = dies(store).await?;
        same(job.recoveries, recoveries, "the recoveries without progress")?;
    }
    repeats(store, &job, "s/job/b", 1, Some("n/job/")).await?;
    same(dies(store).await?.recoveries, 1, "the recoveries since another step was recorded")
}

/// An undo that kills the process has repeated its own steps before.
async fn a_step_recorded_again_by_an_undo_is_no_progress(store: &dyn Store) -> Verdict {
    let mut job = hold(store, short(store, JOB)).await?;
    for recoveries in 1..=3 {
        repeats(store, &job, "u/job/a#1/notify", recoveries, None).await?;
        job = dies(store).await?;
        same(job.recoveries, recoveries, "the recoveries without progress")?;
    }
    repeats(store, &job, "u/job/a#1", 1, None).await?;
    same(dies(store).await?.recoveries, 1, "the recoveries since a step was undone")
}

/// The cursor of a loop is removed at its end, which must not hide the step that follows.
async fn a_step_after_the_end_of_its_loop_is_progress(store: &dyn Store) -> Verdict {
    let job = hold(store, short(store, JOB)).await?;
    saves(store, &job, b"1").await?;
    let job = dies(store).await?;
    ok(store.remove("p/job/rows".to_owned(), Vec::new()).await, "the end of the loop")?;
    repeats(store, &job, "s/job/a", 1, Some("n/job/")).await?;
    same(dies(store).await?.recoveries, 1, "the recoveries since the job got further")
}
