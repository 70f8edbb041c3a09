//! The meaning of a record of other code: never a value, and never lost.
//!
//! A program that was changed meets the records of its earlier self. The store reports another function, version or
//! input as a mismatch, whatever the caller does about it, and a record that is replaced is quarantined first.

use super::{Verdict, cases, claim, ended, hold, ok, present, rule, same};
use crate::durable::Status;
use crate::durable::store::{Claim, Claimed, Mismatch, Otherwise, Store};

cases![
    another_function_is_reported,
    an_earlier_name_of_the_function_is_accepted,
    another_version_is_reported,
    other_inputs_are_reported,
    a_replaced_record_is_quarantined,
    a_held_record_is_never_replaced,
];

/// Records a result, claims it with `changed` code, and expects to be answered with `what` and the record as it is.
async fn reported(store: &dyn Store, changed: Claim, what: Mismatch) -> Verdict {
    let first = Claim { inputs: Some(1), ..claim(store, "a") };
    let stored = ended(store, first, Status::Done, b"1").await?;
    let answer = ok(store.claim(changed).await, "a claim")?;
    same(answer, Claimed::Mismatch { what, stored: stored.clone() }, "a claim by other code")?;
    same(present(store, "a").await?, stored, "the record stays")
}

/// Two functions that render the same key would otherwise exchange their results.
async fn another_function_is_reported(store: &dyn Store) -> Verdict {
    let changed = Claim { function: "suite::other".to_owned(), inputs: Some(1), ..claim(store, "a") };
    reported(store, changed, Mismatch::Function).await
}

/// A function that was renamed finds its records, as long as the claim has its former name.
async fn an_earlier_name_of_the_function_is_accepted(store: &dyn Store) -> Verdict {
    let stored = ended(store, claim(store, "a"), Status::Done, b"1").await?;
    let was = vec!["suite::elder".to_owned(), "suite::step".to_owned()];
    let renamed = Claim { function: "suite::other".to_owned(), was, ..claim(store, "a") };
    same(ok(store.claim(renamed).await, "a claim")?, Claimed::Done(stored), "a claim by its later name")
}

/// With the version a program declares that the result of today is not that of yesterday.
async fn another_version_is_reported(store: &dyn Store) -> Verdict {
    reported(store, Claim { version: 2, inputs: Some(1), ..claim(store, "a") }, Mismatch::Version).await
}

/// The key identifies the work; if the inputs behind it have changed, one of the two is wrong.
async fn other_inputs_are_reported(store: &dyn Store) -> Verdict {
    reported(store, Claim { inputs: Some(2), ..claim(store, "a") }, Mismatch::Inputs).await
}

/// A wrong `rerun` can be reverted by a person for 30 days: the bytes are kept, listed and removed.
async fn a_replaced_record_is_quarantined(store: &dyn Store) -> Verdict {
    let stored = ended(store, claim(store, "a"), Status::Done, b"1").await?;
    let rerun = Claim { version: 2, on_mismatch: Otherwise::Rerun, ..claim(store, "a") };
    let anew = hold(store, rerun).await?;
    rule(anew.fence > stored.fence, "done again, it has a higher fence")?;
    same((anew.version, anew.value.len()), (2, 0), "done again, it has nothing of before")?;
    let listed = ok(store.quarantine(None, 10).await, "the quarantine")?;
    let kept = listed.iter().map(|kept| (kept.key.as_str(), kept.why.as_str())).collect::<Vec<_>>();
    same(kept, vec![("a", "replaced")], "the quarantine")?;
    rule(listed.iter().all(|kept| kept.bytes.is_none()), "a listing has no bytes")?;
    let id = listed.iter().map(|kept| kept.id).next().unwrap_or_default();
    same(ok(store.quarantine(Some(id), 10).await, "the next page")?, vec![], "nothing is older")?;
    let shown = ok(store.quarantined(id).await, "the entry")?;
    let bytes = shown.and_then(|kept| (kept.size == stored.encode().len()).then_some(kept.bytes)?);
    same(bytes, Some(stored.encode()), "its bytes")?;
    rule(ok(store.remove_quarantined(id).await, "its removal")?, "it was there")?;
    rule(!ok(store.remove_quarantined(id).await, "its removal")?, "it is gone")?;
    same(ok(store.quarantined(id).await, "the entry")?, None, "it is gone")
}

/// Other code is no reason to take the work away from a process that does it.
async fn a_held_record_is_never_replaced(store: &dyn Store) -> Verdict {
    let held = hold(store, claim(store, "a")).await?;
    let rerun = Claim { version: 2, on_mismatch: Otherwise::Rerun, ..claim(store, "a") };
    let answer = ok(store.claim(rerun).await, "a claim")?;
    rule(!matches!(answer, Claimed::Held(_)), "who holds it goes on")?;
    same(present(store, "a").await?, held, "the record stays")
}
