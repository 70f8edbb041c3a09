//! Who may do the work of a key, and for how long.

use super::{Verdict, cases, claim, ended, fenced, hold, lapse, lapsed, ok, present, rule, same, short};
use crate::durable::Status;
use crate::durable::store::{Claim, Claimed, Completion, Store, Work};
use std::future::poll_fn;
use std::task::Poll;

cases![
    nothing_is_recorded_under_a_key_that_nobody_claimed,
    a_claim_gives_a_lease_under_a_fence,
    what_is_held_is_busy,
    a_lapsed_lease_is_taken_under_a_higher_fence,
    a_late_holder_is_fenced_in_everything_it_does,
    a_renewed_lease_lasts,
    a_lapsed_lease_that_nobody_took_can_be_renewed,
    a_wrong_fence_holds_nothing,
    what_was_given_back_is_free_and_its_fence_is_used,
    what_was_interrupted_is_recovered,
    fences_grow_over_all_keys_and_survive_deletion,
    one_of_many_claims_at_once_is_held,
    undoing_goes_on_as_undoing,
    the_clock_does_not_go_back,
    any_text_is_a_key,
];

async fn nothing_is_recorded_under_a_key_that_nobody_claimed(store: &dyn Store) -> Verdict {
    same(ok(store.get("absent").await, "a read")?, None, "an absent key is `None`")
}

async fn a_claim_gives_a_lease_under_a_fence(store: &dyn Store) -> Verdict {
    let before = ok(store.now().await, "the clock")?;
    let held = hold(store, Claim { input: b"[1]".to_vec(), ..claim(store, "a") }).await?;
    rule(held.fence > 0, "a fence is above 0")?;
    same(held.status, Status::Running, "the status of a claim")?;
    same((held.attempts, held.recoveries), (1, 0), "attempts and recoveries of a first claim")?;
    rule(held.deadline >= before + 600_000, "the lease lasts for as long as was asked for")?;
    rule(held.created >= before && held.completed == 0, "a claim is dated, and has not ended")?;
    same(present(store, "a").await?, held, "what a claim returns is what is recorded")
}

async fn what_is_held_is_busy(store: &dyn Store) -> Verdict {
    let held = hold(store, claim(store, "a")).await?;
    let busy = Claimed::Busy { owner: store.owner(), until: held.deadline };
    for owner in [store.owner(), "another".to_owned()] {
        let again = store.claim(Claim { owner, ..claim(store, "a") }).await;
        same(ok(again, "a claim")?, busy.clone(), "a second claim, the owner's own included")?;
    }
    same(present(store, "a").await?, held, "a refused claim changes nothing")
}

async fn a_lapsed_lease_is_taken_under_a_higher_fence(store: &dyn Store) -> Verdict {
    let first = lapsed(store, "a").await?;
    let second = hold(store, Claim { owner: "another".to_owned(), ..claim(store, "a") }).await?;
    rule(second.fence > first.fence, "a later claim has a higher fence")?;
    same(second.owner.as_str(), "another", "the owner of a taken lease")?;
    same((second.attempts, second.recoveries), (2, 1), "attempts and recoveries of a taken lease")?;
    same(second.created, first.created, "the date of the first claim stays")
}

async fn a_late_holder_is_fenced_in_everything_it_does(store: &dyn Store) -> Verdict {
    let first = lapsed(store, "a").await?;
    let second = hold(store, claim(store, "a")).await?;
    let late = Completion::done("a", first.fence, b"late".to_vec());
    fenced(store.complete(late.clone()).await, "a", "a late result is refused")?;
    fenced(store.renew("a", first.fence, super::LONG).await, "a", "a late renewal is refused")?;
    fenced(store.release("a", first.fence, Status::Free).await, "a", "a late release is refused")?;
    same(present(store, "a").await?, second.clone(), "what a late holder does changes nothing")?;
    let done = Completion::done("a", second.fence, b"in time".to_vec());
    ok(store.complete(done).await, "the result of the holder")?;
    fenced(store.complete(late).await, "a", "a late result is refused after the end, too")?;
    same(present(store, "a").await?.value, b"in time".to_vec(), "the one result")
}

async fn a_renewed_lease_lasts(store: &dyn Store) -> Verdict {
    let held = hold(store, short(store, "a")).await?;
    ok(store.renew("a", held.fence, super::LONG).await, "a renewal")?;
    lapse(store, held.deadline).await?;
    let again = ok(store.claim(claim(store, "a")).await, "a claim")?;
    rule(matches!(again, Claimed::Busy { .. }), format!("a renewed lease is held: {again:?}"))
}

async fn a_lapsed_lease_that_nobody_took_can_be_renewed(store: &dyn Store) -> Verdict {
    let held = lapsed(store, "a").await?;
    ok(store.renew("a", held.fence, super::LONG).await, "a renewal")?;
    let again = ok(store.claim(claim(store, "a")).await, "a claim")?;
    rule(matches!(again, Claimed::Busy { .. }), format!("it is held again: {again:?}"))
}

async fn a_wrong_fence_holds_nothing(store: &dyn Store) -> Verdict {
    let held = hold(store, claim(store, "a")).await?;
    let wrong = held.fence + 1;
    fenced(store.complete(Completion::done("a", wrong, Vec::new())).await, "a", "a result")?;
    fenced(store.renew("a", wrong, super::LONG).await, "a", "a renewal")?;
    fenced(store.release("a", wrong, Status::Free).await, "a", "a release")?;
    fenced(store.renew("absent", held.fence, super::LONG).await, "absent", "a renewal of nothing")
}

async fn what_was_given_back_is_free_and_its_fence_is_used(store: &dyn Store) -> Verdict {
    let first = hold(store, claim(store, "a")).await?;
    ok(store.release("a", first.fence, Status::Free).await, "a release")?;
    fenced(store.renew("a", first.fence, super::LONG).await, "a", "a renewal after a release")?;
    let second = hold(store, claim(store, "a")).await?;
    rule(second.fence > first.fence, "the fence of what was given back stays used")?;
    same(second.recoveries, 0, "giving back is no crash")
}

async fn what_was_interrupted_is_recovered(store: &dyn Store) -> Verdict {
    let first = hold(store, Claim { input: b"[1]".to_vec(), ..claim(store, "a") }).await?;
    ok(store.release("a", first.fence, Status::Interrupted).await, "a release")?;
    same(present(store, "a").await?.status, Status::Interrupted, "the status after it")?;
    let second = hold(store, Claim { input: b"[2]".to_vec(), ..claim(store, "a") }).await?;
    same((second.attempts, second.recoveries), (2, 1), "attempts and recoveries")?;
    same(second.input, b"[1]".to_vec(), "it goes on with the arguments it began with")
}

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

async fn one_of_many_claims_at_once_is_held(store: &dyn Store) -> Verdict {
    let claims = (0..32).map(|_| store.claim(claim(store, "a"))).collect();
    let answers = together(claims).await?;
    let held = answers.iter().filter(|answer| matches!(answer, Claimed::Held(_))).count();
    let busy = answers.iter().filter(|answer| matches!(answer, Claimed::Busy { .. })).count();
    same((held, busy), (1, 31), "claims at once that are held, and that are busy")
}

async fn undoing_goes_on_as_undoing(store: &dyn Store) -> Verdict {
    let job = ended(store, short(store, "a"), Status::RollingBack, b"").await?;
    same(job.status, Status::RollingBack, "a job that undoes its steps")?;
    rule(job.deadline > 0 && job.completed == 0, "it keeps its lease, and has not ended")?;
    lapse(store, job.deadline).await?;
    let second = hold(store, claim(store, "a")).await?;
    same(second.status, Status::RollingBack, "who takes it over goes on undoing")?;
    ok(store.release("a", second.fence, Status::Interrupted).await, "a release")?;
    same(present(store, "a").await?.status, Status::RollingBack, "given back, it is still undoing")
}

async fn the_clock_does_not_go_back(store: &dyn Store) -> Verdict {
    let mut last = 0;
    for _ in 0..100 {
        let now = ok(store.now().await, "the clock")?;
        rule(now >= last, format!("{now} comes after {last}"))?;
        last = now;
    }
    Ok(())
}

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
