//! What the operations of a store mean: the same for every store.
//!
//! Each function reads and writes [`Rows`] inside one transaction of the store, and writes nothing before
//! everything has been checked.

use super::{Claim, Claimed, Completion, Cursor, Holder, Mismatch, Otherwise, StoreError};
use crate::durable::record::{Codec, Millis, Record, Status};
use std::time::Duration;

/// The most bytes that a value, an argument list or a cursor may have.
pub const VALUE_LIMIT: usize = 1 << 20;

/// One transaction of a store.
pub trait Rows {
    /// The record under `key`.
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

    /// Moves the bytes under `key` aside, whatever they are.
    ///
    /// # Errors
    ///
    /// Whatever the store itself fails with.
    fn set_aside(&mut self, key: &str, why: &'static str) -> Result<(), StoreError>;

    /// Removes everything under keys that begin with `prefix`.
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

    /// A number above every fence given out before, in this store and for any key.
    ///
    /// # Errors
    ///
    /// Whatever the store itself fails with.
    fn next_fence(&mut self) -> Result<u64, StoreError>;

    /// The store's clock.
    fn now(&self) -> Millis;

    /// Whether the process of `owner` is known to have ended.
    fn is_gone(&self, owner: &str) -> bool;

    /// The state of `key` as a lease: its status, its fence, and whether it was asked to stop.
    ///
    /// # Errors
    ///
    /// As [`get`](Self::get).
    fn lease(&mut self, key: &str) -> Result<Option<(Status, u64, bool)>, StoreError> {
        Ok(self.get(key)?.map(|record| (record.status, record.fence, record.cancelled)))
    }
}

/// `wait` in milliseconds, rounded up, so that no lease is shorter than asked for.
pub fn millis(wait: Duration) -> Millis {
    Millis::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(Millis::MAX)
}

fn sized(bytes: &[u8]) -> Result<(), StoreError> {
    match bytes.len() {
        fits if fits <= VALUE_LIMIT => Ok(()),
        bytes => Err(StoreError::TooLarge { bytes }),
    }
}

/// `holder` must still hold its lease; and unless the work may not be stopped, not have been asked to stop.
fn held(rows: &mut impl Rows, holder: Option<&Holder>, stoppable: bool) -> Result<(), StoreError> {
    let Some(holder) = holder else { return Ok(()) };
    match rows.lease(&holder.key)? {
        Some((status, fence, cancelled)) if status.is_held() && fence == holder.fence => {
            // What is being undone goes on to its end.
            if cancelled && stoppable && status == Status::Running {
                return Err(StoreError::Cancelled { key: holder.key.clone() });
            }
            Ok(())
        }
        _ => Err(StoreError::Fenced { key: holder.key.clone() }),
    }
}

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
/// # Errors
///
/// [`StoreError::Fenced`] or [`StoreError::Cancelled`] of the holder, [`StoreError::Corrupt`],
/// [`StoreError::TooLarge`], and whatever the store itself fails with.
pub fn claim(rows: &mut impl Rows, claim: &Claim) -> Result<Claimed, StoreError> {
    sized(&claim.input)?;
    held(rows, claim.holder.as_ref(), true)?;
    let now = rows.now();
    let stored = match rows.get(&claim.key) {
        Err(StoreError::Corrupt { .. }) if claim.on_corrupt == Otherwise::Rerun => {
            rows.set_aside(&claim.key, "corrupt")?;
            None
        }
        other => other?,
    };
    // A step of an unfinished job does not age.
    let stored = stored.filter(|stored| claim.holder.is_some() || !stored.is_expired(now));
    let Some(stored) = stored.filter(|stored| stored.status != Status::Free || stored.fence > 0) else {
        return take(rows, claim, Record::new(claim.key.clone()), now);
    };
    let is_lost = match stored.status {
        Status::Free => return take(rows, claim, stored, now),
        Status::Running | Status::RollingBack => now >= stored.deadline || rows.is_gone(&stored.owner),
        _ => true,
    };
    if let Some(what) = mismatch(claim, &stored) {
        if !is_lost || claim.on_mismatch == Otherwise::Error {
            return Ok(Claimed::Mismatch { what, stored });
        }
        return anew(rows, claim, &stored, now);
    }
    match stored.status {
        Status::Done if claim.replaces == Some(stored.fence) => anew(rows, claim, &stored, now),
        Status::Done => Ok(Claimed::Done(stored)),
        _ if !is_lost => Ok(Claimed::Busy { owner: stored.owner, until: stored.deadline }),
        Status::Free | Status::Running | Status::RollingBack | Status::Interrupted => {
            take(rows, claim, Record { recoveries: stored.recoveries.saturating_add(1), ..stored }, now)
        }
        Status::Failed | Status::Manual | Status::RolledBack | Status::Dead => {
            if claim.restart {
                return anew(rows, claim, &stored, now);
            }
            Ok(Claimed::Stopped(stored))
        }
    }
}

/// Does the work of `stored` again from the start; what was recorded is kept aside.
fn anew(rows: &mut impl Rows, claim: &Claim, stored: &Record, now: Millis) -> Result<Claimed, StoreError> {
    rows.set_aside(&claim.key, "replaced")?;
    let fresh = Record::new(claim.key.clone());
    take(rows, claim, Record { revision: stored.revision, order: stored.order, ..fresh }, now)
}

fn take(rows: &mut impl Rows, claim: &Claim, before: Record, now: Millis) -> Result<Claimed, StoreError> {
    let is_first = before.attempts == 0;
    let record = Record {
        // A job whose undoing was interrupted goes on undoing.
        status: if before.status == Status::RollingBack { Status::RollingBack } else { Status::Running },
        function: claim.function.clone(),
        version: claim.version,
        codec: Codec::Json,
        inputs: claim.inputs,
        fence: rows.next_fence()?,
        owner: claim.owner.clone(),
        deadline: now.saturating_add(millis(claim.lease)),
        attempts: before.attempts.saturating_add(1),
        created: if is_first { now } else { before.created },
        updated: now,
        completed: 0,
        ttl: millis(claim.ttl),
        revision: before.revision.saturating_add(1),
        // What was recorded when it began is what it goes on with.
        input: if is_first { claim.input.clone() } else { before.input },
        ..before
    };
    rows.put(&record)?;
    Ok(Claimed::Held(record))
}

fn leased(rows: &mut impl Rows, key: &str, fence: u64) -> Result<Record, StoreError> {
    match rows.get(key)? {
        Some(record) if record.status.is_held() && record.fence == fence => Ok(record),
        _ => Err(StoreError::Fenced { key: key.to_owned() }),
    }
}

fn write(rows: &mut impl Rows, record: Record) -> Result<Record, StoreError> {
    let record = Record { updated: rows.now(), revision: record.revision.saturating_add(1), ..record };
    rows.put(&record)?;
    Ok(record)
}

/// Makes a lease last longer; one that lapsed and that nobody took since counts again.
///
/// # Errors
///
/// [`StoreError::Fenced`], and whatever the store itself fails with.
pub fn renew(rows: &mut impl Rows, key: &str, fence: u64, lease: Duration) -> Result<(), StoreError> {
    let record = leased(rows, key, fence)?;
    let deadline = rows.now().saturating_add(millis(lease));
    write(rows, Record { deadline, ..record }).map(drop)
}

/// Records how the work under a lease ended.
///
/// # Errors
///
/// [`StoreError::Fenced`], [`StoreError::TooLarge`], and whatever the store itself fails with.
pub fn complete(rows: &mut impl Rows, completion: &Completion) -> Result<Record, StoreError> {
    sized(&completion.value)?;
    let stored = rows.get(&completion.key)?;
    if let Some(stored) = &stored {
        let repeated = stored.fence == completion.fence
            && stored.status == completion.status
            && stored.value == completion.value;
        if repeated && !stored.status.is_held() {
            return Ok(stored.clone());
        }
    }
    held(rows, completion.holder.as_ref(), false)?;
    let record = match stored {
        Some(record) if record.status.is_held() && record.fence == completion.fence => record,
        _ => return Err(StoreError::Fenced { key: completion.key.clone() }),
    };
    let now = rows.now();
    let order = match &completion.tally {
        // Done again, it keeps its place: the places of a job's steps have no gaps.
        Some(key) if record.order == 0 => {
            let tally = rows.get(key)?.unwrap_or_else(|| Record::new(key.clone()));
            let order = tally.order.saturating_add(1);
            write(rows, Record { order, ..tally })?;
            order
        }
        _ => record.order,
    };
    if let Some(prefix) = &completion.removes {
        rows.remove_all(prefix)?;
    }
    let is_held = completion.status.is_held();
    let record = Record {
        status: completion.status,
        deadline: if is_held { record.deadline } else { 0 },
        completed: if is_held { 0 } else { now },
        order,
        note: if completion.note.is_empty() { record.note } else { completion.note.clone() },
        value: completion.value.clone(),
        ..record
    };
    write(rows, record)
}

/// Records how far the work of `cursor.holder` has come.
///
/// # Errors
///
/// [`StoreError::Fenced`], [`StoreError::TooLarge`], and whatever the store itself fails with.
pub fn put_cursor(rows: &mut impl Rows, cursor: &Cursor) -> Result<(), StoreError> {
    sized(&cursor.value)?;
    held(rows, Some(&cursor.holder), true)?;
    let record = rows.get(&cursor.key)?.unwrap_or_else(|| Record::new(cursor.key.clone()));
    write(rows, Record { value: cursor.value.clone(), ..record }).map(drop)
}

/// Gives a lease back without a result.
///
/// # Errors
///
/// [`StoreError::Fenced`], and whatever the store itself fails with.
pub fn release(rows: &mut impl Rows, key: &str, fence: u64, status: Status) -> Result<(), StoreError> {
    let record = leased(rows, key, fence)?;
    // Undoing that is given back goes on where it was.
    let status = if record.status == Status::RollingBack { Status::RollingBack } else { status };
    write(rows, Record { status, deadline: 0, ..record }).map(drop)
}

/// Writes `record`, if nothing else was written since `expected` was read.
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

/// Deletes the record of `key` and everything under `with`, unless somebody holds it.
///
/// # Errors
///
/// [`StoreError::Conflict`] if it is held, and whatever the store itself fails with.
pub fn remove(rows: &mut impl Rows, key: &str, with: &[String]) -> Result<bool, StoreError> {
    let now = rows.now();
    let is_there = match rows.get(key) {
        Err(StoreError::Corrupt { .. }) => {
            rows.set_aside(key, "corrupt")?;
            true
        }
        Err(error) => return Err(error),
        Ok(None) => false,
        Ok(Some(stored)) => {
            let is_live = stored.status.is_held() && now < stored.deadline && !rows.is_gone(&stored.owner);
            if is_live {
                return Err(StoreError::Conflict { key: key.to_owned() });
            }
            rows.remove(key)?;
            true
        }
    };
    with.iter().try_for_each(|prefix| rows.remove_all(prefix))?;
    Ok(is_there)
}
