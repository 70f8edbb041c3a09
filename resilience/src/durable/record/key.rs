//! Keys of jobs and steps, and where their records are in a store.
//!
//! | prefix | what |
//! |---|---|
//! | `j/<id>` | a job |
//! | `s/<job>/<key>`, `c/<key>` | a step of a job, a step outside of jobs |
//! | `c/<job>/<hash>/<key>` | a step of a job in another store than the job's; the hash is of the job's store and incarnation |
//! | `p/<job>/<name>`, `p//<name>` | a cursor of a job, a cursor outside of jobs |
//! | `n/<job>/` | the count of the steps of a job that have ended |
//! | `l/<name>` | a lock, while it is held |
//! | `u/<job>/<key>#<incarnation>` | an undo |
//!
//! The id of a job is escaped where it is a part of a longer key, so that no id can reach into another job's records.
//! All that belongs to a job begins with the same few prefixes, and goes with it in one transaction.

pub(crate) use crate::base::template::{Key, part, whole};
use crate::durable::record::error::Subject;

/// The most bytes that a key may have.
///
/// It bounds what a person writes: the key in the store is longer by its prefix and the escaped id of the job.
const KEY_LIMIT: usize = 512;

/// Returns the place, if something can be recorded under its key; `empty` and `too_long` make the errors, the latter with
/// the length of the key in bytes.
pub(crate) fn check_key<E>(
    at: Box<Subject>,
    empty: fn(Box<Subject>) -> E,
    too_long: fn(Box<Subject>, usize) -> E,
) -> Result<Box<Subject>, E> {
    match at.key.len() {
        0 => Err(empty(at)),
        bytes if bytes > KEY_LIMIT => Err(too_long(at, bytes)),
        _ => Ok(at),
    }
}

/// The places of the records of jobs, steps and cursors in a store.
pub(crate) mod place {
    use super::part;

    /// The prefix of the keys of jobs.
    pub(crate) const JOBS: &str = "j/";
    /// Steps outside of jobs.
    pub(crate) const STEPS: &str = "c/";
    /// Cursors outside of jobs.
    pub(crate) const CURSORS: &str = "p//";

    /// Locks of functions with `with_lock(.., store = ..)`.
    pub(crate) const LOCKS: &str = "l/";

    /// Returns the key of the lock `name`, while it is held.
    #[cfg(feature = "fs")]
    pub(crate) fn lock(name: &str) -> String {
        format!("{LOCKS}{name}")
    }

    /// Returns whether the record of `key` is that of a lock: it means nothing once the lock is free.
    pub(crate) fn is_lock(key: &str) -> bool {
        key.starts_with(LOCKS)
    }

    /// Returns the key of the job `id`, which is not escaped: nothing follows it.
    pub(crate) fn job(id: &str) -> String {
        format!("{JOBS}{id}")
    }

    /// Returns whether the record of `key` is that of a job.
    pub(crate) fn is_job(key: &str) -> bool {
        key.starts_with(JOBS)
    }

    /// Returns the id of the job whose record is at `key`.
    pub(crate) fn id(key: &str) -> &str {
        key.strip_prefix(JOBS).unwrap_or(key)
    }

    /// Returns the key of the step `key` of a job, or of none. Only the id is escaped: it is the part that ends at a
    /// slash.
    pub(crate) fn step(job: Option<&str>, key: &str) -> String {
        match job {
            Some(job) => format!("s/{}/{key}", part(job)),
            None => format!("{STEPS}{key}"),
        }
    }

    /// Returns the key of the step `key` of a job in another store than the job's, which sees a step outside of jobs.
    /// `incarnation` identifies the store and the run of the job until it starts over: with the next one the step
    /// runs again.
    pub(crate) fn step_elsewhere(job: &str, incarnation: u128, key: &str) -> String {
        format!("{STEPS}{job}/{incarnation:032x}/{key}")
    }

    /// Returns the key of the number of ended steps of a job.
    pub(crate) fn tally(job: &str) -> String {
        format!("n/{}/", part(job))
    }

    /// Returns the key of the count of the steps of the job whose record is under `key`; `None` for other keys.
    pub(crate) fn tally_of(key: &str) -> Option<String> {
        key.strip_prefix(JOBS).map(tally)
    }

    /// Returns whether the record of `key` counts the steps of a job.
    pub(crate) fn is_tally(key: &str) -> bool {
        key.starts_with("n/")
    }

    /// Returns the key of the undo of one incarnation of a step: done again, it is undone again.
    pub(crate) fn undo(job: &str, step: &str, incarnation: u64) -> String {
        format!("u/{}/{step}#{incarnation}", part(job))
    }

    /// Returns the key of the step `key` that belongs to the undo under `undo`: with the next undo it runs again.
    pub(crate) fn step_of_undo(undo: &str, key: &str) -> String {
        format!("{undo}/{key}")
    }

    /// Returns whether the record of `key` is an undo, or a step of one.
    pub(crate) fn is_of_undo(key: &str) -> bool {
        key.starts_with("u/")
    }

    /// Returns the prefix of the undos of the steps of a job.
    pub(crate) fn undos(job: &str) -> String {
        format!("u/{}/", part(job))
    }

    /// Returns the prefixes under which a job with the key `key` records its progress; none for other keys.
    ///
    /// [`Record::progress_part`](super::super::Record::progress_part) says what each record there adds.
    pub(crate) fn progress_of(key: &str) -> Vec<String> {
        match key.strip_prefix(JOBS) {
            Some(id) => ["n", "p", "u"].map(|kind| format!("{kind}/{}/", part(id))).to_vec(),
            None => Vec::new(),
        }
    }

    /// Returns the prefixes of the records that belong to that under `key`, and are removed with it.
    pub(crate) fn parts_of(key: &str) -> Vec<String> {
        key.strip_prefix(JOBS).map(of_job).unwrap_or_default()
    }

    /// Returns the key of the cursor `name` of a job, or of none. An empty id is escaped as `%`, so that `p//` is never
    /// a job's.
    pub(crate) fn cursor(job: Option<&str>, name: &str) -> String {
        match job {
            Some(job) => format!("p/{}/{name}", part(job)),
            None => format!("{CURSORS}{name}"),
        }
    }

    /// Returns whether the record of `key` is a cursor, of a job or of none.
    pub(crate) fn is_cursor(key: &str) -> bool {
        key.starts_with("p/")
    }

    /// Returns the prefix of the keys of the cursors of a job.
    pub(crate) fn cursors(job: &str) -> String {
        format!("p/{}/", part(job))
    }

    /// Returns the prefixes of everything that belongs to a job beside its own record.
    pub(crate) fn of_job(job: &str) -> Vec<String> {
        let part = part(job);
        vec![format!("s/{part}/"), format!("u/{part}/"), format!("p/{part}/"), format!("n/{part}/")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_round_trips_to_its_id() {
        for id in ["", "import:7", "a%20b%2Fc", "%", "%2", "ä/%é"] {
            assert_eq!(whole(&part(id)), id);
        }
        assert!(!place::cursor(None, "rows").starts_with(&place::cursors("")), "a job without a name");
        assert_eq!(whole("%zz%4"), "%zz%4", "what was never a part stays as it is");
    }
}
