//! The deletion of records, and the records that are never deleted.
//!
//! Only ended and unheld work is deleted by age; a job is deleted with its steps and cursors, in one step, so that no
//! reader sees a job without them. A removed record leaves nothing that a later one under its key could be taken for.

use super::{
    LONG, SHORT, Verdict, cases, claim, ended, hold, lapse, lapsed, ok, present, release, rule, same,
};
use crate::durable::store::{Claim, Store, StoreError};
use crate::durable::{Record, Status};

cases![
    only_ended_records_are_deleted_by_age,
    released_records_are_deleted_by_age_except_undone_steps,
    deletion_by_age_respects_the_prefix_and_the_limit,
    a_held_record_is_not_removed,
    removing_a_job_removes_its_steps,
    only_done_or_rolled_back_jobs_are_removed_by_age,
    a_step_outside_jobs_expires_by_its_own_ttl,
];

/// Work that is held, has lapsed or waits for a person has not ended, however old it is.
async fn only_ended_records_are_deleted_by_age(store: &dyn Store) -> Verdict {
    hold(store, claim(store, "running")).await?;
    lapsed(store, "lapsed").await?;
    ended(store, claim(store, "manual"), Status::Manual, b"").await?;
    ended(store, claim(store, "failed"), Status::Failed, b"").await?;
    let last = ended(store, claim(store, "done"), Status::Done, b"").await?;
    same(ok(store.delete_older_than("", 1, 100).await, "a deletion")?, 0, "nothing is older than 1970")?;
    lapse(store, last.completed + 1).await?;
    let later = ok(store.now().await, "the clock")?;
    same(ok(store.delete_older_than("", later, 100).await, "a deletion")?, 2, "what ended before")?;
    for key in ["running", "lapsed", "manual"] {
        present(store, key).await?;
    }
    same(ok(store.get("done").await, "a read")?, None, "what was deleted")
}

/// A step that was undone has its place in the order of its job, by which a lost record is noticed.
async fn released_records_are_deleted_by_age_except_undone_steps(store: &dyn Store) -> Verdict {
    let held = hold(store, claim(store, "left")).await?;
    ok(release(store, &held, Status::Free).await, "a release")?;
    let done = ended(store, claim(store, "placed"), Status::Done, b"").await?;
    let revision = done.revision;
    let placed = Record { status: Status::Free, completed: 0, order: 3, ..done };
    let placed = ok(store.cas(Some(revision), placed).await, "a change")?;
    lapse(store, placed.updated + 1).await?;
    let later = ok(store.now().await, "the clock")?;
    same(ok(store.delete_older_than("", later, 100).await, "a deletion")?, 1, "what was given back")?;
    same(ok(store.get("left").await, "a read")?, None, "what was given back")?;
    present(store, "placed").await.map(drop)
}

/// The limit bounds a transaction: the caller asks again until nothing is left.
async fn deletion_by_age_respects_the_prefix_and_the_limit(store: &dyn Store) -> Verdict {
    let mut last = 0;
    for key in ["a/1", "a/2", "a/3", "b/1"] {
        last = ended(store, claim(store, key), Status::Done, b"").await?.completed;
    }
    lapse(store, last + 1).await?;
    let later = ok(store.now().await, "the clock")?;
    same(ok(store.delete_older_than("a/", later, 0).await, "a deletion")?, 0, "none are asked for")?;
    for expected in [2, 1, 0] {
        same(
            ok(store.delete_older_than("a/", later, 2).await, "a deletion")?,
            expected,
            "at most two at a time",
        )?;
    }
    present(store, "b/1").await.map(drop)
}

/// An operator that removes a job which runs would let a second one begin beside it.
async fn a_held_record_is_not_removed(store: &dyn Store) -> Verdict {
    let held = hold(store, claim(store, "a")).await?;
    let refused = Err(StoreError::Conflict { key: "a".to_owned() });
    same(store.remove("a".to_owned(), vec!["a/".to_owned()]).await, refused, "what has a holder")?;
    same(present(store, "a").await?, held, "it stays")?;
    lapsed(store, "b").await?;
    rule(ok(store.remove("b".to_owned(), Vec::new()).await, "a removal")?, "what has no holder any more goes")
}

/// The prefix ends with a slash: the steps of `ab` are not those of `a`.
async fn removing_a_job_removes_its_steps(store: &dyn Store) -> Verdict {
    for key in ["j/a", "s/a/1", "s/a/2", "s/ab/1"] {
        ended(store, claim(store, key), Status::Done, b"").await?;
    }
    let with = vec!["s/a/".to_owned()];
    rule(ok(store.remove("j/a".to_owned(), with.clone()).await, "a removal")?, "it was there")?;
    rule(!ok(store.remove("j/a".to_owned(), with).await, "a removal")?, "it is no longer there")?;
    for key in ["j/a", "s/a/1", "s/a/2"] {
        same(ok(store.get(key).await, "a read")?, None, "what was removed")?;
    }
    present(store, "s/ab/1").await.map(drop)
}

/// A failed job is evidence, and `resume` continues from its steps.
async fn only_done_or_rolled_back_jobs_are_removed_by_age(store: &dyn Store) -> Verdict {
    hold(store, claim(store, "j/running")).await?;
    ended(store, claim(store, "j/failed"), Status::Failed, b"").await?;
    ended(store, claim(store, "j/undone"), Status::RolledBack, b"").await?;
    for key in ["s/done/1", "s/done2/1"] {
        ended(store, claim(store, key), Status::Done, b"").await?;
    }
    let last = ended(store, claim(store, "j/done"), Status::Done, b"").await?.completed;
    let keys = ["j/running", "j/failed", "j/undone", "j/done", "j/absent"].map(str::to_owned).to_vec();
    same(ok(store.remove_ended(keys.clone(), 1).await, "a removal")?, 0, "nothing is older than 1970")?;
    same(ok(store.remove_ended(keys, last + 1).await, "a removal")?, 2, "what is done or undone")?;
    for key in ["j/undone", "j/done", "s/done/1"] {
        same(ok(store.get(key).await, "a read")?, None, "what was removed")?;
    }
    for key in ["j/running", "j/failed", "s/done2/1"] {
        present(store, key).await?;
    }
    Ok(())
}

/// Records with a longer one, with none, and those of jobs stay.
async fn a_step_outside_jobs_expires_by_its_own_ttl(store: &dyn Store) -> Verdict {
    let with = |key, ttl| Claim { ttl, ..claim(store, key) };
    ended(store, with("c/long", LONG), Status::Done, b"").await?;
    ended(store, claim(store, "c/for ever"), Status::Done, b"").await?;
    ended(store, with("s/a job/of", SHORT), Status::Done, b"").await?;
    let mut last = 0;
    for key in ["c/1", "c/2", "c/3"] {
        last = ended(store, with(key, SHORT), Status::Done, b"").await?.completed;
    }
    lapse(store, last + SHORT.as_millis() as u64 + 1).await?;
    same(ok(store.delete_expired(0).await, "a deletion")?, 0, "none are asked for")?;
    for expected in [2, 1, 0] {
        same(ok(store.delete_expired(2).await, "a deletion")?, expected, "at most two at a time")?;
    }
    for key in ["c/1", "c/2", "c/3"] {
        same(ok(store.get(key).await, "a read")?, None, "a step whose time is over")?;
    }
    for key in ["c/long", "c/for ever", "s/a job/of"] {
        present(store, key).await?;
    }
    Ok(())
}
