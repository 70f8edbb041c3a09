//! The one result of a key.
//!
//! A key has at most one recorded result, whoever asks and however often. A completion is all or nothing: the record,
//! its fence and its counters change together. A released lease leaves no result and no lease.

use super::{Verdict, cases, claim, ended, fenced, hold, lapse, lapsed, ok, present, rule, same};
use crate::durable::store::rules::VALUE_LIMIT;
use crate::durable::store::{Claim, Claimed, Completion, Holder, Store, StoreError};
use crate::durable::{Record, Status};
use std::time::Duration;

cases![
    a_recorded_result_is_returned_again,
    a_result_recorded_twice_is_one_result,
    a_result_cannot_be_changed,
    a_late_result_counts_if_the_lease_was_not_taken,
    values_are_kept_byte_for_byte,
    an_oversized_value_is_rejected_and_changes_nothing,
    a_stopped_record_needs_an_explicit_restart,
    a_result_ages,
    a_step_of_an_unfinished_job_does_not_expire,
    a_step_needs_the_lease_of_its_job,
    a_cancelled_job_starts_no_step_but_finishes_the_current,
    steps_are_counted_as_they_end,
    the_end_of_a_job_removes_the_named_records,
    a_record_is_written_only_over_the_one_that_was_read,
];

/// Returns the completion of the work of `record`, under its fence.
fn done(record: &Record, value: &[u8]) -> Completion {
    Completion::done(record.key.clone(), record.fence, value.to_vec())
}

/// Reading a result takes no lease and writes nothing.
async fn a_recorded_result_is_returned_again(store: &dyn Store) -> Verdict {
    let held = hold(store, claim(store, "a")).await?;
    let recorded = ok(store.complete(done(&held, b"1")).await, "a result")?;
    same(recorded.status, Status::Done, "the status of a result")?;
    rule(recorded.completed >= held.created, "it is dated")?;
    rule(recorded.revision > held.revision, "each write has the next revision")?;
    same(
        ok(store.claim(claim(store, "a")).await, "a claim")?,
        Claimed::Done(recorded.clone()),
        "a claim of what is done",
    )?;
    same(present(store, "a").await?, recorded, "a claim of what is done changes nothing")
}

/// The answer to a completion can be lost on its way, and the caller asks again.
async fn a_result_recorded_twice_is_one_result(store: &dyn Store) -> Verdict {
    let held = hold(store, claim(store, "a")).await?;
    let first = ok(store.complete(done(&held, b"1")).await, "a result")?;
    let second = ok(store.complete(done(&held, b"1")).await, "the same result")?;
    same(second, first, "recorded again, it changes nothing")
}

/// Neither the value nor the status can be changed, also not by the holder that wrote it.
async fn a_result_cannot_be_changed(store: &dyn Store) -> Verdict {
    let held = hold(store, claim(store, "a")).await?;
    ok(store.complete(done(&held, b"1")).await, "a result")?;
    fenced(store.complete(done(&held, b"2")).await, "a", "another result under the same fence")?;
    let failed = Completion { value: b"1".to_vec(), ..Completion::of("a", held.fence, Status::Failed) };
    fenced(store.complete(failed).await, "a", "another end under the same fence")?;
    same(present(store, "a").await?.value, b"1".to_vec(), "the first result")
}

/// A lease that has lapsed is lost only once another process has it: until then the work is not done twice.
async fn a_late_result_counts_if_the_lease_was_not_taken(store: &dyn Store) -> Verdict {
    let held = lapsed(store, "a").await?;
    ok(store.complete(done(&held, b"1")).await, "a late result")?;
    same(present(store, "a").await?.value, b"1".to_vec(), "it is recorded")
}

/// Every byte, zero included, in a value that is larger than a page of a database.
async fn values_are_kept_byte_for_byte(store: &dyn Store) -> Verdict {
    let all: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let recorded =
        ended(store, Claim { input: all.clone(), ..claim(store, "a") }, Status::Done, &all).await?;
    rule(recorded.value == all && recorded.input == all, "what was recorded")?;
    same(present(store, "a").await?, recorded, "what is read")
}

/// The limit is the same in every store, so that a program that changes its store sees no new error.
async fn an_oversized_value_is_rejected_and_changes_nothing(store: &dyn Store) -> Verdict {
    let (fits, large) = (vec![b'x'; VALUE_LIMIT], vec![b'x'; VALUE_LIMIT + 1]);
    let refused = Err(StoreError::TooLarge { bytes: VALUE_LIMIT + 1 });
    let claimed = store.claim(Claim { input: large.clone(), ..claim(store, "a") }).await;
    same(claimed.map(drop), refused.clone(), "arguments over 1 MiB")?;
    same(ok(store.get("a").await, "a read")?, None, "they leave nothing behind")?;
    let held = hold(store, Claim { input: fits.clone(), ..claim(store, "a") }).await?;
    same(store.complete(done(&held, &large)).await.map(drop), refused.clone(), "a result over 1 MiB")?;
    same(present(store, "a").await?, held.clone(), "it leaves the claim as it was")?;
    let over = Record { value: large, ..Record::new("b") };
    same(store.cas(None, over).await.map(drop), refused, "a record over 1 MiB")?;
    ok(store.complete(done(&held, &fits)).await, "a result of 1 MiB").map(drop)
}

/// None of these runs again by being called: `resume` and `rerun` start it again.
async fn a_stopped_record_needs_an_explicit_restart(store: &dyn Store) -> Verdict {
    for status in [Status::Failed, Status::Manual, Status::RolledBack, Status::Dead] {
        let key = status.as_str();
        let stopped = ended(store, claim(store, key), status, b"why").await?;
        let answer = ok(store.claim(claim(store, key)).await, "a claim")?;
        same(answer, Claimed::Stopped(stopped.clone()), "a claim of what stopped")?;
        let anew = hold(store, Claim { restart: true, ..claim(store, key) }).await?;
        rule(anew.fence > stopped.fence, "restarted, it has a higher fence")?;
        same((anew.attempts, anew.value.len()), (2, 0), "restarted, it goes on without its result")?;
        same(anew.incarnation, stopped.incarnation, "restarted, it keeps its incarnation")?;
    }
    Ok(())
}

/// The shortest time that a store can tell apart: the clock of records counts milliseconds.
const TTL: Duration = Duration::from_millis(2);

/// An expired result is absent to a claim, whether it was deleted or not.
async fn a_result_ages(store: &dyn Store) -> Verdict {
    let recorded = ended(store, Claim { ttl: TTL, ..claim(store, "a") }, Status::Done, b"1").await?;
    lapse(store, recorded.completed + 2).await?;
    let anew = hold(store, claim(store, "a")).await?;
    same((anew.attempts, anew.value.len()), (1, 0), "an aged result is none")?;
    let forever = ended(store, claim(store, "b"), Status::Done, b"1").await?;
    lapse(store, forever.completed + 4).await?;
    let answer = ok(store.claim(claim(store, "b")).await, "a claim")?;
    same(answer, Claimed::Done(forever), "without a time to live it counts for ever")
}

/// Returns the lease of `job`, as its steps name it.
fn holder(job: &Record) -> Holder {
    Holder { key: job.key.clone(), fence: job.fence }
}

/// A job that takes longer than the time to live of its first step would repeat that step at each recovery.
async fn a_step_of_an_unfinished_job_does_not_expire(store: &dyn Store) -> Verdict {
    let job = hold(store, claim(store, "job")).await?;
    let step = Claim { ttl: TTL, holder: Some(holder(&job)), ..claim(store, "step") };
    let held = hold(store, step.clone()).await?;
    let end = Completion::step(held, holder(&job), b"1".to_vec());
    let recorded = ok(store.complete(end).await, "a result")?;
    lapse(store, recorded.completed + 4).await?;
    same(
        ok(store.claim(step).await, "a claim")?,
        Claimed::Done(recorded),
        "the step counts until its job ends",
    )
}

/// The fence of the job is compared in the transaction that writes the step.
async fn a_step_needs_the_lease_of_its_job(store: &dyn Store) -> Verdict {
    let late = lapsed(store, "job").await?;
    let step = Claim { holder: Some(holder(&late)), ..claim(store, "step") };
    let held = hold(store, step.clone()).await?;
    let job = hold(store, claim(store, "job")).await?;
    fenced(store.claim(step).await, "job", "a claim under a lost lease of the job")?;
    let result = Completion::step(held.clone(), holder(&late), b"1".to_vec());
    fenced(store.complete(result).await, "job", "a result under a lost lease of the job")?;
    same(ok(store.get("step").await, "a read")?, None, "nothing is recorded")?;
    let result = Completion::step(held.clone(), holder(&job), b"1".to_vec());
    ok(store.complete(result).await, "a result under the lease of the job").map(drop)
}

/// The effect of a step that runs has happened or will happen: forgetting it would leave it out of a rollback.
async fn a_cancelled_job_starts_no_step_but_finishes_the_current(store: &dyn Store) -> Verdict {
    let job = hold(store, claim(store, "job")).await?;
    let step = |key| Claim { holder: Some(holder(&job)), ..claim(store, key) };
    let under_way = hold(store, step("first")).await?;
    let asked = Record { cancelled: true, ..present(store, "job").await? };
    ok(store.cas(Some(asked.revision), asked).await, "the wish to stop")?;
    let refused = StoreError::Cancelled { key: "job".to_owned() };
    same(store.claim(step("second")).await.map(drop), Err(refused), "a step after it")?;
    let result = Completion::step(under_way.clone(), holder(&job), b"1".to_vec());
    ok(store.complete(result).await, "the result of the step under way").map(drop)
}

/// The order is that of the ends, which a rollback goes backwards, and the count shows whether records were lost.
async fn steps_are_counted_as_they_end(store: &dyn Store) -> Verdict {
    let job = hold(store, claim(store, "job")).await?;
    let step = |key| Claim { holder: Some(holder(&job)), ..claim(store, key) };
    let (first, second) = (hold(store, step("1")).await?, hold(store, step("2")).await?);
    let mut last = 0;
    for (step, count) in [(&second, 1), (&first, 2)] {
        let end = Completion::step(step.clone(), holder(&job), b"1".to_vec());
        let end = Completion { tally: Some("n/job/".to_owned()), ..end };
        let order = ok(store.complete(end.clone()).await, "a result")?.order;
        rule(order > last, "what ends later has a later place")?;
        last = order;
        same(
            ok(store.complete(end).await, "the same result")?.order,
            order,
            "recorded again, it keeps its place",
        )?;
        same(present(store, "n/job/").await?.progress, count, "how many have ended")?;
    }
    Ok(())
}

/// In the same transaction: a job that is done has no cursor that a later job of its id would go on from.
async fn the_end_of_a_job_removes_the_named_records(store: &dyn Store) -> Verdict {
    let job = hold(store, claim(store, "job")).await?;
    for key in ["c/job/1", "c/job/2", "c/job2/1"] {
        ended(store, claim(store, key), Status::Done, b"").await?;
    }
    let end = Completion { removes: Some("c/job/".to_owned()), ..done(&job, b"") };
    ok(store.complete(end).await, "the end of the job")?;
    same(ok(store.get("c/job/1").await, "a read")?, None, "what begins with the name is gone")?;
    same(ok(store.get("c/job/2").await, "a read")?, None, "what begins with the name is gone")?;
    present(store, "c/job2/1").await.map(drop)
}

/// Operators change records beside the processes that work on them; of two changes at once one is refused.
async fn a_record_is_written_only_over_the_one_that_was_read(store: &dyn Store) -> Verdict {
    let conflict = Err(StoreError::Conflict { key: "a".to_owned() });
    let record = Record { value: b"1".to_vec(), ..Record::new("a") };
    same(store.cas(Some(1), record.clone()).await.map(drop), conflict.clone(), "over what is not there")?;
    let first = ok(store.cas(None, record.clone()).await, "a first record")?;
    same(store.cas(None, record).await.map(drop), conflict.clone(), "as the first, where there is one")?;
    let changed = Record { value: b"2".to_vec(), ..first.clone() };
    let second = ok(store.cas(Some(first.revision), changed.clone()).await, "over the one that was read")?;
    rule(second.revision > first.revision, "the revision moves on")?;
    same(store.cas(Some(first.revision), changed).await.map(drop), conflict, "over one that changed since")?;
    same(present(store, "a").await?, second, "what is recorded")
}
