//! The failed attempts of one annotated function, kept with that function so that failing calls of different
//! functions do not wait for each other.

use super::{Category, Classification};
use crate::base::clock::now;
use crate::base::site::Site;
use crate::base::sync::locked;
use crate::base::world::World;
use std::collections::VecDeque;
use std::fmt::{self, Display};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

/// The default number of records that are kept.
pub(crate) const DEFAULT_LIMIT: usize = 100;
/// A pattern that was not seen for this long is dropped.
pub(crate) const FORGET: Duration = Duration::from_secs(600);
/// The longest text of a context, in bytes.
pub(crate) const TEXT: usize = 256;

/// The number of records of the process that are kept.
pub(crate) static LIMIT: Site<AtomicUsize> =
    Site::new(AtomicUsize::new(DEFAULT_LIMIT), || AtomicUsize::new(DEFAULT_LIMIT));

/// The number of errors of each category.
pub(crate) type Totals = [u64; Category::ALL.len()];

/// The time of a record; `order` tells records apart while the clock of a test world stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RecordTime {
    pub(crate) at: Instant,
    order: u64,
}

impl RecordTime {
    pub(crate) fn now() -> Self {
        Self { at: now(), order: order() }
    }
}

fn order() -> u64 {
    static LAST: AtomicU64 = AtomicU64::new(0);
    // Shared by all threads, which a program outside of test worlds must not pay for.
    if World::here().is_some() { LAST.fetch_add(1, Ordering::Relaxed) } else { 0 }
}

/// The failures of one annotated function, in its `static`; empty until the first one.
#[derive(Debug)]
pub(crate) struct PointErrors(Mutex<Option<Box<Failures>>>);

#[derive(Debug, Default)]
pub(crate) struct Failures {
    pub(crate) entries: VecDeque<Entry>,
    pub(crate) totals: Totals,
    pub(crate) patterns: Patterns,
}

/// One failed attempt, as short as it can be kept: texts are made when it is read.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) moment: RecordTime,
    pub(crate) class: Classification,
    pub(crate) attempt: u32,
    pub(crate) context: Box<[(&'static str, String)]>,
}

impl PointErrors {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<Failures>>> {
        locked(&self.0)
    }

    /// Records a failed attempt.
    pub(crate) fn add(&self, class: Classification, attempt: u32, context: &[(&'static str, &dyn Display)]) {
        let context = context.iter().map(|(name, value)| (*name, bounded(value))).collect();
        let (moment, limit) = (RecordTime::now(), LIMIT.load(Ordering::Relaxed));
        let mut failures = self.lock();
        let failures = failures.get_or_insert_default();
        if let Some(total) = failures.totals.get_mut(class.category as usize) {
            *total += 1;
        }
        failures.patterns.add(class.category, moment.at);
        if limit > 0 {
            // One by one: nearly always a single entry is dropped, and draining a range costs more.
            while failures.entries.len() >= limit {
                failures.entries.pop_front();
            }
            failures.entries.push_back(Entry { moment, class, attempt, context });
        }
    }

    /// Drops the oldest entries until `limit` are left.
    pub(crate) fn shorten(&self, limit: usize) {
        if let Some(failures) = &mut *self.lock() {
            shorten(&mut failures.entries, limit);
        }
    }

    pub(crate) fn clear(&self) {
        *self.lock() = None;
    }

    pub(crate) fn read<T>(&self, read: impl FnOnce(&Failures) -> T) -> Option<T> {
        self.lock().as_deref().map(read)
    }
}

/// Drops the oldest entries until `limit` are left.
pub(crate) fn shorten<T>(entries: &mut VecDeque<T>, limit: usize) {
    entries.drain(..entries.len().saturating_sub(limit));
}

/// Returns `value` as text, cut off where it becomes too long.
fn bounded(value: &dyn Display) -> String {
    struct Bounded(String);
    impl fmt::Write for Bounded {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            self.0.push_str(cut(text, TEXT - self.0.len()));
            // An error ends the formatting of a text that is long enough.
            if self.0.len() < TEXT { Ok(()) } else { Err(fmt::Error) }
        }
    }
    let mut text = Bounded(String::new());
    let _ = fmt::write(&mut text, format_args!("{value}"));
    text.0
}

/// Returns at most `limit` bytes of `text`, in whole characters.
pub(crate) fn cut(text: &str, limit: usize) -> &str {
    let end = (0..=limit.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or("")
}

/// The patterns of one point, each at the index of its category.
#[derive(Debug, Default)]
pub(crate) struct Patterns([Option<Seen>; Category::ALL.len()]);

#[derive(Clone, Copy, Debug)]
struct Seen {
    count: u64,
    last: Instant,
}

impl Seen {
    fn is_fresh(&self, now: Instant) -> bool {
        now.saturating_duration_since(self.last) < FORGET
    }
}

impl Patterns {
    pub(crate) fn last(&self) -> Option<Instant> {
        self.0.iter().flatten().map(|seen| seen.last).max()
    }

    pub(crate) fn add(&mut self, category: Category, now: Instant) {
        if let Some(place) = self.0.get_mut(category as usize) {
            let count = place.filter(|seen| seen.is_fresh(now)).map_or(0, |seen| seen.count);
            *place = Some(Seen { count: count + 1, last: now });
        }
    }

    pub(crate) fn of(&self, category: Category, now: Instant) -> u64 {
        let seen = self.0.get(category as usize).copied().flatten();
        seen.filter(|seen| seen.is_fresh(now)).map_or(0, |seen| seen.count)
    }

    /// Drops stale entries; returns false if nothing is left.
    pub(crate) fn sweep(&mut self, now: Instant) -> bool {
        for place in &mut self.0 {
            *place = place.filter(|seen| seen.is_fresh(now));
        }
        self.last().is_some()
    }
}
