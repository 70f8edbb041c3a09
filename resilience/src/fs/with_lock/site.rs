//! The `static` of a function with a lock, its calls, and what the inventory sees of them.

use super::{LockSite, NotLocked};
use crate::base::admission;
#[cfg(feature = "config")]
use crate::base::change::{Change, Changed, judged};
use crate::base::holding::Holds;
use crate::base::scope;
use crate::base::setting::Effective;
#[cfg(feature = "config")]
use crate::base::setting::Setting;
use crate::base::world::{World, run_in};
use crate::event::{Event, Log, LogPace, blocks, emit_as, is_heard, is_rejection_heard, shows_all_keys};
use crate::failure::rejected::Rejected;
use crate::fs::lock::{self, Acquire};
use crate::fs::{FileLock, LockError, LockGuard};
use crate::point::{Layer, PointName};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

const KIND: &str = "with_lock";

#[derive(Debug)]
pub(super) struct Counters {
    locked: AtomicU64,
    waited: AtomicU64,
    rejected: AtomicU64,
    lost: AtomicU64,
    /// The longest wait, in nanoseconds.
    longest: AtomicU64,
    pace: LogPace,
}

impl Counters {
    pub(super) const fn new() -> Self {
        Self {
            locked: AtomicU64::new(0),
            waited: AtomicU64::new(0),
            rejected: AtomicU64::new(0),
            lost: AtomicU64::new(0),
            longest: AtomicU64::new(0),
            pace: LogPace::new(),
        }
    }

    fn waited(&self, waited: Option<Duration>) {
        if let Some(waited) = waited {
            self.waited.fetch_add(1, Ordering::Relaxed);
            self.longest.fetch_max(scope::nanos(waited), Ordering::Relaxed);
        }
    }
}

impl LockSite {
    fn lock(&self, name: &str) -> FileLock {
        let config = self.config();
        let lock = if config.common { lock::common(name) } else { lock::named(name) };
        lock.shared(config.shared).wait(config.wait).taken_at(&self.point.name())
    }

    /// Returns the function whose lock it is.
    #[cfg(feature = "durable")]
    pub(crate) fn point(&self) -> &'static crate::point::PointSite {
        self.point
    }

    /// Returns the settings of the lock.
    pub(crate) fn config(&self) -> &super::WithLockConfig {
        #[cfg(feature = "config")]
        if let Some(changed) = self.point.pinned().of(self).and_then(crate::point::Override::get) {
            return changed;
        }
        &self.settings.config
    }

    /// Counts and reports that a call has the lock `key`, for which it has `waited`, if it had to.
    pub(crate) fn locked(&self, key: &PointName, waited: Option<Duration>) {
        self.counters.waited(waited);
        self.counters.locked.fetch_add(1, Ordering::Relaxed);
        if is_heard() {
            let (point, waited) = (self.point.name(), waited.unwrap_or_default());
            let event = Event::Locked { point, key: key.clone(), waited };
            emit_as(&event, None, Log { pace: None, shows_key: shows_all_keys() });
        }
    }

    /// Counts and reports that a call did not get the lock `key`; its error, which says why.
    pub(crate) fn refused(&self, key: PointName, waited: Option<Duration>, why: NotLocked) -> Rejected {
        let counters = &*self.counters;
        counters.waited(waited);
        counters.rejected.fetch_add(1, Ordering::Relaxed);
        let point = self.point.name();
        if is_rejection_heard(None) {
            let (point, key) = (point.clone(), Some(key.clone()));
            let event = Event::Rejected { point, key, policy: KIND, retry_after: None };
            emit_as(&event, None, Log { pace: Some(&counters.pace), shows_key: shows_all_keys() });
        }
        Rejected::lock_timeout(point, Some(key), why.words, why.may_be_free)
    }

    /// Counts and reports that the lock `key` was lost while a call held it, for this `reason`.
    pub(crate) fn lost(&self, key: PointName, reason: &'static str) {
        self.counters.lost.fetch_add(1, Ordering::Relaxed);
        let event = Event::Lost { point: self.point.name(), key, reason };
        emit_as(&event, None, Log { pace: None, shows_key: shows_all_keys() });
    }

    /// Takes the lock `name` for sync code.
    ///
    /// # Errors
    ///
    /// If it is not free in time, or cannot be taken.
    pub fn acquire(&'static self, name: String, attempt: u32) -> Result<CallLock, Rejected> {
        let lock = self.lock(&name);
        let mut enter = Enter { site: self, name, attempt, lock: None, began: Instant::now(), waiting: None };
        let mut has_waited = false;
        let stack = self.point.stack();
        let taken = lock.acquire_with(|| {
            if !std::mem::replace(&mut has_waited, true) {
                blocks(&self.point.name());
                admission::waits(stack, attempt);
            }
        });
        let is_wanted = !has_waited || admission::admitted(stack);
        enter.ended(taken, has_waited, is_wanted)
    }

    /// Takes the lock `name` for async code, as part of the `attempt`th attempt, from 1.
    pub fn acquire_async(&'static self, name: String, attempt: u32) -> Enter {
        let lock = Some(self.lock(&name));
        Enter { site: self, name, attempt, lock, began: Instant::now(), waiting: None }
    }
}

/// A call that takes its lock, and waits for it if it has to.
#[derive(Debug)]
#[must_use = "futures do nothing unless polled"]
#[doc(hidden)]
pub struct Enter {
    site: &'static LockSite,
    name: String,
    attempt: u32,
    /// The lock, until the first poll.
    lock: Option<FileLock>,
    began: Instant,
    /// The wait, until the last poll.
    waiting: Option<Box<(Acquire, Option<World>)>>,
}

impl Enter {
    /// Ends the wait: a lock whose caller has left is released.
    fn ended(
        &mut self,
        taken: Result<LockGuard, LockError>,
        has_waited: bool,
        is_wanted: bool,
    ) -> Result<CallLock, Rejected> {
        let (site, key) = (self.site, PointName::from(std::mem::take(&mut self.name)));
        let waited = has_waited.then(|| self.began.elapsed());
        match taken {
            Ok(_) if !is_wanted => Err(site.refused(key, waited, NotLocked::left())),
            Ok(guard) => {
                site.locked(&key, waited);
                Ok(CallLock { site, key, guard: Some(guard), world: World::here() })
            }
            Err(error) => Err(site.refused(key, waited, error.into())),
        }
    }
}

impl Future for Enter {
    type Output = Result<CallLock, Rejected>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let stack = this.site.point.stack();
        if let Some(lock) = this.lock.take() {
            this.waiting = Some(Box::new((Acquire::new(lock), World::here())));
        }
        let Some(waiting) = &mut this.waiting else { return Poll::Pending };
        let (acquire, world) = &mut **waiting;
        let was_waiting = acquire.has_waited();
        let world = world.clone();
        let polled = run_in(world.as_ref(), || Pin::new(&mut *acquire).poll(cx));
        let has_waited = acquire.has_waited();
        if has_waited && !was_waiting {
            admission::waits(stack, this.attempt);
        }
        let Poll::Ready(taken) = polled else { return Poll::Pending };
        this.waiting = None;
        let is_wanted = !has_waited || run_in(world.as_ref(), || admission::admitted(stack));
        Poll::Ready(run_in(world.as_ref(), || this.ended(taken, has_waited, is_wanted)))
    }
}

impl Drop for Enter {
    fn drop(&mut self) {
        if self.waiting.is_some() {
            scope::dropped_waiting(self.site.point.stack(), self.attempt);
        }
    }
}

/// The lock of a call, released when this is dropped.
#[derive(Debug)]
#[doc(hidden)]
pub struct CallLock {
    site: &'static LockSite,
    key: PointName,
    guard: Option<LockGuard>,
    world: Option<World>,
}

impl Holds for CallLock {
    fn number(&self) -> usize {
        self.guard.as_ref().map_or(0, Holds::number)
    }
}

impl Drop for CallLock {
    fn drop(&mut self) {
        let Some(guard) = self.guard.take() else { return };
        let is_lost = !guard.still_ours() && guard.is_of_this_process();
        drop(guard);
        if is_lost {
            run_in(self.world.as_ref(), || self.site.lost(self.key.clone(), "its file was removed"));
        }
    }
}

impl Layer for LockSite {
    fn kind(&self) -> &'static str {
        KIND
    }

    fn settings(&self) -> Vec<Effective> {
        let mut settings = vec![Effective::text("lock", self.template)];
        if self.is_lease {
            settings.push(Effective::text("store", "true"));
        }
        let is_used = |setting: &Effective| self.is_lease || setting.name != "lease";
        settings.extend(self.config().effective().into_iter().filter(is_used));
        settings
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counters = &*self.counters;
        vec![
            ("locked", count(&counters.locked)),
            ("waited", count(&counters.waited)),
            ("rejected", count(&counters.rejected)),
            ("lost", count(&counters.lost)),
            ("wait_max_ms", count(&counters.longest) / 1_000_000),
        ]
    }

    fn notes(&self, below: &[&dyn Layer]) -> Vec<&'static str> {
        let is_above_a_retry = below.iter().any(|layer| layer.calls() > 1);
        let note = "the lock is held through the waits of the retry below: move this line below it";
        is_above_a_retry.then_some(note).into_iter().collect()
    }

    fn worst(&self, inner: Option<Duration>) -> Option<Duration> {
        inner.map(|inner| inner.saturating_add(self.config().wait))
    }

    #[cfg(feature = "config")]
    fn table(&self) -> &'static [Setting] {
        super::WithLockConfig::TABLE
    }

    #[cfg(feature = "config")]
    fn fixed(&self, setting: &str) -> Option<&'static str> {
        match setting {
            "shared" | "common" => Some("which lock it is, and how it is held, is part of the code"),
            "lease" if !self.is_lease => Some("a file has no lease, because the attribute has no `store`"),
            _ => None,
        }
    }

    #[cfg(feature = "config")]
    fn changed(&self, changes: &[Change]) -> Changed {
        judged(self.settings, changes, |setting| Layer::fixed(self, setting))
    }

    #[cfg(feature = "config")]
    fn stays_on(&self) -> Option<&'static str> {
        Some("other calls and programs rely on the lock")
    }
}
