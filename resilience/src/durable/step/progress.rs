//! The progress of one long function.

use crate::base::block_on::block_on;
use crate::base::clock;
use crate::durable::call::{note_refusal, raise_alerts};
use crate::durable::lease::acquire::PendingClaim;
use crate::durable::lease::hold::Lease;
use crate::durable::record::Status;
use crate::durable::record::codec;
use crate::durable::record::error::{CURSOR, CheckpointError, Subject};
use crate::durable::record::key::{Key, place};
use crate::durable::scope;
use crate::durable::step::begin::check_key;
use crate::durable::store::{Claim, Claimed, Cursor, Holder, Store, StoreError, writes};
use crate::point::PointName;
use crate::rejected::Rejected;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A cursor that survives a crash: after it, the work continues from the last one saved.
///
/// Use it for one long loop whose items are too many or too small for a checkpoint each. Inside a job it
/// belongs to the job, is fenced by the job's lease, and is removed when the job is done; outside of one it
/// belongs to the store, and one process at a time can have it.
///
/// Work between the last save and the crash is done again, so the work of an item must be safe to repeat. Dropping the
/// value saves nothing: a half-finished item must not count. Each save is one durable write; [`every`](Self::every) and
/// [`interval`](Self::interval) make fewer.
///
/// # Errors
///
/// Each operation returns [`Rejected::Checkpoint`]. `Busy` means that another process has the cursor, and `Fenced`
/// that it has taken it over; `Cancelled` that the job was asked to stop, so that `?` on [`save`](Self::save) ends
/// the loop there.
///
/// # Examples
///
/// ```
/// use resilience::Progress;
///
/// # let _world = resilience::testing::isolate();
/// # fn import(_row: usize) {}
/// let rows = ["a", "b", "c"];
/// let mut progress = Progress::<usize>::open("rows").every(2);
/// let start = progress.restore_blocking()?.unwrap_or(0);
/// for row in start..rows.len() {
///     import(row);
///     progress.save_blocking(&(row + 1))?;
/// }
/// progress.finish_blocking()?;
/// assert_eq!(Progress::<usize>::peek_blocking("rows")?, None, "removed with the end of the work");
/// # Ok::<(), resilience::Rejected>(())
/// ```
#[derive(Debug)]
pub struct Progress<C> {
    name: String,
    every: u32,
    interval: Duration,
    /// The number of saves that were left out since the last one.
    skipped: u32,
    saved: Option<Instant>,
    unsaved: Option<Vec<u8>>,
    place: Option<CursorPlace>,
    cursor: PhantomData<fn(C) -> C>,
}

/// The place where the cursor is kept, once that is known.
#[derive(Debug)]
struct CursorPlace {
    store: Arc<dyn Store>,
    key: String,
    holder: Holder,
    /// Its own lease outside of a job.
    lease: Option<Lease>,
}

impl<C: Serialize + DeserializeOwned> Progress<C> {
    /// Opens the cursor called `name`: of the running job, or of the store outside of one.
    ///
    /// Nothing is read or claimed before the first [`restore`](Self::restore) or [`save`](Self::save). Two cursors of
    /// one job need different names; those of different jobs do not meet. The name has 1 to 512 bytes, of which all but
    /// letters, digits, `_`, `.` and `-` count three times; others are refused at the first use.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Progress;
    /// use resilience::durable::CheckpointError;
    ///
    /// # let _world = resilience::testing::isolate();
    /// let mut nameless = Progress::<u32>::open("");
    /// let Err(resilience::Rejected::Checkpoint(error)) = nameless.restore_blocking() else { unreachable!() };
    /// assert!(matches!(*error, CheckpointError::EmptyKey { .. }));
    /// ```
    pub fn open(name: &str) -> Self {
        Self {
            name: Key::new().value(name).finish(),
            every: 1,
            interval: Duration::ZERO,
            skipped: 0,
            saved: None,
            unsaved: None,
            place: None,
            cursor: PhantomData,
        }
    }

    /// Writes only every `n`th save; 0 is treated as 1, the default. [`flush`](Self::flush) writes the rest.
    ///
    /// After a crash up to `n - 1` items more are done again. Choose `n` so that they take about as long as one commit,
    /// a few milliseconds on a disk; a larger `n` gains nothing.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Progress;
    ///
    /// # let _world = resilience::testing::isolate();
    /// let mut rows = Progress::<u32>::open("rows").every(10);
    /// for row in 1..=25 {
    ///     rows.save_blocking(&row)?;
    /// }
    /// assert_eq!(Progress::<u32>::peek_blocking("rows")?, Some(20));
    /// rows.flush_blocking()?;
    /// assert_eq!(Progress::<u32>::peek_blocking("rows")?, Some(25));
    /// # Ok::<(), resilience::Rejected>(())
    /// ```
    pub fn every(mut self, n: u32) -> Self {
        self.every = n.max(1);
        self
    }

    /// Writes at most one save in `interval`, by the process's clock; by default each save is written.
    ///
    /// With [`every`](Self::every) both have to allow a save. It limits the time of the work that a crash repeats,
    /// where items take very different times.
    ///
    /// The first save is always written: the interval begins with it.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Progress;
    /// use std::time::Duration;
    ///
    /// let world = resilience::testing::isolate();
    /// let mut rows = Progress::<u32>::open("rows").interval(Duration::from_secs(5));
    /// rows.save_blocking(&1)?;
    /// rows.save_blocking(&2)?;
    /// assert_eq!(Progress::<u32>::peek_blocking("rows")?, Some(1));
    /// world.advance(Duration::from_secs(5));
    /// rows.save_blocking(&3)?;
    /// assert_eq!(Progress::<u32>::peek_blocking("rows")?, Some(3));
    /// # Ok::<(), resilience::Rejected>(())
    /// ```
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// Returns the cursor saved last; `None` if there is none.
    ///
    /// Outside of a job it takes the lease of the cursor, which ends with this value; it does not wait for another
    /// holder.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Progress;
    ///
    /// # let _world = resilience::testing::isolate();
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let mut rows = Progress::<(u64, String)>::open("rows");
    /// assert_eq!(rows.restore().await?, None);
    /// rows.save(&(7, "token".to_owned())).await?;
    /// drop(rows); // as a crash would
    ///
    /// let mut rows = Progress::<(u64, String)>::open("rows");
    /// assert_eq!(rows.restore().await?, Some((7, "token".to_owned())));
    /// # Ok::<(), resilience::Rejected>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// [`Rejected::Checkpoint`]: another process has it, the record is damaged or is not a `C`, or the store
    /// cannot be used.
    pub async fn restore(&mut self) -> Result<Option<C>, Rejected> {
        let restored = self.try_restore().await;
        self.record_use(restored)
    }

    /// Claims first: a cursor read without the lease could be moved on by its holder.
    async fn try_restore(&mut self) -> Result<Option<C>, Rejected> {
        let at = self.at();
        let place = self.place().await?;
        read(&place.store, &place.key, at).await
    }

    /// Reads the cursor `name` without owning it; `None` if none is saved.
    ///
    /// It is the cursor of the running job, or of the store outside of one. Use it, for instance, to show how far the
    /// process that works on it has come.
    ///
    /// The cursors of another job are in the [`cursors`](crate::durable::JobInfo::cursors) of
    /// [`jobs::get`](crate::jobs::get).
    ///
    /// # Errors
    ///
    /// [`Rejected::Checkpoint`]: the record is damaged or is not a `C`, or the store cannot be used.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Progress;
    ///
    /// # let _world = resilience::testing::isolate();
    /// let mut owner = Progress::<u32>::open("rows");
    /// owner.save_blocking(&7)?;
    /// assert_eq!(Progress::<u32>::peek_blocking("rows")?, Some(7));
    /// assert_eq!(Progress::<u32>::peek_blocking("columns")?, None);
    /// # Ok::<(), resilience::Rejected>(())
    /// ```
    pub async fn peek(name: &str) -> Result<Option<C>, Rejected> {
        let cursor = Self::open(name);
        let at = cursor.named()?;
        let job = scope::current().job;
        let key = place::cursor(job.as_ref().map(|job| job.id.as_str()), &cursor.name);
        let store = job.map_or_else(crate::durable::default_store, |job| Ok(job.store().clone()));
        let store = store.map_err(|error| CheckpointError::store(at.clone(), error))?;
        read(&store, &key, at).await
    }

    /// Saves `cursor`, durable when this returns; or leaves it out, as [`every`](Self::every) and
    /// [`interval`](Self::interval) say.
    ///
    /// A save that is left out is kept in memory, and the next one replaces it. After an error the cursor counts as
    /// not saved: the next save or [`flush`](Self::flush) writes it. A future that is dropped may have written it or
    /// not.
    ///
    /// # Errors
    ///
    /// [`Rejected::Checkpoint`]: the lease was lost to another holder, the cursor cannot be encoded or is too
    /// large, or the store cannot be used.
    pub async fn save(&mut self, cursor: &C) -> Result<(), Rejected> {
        let at = self.named()?;
        let read_back = codec::read_back(cursor);
        let (bytes, _) = read_back.map_err(|message| CheckpointError::Encode { at, message })?;
        self.unsaved = Some(bytes);
        self.skipped += 1;
        let now = clock::now();
        let early = self.saved.is_some_and(|saved| now.saturating_duration_since(saved) < self.interval);
        if self.skipped < self.every || early {
            return Ok(());
        }
        self.flush().await
    }

    /// Saves what the last saves left out.
    ///
    /// Does nothing if there is none. Call it before a wait that may be long, and at the end of a loop that does not
    /// [`finish`](Self::finish).
    ///
    /// # Errors
    ///
    /// Fails like [`save`](Self::save).
    pub async fn flush(&mut self) -> Result<(), Rejected> {
        let saved = self.try_flush().await;
        self.record_use(saved)
    }

    /// Writes the unsaved cursor, which is forgotten only once the store has it.
    async fn try_flush(&mut self) -> Result<(), Rejected> {
        let at = self.named()?;
        let Some(value) = self.unsaved.clone() else { return Ok(()) };
        let place = self.place().await?;
        let cursor = Cursor { key: place.key.clone(), holder: place.holder.clone(), value: value.clone() };
        writes::put_cursor(&*place.store, cursor).await.map_err(|error| match error {
            StoreError::TooLarge { bytes } => CheckpointError::TooLarge { at, bytes, value: value.into() },
            error => CheckpointError::store(at, error),
        })?;
        crate::durable::moment::reached("after save");
        self.unsaved = None;
        self.skipped = 0;
        self.saved = Some(clock::now());
        Ok(())
    }

    /// Removes the cursor: the work is done. A job does that by itself when it is done.
    ///
    /// Saves that were left out are not written. A crash before this leaves the last cursor, from which the work
    /// continues.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Progress;
    ///
    /// # let _world = resilience::testing::isolate();
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// let mut rows = Progress::<u32>::open("rows");
    /// rows.save(&3).await?;
    /// rows.finish().await?;
    /// assert_eq!(Progress::<u32>::peek("rows").await?, None);
    /// # Ok::<(), resilience::Rejected>(())
    /// # }).unwrap();
    /// ```
    ///
    /// # Errors
    ///
    /// [`Rejected::Checkpoint`] if the store cannot be used.
    pub async fn finish(mut self) -> Result<(), Rejected> {
        let at = self.at();
        self.place().await?;
        let Some(CursorPlace { store, key, lease, .. }) = self.place.take() else { return Ok(()) };
        if let Some(lease) = lease {
            lease.give_back().await;
        }
        let removed = store.remove(key, Vec::new()).await;
        removed.map(drop).map_err(|error| CheckpointError::store(at, error).into())
    }

    /// Returns the cursor saved last, from sync code; see [`restore`](Self::restore).
    ///
    /// # Errors
    ///
    /// Fails like [`restore`](Self::restore).
    pub fn restore_blocking(&mut self) -> Result<Option<C>, Rejected> {
        block_on(self.restore())
    }

    /// Reads the cursor `name` without owning it, from sync code; see [`peek`](Self::peek).
    ///
    /// # Errors
    ///
    /// Fails like [`peek`](Self::peek).
    pub fn peek_blocking(name: &str) -> Result<Option<C>, Rejected> {
        block_on(Self::peek(name))
    }

    /// Saves `cursor`, from sync code: blocks its thread for one commit where it is written; see [`save`](Self::save).
    ///
    /// # Errors
    ///
    /// Fails like [`save`](Self::save).
    pub fn save_blocking(&mut self, cursor: &C) -> Result<(), Rejected> {
        block_on(self.save(cursor))
    }

    /// Writes the cursor that was left out last, from sync code; see [`flush`](Self::flush).
    ///
    /// # Errors
    ///
    /// Fails like [`flush`](Self::flush).
    pub fn flush_blocking(&mut self) -> Result<(), Rejected> {
        block_on(self.flush())
    }

    /// Removes the cursor, from sync code; see [`finish`](Self::finish).
    ///
    /// # Errors
    ///
    /// Fails like [`finish`](Self::finish).
    pub fn finish_blocking(self) -> Result<(), Rejected> {
        block_on(self.finish())
    }

    #[expect(clippy::unnecessary_box_returns, reason = "every error keeps it boxed")]
    fn at(&self) -> Box<Subject> {
        Subject::new(PointName::new(CURSOR), self.name.as_str())
    }

    /// Returns which cursor it is; a cursor without a name, or with a name that is not a key, is refused.
    fn named(&self) -> Result<Box<Subject>, CheckpointError> {
        check_key(self.at())
    }

    /// Notes in the running job how the use of the cursor ended, and raises the alerts of a refusal.
    fn record_use<T>(&self, result: Result<T, Rejected>) -> Result<T, Rejected> {
        if let Err(rejected) = &result {
            raise_alerts(rejected);
        }
        if let Some(job) = scope::current().job {
            let key = place::cursor(Some(&job.id), &self.name);
            job.begins();
            match &result {
                Ok(_) => job.succeeded(&key),
                Err(rejected) => note_refusal(&job, key, rejected),
            }
        }
        result
    }

    /// Returns where the cursor is; claimed at the first use, and kept from then on: a cursor that was first used in a
    /// job stays that job's.
    async fn place(&mut self) -> Result<&CursorPlace, Rejected> {
        let place = match self.place.take() {
            Some(place) => place,
            None => self.claim().await?,
        };
        Ok(self.place.insert(place))
    }

    /// Claims the place by the running code: of its job, under the lease of that, or of the store, under a lease of its
    /// own.
    async fn claim(&self) -> Result<CursorPlace, Rejected> {
        let at = self.named()?;
        if let Some(job) = scope::current().job {
            let key = place::cursor(Some(&job.id), &self.name);
            return Ok(CursorPlace { store: job.store().clone(), key, holder: job.holder(), lease: None });
        }
        let failed = |error: StoreError| CheckpointError::store(at.clone(), error);
        let store = crate::durable::default_store().map_err(failed)?;
        let key = place::cursor(None, &self.name);
        let request = Claim::new(key.clone(), store.owner(), "progress");
        match PendingClaim::new(&store, request, Status::Free, None).await.map_err(failed)? {
            Claimed::Held(record) => {
                let holder = Holder { key: key.clone(), fence: record.fence };
                let length = crate::durable::store::LEASE;
                let lease = Lease::new(store.clone(), key.clone(), record.fence, length, None, Status::Free);
                Ok(CursorPlace { store, key, holder, lease: Some(lease) })
            }
            Claimed::Busy { owner, left: retry_after } => {
                Err(CheckpointError::Busy { at, owner, retry_after }.into())
            }
            _ => Err(CheckpointError::Fenced { at }.into()),
        }
    }
}

/// Reads the cursor saved under `key`.
async fn read<C: DeserializeOwned>(
    store: &Arc<dyn Store>,
    key: &str,
    at: Box<Subject>,
) -> Result<Option<C>, Rejected> {
    let record = store.get(key).await.map_err(|error| CheckpointError::store(at.clone(), error))?;
    let Some(record) = record.filter(|record| !record.value.is_empty()) else { return Ok(None) };
    let undecodable = |message| CheckpointError::Undecodable { at, message };
    Ok(Some(codec::decode(&record.value).map_err(undecodable)?))
}
