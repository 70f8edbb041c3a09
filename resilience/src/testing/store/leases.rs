//! The right to do the work of a key, and its duration.
//!
//! A lease is taken by a compare-and-swap in the store, and each one has a larger fence than those before it. Whoever
//! has lost a lease, knowingly or not, must not be able to write: the cases let it lapse, take it over, and try.

use super::{
    Verdict, cases, claim, ended, fenced, hold, lapsed, ok, present, release, rule, same, short, watch,
};
use crate::durable::Status;
use crate::durable::store::{Claim, Claimed, Completion, Otherwise, Release, Store, StoreError, Work};
use std::future::poll_fn;
use std::task::Poll;

cases![
    an_absent_key_has_no_record,
    a_claim_returns_a_lease_with_a_fence,
    a_held_key_is_busy,
    a_lapsed_lease_is_taken_under_a_higher_fence,
    a_late_holder_is_fenced_in_everything_it_does,
    a_live_owner_keeps_its_lease,
    the_lease_of_a_dead_owner_is_abandoned,
    a_wrong_fence_is_rejected,
    a_released_key_is_free_and_its_fence_stays_used,
    a_released_lock_leaves_no_record,
    an_interrupted_record_is_continued,
    fences_grow_over_all_keys_and_survive_deletion,
    only_one_of_many_concurrent_claims_is_held,
    a_rollback_continues_as_a_rollback,
    a_fresh_start_is_another_incarnation,
    any_text_is_a_key,
];

/// `None` means certainly absent: a store that cannot read a key has to fail, or a body would run again.
async fn an_absent_key_has_no_record(store: &dyn Store) -> Verdict {
    same(ok(store.get("absent").await, "a read")?, None, "an absent key is `None`")
}

/// Names of locks may be made of arguments: a record for each of them would fill the store. The fence outlives the
/// record.
async fn a_released_lock_leaves_no_record(store: &dyn Store) -> Verdict {
    let first = hold(store, claim(store, "l/a")).await?;
    ok(release(store, &first, Status::Free).await, "a release")?;
    same(ok(store.get("l/a").await, "a read")?, None, "a lock that is free has no record")?;
    let second = hold(store, claim(store, "l/a")).await?;
    rule(second.fence > first.fence, "a later holder has a higher fence")?;
    fenced(release(store, &first, Status::Free).await, "l/a", "a late release is refused")?;
    same(present(store, "l/a").await?, second, "what a late holder does changes nothing")
}

/// The record that a claim returns is the one that is kept, field by field.
async fn a_claim_returns_a_lease_with_a_fence(store: &dyn Store) -> Verdict {
    let before = ok(store.now().await, "the clock")?;
    let held = hold(store, Claim { input: b"[1]".to_vec(), ..claim(store, "a") }).await?;
    rule(held.fence > 0, "a fence is above 0")?;
    same(held.status, Status::Running, "the status of a claim")?;
    same((held.attempts, held.recoveries), (1, 0), "attempts and recoveries of a first claim")?;
    same(held.lease, 600_000, "the lease in milliseconds")?;
    rule(held.incarnation > 0, "a claim begins an incarnation")?;
    rule(held.created >= before && held.completed == 0, "a claim is dated, and has not ended")?;
    same(present(store, "a").await?, held, "what a claim returns is what is recorded")
}

/// The key is busy for another claim of the same process, too: a lease is held by one call, not by a process.
async fn a_held_key_is_busy(store: &dyn Store) -> Verdict {
    let held = hold(store, claim(store, "a")).await?;
    for owner in [store.owner(), "another".to_owned()] {
        let again = ok(store.claim(Claim { owner, ..claim(store, "a") }).await, "a claim")?;
        let Claimed::Busy { owner, left } = again else {
            return Err(format!("a second claim, the owner's own included, was answered by {again:?}"));
        };
        same(owner, store.owner(), "who has it")?;
        rule(left <= super::LONG, "no longer than a lease is left")?;
    }
    same(present(store, "a").await?, held, "a refused claim changes nothing")
}

/// The work is the same work: its incarnation and its first time stay, and the recovery is counted.
async fn a_lapsed_lease_is_taken_under_a_higher_fence(store: &dyn Store) -> Verdict {
    let first = lapsed(store, "a").await?;
    let second = hold(store, Claim { owner: "another".to_owned(), ..claim(store, "a") }).await?;
    rule(second.fence > first.fence, "a later claim has a higher fence")?;
    same(second.owner.as_str(), "another", "the owner of a taken lease")?;
    same((second.attempts, second.recoveries), (2, 1), "attempts and recoveries of a taken lease")?;
    same(second.created, first.created, "the date of the first claim stays")?;
    same(second.incarnation, first.incarnation, "it goes on with the same incarnation")
}

/// A suspended process wakes up and continues. Nothing that it writes may be seen, before and after the end
/// of the work in other hands.
async fn a_late_holder_is_fenced_in_everything_it_does(store: &dyn Store) -> Verdict {
    let first = lapsed(store, "a").await?;
    let second = hold(store, claim(store, "a")).await?;
    let late = Completion::done("a", first.fence, b"late".to_vec());
    fenced(store.complete(late.clone()).await, "a", "a late result is refused")?;
    fenced(release(store, &first, Status::Free).await, "a", "a late release is refused")?;
    same(present(store, "a").await?, second.clone(), "what a late holder does changes nothing")?;
    let done = Completion::done("a", second.fence, b"in time".to_vec());
    ok(store.complete(done).await, "the result of the holder")?;
    fenced(store.complete(late).await, "a", "a late result is refused after the end, too")?;
    same(present(store, "a").await?.value, b"in time".to_vec(), "the one result")
}

/// An owner that is alive is not dead because its lease was short, whether the store uses a lock or a counter.
async fn a_live_owner_keeps_its_lease(store: &dyn Store) -> Verdict {
    let held = hold(store, Claim { lease: super::SHORT, ..claim(store, "a") }).await?;
    watch(store, "a").await?;
    let again = ok(store.claim(claim(store, "a")).await, "a claim")?;
    rule(matches!(again, Claimed::Busy { .. }), format!("a lease of this process is held: {again:?}"))?;
    same(present(store, "a").await?, held, "nothing changed")
}

/// The store itself judges whether the owner is dead, since the claiming process may be wrong, and counts one recovery.
async fn the_lease_of_a_dead_owner_is_abandoned(store: &dyn Store) -> Verdict {
    let held = hold(store, claim(store, "a")).await?;
    let refused = Err(StoreError::Conflict { key: "a".to_owned() });
    same(store.release(Release::abandoned("a", held.fence)).await, refused, "its owner lives")?;
    let left = lapsed(store, "b").await?;
    fenced(store.release(Release::abandoned("b", left.fence + 1)).await, "b", "another fence")?;
    let release = Release { note: b"{}".to_vec(), ..Release::abandoned("b", left.fence) };
    ok(store.release(release).await, "an end of what a dead owner left")?;
    let found = present(store, "b").await?;
    same((found.status, found.recoveries), (Status::Interrupted, 1), "status and recoveries")?;
    same(found.note, b"{}".to_vec(), "the note")?;
    let second = hold(store, claim(store, "b")).await?;
    same((second.attempts, second.recoveries), (2, 1), "it is counted once")
}

/// Idempotency keys are made of the incarnation: kept if the work continues, changed if it starts over.
async fn a_fresh_start_is_another_incarnation(store: &dyn Store) -> Verdict {
    let first = ended(store, claim(store, "j/a"), Status::Failed, b"").await?;
    ended(store, claim(store, "s/a/step"), Status::Done, b"1").await?;
    let again = hold(store, Claim { restart: true, ..claim(store, "j/a") }).await?;
    same(again.incarnation, first.incarnation, "a failed job that is started again goes on")?;
    ok(release(store, &again, Status::Interrupted).await, "a release")?;
    let rerun = Claim { version: 2, on_mismatch: Otherwise::Rerun, ..claim(store, "j/a") };
    let second = hold(store, rerun).await?;
    rule(second.incarnation != first.incarnation, "other code begins another incarnation")?;
    same(ok(store.get("s/a/step").await, "a read")?, None, "nothing of the steps before it is left")?;
    let before = ended(store, claim(store, "c/a"), Status::Done, b"1").await?;
    ok(store.remove("c/a".to_owned(), Vec::new()).await, "a removal")?;
    let after = hold(store, claim(store, "c/a")).await?;
    rule(after.incarnation != before.incarnation, "what was removed begins as another incarnation")
}

/// The key alone is not proof: two claims of one key have different fences.
async fn a_wrong_fence_is_rejected(store: &dyn Store) -> Verdict {
    let held = hold(store, claim(store, "a")).await?;
    let wrong = held.fence + 1;
    fenced(store.complete(Completion::done("a", wrong, Vec::new())).await, "a", "a result")?;
    fenced(store.release(Release::new("a", wrong, Status::Free)).await, "a", "a release")?;
    fenced(
        store.release(Release::new("absent", held.fence, Status::Free)).await,
        "absent",
        "a release of nothing",
    )
}

/// A release that arrives twice must not free the lease of the next holder.
async fn a_released_key_is_free_and_its_fence_stays_used(store: &dyn Store) -> Verdict {
    let first = hold(store, claim(store, "a")).await?;
    ok(release(store, &first, Status::Free).await, "a release")?;
    fenced(release(store, &first, Status::Free).await, "a", "a second release")?;
    let second = hold(store, claim(store, "a")).await?;
    rule(second.fence > first.fence, "the fence of what was given back stays used")?;
    same((second.recoveries, second.incarnation), (0, first.incarnation), "giving back is not a crash")
}

/// Its process lived, so that no recovery is counted; the recorded arguments are what it goes on with.
async fn an_interrupted_record_is_continued(store: &dyn Store) -> Verdict {
    let first = hold(store, Claim { input: b"[1]".to_vec(), ..claim(store, "a") }).await?;
    ok(release(store, &first, Status::Interrupted).await, "a release")?;
    same(present(store, "a").await?.status, Status::Interrupted, "the status after it")?;
    let second = hold(store, Claim { input: b"[2]".to_vec(), ..claim(store, "a") }).await?;
    same((second.attempts, second.recoveries), (2, 0), "its owner lived: nothing was recovered")?;
    same(second.input, b"[1]".to_vec(), "it goes on with the arguments it began with")
}

/// A service that compares fences knows no keys of this store: one counter serves all of them, for ever.
async fn fences_grow_over_all_keys_and_survive_deletion(store: &dyn Store) -> Verdict {
    let mut last = 0;
    for key in ["a", "b", "a", "c"] {
        let held = hold(store, claim(store, key)).await?;
        rule(held.fence > last, format!("the fence {} of {key:?} comes after {last}", held.fence))?;
        last = held.fence;
        ok(store.complete(Completion::done(key, held.fence, Vec::new())).await, "an end")?;
        rule(ok(store.remove(key.to_owned(), Vec::new()).await, "a removal")?, "it was there")?;
    }
    Ok(())
}

/// Polls all of `works` until each has ended.
async fn together<T>(mut works: Vec<Work<'_, T>>) -> Result<Vec<T>, String> {
    let mut done: Vec<Option<T>> = works.iter().map(|_| None).collect();
    poll_fn(move |cx| {
        for (work, done) in works.iter_mut().zip(&mut done).filter(|(_, done)| done.is_none()) {
            match work.as_mut().poll(cx) {
                Poll::Ready(Ok(value)) => *done = Some(value),
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error.to_string())),
                Poll::Pending => {}
            }
        }
        if done.iter().any(Option::is_none) {
            return Poll::Pending;
        }
        Poll::Ready(Ok(done.iter_mut().filter_map(Option::take).collect()))
    })
    .await
}

/// All are polled together, so that a store with a pool has them in different transactions.
async fn only_one_of_many_concurrent_claims_is_held(store: &dyn Store) -> Verdict {
    let claims = (0..32).map(|_| store.claim(claim(store, "a"))).collect();
    let answers = together(claims).await?;
    let held = answers.iter().filter(|answer| matches!(answer, Claimed::Held(_))).count();
    let busy = answers.iter().filter(|answer| matches!(answer, Claimed::Busy { .. })).count();
    same((held, busy), (1, 31), "claims at once that are held, and that are busy")
}

/// A rollback that crashes must not turn into a run of the body: the status survives a take-over and a release.
async fn a_rollback_continues_as_a_rollback(store: &dyn Store) -> Verdict {
    let job = ended(store, short(store, "a"), Status::RollingBack, b"").await?;
    same(job.status, Status::RollingBack, "a job that undoes its steps")?;
    same(job.completed, 0, "it has not ended")?;
    watch(store, "a").await?;
    let second = hold(store, claim(store, "a")).await?;
    same(second.status, Status::RollingBack, "who takes it over goes on undoing")?;
    ok(release(store, &second, Status::Interrupted).await, "a release")?;
    same(present(store, "a").await?.status, Status::RollingBack, "given back, it is still undoing")
}

/// Spaces, case, quotes, wildcards, control characters and a key of 4,000 bytes: none is folded, trimmed or cut.
async fn any_text_is_a_key(store: &dyn Store) -> Verdict {
    let long = "k".repeat(4_000);
    let keys =
        ["a b", " a b ", "A B", "'; --", "%_\\*?", "\u{e4}\u{1f600}", "a/b:c#d", "a\nb\tc\0d", long.as_str()];
    for (n, key) in keys.into_iter().enumerate() {
        let record = ended(store, claim(store, key), Status::Done, n.to_string().as_bytes()).await?;
        same(record.key.as_str(), key, "the key of a record")?;
    }
    for (n, key) in keys.into_iter().enumerate() {
        same(present(store, key).await?.value, n.to_string().into_bytes(), "each key has its own record")?;
    }
    Ok(())
}
