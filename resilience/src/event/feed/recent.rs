//! The last events of each point.
//!
//! A ring is made at the first event of its point. Rings are in several tables with a lock each, so that points that
//! fail at the same time rarely wait for each other. All rings together have a limit in bytes: above it, those whose
//! last event is oldest go, an eighth of the bytes at once, so that a program with a million names does not look at all
//! rings with each event.

use super::record::{EventRecord, job_of};
use crate::base::clock;
use crate::base::site::Site;
use crate::base::sync::locked;
use crate::event::Event;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The most events of a point.
const MOST: usize = 100;
/// The most bytes of all rings.
const MOST_BYTES: usize = 8 * 1024 * 1024;
/// The bytes that a ring takes besides its events and its name.
const OVERHEAD: usize = 128;
/// The period in which one rejection is kept: an open breaker rejects each call, which would evict why it opened.
const PACE: Duration = Duration::from_secs(1);
const TABLES: usize = 16;

#[derive(Debug)]
struct RecentEvent {
    event: Event,
    at: Instant,
    job: Option<String>,
}

#[derive(Debug)]
struct Ring {
    events: VecDeque<RecentEvent>,
    /// The bytes of the texts of its events.
    texts: usize,
    last: Instant,
    last_rejected: Option<Instant>,
}

#[derive(Debug)]
struct Rings {
    tables: [Mutex<BTreeMap<Box<str>, Ring>>; TABLES],
    bytes: AtomicUsize,
    /// Held while rings are evicted.
    evicts: Mutex<()>,
}

static RINGS: Site<Rings> = Site::new(Rings::new(), Rings::new);

/// Returns the last events of `point`, the oldest first; at most 100.
///
/// `point` is the name of an annotated function, of a policy that is used as a value, or of a component. Of
/// rejections, which an open breaker makes for each call, one a second is kept, and only while a subscription or
/// a handler listens, or `tracing` lets DEBUG through. All points together keep at
/// most 8 MiB; above that, the points go first whose last event is oldest. The times of the events are worked
/// out from the monotonic clock.
///
/// # Examples
///
/// ```
/// use resilience::{CircuitBreaker, events};
///
/// static SEARCH: CircuitBreaker = CircuitBreaker::new("last events");
/// SEARCH.force_open();
/// SEARCH.reset();
///
/// let lines: Vec<_> = events::recent("last events").iter().map(|record| record.event.to_string()).collect();
/// assert_eq!(lines, ["last events: forced open", "last events: closed"]);
/// assert!(events::recent("no such point").is_empty());
/// ```
pub fn recent(point: &str) -> Vec<EventRecord> {
    let (now, time) = (clock::now(), clock::time_of_day());
    let table = locked(RINGS.table(point));
    let events = table.get(point).into_iter().flat_map(|ring| &ring.events);
    let record = |kept: &RecentEvent| EventRecord {
        event: kept.event.clone(),
        at: time.checked_sub(now.saturating_duration_since(kept.at)).unwrap_or(time),
        job: kept.job.clone(),
    };
    events.map(record).collect()
}

/// Keeps `event` in the ring of its point.
pub(super) fn keep(event: &Event) {
    RINGS.keep(event, clock::now(), MOST_BYTES);
}

impl Rings {
    const fn new() -> Self {
        #[expect(clippy::declare_interior_mutable_const, reason = "every table gets a copy of its own")]
        const EMPTY: Mutex<BTreeMap<Box<str>, Ring>> = Mutex::new(BTreeMap::new());
        Self { tables: [EMPTY; TABLES], bytes: AtomicUsize::new(0), evicts: Mutex::new(()) }
    }

    fn table(&self, point: &str) -> &Mutex<BTreeMap<Box<str>, Ring>> {
        let hash = point.bytes().fold(0_usize, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
        &self.tables[hash % TABLES]
    }

    fn keep(&self, event: &Event, now: Instant, most_bytes: usize) {
        let point = event.point();
        let mut table = locked(self.table(point));
        let (added, removed) = if let Some(ring) = table.get_mut(point) {
            let before = ring.bytes();
            ring.add(event, now);
            (ring.bytes(), before)
        } else {
            let mut ring =
                Ring { events: VecDeque::new(), texts: point.len(), last: now, last_rejected: None };
            ring.add(event, now);
            let bytes = ring.bytes();
            table.insert(point.into(), ring);
            (bytes, 0)
        };
        drop(table);
        if added == removed {
            return;
        }
        // The same number is subtracted when the ring is removed; the order of two threads does not matter.
        self.bytes.fetch_add(added.wrapping_sub(removed), Ordering::Relaxed);
        if self.bytes.load(Ordering::Relaxed) > most_bytes {
            self.evict(most_bytes / 8 * 7);
        }
    }

    /// Removes the rings whose last events are oldest, until the others have at most `most_bytes`.
    #[cold]
    fn evict(&self, most_bytes: usize) {
        let Ok(_evicts) = self.evicts.try_lock() else { return };
        let mut oldest = Vec::new();
        for table in &self.tables {
            let table = locked(table);
            oldest.extend(table.iter().map(|(point, ring)| (ring.last, point.clone())));
        }
        oldest.sort_unstable();
        for (_, point) in oldest {
            if self.bytes.load(Ordering::Relaxed) <= most_bytes {
                return;
            }
            let ring = locked(self.table(&point)).remove(&point);
            self.bytes.fetch_sub(ring.as_ref().map_or(0, Ring::bytes), Ordering::Relaxed);
        }
    }
}

impl Ring {
    fn bytes(&self) -> usize {
        OVERHEAD + self.texts + self.events.capacity() * size_of::<RecentEvent>()
    }

    /// Adds an event, in place of the oldest where the ring is full.
    fn add(&mut self, event: &Event, now: Instant) {
        self.last = now;
        if let Event::Rejected { .. } = event {
            if self.last_rejected.is_some_and(|last| now.saturating_duration_since(last) < PACE) {
                return;
            }
            self.last_rejected = Some(now);
        }
        if self.events.len() >= MOST
            && let Some(oldest) = self.events.pop_front()
        {
            self.texts -= oldest.texts();
        }
        let kept = RecentEvent { event: event.clone(), at: now, job: job_of(event) };
        self.texts += kept.texts();
        self.events.push_back(kept);
    }
}

impl RecentEvent {
    /// Returns the bytes of its texts.
    fn texts(&self) -> usize {
        let Self { event, job, .. } = self;
        let own = match event {
            Event::JobInterrupted { problem, .. } => problem.len(),
            Event::Alert { reason, .. } => reason.len(),
            Event::Config { problem, .. } => problem.as_ref().map_or(0, String::len),
            Event::FailedOver { value, .. } => value.as_deref().map_or(0, str::len),
            _ => 0,
        };
        let text = |text: Option<&str>| text.map_or(0, str::len);
        own + event.point().len() + text(event.key()) + text(event.job()) + text(job.as_deref())
    }
}
