//! What a store is asked, and what it answers: the arguments and results of the operations of [`Store`](super::Store).

use crate::base::setting::{Complaint, Kind, Value};
use crate::durable::record::{Corrupt, Millis, Record, Status};
use crate::failure::durable::{Mismatch, StoreError};
use std::fmt;
use std::time::Duration;

/// The lease under which other records may be written: a step needs the lease of its job.
///
/// A step of a job makes no claim of its own, and a cursor has no lease: both are written only while the lease of the
/// job is held, which the store checks in the same transaction. A job that another process has taken over has a higher
/// fence, so that what the earlier holder still writes is refused with [`StoreError::Fenced`].
///
/// # Examples
///
/// ```
/// use resilience::durable::{MemoryStore, Store, StoreError};
/// use resilience::durable::store::{Claim, Claimed, Cursor, Holder};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let store = MemoryStore::new();
/// let claim = Claim::new("j/import:7", store.owner(), "import:{id}");
/// let Claimed::Held(job) = store.claim(claim).await? else { unreachable!("it is new") };
/// let cursor = |fence| {
///     let holder = Holder { key: job.key.clone(), fence };
///     Cursor { key: "p/import%3A7/rows".to_owned(), holder, value: b"500".to_vec() }
/// };
/// store.put_cursor(cursor(job.fence)).await?;
/// let refused = store.put_cursor(cursor(job.fence - 1)).await;
/// assert!(matches!(refused, Err(StoreError::Fenced { .. })));
/// # Ok::<(), resilience::durable::StoreError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The key that is held.
    pub key: String,
    /// The fence under which it is held.
    pub fence: u64,
}

/// The handling of a record that contradicts the code, or is damaged.
///
/// It is the type of `on_mismatch` and `on_corrupt`. `Rerun` repeats effects: use it where doing the work again does
/// less harm than stopping, and never for a payment. The rerun is a new incarnation, with another idempotency key.
///
/// # Examples
///
/// ```
/// use resilience::Checkpoint;
/// use resilience::durable::Otherwise;
///
/// const PREVIEW: Checkpoint = Checkpoint::new("shop::preview").on_corrupt(Otherwise::Rerun);
/// assert_eq!(Otherwise::default(), Otherwise::Error);
/// # let _ = PREVIEW;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Otherwise {
    /// Report it: the call is rejected, and the record stays. The default.
    #[default]
    Error,
    /// Quarantine it and do the work again. The old bytes are kept for 30 days.
    Rerun,
}

/// The texts of a setting.
impl Otherwise {
    pub(crate) const KIND: Kind = Kind::Word;
    pub(crate) const TAKES: &str = "\"error\" or \"rerun\"";

    pub(crate) const fn complaint(self) -> Complaint {
        let _ = self;
        None
    }

    pub(crate) const fn read(text: &str) -> Option<Self> {
        match text.as_bytes() {
            b"error" => Some(Self::Error),
            b"rerun" => Some(Self::Rerun),
            _ => None,
        }
    }

    pub(crate) fn value(self) -> Value {
        Value::Word(if self == Self::Error { "error" } else { "rerun" }.into())
    }

    pub(crate) fn of(value: &Value) -> Option<Self> {
        if let Value::Word(word) = value { Self::read(word) } else { None }
    }
}

/// The default time for which a claim counts without being renewed.
///
/// It decides only where the owner's lock cannot be judged. Shorter, a pause of the process loses leases; longer,
/// callers wait.
pub(crate) const LEASE: Duration = Duration::from_secs(30);

/// A request to do the work under a key; see [`Store::claim`](super::Store::claim).
///
/// [`new`](Self::new) has the defaults: version 1, a lease of 30 s, results that count for ever, errors for
/// contradictions and damage. Set other fields afterwards.
///
/// | record under `key` | answer |
/// |---|---|
/// | none, or one that was released, is interrupted, has expired, or whose owner is dead | [`Held`](Claimed::Held), under a new fence |
/// | a result of the same `function`, `version` and `inputs` | [`Done`](Claimed::Done) |
/// | work whose owner lives, or may live | [`Busy`](Claimed::Busy) |
/// | `Failed`, `Manual`, `RolledBack` or `Dead` | [`Stopped`](Claimed::Stopped); with `restart` it is `Held` |
/// | a record of another function, version or inputs | [`Mismatch`](Claimed::Mismatch); with `on_mismatch` it is quarantined and `Held` |
/// | damaged bytes | [`StoreError::Corrupt`]; with `on_corrupt` they are quarantined and it is `Held` |
///
/// # Examples
///
/// ```
/// use resilience::durable::{MemoryStore, Store};
/// use resilience::durable::store::{Claim, Claimed, Mismatch};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let store = MemoryStore::new();
/// let mut claim = Claim::new("c/page:7", store.owner(), "shop::fetch_page");
/// claim.version = 2;
/// let Claimed::Held(record) = store.claim(claim.clone()).await? else { unreachable!("it is new") };
/// assert_eq!((record.version, record.attempts), (2, 1));
///
/// store.complete(resilience::durable::store::Completion::done("c/page:7", record.fence, b"1".to_vec())).await?;
/// claim.version = 3;
/// let answer = store.claim(claim).await?;
/// assert!(matches!(answer, Claimed::Mismatch { what: Mismatch::Version, .. }));
/// # Ok::<(), resilience::durable::StoreError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Claim {
    /// The key.
    pub key: String,
    /// The process that asks.
    pub owner: String,
    /// The time for which the owner's counter may stay unchanged before others treat the owner as dead, if its lock
    /// cannot tell.
    pub lease: Duration,
    /// The owner of the record.
    pub function: String,
    /// Earlier names of `function`.
    pub was: Vec<String>,
    /// The version of the code.
    pub version: u32,
    /// The hash of the named inputs.
    pub inputs: Option<u128>,
    /// The arguments to record.
    pub input: Vec<u8>,
    /// The time for which the result counts; zero for ever.
    pub ttl: Duration,
    /// The lease of the job that this is a step of: then no lease is taken.
    pub holder: Option<Holder>,
    /// The handling of another function, version or input under the key.
    pub on_mismatch: Otherwise,
    /// The handling of damaged bytes under the key.
    pub on_corrupt: Otherwise,
    /// Whether work that ended in another state than `Done` is done again.
    pub restart: bool,
    /// The incarnation of a result that cannot be used and has to be made again; the result is quarantined.
    pub replaces: Option<u64>,
}

impl Claim {
    /// Creates a claim of `key` for `function`, with a lease of 30 s.
    pub fn new(key: impl Into<String>, owner: impl Into<String>, function: impl Into<String>) -> Self {
        Self {
            key: key.into(),
            owner: owner.into(),
            lease: LEASE,
            function: function.into(),
            was: Vec::new(),
            version: 1,
            inputs: None,
            input: Vec::new(),
            ttl: Duration::ZERO,
            holder: None,
            on_mismatch: Otherwise::Error,
            on_corrupt: Otherwise::Error,
            restart: false,
            replaces: None,
        }
    }

    /// Returns whether the record that failed with `error` is replaced. One of a later release is not damaged, and is
    /// left for it.
    pub(crate) fn replaces_damage(&self, error: &StoreError) -> bool {
        let is_damage = matches!(error, StoreError::Corrupt { reason, .. } if !reason.is_of_later_release());
        is_damage && self.on_corrupt == Otherwise::Rerun
    }
}

/// The answer to a [`Claim`].
///
/// The library waits for the other holder after `Busy`, as long as the caller's `wait` allows, and claims again; every
/// other answer is final. End a `Held` claim with [`Store::complete`](super::Store::complete) or
/// [`Store::release`](super::Store::release); otherwise others wait until this process ends.
///
/// # Examples
///
/// ```
/// use resilience::durable::{MemoryStore, Store};
/// use resilience::durable::store::{Claim, Claimed};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let store = MemoryStore::new();
/// let claim = Claim::new("c/page:7", store.owner(), "shop::fetch_page");
/// let first = store.claim(claim.clone()).await?;
/// let second = store.claim(claim).await?;
/// assert!(matches!(first, Claimed::Held(_)));
/// assert!(matches!(second, Claimed::Busy { owner, .. } if owner == store.owner()));
/// # Ok::<(), resilience::durable::StoreError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Claimed {
    /// The work is the caller's, under the record's fence.
    Held(Record),
    /// The work was done before: its result.
    Done(Record),
    /// A living owner does it.
    Busy {
        /// The owner.
        owner: String,
        /// When to ask again at the latest: the rest of its lease, if its counter decides; its whole lease
        /// if its lock does.
        left: Duration,
    },
    /// The work ended in another state than `Done`, and waits to be restarted.
    Stopped(Record),
    /// The record contradicts the code.
    Mismatch {
        /// The kind of the contradiction.
        what: Mismatch,
        /// The record.
        stored: Record,
    },
}

/// The end of the work under a lease; see [`Store::complete`](super::Store::complete).
///
/// A result is [`done`](Self::done), any other end of a job is [`of`](Self::of), and a step of a job, which has no
/// lease of its own, is [`step`](Self::step). After an error of the store it is not known whether the end was recorded;
/// ask again with the same completion: recorded before, it changes nothing, and the answer is the same.
///
/// # Examples
///
/// ```
/// use resilience::durable::{MemoryStore, Store, StoreError};
/// use resilience::durable::store::{Claim, Claimed, Completion};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let store = MemoryStore::new();
/// let claim = Claim::new("c/page:7", store.owner(), "shop::fetch_page");
/// let Claimed::Held(record) = store.claim(claim).await? else { unreachable!("it is new") };
/// let done = Completion::done("c/page:7", record.fence, b"[1,2]".to_vec());
/// store.complete(done.clone()).await?;
/// store.complete(done.clone()).await?; // as after a connection that broke
///
/// let other = Completion::done("c/page:7", record.fence, b"[3]".to_vec());
/// let other = store.complete(other).await;
/// assert!(matches!(other, Err(StoreError::Fenced { .. })), "a key has one result");
/// # Ok::<(), resilience::durable::StoreError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Completion {
    /// The key.
    pub key: String,
    /// The fence of the claim.
    pub fence: u64,
    /// The new status; `RollingBack` keeps the lease.
    pub status: Status,
    /// Its result.
    pub value: Vec<u8>,
    /// The text that replaces the record's note, unless it is empty.
    pub note: Vec<u8>,
    /// The number of attempts that were begun; `None` if the last claim has begun one. It is ignored for a step.
    pub attempts: Option<u32>,
    /// The lease of the job that this is a step of.
    pub holder: Option<Holder>,
    /// The record of a step, as [`Claimed::Held`] gave it: a step of a job has none before its end.
    pub record: Option<Box<Record>>,
    /// The key that counts the steps of the job, if this is one.
    pub tally: Option<String>,
    /// Everything under keys with this beginning is removed in the same step.
    pub removes: Option<String>,
}

impl Completion {
    /// Creates the end of the work of `key` as `Done`, with `value` as its one result.
    ///
    /// `value` is kept byte for byte, at most 1 MiB; the library writes JSON.
    pub fn done(key: impl Into<String>, fence: u64, value: Vec<u8>) -> Self {
        Self { value, ..Self::of(key, fence, Status::Done) }
    }

    /// Creates the end of the work of `key` as `status`, without a value.
    ///
    /// `Free` and `Interrupted` are not ends of this kind: end such a lease with [`Release`].
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::durable::Status;
    /// use resilience::durable::store::Completion;
    ///
    /// let failed = Completion::of("j/import:7", 12, Status::Failed);
    /// assert!(failed.value.is_empty() && failed.note.is_empty());
    /// ```
    pub fn of(key: impl Into<String>, fence: u64, status: Status) -> Self {
        Self {
            key: key.into(),
            fence,
            status,
            value: Vec::new(),
            note: Vec::new(),
            attempts: None,
            holder: None,
            record: None,
            tally: None,
            removes: None,
        }
    }

    /// Creates the end of a step of the job that `holder` holds: `record` is what its claim was answered with.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::durable::{MemoryStore, Store};
    /// use resilience::durable::store::{Claim, Claimed, Completion, Holder};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let store = MemoryStore::new();
    /// let claim = Claim::new("j/import:7", store.owner(), "import:{id}");
    /// let Claimed::Held(job) = store.claim(claim).await? else { unreachable!("it is new") };
    /// let holder = Holder { key: job.key, fence: job.fence };
    ///
    /// // The claim of a step writes nothing, so that an unfinished step leaves no trace.
    /// let mut claim = Claim::new("s/import%3A7/page:1", store.owner(), "shop::fetch_page");
    /// claim.holder = Some(holder.clone());
    /// let Claimed::Held(step) = store.claim(claim).await? else { unreachable!("it is new") };
    /// assert_eq!(store.get("s/import%3A7/page:1").await?, None);
    ///
    /// let step = store.complete(Completion::step(step, holder, b"10".to_vec())).await?;
    /// assert_eq!(step.fence, job.fence, "it was written under the fence of the job");
    /// # Ok::<(), resilience::durable::StoreError>(())
    /// # }).unwrap();
    /// ```
    pub fn step(record: Record, holder: Holder, value: Vec<u8>) -> Self {
        let completion = Self::done(record.key.clone(), record.fence, value);
        Self { holder: Some(holder), record: Some(Box::new(record)), ..completion }
    }
}

/// The end of a lease without a result; see [`Store::release`](super::Store::release).
///
/// The holder releases its own lease with [`new`](Self::new). A sweep that has found an owner dead ends its lease with
/// [`abandoned`](Self::abandoned), which the store refuses with [`StoreError::Conflict`] while that owner may live.
///
/// # Examples
///
/// A step whose body failed is given back, and may be begun again, under a higher fence and in the same incarnation:
///
/// ```
/// use resilience::durable::{MemoryStore, Status, Store};
/// use resilience::durable::store::{Claim, Claimed, Release};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let store = MemoryStore::new();
/// let claim = Claim::new("c/page:7", store.owner(), "shop::fetch_page");
/// let Claimed::Held(first) = store.claim(claim.clone()).await? else { unreachable!("it is new") };
/// store.release(Release::new("c/page:7", first.fence, Status::Free)).await?;
///
/// let Claimed::Held(second) = store.claim(claim).await? else { unreachable!("it was given back") };
/// assert!(second.fence > first.fence);
/// assert_eq!((second.incarnation, second.attempts), (first.incarnation, 2));
/// # Ok::<(), resilience::durable::StoreError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Release {
    /// The key.
    pub key: String,
    /// The fence of the claim.
    pub fence: u64,
    /// The new status of the record: `Free` or `Interrupted`. A job that undoes its steps stays `RollingBack`.
    pub status: Status,
    /// The text that replaces the record's note, unless it is empty.
    pub note: Vec<u8>,
    /// The owner is dead, and another process says so: counts as a recovery.
    pub abandoned: bool,
}

impl Release {
    /// Releases a lease on behalf of its holder.
    pub fn new(key: impl Into<String>, fence: u64, status: Status) -> Self {
        Self { key: key.into(), fence, status, note: Vec::new(), abandoned: false }
    }

    /// Ends the lease of an owner that is dead: its job is interrupted, and a recovery counted.
    ///
    /// The store judges whether the owner is dead, in the transaction that writes: a wrong guess changes nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::durable::{MemoryStore, Store, StoreError};
    /// use resilience::durable::store::{Claim, Claimed, Release};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let store = MemoryStore::new();
    /// let claim = Claim::new("j/import:7", store.owner(), "import:{id}");
    /// let Claimed::Held(job) = store.claim(claim).await? else { unreachable!("it is new") };
    /// let refused = store.release(Release::abandoned("j/import:7", job.fence)).await;
    /// assert!(matches!(refused, Err(StoreError::Conflict { .. })), "this process lives");
    /// # Ok::<(), StoreError>(())
    /// # }).unwrap();
    /// ```
    pub fn abandoned(key: impl Into<String>, fence: u64) -> Self {
        Self { abandoned: true, ..Self::new(key, fence, Status::Interrupted) }
    }
}

/// The progress of the work under a lease; see [`Store::put_cursor`](super::Store::put_cursor).
///
/// The value replaces the one before; at most 1 MiB ([`rules::VALUE_LIMIT`](super::rules::VALUE_LIMIT)). The write is
/// durable before [`Store::put_cursor`](super::Store::put_cursor) returns, and refused when the lease of `holder` is
/// lost, or its job was asked to stop.
///
/// # Examples
///
/// ```
/// use resilience::durable::{MemoryStore, Store};
/// use resilience::durable::store::{Claim, Claimed, Cursor, Holder};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let store = MemoryStore::new();
/// let claim = Claim::new("j/import:7", store.owner(), "import:{id}");
/// let Claimed::Held(job) = store.claim(claim).await? else { unreachable!("it is new") };
/// let holder = Holder { key: job.key, fence: job.fence };
/// let key = "p/import%3A7/rows".to_owned();
/// store.put_cursor(Cursor { key: key.clone(), holder, value: b"500".to_vec() }).await?;
/// assert_eq!(store.get(&key).await?.expect("the cursor").value, b"500");
/// # Ok::<(), resilience::durable::StoreError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug)]
pub struct Cursor {
    /// The key of the cursor.
    pub key: String,
    /// The lease that must be held.
    pub holder: Holder,
    /// The value to keep.
    pub value: Vec<u8>,
}

/// The selection of a listing; see [`Store::list`](super::Store::list).
///
/// All conditions have to hold. A page ends after `limit` records or 4 MiB, whichever comes first, so that a listing of
/// any size needs little memory and never holds a store up for long; [`Page::next`] of one page is `after` of the next.
///
/// # Examples
///
/// ```
/// use resilience::durable::store::Query;
/// use resilience::durable::{MemoryStore, Record, Status, Store};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let store = MemoryStore::new();
/// for (key, status) in [("j/a", Status::Done), ("j/b", Status::Failed), ("s/a/x", Status::Done)] {
///     let mut record = Record::new(key);
///     record.status = status;
///     store.cas(None, record).await?;
/// }
/// let failed = store.list(Query::new("j/").only(&[Status::Failed])).await?;
/// assert_eq!(failed.records.len(), 1);
/// assert_eq!(failed.records[0].key, "j/b");
/// # Ok::<(), resilience::durable::StoreError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Query {
    /// The prefix of the keys.
    pub prefix: String,
    /// Only these states; all if empty.
    pub statuses: Vec<Status>,
    /// Only keys after this one.
    pub after: String,
    /// At most this many records; 0 is 100, and no page has more than 1,000.
    pub limit: usize,
    /// Whether inputs and values are read, too. A page ends after the record that makes it more than 4 MiB.
    pub values: bool,
}

impl Query {
    /// Selects all keys that begin with `prefix`.
    pub fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into(), ..Self::default() }
    }

    /// Narrows it to records in one of these states.
    pub fn only(mut self, statuses: &[Status]) -> Self {
        self.statuses = statuses.to_vec();
        self
    }

    /// Sets the most records of a page: 0 is 100, and more than 1,000 is 1,000.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Reads inputs and values, too.
    ///
    /// Without it both are empty in every record of the page, and the store need not read their bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::durable::store::Query;
    /// use resilience::durable::{MemoryStore, Record, Store};
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let store = MemoryStore::new();
    /// let mut record = Record::new("c/page:7");
    /// record.value = b"1".to_vec();
    /// store.cas(None, record).await?;
    /// let heads = store.list(Query::new("c/")).await?;
    /// let whole = store.list(Query::new("c/").values()).await?;
    /// assert_eq!((heads.records[0].value.len(), whole.records[0].value.len()), (0, 1));
    /// # Ok::<(), resilience::durable::StoreError>(())
    /// # }).unwrap();
    /// ```
    pub fn values(mut self) -> Self {
        self.values = true;
        self
    }

    /// Returns `record` with the fields that this query asks for.
    pub(super) fn shaped(&self, record: Record) -> Record {
        if self.values { record } else { Record { input: Vec::new(), value: Vec::new(), ..record } }
    }

    /// Returns whether records in this state are asked for.
    ///
    /// For a store that filters the records itself; an empty list of states admits all.
    pub fn admits(&self, status: Status) -> bool {
        self.statuses.is_empty() || self.statuses.contains(&status)
    }

    /// Returns the number of records that a page may have, from 1 to 1,000.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::durable::store::Query;
    ///
    /// let size = |limit| Query::new("j/").limit(limit).size();
    /// assert_eq!([size(0), size(1), size(5_000)], [100, 1, 1_000]);
    /// ```
    pub fn size(&self) -> usize {
        match self.limit {
            0 => 100,
            limit => limit.min(1_000),
        }
    }
}

/// A part of a listing.
///
/// A page without records is not the end of a listing: the store may have looked at many records that the query does
/// not admit. Only a page without `next` is the last one. Damaged records are listed by key, and end no listing.
///
/// # Examples
///
/// ```
/// use resilience::durable::store::Query;
/// use resilience::durable::{MemoryStore, Record, Store};
///
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let store = MemoryStore::new();
/// for n in 0..5 {
///     store.cas(None, Record::new(format!("c/page:{n}"))).await?;
/// }
/// let (mut keys, mut query) = (Vec::new(), Query::new("c/").limit(2));
/// loop {
///     let page = store.list(query.clone()).await?;
///     keys.extend(page.records.into_iter().map(|record| record.key));
///     let Some(next) = page.next else { break };
///     query.after = next;
/// }
/// assert_eq!(keys.len(), 5);
/// # Ok::<(), resilience::durable::StoreError>(())
/// # }).unwrap();
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Page {
    /// The records, in the order of their keys.
    pub records: Vec<Record>,
    /// The keys whose bytes are not a record.
    pub corrupt: Vec<(String, Corrupt)>,
    /// Where the next page starts, if there may be one; this page may have no records then.
    pub next: Option<String>,
}

/// An entry of the quarantine: bytes that were damaged, or a record that was replaced. It is deleted after 30 days.
///
/// Look at the bytes with [`checkpoints::quarantined`](crate::checkpoints::quarantined): those of a record that was
/// replaced still [decode](Record::decode). Copy bytes that you need for longer.
///
/// # Examples
///
/// ```
/// use resilience::durable::store::Quarantined;
///
/// let entry = Quarantined::new(2, "c/page:1", 1_700_000_000_000, "corrupt", 120);
/// assert_eq!(entry.to_string(), "2: c/page:1, corrupt, 120 bytes");
/// assert!(entry.bytes.is_none(), "listed without them");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Quarantined {
    /// The number of the entry; a later entry has a higher one.
    pub id: u64,
    /// The key in the store: `j/<id>` of a job, `s/<job>/<key>` of a step of a job, `c/<key>` of a step outside
    /// of jobs, `p/<job>/<key>` of a cursor.
    pub key: String,
    /// When it was quarantined, in milliseconds since 1970.
    pub at: Millis,
    /// Why: `"corrupt"` or `"replaced"`.
    pub why: String,
    /// The number of its bytes.
    pub size: usize,
    /// The bytes as they were; `None` in a listing.
    #[serde(skip)]
    pub bytes: Option<Vec<u8>>,
}

impl Quarantined {
    /// Creates an entry without its bytes.
    pub fn new(id: u64, key: impl Into<String>, at: Millis, why: impl Into<String>, size: usize) -> Self {
        Self { id, key: key.into(), at, why: why.into(), size, bytes: None }
    }
}

/// Writes `2: c/page:1, corrupt, 120 bytes`.
impl fmt::Display for Quarantined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}, {}, {} bytes", self.id, self.key, self.why, self.size)
    }
}
