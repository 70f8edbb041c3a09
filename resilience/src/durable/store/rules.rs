//! The operations of a store, with one meaning for every store.
//!
//! Each function reads and writes [`Rows`] inside one transaction of the store, and writes nothing before
//! everything has been checked. A store of your own begins a transaction, calls the function, and commits if
//! it returned `Ok`, else rolls back: then all answers are those of the stores that come with the crate.
//!
//! # The states of a record
//!
//! ```text
//!  (none) ── claim ──> Running ── complete ──> Done | Failed | Manual | Dead
//!                       │   ▲                          │
//!       release, or the │   │ claim                    └─ claim with `restart`, except of Done ─> Running
//!         owner is dead ▼   │
//!                    Interrupted
//! ```
//!
//! `RollingBack` is held as `Running` is; released or taken over, it stays `RollingBack`, and goes on to
//! `RolledBack`.
//!
//! # What every rule keeps to
//!
//! - The holder is known by its fence. A write with another fence is [`StoreError::Fenced`], also where the record
//!   has come back to the same state since.
//! - A fence is never given out twice, for any key, also after the record was deleted.
//! - The same completion, asked for twice, is answered as the first: an answer can be lost.
//! - Nothing recorded is overwritten by something that contradicts it. A record that the code replaces
//!   goes to the quarantine first.
//! - Deleting and taking over judge whether the owner lives in the transaction that writes.
//! - A step of a job has no lease of its own: it is written under the fence of the job, and belongs to the
//!   incarnation that began it.

use super::{Claim, Claimed, Completion, Cursor, Holder, Mismatch, Otherwise, Release, StoreError};
use crate::durable::record::key::place;
use crate::durable::record::{Millis, Record, Status};
use std::cmp::Ordering;
use std::time::Duration;

/// The most bytes that a value, an argument list or a cursor may have.
///
/// 1 MiB, after encoding. More is [`StoreError::TooLarge`]: record where the data is, and not the data.
pub const VALUE_LIMIT: usize = 1 << 20;

/// The bytes of notes, inputs and values after which a page of a listing ends.
///
/// 4 MiB; the record that passes the limit is still part of the page.
pub const PAGE_BYTES: usize = 4 << 20;

/// The time for which quarantined bytes are kept, in milliseconds: 30 days.
///
/// [`Store::delete_expired`](super::Store::delete_expired) deletes older ones.
pub const QUARANTINE: Millis = 30 * 24 * 60 * 60 * 1_000;

/// Returns whether the record of `key` is deleted by its own time to live: records of a job are deleted with the job.
///
/// # Examples
///
/// ```
/// use resilience::durable::store::rules::is_kept_for_a_time;
///
/// assert!(is_kept_for_a_time("j/import:7") && is_kept_for_a_time("c/page:7"));
/// assert!(!is_kept_for_a_time("s/import%3A7/page:1"), "a step of a job");
/// ```
pub fn is_kept_for_a_time(key: &str) -> bool {
    key.starts_with(place::JOBS) || key.starts_with(place::STEPS)
}

/// The rows of one transaction of a store.
///
/// The transaction has to be serializable: of two that overlap, one sees all that the other has written. A
/// database that only promises less (read committed, snapshot isolation) needs its locks, or a retry of the
/// transaction.
///
/// One value is one transaction; a rule may call the methods in any order and several times. A later `get` in the same
/// transaction returns the records that were put. An error ends the transaction: nothing that was written in it may be
/// kept.
///
/// # Examples
///
/// The rows of a store that keeps them in a map, without quarantine and for one process. A real one holds a transaction
/// of its database in place of the map:
///
/// ```
/// use resilience::durable::store::rules::{self, Life, Rows};
/// use resilience::durable::store::{Claim, Claimed, Completion};
/// use resilience::durable::{Record, StoreError};
/// use std::collections::BTreeMap;
/// use std::time::Duration;
///
/// #[derive(Default)]
/// struct Transaction {
///     rows: BTreeMap<String, Vec<u8>>,
///     fence: u64,
/// }
///
/// impl Rows for Transaction {
///     fn get(&mut self, key: &str) -> Result<Option<Record>, StoreError> {
///         let corrupt = |reason| StoreError::Corrupt { key: key.to_owned(), reason };
///         self.rows.get(key).map(|bytes| Record::decode(key, bytes).map_err(corrupt)).transpose()
///     }
///
///     fn put(&mut self, record: &Record) -> Result<(), StoreError> {
///         self.rows.insert(record.key.clone(), record.encode());
///         Ok(())
///     }
///
///     fn quarantine(&mut self, key: &str, _why: &'static str) -> Result<(), StoreError> {
///         self.remove(key) // a real store keeps the bytes for 30 days
///     }
///
///     fn remove_all(&mut self, prefix: &str) -> Result<(), StoreError> {
///         self.rows.retain(|key, _| !key.starts_with(prefix));
///         Ok(())
///     }
///
///     fn remove(&mut self, key: &str) -> Result<(), StoreError> {
///         self.rows.remove(key);
///         Ok(())
///     }
///
///     fn next_fence(&mut self) -> Result<u64, StoreError> {
///         self.fence += 1;
///         Ok(self.fence)
///     }
///
///     fn now(&self) -> u64 {
///         1_700_000_000_000
///     }
///
///     fn is_dead(&mut self, _owner: &str, lease: Duration) -> Result<Life, StoreError> {
///         Ok(Life::Alive(lease)) // the only process
///     }
///
///     fn forget_owner(&mut self, _owner: &str) -> Result<(), StoreError> {
///         Ok(())
///     }
///
///     fn progress(&mut self, prefix: &str) -> Result<u64, StoreError> {
///         let keys: Vec<_> = self.rows.keys().filter(|key| key.starts_with(prefix)).cloned().collect();
///         let part = |record: Option<Record>| record.map_or(0, |record| record.progress_part());
///         keys.iter().try_fold(0, |sum: u64, key| Ok(sum.wrapping_add(part(self.get(key)?))))
///     }
/// }
///
/// let mut rows = Transaction::default();
/// let claim = Claim::new("c/page:7", "4711-00c0ffee", "shop::fetch_page");
/// let Claimed::Held(record) = rules::claim(&mut rows, &claim)? else { unreachable!("it is new") };
/// assert!(matches!(rules::claim(&mut rows, &claim)?, Claimed::Busy { .. }));
///
/// rules::complete(&mut rows, &Completion::done("c/page:7", record.fence, b"42".to_vec()))?;
/// let Claimed::Done(record) = rules::claim(&mut rows, &claim)? else { unreachable!("it is done") };
/// assert_eq!(record.value, b"42");
/// # Ok::<(), StoreError>(())
/// ```
pub trait Rows {
    /// Returns the record under `key`.
    ///
    /// `None` means certainly absent, and makes a body run: bytes that cannot be read are an error.
    ///
    /// # Errors
    ///
    /// [`StoreError::Corrupt`], and whatever the store itself fails with.
    fn get(&mut self, key: &str) -> Result<Option<Record>, StoreError>;

    /// Writes `record` under its key.
    ///
    /// # Errors
    ///
    /// Whatever the store itself fails with.
    fn put(&mut self, record: &Record) -> Result<(), StoreError>;

    /// Moves the bytes under `key` into quarantine, whatever they are.
    ///
    /// Afterwards the key is free. The quarantine keeps the bytes for [`QUARANTINE`], with `why`: `corrupt` or
    /// `replaced`. Of a key without a row it keeps nothing.
    ///
    /// # Errors
    ///
    /// Whatever the store itself fails with.
    fn quarantine(&mut self, key: &str, why: &'static str) -> Result<(), StoreError>;

    /// Removes everything under keys that begin with `prefix`.
    ///
    /// The removed records leave no trace, not even in the quarantine.
    ///
    /// # Errors
    ///
    /// Whatever the store itself fails with.
    fn remove_all(&mut self, prefix: &str) -> Result<(), StoreError>;

    /// Removes the record of `key`.
    ///
    /// # Errors
    ///
    /// Whatever the store itself fails with.
    fn remove(&mut self, key: &str) -> Result<(), StoreError>;

    /// Returns a number above every fence given out before, in this store and for any key.
    ///
    /// Within one transaction each call returns another number. A number that was given out in a transaction that was
    /// rolled back may be given out again: no holder has it.
    ///
    /// # Errors
    ///
    /// Whatever the store itself fails with.
    fn next_fence(&mut self) -> Result<u64, StoreError>;

    /// Returns the time of day, for the times in records.
    ///
    /// It is in milliseconds since 1970, for people and for deleting old records; no lease depends on it.
    fn now(&self) -> Millis;

    /// Returns whether `owner` is dead: by its lock; or, if that cannot be judged, because its counter has been seen
    /// unchanged for `lease`. [`Life::Alive`] has the part of `lease` that is left before it may be treated as dead.
    ///
    /// # Errors
    ///
    /// Whatever the store itself fails with.
    fn is_dead(&mut self, owner: &str, lease: Duration) -> Result<Life, StoreError>;

    /// Forgets the counter of `owner`, whose record is taken over: it learns so from its next heartbeat.
    ///
    /// # Errors
    ///
    /// Whatever the store itself fails with.
    fn forget_owner(&mut self, owner: &str) -> Result<(), StoreError>;

    /// Returns the sum, with wrap-around, of [`Record::progress_part`] of all records under keys that begin with
    /// `prefix`. A damaged record adds nothing.
    ///
    /// Recovery compares it with the sum at the death before, to see whether a job made progress in between.
    ///
    /// # Errors
    ///
    /// Whatever the store itself fails with.
    fn progress(&mut self, prefix: &str) -> Result<u64, StoreError>;

    /// Returns the state of `key` as a lease: its status, its fence, and whether it was asked to stop.
    ///
    /// # Errors
    ///
    /// Fails like [`get`](Self::get).
    fn lease(&mut self, key: &str) -> Result<Option<(Status, u64, bool)>, StoreError> {
        Ok(self.get(key)?.map(|record| (record.status, record.fence, record.cancelled)))
    }
}

/// The state of an owner, as far as it is known.
///
/// A wrong `Dead` makes a body run beside another one, a wrong `Alive` makes callers wait: in doubt an owner lives.
///
/// # Examples
///
/// ```
/// use resilience::durable::store::rules::Life;
/// use std::time::Duration;
///
/// /// Judges an owner by how long its counter has been seen unchanged.
/// fn judge(unchanged: Duration, lease: Duration) -> Life {
///     match lease.checked_sub(unchanged) {
///         Some(left) if !left.is_zero() => Life::Alive(left),
///         _ => Life::Dead,
///     }
/// }
///
/// let lease = Duration::from_secs(30);
/// assert_eq!(judge(Duration::from_secs(10), lease), Life::Alive(Duration::from_secs(20)));
/// assert_eq!(judge(lease, lease), Life::Dead);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// The owner lives, or may live: when to look again at the latest.
    Alive(Duration),
    /// The owner is dead.
    Dead,
}

/// Returns `wait` in milliseconds, rounded up, so that no lease is shorter than asked for.
///
/// Returns `wait` in milliseconds; `u64::MAX` if it is longer.
///
/// # Examples
///
/// ```
/// use resilience::durable::store::rules::millis;
/// use std::time::Duration;
///
/// assert_eq!(millis(Duration::from_nanos(1)), 1);
/// assert_eq!(millis(Duration::from_secs(30)), 30_000);
/// assert_eq!(millis(Duration::MAX), u64::MAX);
/// ```
pub fn millis(wait: Duration) -> Millis {
    Millis::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(Millis::MAX)
}

/// Refuses bytes beyond [`VALUE_LIMIT`]; called before anything is read, so that a refusal leaves no trace.
fn sized(bytes: &[u8]) -> Result<(), StoreError> {
    match bytes.len() {
        fits if fits <= VALUE_LIMIT => Ok(()),
        bytes => Err(StoreError::TooLarge { bytes }),
    }
}

/// Checks that `holder` still holds its lease; and, unless the work may not be stopped, was not asked to stop.
fn held(rows: &mut impl Rows, holder: Option<&Holder>, stoppable: bool) -> Result<(), StoreError> {
    let Some(holder) = holder else { return Ok(()) };
    match rows.lease(&holder.key)? {
        Some((status, fence, cancelled)) if status.is_held() && fence == holder.fence => {
            // An undo continues to its end.
            if cancelled && stoppable && status == Status::Running {
                return Err(StoreError::Cancelled { key: holder.key.clone() });
            }
            Ok(())
        }
        _ => Err(StoreError::Fenced { key: holder.key.clone() }),
    }
}

/// Returns how the record contradicts the code that claims it; the first of name, version and inputs counts, because a
/// record of another function has inputs that mean something else.
fn mismatch(claim: &Claim, stored: &Record) -> Option<Mismatch> {
    let known = stored.function == claim.function || claim.was.contains(&stored.function);
    if !known {
        Some(Mismatch::Function)
    } else if stored.version != claim.version {
        Some(Mismatch::Version)
    } else if stored.inputs != claim.inputs {
        Some(Mismatch::Inputs)
    } else {
        None
    }
}

/// Takes the lease of `claim.key`, if it is free to be taken.
///
/// For a step of a job, it only looks whether its body has to run.
///
/// What it answers, in this order:
///
/// | the record | the answer |
/// |---|---|
/// | damaged | an error, or quarantined and [`Held`](Claimed::Held) if the claim says so (`on_corrupt`) |
/// | of a later release | an error |
/// | none, or expired | `Held`, as a new incarnation |
/// | of another function, version or inputs, and not given back | [`Mismatch`](Claimed::Mismatch); or, unless a living owner holds it, quarantined and `Held` if the claim says so (`on_mismatch`) |
/// | done | [`Done`](Claimed::Done); or quarantined and `Held` if the claim `replaces` this incarnation |
/// | held by a living owner | [`Busy`](Claimed::Busy), with how long to wait at most |
/// | held by a dead owner | `Held`, as the same incarnation, with its recoveries counted |
/// | interrupted, or free | `Held`, as the same incarnation |
/// | failed, left for a person, undone, given up | [`Stopped`](Claimed::Stopped), or `Held` if the claim says `restart` |
///
/// # Errors
///
/// [`StoreError::Fenced`] or [`StoreError::Cancelled`] of the holder, [`StoreError::Corrupt`],
/// [`StoreError::TooLarge`], and whatever the store itself fails with.
pub fn claim(rows: &mut impl Rows, claim: &Claim) -> Result<Claimed, StoreError> {
    sized(&claim.input)?;
    if let Some(holder) = &claim.holder {
        return step(rows, claim, holder);
    }
    let now = rows.now();
    let stored = match rows.get(&claim.key) {
        Err(damage) if claim.replaces_damage(&damage) => {
            rows.quarantine(&claim.key, "corrupt")?;
            None
        }
        other => other?,
    };
    let Some(stored) = stored.filter(|stored| !stored.is_expired(now)) else {
        return new_incarnation(rows, claim, None, now);
    };
    if stored.status == Status::Free && stored.fence == 0 {
        return new_incarnation(rows, claim, Some(&stored), now);
    }
    let life = life(rows, &stored)?;
    if let (Some(what), false) = (mismatch(claim, &stored), stored.status == Status::Free) {
        if life != Life::Dead || claim.on_mismatch == Otherwise::Error {
            return Ok(Claimed::Mismatch { what, stored });
        }
        rows.quarantine(&claim.key, "replaced")?;
        return new_incarnation(rows, claim, Some(&stored), now);
    }
    match (stored.status, life) {
        (Status::Done, _) if claim.replaces != Some(stored.incarnation) => Ok(Claimed::Done(stored)),
        (_, Life::Alive(left)) => Ok(Claimed::Busy { owner: stored.owner, left }),
        // Undoing that was released.
        (Status::RollingBack, Life::Dead) if stored.owner.is_empty() => take(rows, claim, stored, now),
        (Status::Running | Status::RollingBack, Life::Dead) => {
            let owner = stored.owner.clone();
            let stored = recovered(rows, stored)?;
            rows.forget_owner(&owner)?;
            take(rows, claim, stored, now)
        }
        (Status::Free | Status::Interrupted, _) => take(rows, claim, stored, now),
        (Status::Done, _) => {
            rows.quarantine(&claim.key, "replaced")?;
            new_incarnation(rows, claim, Some(&stored), now)
        }
        // From its former state, as after `resume`: its records count.
        (Status::Failed | Status::Manual | Status::RolledBack | Status::Dead, _) if claim.restart => {
            let stored = Record { recoveries: 0, cancelled: false, value: Vec::new(), ..stored };
            take(rows, claim, stored, now)
        }
        (Status::Failed | Status::Manual | Status::RolledBack | Status::Dead, _) => {
            Ok(Claimed::Stopped(stored))
        }
    }
}

/// Returns whether the body of a step of a job has to run, and as which incarnation. Writes nothing, unless damaged
/// bytes have to be replaced.
///
/// The body runs unless the step is done, and its record agrees with the code. No claim is written: the
/// job's lease protects the step, and a second run of the step in one job is decided by its incarnation when it is
/// recorded.
fn step(rows: &mut impl Rows, claim: &Claim, holder: &Holder) -> Result<Claimed, StoreError> {
    held(rows, Some(holder), true)?;
    let stored = match rows.get(&claim.key) {
        Err(damage) if claim.replaces_damage(&damage) => {
            rows.quarantine(&claim.key, "corrupt")?;
            // Nothing is known of the incarnations before: this one gets a number that none of them had.
            let free = Record { incarnation: rows.next_fence()?, ..Record::new(claim.key.clone()) };
            rows.put(&free)?;
            Some(free)
        }
        other => other?,
    };
    let stored = stored.unwrap_or_else(|| Record::new(claim.key.clone()));
    let is_done = stored.status == Status::Done;
    let what = mismatch(claim, &stored).filter(|_| is_done);
    if let Some(what) = what.filter(|_| claim.on_mismatch == Otherwise::Error) {
        return Ok(Claimed::Mismatch { what, stored });
    }
    let is_replaced = what.is_some() || claim.replaces == Some(stored.incarnation);
    if is_done && !is_replaced {
        return Ok(Claimed::Done(stored));
    }
    let incarnation = stored.incarnation.saturating_add(u64::from(is_done));
    let now = rows.now();
    Ok(Claimed::Held(Record {
        status: Status::Running,
        function: claim.function.clone(),
        version: claim.version,
        inputs: claim.inputs,
        fence: holder.fence,
        incarnation,
        owner: claim.owner.clone(),
        created: if stored.created == 0 { now } else { stored.created },
        completed: 0,
        ttl: millis(claim.ttl),
        input: claim.input.clone(),
        value: Vec::new(),
        ..stored
    }))
}

/// Returns whether the owner of a record lives; a record that is not held has none.
fn life(rows: &mut impl Rows, record: &Record) -> Result<Life, StoreError> {
    if !record.status.is_held() || record.owner.is_empty() {
        return Ok(Life::Dead);
    }
    rows.is_dead(&record.owner, Duration::from_millis(record.lease))
}

/// Returns the record of an owner that died: one more recovery, or the first one since the job made progress.
///
/// A job that gets a step further between two deaths is not one that kills its process each time: only recoveries
/// without progress add up to the limit. What it records after each recovery in the same way is no progress.
fn recovered(rows: &mut impl Rows, record: Record) -> Result<Record, StoreError> {
    let mut progress: u64 = 0;
    for prefix in place::progress_of(&record.key) {
        progress = progress.wrapping_add(rows.progress(&prefix)?);
    }
    let recoveries = if progress == record.progress { record.recoveries.saturating_add(1) } else { 1 };
    Ok(Record { recoveries, progress, ..record })
}

/// Starts a new incarnation; nothing of the old one is used.
fn new_incarnation(
    rows: &mut impl Rows,
    claim: &Claim,
    stored: Option<&Record>,
    now: Millis,
) -> Result<Claimed, StoreError> {
    for prefix in place::parts_of(&claim.key) {
        rows.remove_all(&prefix)?;
    }
    let fresh = Record::new(claim.key.clone());
    let fresh = match stored {
        Some(stored) => Record { revision: stored.revision, order: stored.order, ..fresh },
        None => fresh,
    };
    take(rows, claim, fresh, now)
}

/// Grants the lease to the claim, under a new fence. `before` is the record of the key: its incarnation, its first
/// time and its input stay, unless it was never claimed.
fn take(rows: &mut impl Rows, claim: &Claim, before: Record, now: Millis) -> Result<Claimed, StoreError> {
    let is_first = before.attempts == 0;
    let fence = rows.next_fence()?;
    let record = Record {
        // A job whose undoing was interrupted goes on undoing.
        status: if before.status == Status::RollingBack { Status::RollingBack } else { Status::Running },
        function: claim.function.clone(),
        version: claim.version,
        inputs: claim.inputs,
        fence,
        incarnation: if is_first { fence } else { before.incarnation },
        owner: claim.owner.clone(),
        lease: millis(claim.lease),
        attempts: before.attempts.saturating_add(1),
        created: if is_first { now } else { before.created },
        updated: now,
        completed: 0,
        ttl: millis(claim.ttl),
        revision: before.revision.saturating_add(1),
        // It continues with the input that was recorded at its beginning.
        input: if is_first { claim.input.clone() } else { before.input },
        ..before
    };
    rows.put(&record)?;
    Ok(Claimed::Held(record))
}

/// Returns the record of `key`, if it is held under `fence`; a record that is absent is as lost to the holder as one
/// with another fence.
fn leased(rows: &mut impl Rows, key: &str, fence: u64) -> Result<Record, StoreError> {
    match rows.get(key)? {
        Some(record) if record.status.is_held() && record.fence == fence => Ok(record),
        _ => Err(StoreError::Fenced { key: key.to_owned() }),
    }
}

/// Writes `record` as of now, with the next revision: every write but that of a claim goes through here.
fn write(rows: &mut impl Rows, record: Record) -> Result<Record, StoreError> {
    let record = Record { updated: rows.now(), revision: record.revision.saturating_add(1), ..record };
    rows.put(&record)?;
    Ok(record)
}

/// Records how the work under a lease ended.
///
/// A record that is no longer held answers with itself if status and value are those of the completion, and with
/// `Fenced` otherwise. The count of the job's steps goes with a job that is done: it served recovery only.
///
/// # Errors
///
/// [`StoreError::Fenced`], [`StoreError::TooLarge`], and whatever the store itself fails with.
pub fn complete(rows: &mut impl Rows, completion: &Completion) -> Result<Record, StoreError> {
    sized(&completion.value)?;
    if let (Some(holder), Some(record)) = (&completion.holder, &completion.record) {
        return complete_step(rows, completion, holder, record);
    }
    let fenced = || StoreError::Fenced { key: completion.key.clone() };
    let record =
        rows.get(&completion.key)?.filter(|record| record.fence == completion.fence).ok_or_else(fenced)?;
    if !record.status.is_held() {
        // Asked again after an answer that was lost.
        let is_repeated = record.status == completion.status && record.value == completion.value;
        return if is_repeated { Ok(record) } else { Err(fenced()) };
    }
    let now = rows.now();
    if let Some(prefix) = &completion.removes {
        rows.remove_all(prefix)?;
    }
    if completion.status == Status::Done
        && let Some(tally) = place::tally_of(&completion.key)
    {
        rows.remove_all(&tally)?;
    }
    let is_held = completion.status.is_held();
    let record = Record {
        status: completion.status,
        completed: if is_held { 0 } else { now },
        note: if completion.note.is_empty() { record.note } else { completion.note.clone() },
        attempts: completion.attempts.unwrap_or(record.attempts),
        value: completion.value.clone(),
        ..record
    };
    write(rows, record)
}

/// Records a step of a job, if the job's lease is held and no later incarnation of the step was begun.
fn complete_step(
    rows: &mut impl Rows,
    completion: &Completion,
    holder: &Holder,
    record: &Record,
) -> Result<Record, StoreError> {
    held(rows, Some(holder), false)?;
    let stored = rows.get(&completion.key)?;
    let tally = completion.tally.as_ref();
    let tally =
        tally.map(|key| Ok(rows.get(key)?.unwrap_or_else(|| Record::new(key.clone())))).transpose()?;
    let fenced = || Err(StoreError::Fenced { key: completion.key.clone() });
    if let Some(stored) = &stored {
        let is_done = stored.status == Status::Done;
        match stored.incarnation.cmp(&record.incarnation) {
            Ordering::Greater => return fenced(),
            Ordering::Equal if is_done && stored.value == completion.value => return Ok(stored.clone()),
            Ordering::Equal if is_done => return fenced(),
            Ordering::Less if is_done => rows.quarantine(&completion.key, "replaced")?,
            _ => {}
        }
    }
    let is_repeated = stored.as_ref().is_some_and(|stored| stored.status == Status::Done);
    let (revision, place) = stored.map_or((0, 0), |stored| (stored.revision, stored.order));
    let order = match tally {
        Some(tally) => {
            // A step that was done before gets its job no further: the count and its revision stay as they are.
            if !is_repeated {
                let progress = tally.progress.saturating_add(u64::from(place == 0));
                write(rows, Record { progress, ..tally })?;
            }
            rows.next_fence()?
        }
        None => place,
    };
    let record = Record {
        key: completion.key.clone(),
        status: completion.status,
        completed: rows.now(),
        order,
        revision,
        fence: holder.fence,
        attempts: record.attempts.saturating_add(1),
        value: completion.value.clone(),
        ..record.clone()
    };
    write(rows, record)
}

/// Records how far the work of `cursor.holder` has come.
///
/// The last one counts; an earlier one is overwritten. One that equals the last changes nothing, so that it is no
/// progress of a job that dies again and again. A holder that was asked to stop gets
/// [`StoreError::Cancelled`], so that a loop that saves its position ends there.
///
/// # Errors
///
/// [`StoreError::Fenced`], [`StoreError::TooLarge`], and whatever the store itself fails with.
pub fn put_cursor(rows: &mut impl Rows, cursor: &Cursor) -> Result<(), StoreError> {
    sized(&cursor.value)?;
    held(rows, Some(&cursor.holder), true)?;
    let stored = rows.get(&cursor.key)?;
    if stored.as_ref().is_some_and(|stored| stored.value == cursor.value) {
        return Ok(());
    }
    let record = stored.unwrap_or_else(|| Record::new(cursor.key.clone()));
    write(rows, Record { value: cursor.value.clone(), ..record }).map(drop)
}

/// Ends a lease without a result.
///
/// The record of a lock is removed. The owner itself releases by its fence. `abandoned` is for an observer: the store
/// has to agree that the owner is dead, and then counts a recovery.
///
/// # Errors
///
/// [`StoreError::Fenced`]; [`StoreError::Conflict`] for an abandoned lease whose owner may live; and whatever the
/// store itself fails with.
pub fn release(rows: &mut impl Rows, release: &Release) -> Result<(), StoreError> {
    let mut record = leased(rows, &release.key, release.fence)?;
    if release.abandoned {
        if life(rows, &record)? != Life::Dead {
            return Err(StoreError::Conflict { key: release.key.clone() });
        }
        if !record.owner.is_empty() {
            record = recovered(rows, record)?;
            rows.forget_owner(&record.owner)?;
        }
    }
    if place::is_lock(&release.key) {
        return rows.remove(&release.key);
    }
    // Undoing that is released goes on where it was.
    let is_undoing = record.status == Status::RollingBack;
    let status = if is_undoing { Status::RollingBack } else { release.status };
    // Held by no owner.
    let owner = if is_undoing { String::new() } else { record.owner };
    let note = if release.note.is_empty() { record.note } else { release.note.clone() };
    write(rows, Record { status, owner, note, ..record }).map(drop)
}

/// Writes `record`, if nothing else was written since `expected` was read.
///
/// Compares revisions: `None` means that there is no record. Operators write so; it ignores leases, so that the
/// caller judges the state that it has read.
///
/// # Errors
///
/// [`StoreError::Conflict`], [`StoreError::TooLarge`], and whatever the store itself fails with.
pub fn cas(rows: &mut impl Rows, expected: Option<u64>, record: Record) -> Result<Record, StoreError> {
    sized(&record.value)?;
    let stored = rows.get(&record.key)?.map(|stored| stored.revision);
    if stored != expected {
        return Err(StoreError::Conflict { key: record.key });
    }
    write(rows, Record { revision: expected.unwrap_or(0), ..record })
}

/// Deletes those of the records under `keys` that were done or undone before `before`, with what belongs to them.
///
/// Returns the number of removed records. Records in other states, and those that ended later, stay: the keys may come
/// from a listing that is seconds old.
///
/// # Errors
///
/// Whatever the store itself fails with.
pub fn remove_ended(rows: &mut impl Rows, keys: &[String], before: Millis) -> Result<usize, StoreError> {
    let mut count = 0;
    for key in keys {
        let ended = match rows.get(key) {
            Ok(stored) => stored.filter(|stored| matches!(stored.status, Status::Done | Status::RolledBack)),
            // Damaged bytes stay where they are.
            Err(StoreError::Corrupt { .. }) => None,
            Err(error) => return Err(error),
        };
        if ended.is_some_and(|ended| ended.completed < before) {
            rows.remove(key)?;
            place::parts_of(key).iter().try_for_each(|prefix| rows.remove_all(prefix))?;
            count += 1;
        }
    }
    Ok(count)
}

/// Deletes the record of `key` and everything under `with`, unless a living owner holds it.
///
/// Returns whether there was a record. A damaged one is quarantined, and counts.
///
/// # Errors
///
/// [`StoreError::Conflict`] if it is held, and whatever the store itself fails with.
pub fn remove(rows: &mut impl Rows, key: &str, with: &[String]) -> Result<bool, StoreError> {
    let is_there = match rows.get(key) {
        Err(StoreError::Corrupt { .. }) => {
            rows.quarantine(key, "corrupt")?;
            true
        }
        Err(error) => return Err(error),
        Ok(None) => false,
        Ok(Some(stored)) => {
            if life(rows, &stored)? != Life::Dead {
                return Err(StoreError::Conflict { key: key.to_owned() });
            }
            rows.remove(key)?;
            true
        }
    };
    with.iter().try_for_each(|prefix| rows.remove_all(prefix))?;
    Ok(is_there)
}
