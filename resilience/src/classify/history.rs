//! What went wrong lately: the last errors, and how often each kind occurred where.

use super::{Category, Classification, Classify, Severity};
use crate::base::world::World;
use crate::clock::{now, time_of_day};
use crate::point::{POINTS_0_1, PointName, PointSite, table};
use crate::site::Site;
use std::collections::{HashMap, VecDeque};
use std::fmt::{self, Display};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How many records are kept unless said otherwise.
const LIMIT: usize = 100;
/// A pattern that was not seen for this long is dropped.
const FORGET: Duration = Duration::from_secs(600);
/// How many components have patterns at most: their names can come from outside.
const POINTS: usize = 1_000;
/// The longest text of a context, in bytes.
const TEXT: usize = 256;
/// The most pairs of a context.
const PAIRS: usize = 32;

/// One error, as the history keeps it; `Serialize` with the feature `serde`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorRecord {
    /// The function or component that failed.
    pub point: PointName,
    /// The kind of the failure.
    pub category: Category,
    /// How bad it is.
    pub severity: Severity,
    /// The code that the server returned, if it returned one: `"503"`, `"os error 104"`.
    pub code: Option<String>,
    /// What a person can do about it.
    pub action: &'static str,
    /// Pairs that tell where the call was.
    pub context: Vec<(String, String)>,
    /// Which attempt failed, counted from 1.
    pub attempt: u32,
    /// The time of day.
    pub at: SystemTime,
}

impl ErrorRecord {
    /// A first attempt of `point` that failed just now, without context.
    pub fn new(point: impl Into<PointName>, class: &Classification) -> Self {
        Self {
            point: point.into(),
            category: class.category,
            severity: class.severity,
            code: class.code.map(|code| code.to_string()),
            action: class.action,
            context: Vec::new(),
            attempt: 1,
            at: time_of_day(),
        }
    }

    /// Sets the code that the server returned.
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Adds a pair that says where the call was.
    pub fn context(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.context.push((key.into(), value.into()));
        self
    }

    /// Sets which attempt failed, counted from 1.
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }
}

/// One kind of failure at one point, and how often it was seen since it was last forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorPattern {
    /// The function or component that failed.
    pub point: PointName,
    /// The kind of the failure.
    pub category: Category,
    /// How often.
    pub count: u64,
}

/// The last errors and the counts of all, bounded in memory and shared between threads by reference.
///
/// Keeps the last 100 records, or as many as [`set_limit`](Self::set_limit) says. Counts go on beyond that:
/// by category until [`clear`](Self::clear), and by point and category until a pattern was not seen for 10
/// minutes. At most 1,000 components other than annotated functions are counted; beyond that, the one whose
/// last error is oldest is evicted. Texts of a context are cut off after 256 bytes, and a record keeps 32
/// of them.
///
/// The [`history`] of the process keeps the failures of each annotated function with that function, so that
/// failing calls of different functions do not wait for each other.
///
/// # Examples
///
/// ```
/// use resilience::classify::{Category, Classification, ErrorHistory, ErrorRecord};
///
/// let history = ErrorHistory::new();
/// let class = Classification::new(Category::Timeout);
/// history.record(ErrorRecord::new("quote", &class).attempt(2).context("symbol", "ACME"));
///
/// assert_eq!(history.count(Category::Timeout), 1);
/// assert_eq!(history.count_at("quote", Category::Timeout), 1);
/// assert_eq!(history.records()[0].attempt, 2);
/// ```
#[derive(Debug)]
pub struct ErrorHistory {
    limit: AtomicUsize,
    /// Whether the failures of the annotated functions belong to this history.
    is_of_process: bool,
    state: Mutex<State>,
}

/// What is kept of everything that is no annotated function.
#[derive(Debug, Default)]
struct State {
    records: VecDeque<(Moment, ErrorRecord)>,
    totals: Totals,
    points: HashMap<String, Counts>,
    swept: Option<Instant>,
}

type Totals = [u64; Category::ALL.len()];

/// When a record was made; `order` tells records apart while the clock of a test world stands still.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Moment {
    at: Instant,
    order: u64,
}

impl Moment {
    fn now() -> Self {
        Self { at: now(), order: order() }
    }
}

fn order() -> u64 {
    static LAST: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    // Shared by all threads, which a program outside of test worlds must not pay for.
    if World::here().is_some() { LAST.fetch_add(1, Ordering::Relaxed) } else { 0 }
}

/// The failures of one annotated function, in its `static`; empty until the first one.
#[derive(Debug)]
pub(crate) struct PointErrors(Mutex<Option<Box<Failures>>>);

#[derive(Debug, Default)]
struct Failures {
    entries: VecDeque<Entry>,
    totals: Totals,
    counts: Counts,
}

/// One failed attempt, as short as it can be kept: texts are made when it is read.
#[derive(Debug)]
struct Entry {
    moment: Moment,
    class: Classification,
    attempt: u32,
    context: Box<[(&'static str, String)]>,
}

impl PointErrors {
    pub(crate) const fn new() -> Self {
        Self(Mutex::new(None))
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<Failures>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a failed attempt.
    pub(super) fn add(&self, class: Classification, attempt: u32, context: &[(&'static str, &dyn Display)]) {
        let context = context.iter().map(|(name, value)| (*name, bounded(value))).collect();
        let (moment, limit) = (Moment::now(), history().limit.load(Ordering::Relaxed));
        let mut failures = self.lock();
        let failures = failures.get_or_insert_default();
        if let Some(total) = failures.totals.get_mut(class.category as usize) {
            *total += 1;
        }
        failures.counts.add(class.category, moment.at);
        if limit > 0 {
            // One by one: nearly always a single entry is dropped, and draining a range costs more.
            while failures.entries.len() >= limit {
                failures.entries.pop_front();
            }
            failures.entries.push_back(Entry { moment, class, attempt, context });
        }
    }

    fn read<T>(&self, read: impl FnOnce(&Failures) -> T) -> Option<T> {
        self.lock().as_deref().map(read)
    }
}

/// Drops the oldest entries until `limit` are left.
fn shorten<T>(entries: &mut VecDeque<T>, limit: usize) {
    entries.drain(..entries.len().saturating_sub(limit));
}

/// `value` as text, cut off where it becomes too long.
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

/// At most `limit` bytes of `text`, in whole characters.
fn cut(text: &str, limit: usize) -> &str {
    let end = (0..=limit.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or(0)).unwrap_or("")
}

/// The patterns of one point, each at the index of its category.
#[derive(Debug, Default)]
struct Counts([Option<Seen>; Category::ALL.len()]);

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

impl Counts {
    fn last(&self) -> Option<Instant> {
        self.0.iter().flatten().map(|seen| seen.last).max()
    }

    fn add(&mut self, category: Category, now: Instant) {
        if let Some(place) = self.0.get_mut(category as usize) {
            let count = place.filter(|seen| seen.is_fresh(now)).map_or(0, |seen| seen.count);
            *place = Some(Seen { count: count + 1, last: now });
        }
    }

    fn of(&self, category: Category, now: Instant) -> u64 {
        let seen = self.0.get(category as usize).copied().flatten();
        seen.filter(|seen| seen.is_fresh(now)).map_or(0, |seen| seen.count)
    }

    /// Drops what is stale; false if nothing is left.
    fn sweep(&mut self, now: Instant) -> bool {
        for place in &mut self.0 {
            *place = place.filter(|seen| seen.is_fresh(now));
        }
        self.last().is_some()
    }
}

impl State {
    fn count(&mut self, record: &ErrorRecord, now: Instant) {
        if let Some(total) = self.totals.get_mut(record.category as usize) {
            *total += 1;
        }
        self.make_room(&record.point, now);
        self.points.entry(record.point.to_string()).or_default().add(record.category, now);
    }

    /// Forgets what is stale once in a while, and the quietest point where there are too many.
    fn make_room(&mut self, point: &str, now: Instant) {
        let full = self.points.len() >= POINTS && !self.points.contains_key(point);
        let due = self.swept.is_none_or(|swept| now.saturating_duration_since(swept) >= FORGET / 10);
        if due {
            self.points.retain(|_, counts| counts.sweep(now));
            self.swept = Some(now);
        }
        if full && self.points.len() >= POINTS {
            let quietest = self.points.iter().min_by_key(|(_, counts)| counts.last());
            if let Some(name) = quietest.map(|(name, _)| name.clone()) {
                self.points.remove(&name);
            }
        }
    }
}

impl Default for ErrorHistory {
    fn default() -> Self {
        Self::new()
    }
}

impl ErrorHistory {
    /// An empty history of 100 records.
    pub fn new() -> Self {
        Self::with_limit(LIMIT)
    }

    /// An empty history of `limit` records; 0 keeps only the counts.
    pub fn with_limit(limit: usize) -> Self {
        Self { limit: AtomicUsize::new(limit), is_of_process: false, state: Mutex::default() }
    }

    fn of_process() -> Self {
        Self { is_of_process: true, ..Self::new() }
    }

    /// Sets how many records are kept, by default 100, and drops the oldest of those that are too many; 0
    /// keeps only the counts.
    ///
    /// # Examples
    ///
    /// ```
    /// resilience::classify::history().set_limit(50);
    /// ```
    pub fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
        shorten(&mut self.state().records, limit);
        for point in self.points() {
            if let Some(failures) = &mut *point.errors().lock() {
                shorten(&mut failures.entries, limit);
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The annotated functions whose failures belong to this history.
    fn points(&self) -> impl Iterator<Item = &'static PointSite> {
        self.is_of_process.then(|| POINTS_0_1.iter()).into_iter().flatten()
    }

    /// Adds an error; the oldest record makes room for it.
    pub fn record(&self, mut record: ErrorRecord) {
        record.context.truncate(PAIRS);
        for text in record.context.iter_mut().flat_map(|(name, value)| [name, value]).chain(&mut record.code)
        {
            text.truncate(cut(text, TEXT).len());
        }
        let (moment, limit) = (Moment::now(), self.limit.load(Ordering::Relaxed));
        let mut state = self.state();
        state.count(&record, moment.at);
        state.records.push_back((moment, record));
        shorten(&mut state.records, limit);
    }

    /// Returns the records that are kept, oldest first.
    pub fn records(&self) -> Vec<ErrorRecord> {
        let mut records: Vec<_> = self.state().records.iter().cloned().collect();
        let (now, time) = (now(), time_of_day());
        let time_of = |moment: Moment| {
            let ago = now.saturating_duration_since(moment.at);
            time.checked_sub(ago).unwrap_or(time)
        };
        for point in self.points() {
            let read = |failures: &Failures| {
                let record = |entry: &Entry| (entry.moment, entry.record(point, time_of(entry.moment)));
                records.extend(failures.entries.iter().map(record));
            };
            point.errors().read(read);
        }
        records.sort_by_key(|(moment, _)| *moment);
        let more = records.len().saturating_sub(self.limit.load(Ordering::Relaxed));
        records.into_iter().skip(more).map(|(_, record)| record).collect()
    }

    /// Returns how many errors of `category` were seen since the start or the last [`clear`](Self::clear).
    pub fn count(&self, category: Category) -> u64 {
        let of = |totals: &Totals| totals.get(category as usize).copied().unwrap_or(0);
        let own = of(&self.state().totals);
        let points = self.points().filter_map(|point| point.errors().read(|failures| of(&failures.totals)));
        own + points.sum::<u64>()
    }

    /// Returns how many errors of `category` were seen at `point`; zero once none came for 10 minutes.
    pub fn count_at(&self, point: &str, category: Category) -> u64 {
        let now = now();
        let own = self.state().points.get(point).map_or(0, |counts| counts.of(category, now));
        let function = if self.is_of_process { table().point(point) } else { None };
        let read = |point: &PointSite| point.errors().read(|failures| failures.counts.of(category, now));
        own + function.and_then(read).unwrap_or(0)
    }

    /// Returns every pattern of the last 10 minutes, the most frequent first.
    ///
    /// A pattern is a point and a category: errors of all keys of a keyed breaker are counted together. [`Point::keys`](crate::Point::keys) and [`snapshot()`](crate::snapshot) tell the keys apart.
    pub fn patterns(&self) -> Vec<ErrorPattern> {
        let now = now();
        let mut patterns: HashMap<(PointName, Category), u64> = HashMap::new();
        let mut add = |point: &PointName, counts: &Counts| {
            for category in Category::ALL {
                let count = counts.of(category, now);
                if count > 0 {
                    *patterns.entry((point.clone(), category)).or_default() += count;
                }
            }
        };
        for (point, counts) in &self.state().points {
            add(&PointName::from(point.clone()), counts);
        }
        for point in self.points() {
            point.errors().read(|failures| add(&point.name(), &failures.counts));
        }
        let pattern = |((point, category), count)| ErrorPattern { point, category, count };
        let mut patterns: Vec<_> = patterns.into_iter().map(pattern).collect();
        patterns.sort_by(|a, b| {
            b.count.cmp(&a.count).then_with(|| (*a.point).cmp(&*b.point)).then(a.category.cmp(&b.category))
        });
        patterns
    }

    /// Forgets all records and counts.
    pub fn clear(&self) {
        *self.state() = State::default();
        for point in self.points() {
            *point.errors().lock() = None;
        }
    }
}

impl Entry {
    fn record(&self, point: &'static PointSite, at: SystemTime) -> ErrorRecord {
        let context = self.context.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
        ErrorRecord {
            attempt: self.attempt,
            context: context.collect(),
            at,
            ..ErrorRecord::new(point.name(), &self.class)
        }
    }
}

static HISTORY: Site<LazyLock<ErrorHistory>> =
    Site::new(LazyLock::new(ErrorHistory::of_process), || LazyLock::new(ErrorHistory::of_process));

/// Returns the history of this process: the failed attempts of every annotated function, and what
/// [`report`] adds.
pub fn history() -> &'static ErrorHistory {
    &HISTORY
}

/// Adds an error from elsewhere to the [`history`] of this process, under the name of a component.
///
/// # Examples
///
/// ```
/// use resilience::classify::{Category, history, report};
///
/// let error = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
/// report("mailer", &error);
/// assert_eq!(history().count_at("mailer", Category::Connection), 1);
/// ```
pub fn report<E: Classify + ?Sized>(component: &str, error: &E) {
    history().record(ErrorRecord::new(component.to_owned(), &error.classify()));
}
