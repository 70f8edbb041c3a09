//! A store in memory with a fault, which can be taken away while it is used.

use crate::forward::forward;
use resilience::durable::store::{Claim, Claimed, Completion, Cursor, Page, Query, Release, Work};
use resilience::durable::{MemoryStore, Otherwise, Record, Status, Store, StoreError, use_store};
use resilience::testing::{World, isolate};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What a store may get wrong.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Fault {
    /// Nothing.
    None,
    /// Claims are refused.
    Claims(StoreError),
    /// Nothing can be read or written.
    All(StoreError),
    /// Steps of jobs can neither be looked up nor claimed.
    Steps(StoreError),
    /// Cursors are refused.
    Cursors(StoreError),
    /// So many results are refused.
    Results(StoreError, u32),
    /// A result is taken under any fence.
    NoFence,
    /// A lease never lapses.
    NoExpiry,
    /// A lease is lost at once.
    NoLease,
    /// The version is not compared.
    NoVersion,
    /// What is replaced is not kept.
    NoQuarantine,
    /// A listing is in another order.
    NoOrder,
    /// Deletion takes what has not ended, too.
    NoMercy,
    /// The lease of the job is not asked for.
    NoHolder,
    /// A claim is answered at the second poll, after it was made.
    LateAnswers,
    /// A result is recorded at the second poll.
    LateResults,
    /// A release is made at the second poll.
    LateReleases,
    /// A release is answered once so many are asked for, or not at all.
    Together(u32),
    /// A release is not answered.
    NoReleases,
    /// A release is done when it is asked for once more.
    SlowReleases,
    /// As a thief, but only for who renews by itself, before a claim.
    Buried,
    /// Somebody else has the key by the time its lease is renewed.
    Thief,
    /// The heartbeat gets no answer.
    Hangs,
    /// The heartbeat does not come back from asking.
    Blocks,
    /// Listings panic.
    Panics,
    /// The heartbeat panics.
    PanicsInRenew,
    /// A release panics at once.
    PanicsInRelease,
    /// A release panics when it is asked for once more.
    PanicsLaterInRelease,
    /// Saying what kind of store it is panics.
    PanicsInKind,
}

/// A store in memory with a fault.
#[derive(Debug)]
pub(crate) struct Faulty {
    inner: MemoryStore,
    fault: Mutex<Fault>,
    panics: AtomicU32,
    releases: AtomicU32,
    /// Hears of each lease that is released.
    released: Mutex<Option<Sender<String>>>,
}

impl Faulty {
    pub(crate) fn new(fault: Fault) -> Self {
        Self {
            inner: MemoryStore::new(),
            fault: Mutex::new(fault),
            panics: AtomicU32::new(0),
            releases: AtomicU32::new(0),
            released: Mutex::default(),
        }
    }

    /// How often it has panicked.
    pub(crate) fn panics(&self) -> u32 {
        self.panics.load(Ordering::SeqCst)
    }

    pub(crate) fn set(&self, fault: Fault) {
        *self.fault.lock().expect("the fault") = fault;
    }

    /// The keys of the leases that are released from now on.
    pub(crate) fn released(&self) -> Receiver<String> {
        let (send, receive) = channel();
        *self.released.lock().expect("the sender") = Some(send);
        receive
    }

    fn panic(&self) -> ! {
        self.panics.fetch_add(1, Ordering::SeqCst);
        panic!("the store's own code");
    }

    fn fault(&self) -> Fault {
        self.fault.lock().expect("the fault").clone()
    }

    fn has(&self, fault: Fault) -> bool {
        self.fault() == fault
    }
}

impl Store for Faulty {
    forward! {
        delete_expired remove remove_ended quarantine quarantined remove_quarantined now capabilities owner
        identity
    }

    fn get<'a>(&'a self, key: &'a str) -> Work<'a, Option<Record>> {
        match self.fault() {
            Fault::All(error) => Box::pin(async move { Err(error) }),
            Fault::Steps(error) if key.starts_with("s/") => Box::pin(async move { Err(error) }),
            _ => self.inner.get(key),
        }
    }

    fn claim(&self, mut claim: Claim) -> Work<'_, Claimed> {
        if self.has(Fault::NoExpiry) {
            claim.lease = Duration::from_secs(3_600);
        }
        if self.has(Fault::NoLease) {
            (claim.owner, claim.lease) = ("nobody".to_owned(), Duration::ZERO);
        }
        if self.has(Fault::NoHolder) {
            claim.holder = None;
        }
        Box::pin(async move {
            match self.fault() {
                Fault::Claims(error) | Fault::All(error) => return Err(error),
                Fault::Steps(error) if claim.key.starts_with("s/") => return Err(error),
                _ => {}
            }
            if self.has(Fault::NoVersion)
                && let Some(stored) = self.inner.get(&claim.key).await?
            {
                claim.version = stored.version;
            }
            if self.has(Fault::NoQuarantine) && claim.on_mismatch == Otherwise::Rerun {
                self.inner.remove(claim.key.clone(), Vec::new()).await?;
            }
            let claimed = self.inner.claim(claim).await;
            if self.has(Fault::LateAnswers) {
                futures::pending!();
            }
            claimed
        })
    }

    fn renew(&self, lease: Duration) -> Work<'_, ()> {
        Box::pin(async move {
            let is_heartbeat = std::thread::current().name() == Some("resilience-heartbeat");
            if is_heartbeat && self.has(Fault::Hangs) {
                std::future::pending::<()>().await;
            }
            if is_heartbeat && self.has(Fault::PanicsInRenew) {
                self.panic();
            }
            while is_heartbeat && self.has(Fault::Blocks) {
                std::thread::park();
            }
            if self.has(Fault::Thief) || (self.has(Fault::Buried) && !is_heartbeat) {
                for record in self.inner.list(Query::new("").only(&[Status::Running])).await?.records {
                    let release = Release::new(record.key.clone(), record.fence, Status::Free);
                    self.inner.release(release).await?;
                    self.inner.claim(Claim::new(record.key, "thief", "store::outrun")).await?;
                }
                return Err(StoreError::Fenced { key: self.owner() });
            }
            self.inner.renew(lease).await
        })
    }

    fn complete(&self, mut completion: Completion) -> Work<'_, Record> {
        Box::pin(async move {
            match self.fault() {
                Fault::All(error) => return Err(error),
                Fault::Results(error, times @ 1..) => {
                    self.set(Fault::Results(error.clone(), times - 1));
                    return Err(error);
                }
                _ => {}
            }
            if self.has(Fault::LateResults) {
                futures::pending!();
            }
            if self.has(Fault::NoFence)
                && let Some(stored) = self.inner.get(&completion.key).await?
            {
                completion.fence = stored.fence;
            }
            if self.has(Fault::NoHolder) {
                completion.holder = None;
            }
            self.inner.complete(completion).await
        })
    }

    fn put_cursor(&self, cursor: Cursor) -> Work<'_, ()> {
        match self.fault() {
            Fault::Cursors(error) | Fault::All(error) => Box::pin(async move { Err(error) }),
            _ => self.inner.put_cursor(cursor),
        }
    }

    fn release(&self, release: Release) -> Work<'_, ()> {
        match self.fault() {
            Fault::All(error) => Box::pin(async move { Err(error) }),
            _ => Box::pin(async move {
                let key = release.key.clone();
                if self.has(Fault::LateReleases) {
                    futures::pending!();
                }
                self.releases.fetch_add(1, Ordering::SeqCst);
                if let Fault::Together(least) = self.fault() {
                    if self.releases.load(Ordering::SeqCst) < least {
                        tokio::task::yield_now().await;
                    }
                    if self.releases.load(Ordering::SeqCst) < least {
                        return Err(StoreError::Unavailable("asked one at a time".to_owned()));
                    }
                }
                if self.has(Fault::NoReleases) {
                    std::future::pending::<()>().await;
                }
                if self.has(Fault::SlowReleases) || self.has(Fault::PanicsLaterInRelease) {
                    tokio::task::yield_now().await;
                }
                if self.has(Fault::PanicsInRelease) || self.has(Fault::PanicsLaterInRelease) {
                    self.panic();
                }
                self.inner.release(release).await?;
                if let Some(released) = &*self.released.lock().expect("the sender") {
                    let _ = released.send(key);
                }
                Ok(())
            }),
        }
    }

    fn cas(&self, expected: Option<u64>, record: Record) -> Work<'_, Record> {
        match self.fault() {
            Fault::All(error) => Box::pin(async move { Err(error) }),
            _ => self.inner.cas(expected, record),
        }
    }

    fn list(&self, query: Query) -> Work<'_, Page> {
        Box::pin(async move {
            if self.has(Fault::Panics) {
                self.panic();
            }
            let mut page = self.inner.list(query).await?;
            if self.has(Fault::NoOrder) {
                page.records.reverse();
            }
            Ok(page)
        })
    }

    fn delete_older_than<'a>(&'a self, prefix: &'a str, before: u64, limit: usize) -> Work<'a, usize> {
        Box::pin(async move {
            let mut deleted = self.inner.delete_older_than(prefix, before, limit).await?;
            if self.has(Fault::NoMercy) {
                for record in self.inner.list(Query::new(prefix)).await?.records {
                    let gone = self.inner.remove(record.key, Vec::new()).await;
                    deleted += usize::from(gone == Ok(true));
                }
            }
            Ok(deleted)
        })
    }

    fn kind(&self) -> &'static str {
        if self.has(Fault::PanicsInKind) { self.panic() } else { "fau\"lty" }
    }
}

/// A test world whose store has a fault.
pub(crate) fn world(fault: Fault) -> (Arc<Faulty>, World) {
    let store = Arc::new(Faulty::new(fault));
    let world = isolate();
    use_store(store.clone());
    (store, world)
}
