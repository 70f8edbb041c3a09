//! The storage of records: one trait, and the stores that come with the crate.
//!
//! | store | durable | shared by | use |
//! |---|---|---|---|
//! | [`MemoryStore`] | no | one process | tests, and steps that need not outlive the process |
//! | `SqliteStore` (feature `sqlite`) | yes | processes of one host | programs |
//! | a [`Store`] of your own | as it says | as it says | another database |
//!
//! # Writing one
//!
//! A store has to make each operation atomic and durable; what an operation means is decided in one place for
//! all stores, by the functions of [`rules`], which read and write [`Rows`]. So a store of your own is:
//!
//! 1. [`Rows`] for a transaction of the database: get, put and remove records by key, and a counter of
//!    fences.
//! 2. [`Store`], whose methods begin a transaction, call the rule of the same name, and commit.
//! 3. An owner: a name for this process, and how others see that it has died.
//!
//! Then run [the suite](Store#the-suite) on it, and a test that kills processes.
//!
//! # How the library uses one
//!
//! | when | operations |
//! |---|---|
//! | a step outside of a job, a job | [`claim`](Store::claim), then [`complete`](Store::complete) or [`release`](Store::release) |
//! | a step of a job | `claim` with a holder, which writes nothing, then `complete` |
//! | a position of a loop | [`put_cursor`](Store::put_cursor) |
//! | while leases are held | [`renew`](Store::renew), three times in the shortest lease |
//! | a recovery and its sweep | [`list`](Store::list), `release` of abandoned work, [`delete_expired`](Store::delete_expired) |
//! | an operator | `list`, [`get`](Store::get), [`cas`](Store::cas), [`remove`](Store::remove), the quarantine |
//!
//! All of them may be called at once, from any thread, and the futures are polled on any runtime or on none. A future
//! that waits for I/O of one runtime has to bring that runtime along. Its code may panic; the library treats that as
//! an outage.
//!
//! # What a store is not
//!
//! It is not a lock service: a lease says who may write to this store, and other systems have to be given the fence to
//! refuse a late writer. It is not a queue either: jobs are found by listing, seconds after their owner has died.

mod capabilities;
#[cfg(feature = "sqlite")]
mod files;
mod memory;
pub(crate) mod owners;
pub(crate) mod pages;
mod requests;
pub mod rules;
#[cfg(feature = "sqlite")]
mod sqlite;
pub(crate) mod writes;

pub use crate::failure::durable::{Mismatch, StoreError};
pub use capabilities::{Capabilities, Liveness};
pub use memory::MemoryStore;
pub(crate) use requests::LEASE;
pub use requests::{
    Claim, Claimed, Completion, Cursor, Holder, Otherwise, Page, Quarantined, Query, Release,
};
pub use rules::Rows;
#[cfg(feature = "sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub use sqlite::{SqliteOptions, SqliteStore, StoreSize};

use crate::durable::record::{Millis, Record};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// The value that an operation of a store returns: a future that need not be polled on any particular runtime.
///
/// A future that is dropped may have done its work or not, but never only part of it.
///
/// # Examples
///
/// The future of an operation that answers at once, and of one that fails:
///
/// ```
/// use resilience::durable::StoreError;
/// use resilience::durable::store::Work;
/// use std::future::ready;
///
/// fn count<'a>() -> Work<'a, usize> {
///     Box::pin(ready(Ok(3)))
/// }
///
/// fn read_only<'a>() -> Work<'a, usize> {
///     Box::pin(async { Err(StoreError::ReadOnly) })
/// }
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// assert_eq!(count().await, Ok(3));
/// assert_eq!(read_only().await, Err(StoreError::ReadOnly));
/// # });
/// ```
pub type Work<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// A store of records, on which jobs, checkpoints and cursors are built.
///
/// # What each operation guarantees
///
/// - **Atomic.** Concurrent callers, other processes included, see it whole or not at all.
/// - **Durable** where [`capabilities`](Self::capabilities) say so: what a method has returned `Ok` for
///   survives `kill -9`. After an `Err` the write may have happened; the caller asks again with the same
///   fence.
/// - **Fenced.** [`claim`](Self::claim) returns a number above all earlier ones of the store; a write with a
///   number that is no longer the record's is refused with [`StoreError::Fenced`].
/// - **Checked.** Bytes that are not a sound record are [`StoreError::Corrupt`], or quarantined where the claim
///   says so, and never a value.
/// - **Without wall clocks.** Leases are judged by a monotonic clock of the observer, never by times of day.
///
/// The functions of [`rules`] implement all of this but atomicity and durability.
///
/// # Errors
///
/// Each operation returns the [`StoreError`] that fits; the library decides by it: an
/// [outage](StoreError::is_outage) leaves a job to its recovery, `Fenced` discards a result.
///
/// # The suite
///
/// `testing::store::conformance` (feature `testing`) checks the rules on an empty store:
///
/// ```
/// # #[cfg(feature = "testing")]
/// # {
/// use resilience::durable::MemoryStore;
/// use std::sync::Arc;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// resilience::testing::store::conformance(|| Arc::new(MemoryStore::new())).await.unwrap();
/// # });
/// # }
/// ```
///
/// # Examples
///
/// Reading what a step has recorded:
///
/// ```
/// use resilience::durable::{MemoryStore, Status, Store};
/// use resilience::durable::store::{Claim, Claimed, Completion};
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
/// let store = MemoryStore::new();
/// let claim = Claim::new("step", store.owner(), "shop::charge");
/// let Claimed::Held(record) = store.claim(claim.clone()).await? else { unreachable!("it is free") };
/// store.complete(Completion::done("step", record.fence, b"42".to_vec())).await?;
///
/// let Claimed::Done(record) = store.claim(claim).await? else { unreachable!("it is done") };
/// assert_eq!((record.status, &*record.value), (Status::Done, &b"42"[..]));
/// # Ok::<(), resilience::durable::StoreError>(())
/// # }).unwrap();
/// ```
pub trait Store: Send + Sync + fmt::Debug + 'static {
    /// Returns the record under `key`, as it was last written; `None` if there is none.
    ///
    /// It sees every write that was acknowledged before, by any process. Damaged bytes are
    /// [`StoreError::Corrupt`].
    ///
    /// It must not answer from a replica or a cache that may be behind: "absent" makes a body run.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::durable::{MemoryStore, Record, Store};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let store = MemoryStore::new();
    /// assert_eq!(store.get("c/page:7").await?, None);
    /// let written = store.cas(None, Record::new("c/page:7")).await?;
    /// assert_eq!(store.get("c/page:7").await?, Some(written));
    /// # Ok::<(), resilience::durable::StoreError>(())
    /// # }).unwrap();
    /// ```
    fn get<'a>(&'a self, key: &'a str) -> Work<'a, Option<Record>>;

    /// Takes a lease on `claim.key` under a new fence, if no living owner has one and nothing is recorded.
    ///
    /// The answer says what was found instead: a result, a living owner, an end that waits for a person, or a
    /// record of other code. Of concurrent claims of one key exactly one is answered with [`Claimed::Held`].
    ///
    /// With [`Claim::holder`] it takes none, and writes nothing: a step of a job is guarded by the job's
    /// lease. The answer [`Claimed::Held`] is then the record as [`Completion::record`] will write it.
    fn claim(&self, claim: Claim) -> Work<'_, Claimed>;

    /// Raises the counter of this process, whose shortest lease is `lease`: one write for all its leases.
    ///
    /// Fails with [`StoreError::Fenced`] if others treated this process as dead; it has joined again then, and has
    /// to look at what it holds.
    ///
    /// The library calls it every third of `lease`, and before a claim. It should fail rather than wait for longer
    /// than that: after a whole lease without an answer the library treats all leases as lost.
    ///
    /// A store whose owners can only be the calling process, such as [`MemoryStore`], has nothing to raise and
    /// answers `Ok`.
    fn renew(&self, lease: Duration) -> Work<'_, ()>;

    /// Records how the work under a lease ended, durable before it returns.
    ///
    /// Repeated with the same fence and result it changes nothing, so that a caller can repeat it after an
    /// outage. Any other holder gets [`StoreError::Fenced`].
    ///
    /// Returns the record as it is now kept. With [`Status::RollingBack`](super::Status::RollingBack) the lease goes on,
    /// under the same fence; with every other status it has ended. A result of more than [`rules::VALUE_LIMIT`] bytes
    /// is [`StoreError::TooLarge`], and the record is as it was before.
    ///
    /// # Examples
    ///
    /// What a job that has to undo its steps goes through:
    ///
    /// ```
    /// use resilience::durable::{MemoryStore, Status, Store};
    /// use resilience::durable::store::{Claim, Claimed, Completion};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let store = MemoryStore::new();
    /// let claim = Claim::new("j/import:7", store.owner(), "import:{id}");
    /// let Claimed::Held(job) = store.claim(claim).await? else { unreachable!("it is new") };
    /// let undoing = store.complete(Completion::of(&*job.key, job.fence, Status::RollingBack)).await?;
    /// assert!(undoing.status.is_held() && undoing.completed == 0);
    /// let undone = store.complete(Completion::of(&*job.key, job.fence, Status::RolledBack)).await?;
    /// assert!(undone.status.is_final() && undone.completed > 0);
    /// # Ok::<(), resilience::durable::StoreError>(())
    /// # }).unwrap();
    /// ```
    fn complete(&self, completion: Completion) -> Work<'_, Record>;

    /// Records how far the work of `cursor.holder` has come, if its lease is still held.
    ///
    /// A cursor that equals the last one is no progress. Fails with [`StoreError::Fenced`] if the lease is not held, and
    /// with [`StoreError::Cancelled`] if the job was asked to stop.
    fn put_cursor(&self, cursor: Cursor) -> Work<'_, ()>;

    /// Ends a lease without a result; its fence stays used, so that a late write under it is refused.
    ///
    /// Fails with [`StoreError::Fenced`] if the lease is held no more, and with [`StoreError::Conflict`] for an
    /// abandoned one whose owner may live.
    fn release(&self, release: Release) -> Work<'_, ()>;

    /// Writes `record` if the one under its key has the revision `expected`, or is absent for `None`.
    ///
    /// Returns it with its new revision; else it fails with [`StoreError::Conflict`], and nothing has
    /// changed.
    ///
    /// The `revision` and `updated` of `record` do not matter: the store sets both. A lease is not an obstacle, and no
    /// fence is compared; read the record first and judge its status, as the functions for operators do.
    ///
    /// # Examples
    ///
    /// Changing a record only if nothing else has changed it:
    ///
    /// ```
    /// use resilience::durable::{MemoryStore, Record, Store, StoreError};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let store = MemoryStore::new();
    /// let read = store.cas(None, Record::new("c/page:7")).await?;
    /// let mut changed = read.clone();
    /// changed.note = b"{}".to_vec();
    /// let written = store.cas(Some(read.revision), changed.clone()).await?;
    /// assert!(written.revision > read.revision);
    ///
    /// let late = store.cas(Some(read.revision), changed).await;
    /// assert!(matches!(late, Err(StoreError::Conflict { .. })));
    /// # Ok::<(), StoreError>(())
    /// # }).unwrap();
    /// ```
    fn cas(&self, expected: Option<u64>, record: Record) -> Work<'_, Record>;

    /// Lists the records of `query` in the order of the bytes of their keys; a hint, as every listing is.
    ///
    /// A record that exists during the whole listing is on exactly one page; a record that is written during it
    /// may be on none.
    ///
    /// Damaged records are on the pages, too, by their keys. A page that takes a whole table to find is worse than an
    /// empty one with a `next`: the store may end it wherever it likes.
    fn list(&self, query: Query) -> Work<'_, Page>;

    /// Deletes records that ended before `before`, or were released before it, under keys that begin with `prefix`,
    /// at most `limit` records; returns their number.
    ///
    /// When a record ended is what [`Record::ended`] says: what runs, is interrupted or waits for a person has not.
    /// `before` is in milliseconds since 1970, and what ended at that very moment stays. Fewer than `limit` means
    /// that nothing more is left. The library calls it for steps and cursors outside of jobs; a job goes by
    /// [`remove_ended`](Self::remove_ended), which takes its steps along.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::durable::{MemoryStore, Store};
    /// use resilience::durable::store::{Claim, Claimed, Completion};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let store = MemoryStore::new();
    /// let claim = Claim::new("c/page:7", store.owner(), "shop::fetch_page");
    /// let Claimed::Held(record) = store.claim(claim).await? else { unreachable!("it is new") };
    /// let done = store.complete(Completion::done("c/page:7", record.fence, b"1".to_vec())).await?;
    /// assert_eq!(store.delete_older_than("c/", done.completed, 100).await?, 0);
    /// assert_eq!(store.delete_older_than("c/", done.completed + 1, 100).await?, 1);
    /// # Ok::<(), resilience::durable::StoreError>(())
    /// # }).unwrap();
    /// ```
    fn delete_older_than<'a>(&'a self, prefix: &'a str, before: Millis, limit: usize) -> Work<'a, usize>;

    /// Deletes records whose time to live is over, with what belongs to them, and quarantined bytes after 30
    /// days; at most `limit` of both together. Returns their number.
    ///
    /// Looks at jobs and at steps outside of jobs only ([`rules::is_kept_for_a_time`]): everything else belongs to
    /// one of them, or has no time to live. A claim takes an expired record for absent already before it is deleted.
    fn delete_expired(&self, limit: usize) -> Work<'_, usize>;

    /// Deletes the record of `key`, and everything under keys that begin with one of `with`, unless a living
    /// owner holds it; returns whether it was there.
    ///
    /// Fails with [`StoreError::Conflict`] if one does.
    ///
    /// Both are removed in one transaction, so that no reader sees a job without its steps. Damaged bytes under
    /// `key` are quarantined, and count as a record that was there.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::durable::{MemoryStore, Record, Store};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let store = MemoryStore::new();
    /// for key in ["j/import:7", "s/import%3A7/page:1", "s/import%3A8/page:1"] {
    ///     store.cas(None, Record::new(key)).await?;
    /// }
    /// let steps = vec!["s/import%3A7/".to_owned()];
    /// assert!(store.remove("j/import:7".to_owned(), steps.clone()).await?);
    /// assert!(!store.remove("j/import:7".to_owned(), steps).await?, "it is gone");
    /// assert!(store.get("s/import%3A7/page:1").await?.is_none());
    /// assert!(store.get("s/import%3A8/page:1").await?.is_some());
    /// # Ok::<(), resilience::durable::StoreError>(())
    /// # }).unwrap();
    /// ```
    fn remove(&self, key: String, with: Vec<String>) -> Work<'_, bool>;

    /// Deletes those of the records under `keys` that were done or undone before `before`, with what belongs to
    /// them, in one transaction; returns their number.
    ///
    /// Judged in the transaction that deletes: a key that has begun again since it was listed stays, and so do
    /// `Failed`, `Manual` and `Dead`, which wait for a person.
    fn remove_ended(&self, keys: Vec<String>, before: Millis) -> Work<'_, usize>;

    /// Lists the records that were quarantined because they were damaged or replaced, without their bytes: the newest
    /// entry first, at most `limit` entries, and only those that are older than the entry `before`.
    ///
    /// For the next page pass the `id` of the last entry; a page with fewer than `limit` entries is the last one.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::durable::{MemoryStore, Otherwise, Store};
    /// use resilience::durable::store::{Claim, Claimed, Completion};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let store = MemoryStore::new();
    /// let mut claim = Claim::new("c/page:7", store.owner(), "shop::fetch_page");
    /// let Claimed::Held(record) = store.claim(claim.clone()).await? else { unreachable!("it is new") };
    /// store.complete(Completion::done("c/page:7", record.fence, b"1".to_vec())).await?;
    ///
    /// // Code of a later version does the work again, and the record of the earlier one is kept for 30 days.
    /// claim.version = 2;
    /// claim.on_mismatch = Otherwise::Rerun;
    /// store.claim(claim).await?;
    /// let [entry] = &store.quarantine(None, 10).await?[..] else { unreachable!("one entry") };
    /// assert_eq!((&*entry.key, &*entry.why), ("c/page:7", "replaced"));
    ///
    /// let entry = store.quarantined(entry.id).await?.expect("the entry");
    /// let bytes = entry.bytes.expect("an entry that is asked for has them");
    /// let replaced = resilience::durable::Record::decode("c/page:7", &bytes).unwrap();
    /// assert_eq!((replaced.version, &*replaced.value), (1, &b"1"[..]));
    /// assert!(store.remove_quarantined(entry.id).await?);
    /// # Ok::<(), resilience::durable::StoreError>(())
    /// # }).unwrap();
    /// ```
    fn quarantine(&self, before: Option<u64>, limit: usize) -> Work<'_, Vec<Quarantined>>;

    /// Returns the entry `id` of the quarantine, with its bytes; `None` if there is none.
    fn quarantined(&self, id: u64) -> Work<'_, Option<Quarantined>>;

    /// Deletes the entry `id` of the quarantine; returns whether it was there.
    fn remove_quarantined(&self, id: u64) -> Work<'_, bool>;

    /// Returns the time of day, for the times in records; it decides nothing but how long records are kept.
    ///
    /// In milliseconds since 1970, and best from one clock for all processes, such as the database's.
    fn now(&self) -> Work<'_, Millis>;

    /// Returns what this store promises.
    ///
    /// The library decides nothing by it. It is for a program that refuses to start with a store that loses its jobs.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::durable::Store;
    ///
    /// fn require_durable(store: &dyn Store) -> Result<(), &'static str> {
    ///     if store.capabilities().durable { Ok(()) } else { Err("jobs would be lost with the process") }
    /// }
    ///
    /// assert!(require_durable(&resilience::durable::MemoryStore::new()).is_err());
    /// ```
    fn capabilities(&self) -> Capabilities;

    /// Brings written data to its place, such as a log into its tables, before the process ends.
    ///
    /// Every answered write is durable without it. [`shutdown`](crate::shutdown()) calls it. Does nothing unless
    /// implemented.
    ///
    /// A failure of it loses nothing that was acknowledged; the report of `shutdown` then lists `store` as not flushed.
    fn flush(&self) -> Work<'_, ()> {
        Box::pin(async { Ok(()) })
    }

    /// Returns whether the process of `owner` lives, as far as the store can tell at once; it waits for nothing.
    ///
    /// Unless implemented, this process lives and nothing is known of any other: then only counters decide, after a
    /// whole lease.
    fn liveness(&self, owner: &str) -> Liveness {
        if owner == self.owner() { Liveness::Alive } else { Liveness::Unknown }
    }

    /// Returns who this process is to the store; the same for as long as the store is open, and never used
    /// again.
    ///
    /// A new one for each process and for each time that the store is opened: a process that was given the number of
    /// a dead one must not be taken for it.
    fn owner(&self) -> String;

    /// Returns the kind of this store, as the metrics of its writes have it: `"memory"`, `"sqlite"`, .. The default is
    /// `"other"`.
    ///
    /// It is the name of the database, and not of one of them: each kind has series of its own.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::durable::{MemoryStore, Store};
    ///
    /// assert_eq!(MemoryStore::new().kind(), "memory");
    /// ```
    fn kind(&self) -> &'static str {
        "other"
    }

    /// Returns the identity of this store among all others, for ever.
    ///
    /// It is part of every idempotency key, so a restored backup must have it, too. Two values of this type
    /// with the same identity are the same store.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::durable::{MemoryStore, Store};
    ///
    /// let (one, other) = (MemoryStore::new(), MemoryStore::new());
    /// assert_eq!(one.identity(), one.identity());
    /// assert_ne!(one.identity(), other.identity());
    /// ```
    fn identity(&self) -> String;
}

/// Returns whether two handles are of one store.
///
/// Handles are compared first: the identity is a text that a store may have to look up.
pub(crate) fn same(one: &Arc<dyn Store>, other: &Arc<dyn Store>) -> bool {
    Arc::ptr_eq(one, other) || one.identity() == other.identity()
}
