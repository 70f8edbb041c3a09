//! The recent errors, and how often each kind occurred where.

use crate::base::clock::{now, time_of_day};
use crate::base::name::PointName;
use crate::base::site::Site;
use crate::base::sync::locked;
use crate::failure::errors::{
    DEFAULT_LIMIT, Entry, FORGET, Failures, LIMIT, Patterns, RecordTime, TEXT, Totals, cut, shorten,
};
use crate::failure::{Category, Classification, Classify, Severity};
use crate::point::{POINTS_0_1, PointSite, table};
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard};
use std::time::{Instant, SystemTime};

/// The most components that have patterns: their names can come from outside.
const POINTS: usize = 1_000;
/// The most pairs of a context.
const PAIRS: usize = 32;

/// One error, as the [history](ErrorHistory) keeps it.
///
/// It holds a category, a severity and a code, but no text of the error, which can contain secrets. Pairs
/// that say where the call was are added by `context(key = expr)` in an attribute, or by
/// [`context`](Self::context).
///
/// With the feature `serde` it serialises as
/// `{point, category, severity, code, action, context, attempt, at}`.
///
/// # Examples
///
/// ```
/// use resilience::classify::{Category, Classification, ErrorRecord};
///
/// let class = Classification::from_status(503);
/// let record = ErrorRecord::new("quote", &class).attempt(2).context("symbol", "ACME");
/// assert_eq!((&*record.point, record.category), ("quote", Category::Unavailable));
/// assert_eq!(record.code.as_deref(), Some("503"));
/// assert_eq!(record.context, [("symbol".to_owned(), "ACME".to_owned())]);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorRecord {
    /// The function or component that failed.
    pub point: PointName,
    /// The kind of the failure.
    pub category: Category,
    /// The severity of the error.
    pub severity: Severity,
    /// The code that the server returned, if it returned one: `"503"`, `"os error 104"`.
    pub code: Option<String>,
    /// What a person can do about it.
    pub action: &'static str,
    /// Pairs that say where the call was, at most 32; texts are cut off after 256 bytes.
    pub context: Vec<(String, String)>,
    /// Which attempt failed, counted from 1.
    pub attempt: u32,
    /// The time of day at which the attempt failed.
    pub at: SystemTime,
}

impl ErrorRecord {
    /// Creates the record of a first attempt of `point` that failed just now, without context.
    ///
    /// The category, severity, code and action are those of `class`; the time is that of the test world where there is
    /// one.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Severity;
    /// use resilience::classify::{Category, Classification, ErrorRecord};
    ///
    /// let record = ErrorRecord::new("mailer", &Classification::new(Category::Auth));
    /// assert_eq!((record.attempt, record.severity), (1, Severity::High));
    /// assert_eq!(record.action, "check the credentials");
    /// ```
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
    ///
    /// It replaces that of the classification. A history cuts it off after 256 bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::classify::{Category, Classification, ErrorRecord};
    ///
    /// let record = ErrorRecord::new("mailer", &Classification::new(Category::RateLimited)).code("4.7.1");
    /// assert_eq!(record.code.as_deref(), Some("4.7.1"));
    /// ```
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Adds a pair that says where the call was.
    ///
    /// A name that is added twice is kept twice. A history keeps the first 32 pairs, and 256 bytes of each text. Do not
    /// add secrets: everything that reads the history shows them.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::classify::{Category, Classification, ErrorRecord};
    ///
    /// let class = Classification::new(Category::Timeout);
    /// let record = ErrorRecord::new("mailer", &class).context("host", "mx1").context("queue", "7");
    /// assert_eq!(record.context.len(), 2);
    /// ```
    pub fn context(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.context.push((key.into(), value.into()));
        self
    }

    /// Sets which attempt failed, counted from 1.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::classify::{Category, Classification, ErrorRecord};
    ///
    /// let second = ErrorRecord::new("mailer", &Classification::new(Category::Timeout)).attempt(2);
    /// assert_eq!(second.attempt, 2);
    /// ```
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }
}

/// The count of one kind of failure at one point, since it was last forgotten.
///
/// # Examples
///
/// ```
/// use resilience::classify::{history, report};
///
/// report("mailer", &std::io::Error::from(std::io::ErrorKind::TimedOut));
/// let pattern = history().patterns().into_iter().find(|pattern| &*pattern.point == "mailer").unwrap();
/// assert_eq!((pattern.category.as_str(), pattern.count), ("timeout", 1));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ErrorPattern {
    /// The function or component that failed.
    pub point: PointName,
    /// The kind of the failure.
    pub category: Category,
    /// The number of failures.
    pub count: u64,
}

/// The last errors and the counts of all, bounded in memory and shared between threads by reference.
///
/// It answers "what is failing, and where" without a metrics system. The [`history`] of the process has the
/// failed attempts of every annotated function, and what [`report`] adds. A history of your own counts what
/// you record in it.
///
/// # Bounds
///
/// | what | bound |
/// |---|---|
/// | records | the last 100, or as many as [`set_limit`](Self::set_limit) says |
/// | counts by category | until [`clear`](Self::clear) |
/// | counts by point and category | until the pattern was not seen for 10 minutes |
/// | components other than annotated functions | 1,000; then the one whose last error is oldest is evicted |
/// | pairs of a context | 32, each text cut off after 256 bytes |
///
/// The history of the process keeps the failures of each annotated function with that function, so that
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
    scope: Scope,
    state: Mutex<State>,
}

/// The scope of a history.
#[derive(Debug)]
enum Scope {
    /// The errors of the process, the failures of the annotated functions among them.
    Process,
    /// The errors that its owner records, with its limit.
    Own(AtomicUsize),
}

/// The records of everything that is not an annotated function.
#[derive(Debug, Default)]
struct State {
    records: VecDeque<(RecordTime, ErrorRecord)>,
    totals: Totals,
    points: HashMap<String, Patterns>,
    swept: Option<Instant>,
}

impl State {
    fn count(&mut self, record: &ErrorRecord, now: Instant) {
        if let Some(total) = self.totals.get_mut(record.category as usize) {
            *total += 1;
        }
        self.make_room(&record.point, now);
        self.points.entry(record.point.to_string()).or_default().add(record.category, now);
    }

    /// Forgets stale entries once in a while, and the quietest point if there are too many.
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
    /// Creates an empty history that keeps 100 records.
    ///
    /// It is separate from the [`history`] of the process: nothing gets into it by itself.
    pub fn new() -> Self {
        Self::with_limit(DEFAULT_LIMIT)
    }

    /// Creates an empty history that keeps `limit` records; 0 keeps only the counts.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::classify::{Category, Classification, ErrorHistory, ErrorRecord};
    ///
    /// let counts = ErrorHistory::with_limit(0);
    /// counts.record(ErrorRecord::new("mailer", &Classification::new(Category::Timeout)));
    /// assert!(counts.records().is_empty());
    /// assert_eq!(counts.count(Category::Timeout), 1);
    /// ```
    pub fn with_limit(limit: usize) -> Self {
        Self { scope: Scope::Own(AtomicUsize::new(limit)), state: Mutex::default() }
    }

    fn of_process() -> Self {
        Self { scope: Scope::Process, state: Mutex::default() }
    }

    fn limit(&self) -> &AtomicUsize {
        match &self.scope {
            Scope::Process => &LIMIT,
            Scope::Own(limit) => limit,
        }
    }

    const fn is_of_process(&self) -> bool {
        matches!(self.scope, Scope::Process)
    }

    /// Sets the number of records that are kept, by default 100, and drops the oldest of those that are too many; 0
    /// keeps only the counts.
    ///
    /// # Examples
    ///
    /// ```
    /// resilience::classify::history().set_limit(50);
    /// ```
    pub fn set_limit(&self, limit: usize) {
        self.limit().store(limit, Ordering::Relaxed);
        shorten(&mut self.state().records, limit);
        for point in self.points() {
            point.errors().shorten(limit);
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    /// Returns the annotated functions whose failures belong to this history.
    fn points(&self) -> impl Iterator<Item = &'static PointSite> {
        self.is_of_process().then(|| POINTS_0_1.iter()).into_iter().flatten()
    }

    /// Adds an error. Where the limit is reached, the oldest record is dropped; the counts go on.
    ///
    /// Texts are shortened to the [bounds](Self#bounds) first. It takes one lock, for as long as that takes.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::classify::{Category, Classification, ErrorHistory, ErrorRecord};
    ///
    /// let history = ErrorHistory::with_limit(2);
    /// for point in ["a", "b", "c"] {
    ///     history.record(ErrorRecord::new(point, &Classification::new(Category::Timeout)));
    /// }
    /// let kept: Vec<_> = history.records().iter().map(|record| record.point.to_string()).collect();
    /// assert_eq!(kept, ["b", "c"]);
    /// assert_eq!(history.count(Category::Timeout), 3);
    /// ```
    pub fn record(&self, mut record: ErrorRecord) {
        // A text that was cut off keeps its memory, too, unless that is given back.
        record.context.truncate(PAIRS);
        record.context.shrink_to_fit();
        for text in record.context.iter_mut().flat_map(|(name, value)| [name, value]).chain(&mut record.code)
        {
            text.truncate(cut(text, TEXT).len());
            text.shrink_to_fit();
        }
        let (moment, limit) = (RecordTime::now(), self.limit().load(Ordering::Relaxed));
        let mut state = self.state();
        state.count(&record, moment.at);
        state.records.push_back((moment, record));
        shorten(&mut state.records, limit);
    }

    /// Returns the records that are kept, oldest first.
    ///
    /// The records are copies, without those that are added during the call. The times of failed attempts of
    /// annotated functions are worked out when they are read, from the monotonic clock.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::classify::{history, report};
    ///
    /// # let _world = resilience::testing::isolate();
    /// report("mailer", &std::io::Error::from(std::io::ErrorKind::TimedOut));
    /// for record in history().records() {
    ///     println!("{} {} {}", record.point, record.category, record.action);
    /// }
    /// assert_eq!(history().records().len(), 1);
    /// ```
    pub fn records(&self) -> Vec<ErrorRecord> {
        let mut records: Vec<_> = self.state().records.iter().cloned().collect();
        let (now, time) = (now(), time_of_day());
        let time_of = |moment: RecordTime| {
            let ago = now.saturating_duration_since(moment.at);
            time.checked_sub(ago).unwrap_or(time)
        };
        for point in self.points() {
            let read = |failures: &Failures| {
                let record = |entry: &Entry| (entry.moment, record(entry, point, time_of(entry.moment)));
                records.extend(failures.entries.iter().map(record));
            };
            point.errors().read(read);
        }
        records.sort_by_key(|(moment, _)| *moment);
        let more = records.len().saturating_sub(self.limit().load(Ordering::Relaxed));
        records.into_iter().skip(more).map(|(_, record)| record).collect()
    }

    /// Returns the number of errors of `category` since the start or the last [`clear`](Self::clear).
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::classify::{history, report, Category};
    ///
    /// let before = history().count(Category::Connection);
    /// report("mailer", &std::io::Error::from(std::io::ErrorKind::ConnectionReset));
    /// assert_eq!(history().count(Category::Connection), before + 1);
    /// ```
    pub fn count(&self, category: Category) -> u64 {
        let of = |totals: &Totals| totals.get(category as usize).copied().unwrap_or(0);
        let own = of(&self.state().totals);
        let points = self.points().filter_map(|point| point.errors().read(|failures| of(&failures.totals)));
        own + points.sum::<u64>()
    }

    /// Returns the number of errors of `category` at `point`; zero once none came for 10 minutes.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::classify::{Category, history, report};
    /// use std::time::Duration;
    ///
    /// let world = resilience::testing::isolate();
    /// report("mailer", &std::io::Error::from(std::io::ErrorKind::TimedOut));
    /// assert_eq!(history().count_at("mailer", Category::Timeout), 1);
    /// assert_eq!(history().count_at("search", Category::Timeout), 0);
    ///
    /// world.advance(Duration::from_secs(11 * 60));
    /// assert_eq!(history().count_at("mailer", Category::Timeout), 0, "not of the last 10 minutes");
    /// assert_eq!(history().count(Category::Timeout), 1, "but of all");
    /// ```
    pub fn count_at(&self, point: &str, category: Category) -> u64 {
        let now = now();
        let own = self.state().points.get(point).map_or(0, |counts| counts.of(category, now));
        let function = if self.is_of_process() { table().point(point) } else { None };
        let read = |point: &PointSite| point.errors().read(|failures| failures.patterns.of(category, now));
        own + function.and_then(read).unwrap_or(0)
    }

    /// Returns every pattern of the last 10 minutes, the most frequent first.
    ///
    /// A pattern is a point and a category: errors of all keys of a keyed breaker are counted together.
    /// [`Point::keys`](crate::Point::keys) and [`snapshot()`](crate::snapshot) tell the keys apart.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::classify::{Category, Classification, ErrorHistory, ErrorRecord};
    ///
    /// let history = ErrorHistory::new();
    /// for (point, category) in [("a", Category::Timeout), ("b", Category::Auth), ("b", Category::Auth)] {
    ///     history.record(ErrorRecord::new(point, &Classification::new(category)));
    /// }
    /// let worst = &history.patterns()[0];
    /// assert_eq!((&*worst.point, worst.category, worst.count), ("b", Category::Auth, 2));
    /// ```
    pub fn patterns(&self) -> Vec<ErrorPattern> {
        let now = now();
        let mut patterns: HashMap<(PointName, Category), u64> = HashMap::new();
        let mut add = |point: &PointName, counts: &Patterns| {
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
            point.errors().read(|failures| add(&point.name(), &failures.patterns));
        }
        let pattern = |((point, category), count)| ErrorPattern { point, category, count };
        let mut patterns: Vec<_> = patterns.into_iter().map(pattern).collect();
        patterns.sort_by(|a, b| {
            b.count.cmp(&a.count).then_with(|| (*a.point).cmp(&*b.point)).then(a.category.cmp(&b.category))
        });
        patterns
    }

    /// Forgets all records and counts; of the process's history also those of the annotated functions.
    ///
    /// The limit stays. It is for tests, and for an operator who starts to watch again.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::classify::{Category, history, report};
    ///
    /// # let _world = resilience::testing::isolate();
    /// report("mailer", &std::io::Error::from(std::io::ErrorKind::TimedOut));
    /// history().clear();
    /// assert!(history().records().is_empty() && history().count(Category::Timeout) == 0);
    /// ```
    pub fn clear(&self) {
        *self.state() = State::default();
        for point in self.points() {
            point.errors().clear();
        }
    }
}

/// Returns the record of a failed attempt of `point`.
fn record(entry: &Entry, point: &'static PointSite, at: SystemTime) -> ErrorRecord {
    let context = entry.context.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    ErrorRecord {
        attempt: entry.attempt,
        context: context.collect(),
        at,
        ..ErrorRecord::new(point.name(), &entry.class)
    }
}

static HISTORY: Site<LazyLock<ErrorHistory>> =
    Site::new(LazyLock::new(ErrorHistory::of_process), || LazyLock::new(ErrorHistory::of_process));

/// Returns the history of this process: failed attempts of every annotated function, and what [`report`]
/// adds.
///
/// Policies that are used as values do not write to it: [`report`] their errors where they matter.
///
/// # Examples
///
/// ```
/// use resilience::classify::history;
///
/// for pattern in history().patterns() {
///     println!("{} {}: {} times", pattern.point, pattern.category, pattern.count);
/// }
/// ```
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_keeps_no_more_memory_than_its_bounds() {
        let history = ErrorHistory::new();
        let (long, short) = ("x".repeat(1 << 20), || String::with_capacity(1 << 20));
        let mut record = ErrorRecord::new("quote", &Classification::new(Category::Timeout)).code(&*long);
        for _ in 0..2 * PAIRS {
            record = record.context(&*long, short());
        }
        history.record(record);
        let state = history.state();
        let (_, record) = &state.records[0];
        let texts = record.context.iter().flat_map(|(name, value)| [name, value]).chain(&record.code);
        assert_eq!(texts.clone().map(String::len).sum::<usize>(), (PAIRS + 1) * TEXT);
        assert!(texts.map(String::capacity).sum::<usize>() <= (2 * PAIRS + 1) * TEXT);
        assert!(record.context.capacity() <= PAIRS);
    }
}
