//! What went wrong lately: the last errors, and how often each kind occurred where.

use super::{Category, Classification, Classify, Severity};
use crate::clock::{now, time_of_day};
use crate::point::PointName;
use crate::site::Site;
use std::collections::{HashMap, VecDeque};
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

/// How many records are kept unless said otherwise.
const LIMIT: usize = 100;
/// A pattern that was not seen for this long is dropped.
const FORGET: Duration = Duration::from_secs(600);
/// How many points have patterns at most: names can come from outside.
const POINTS: usize = 1_000;

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
    /// The code that the other side gave, if it gave one: `"503"`, `"os error 104"`.
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

    /// Sets the code that the other side gave.
    pub fn code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Adds a pair that tells where the call was.
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
/// Keeps the last 100 records, or as many as [`with_limit`](Self::with_limit) says. Counts go on beyond
/// that: by category until [`clear`](Self::clear), and by point and category until a pattern was not
/// seen for 10 minutes. At most 1,000 points are told apart; of more, the one that was quiet for longest
/// is forgotten.
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
    limit: usize,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    records: VecDeque<ErrorRecord>,
    totals: [u64; Category::ALL.len()],
    points: HashMap<String, Counts>,
    swept: Option<Instant>,
}

/// The patterns of one point, each at the place of its category.
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
        Self { limit, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds an error; the oldest record makes room for it.
    pub fn record(&self, record: ErrorRecord) {
        let now = now();
        let mut state = self.state();
        state.count(&record, now);
        state.records.push_back(record);
        if state.records.len() > self.limit {
            state.records.pop_front();
        }
    }

    /// The records kept, oldest first.
    pub fn records(&self) -> Vec<ErrorRecord> {
        self.state().records.iter().cloned().collect()
    }

    /// How many errors of `category` were seen since the start or the last [`clear`](Self::clear).
    pub fn count(&self, category: Category) -> u64 {
        self.state().totals.get(category as usize).copied().unwrap_or(0)
    }

    /// How many errors of `category` were seen at `point`; zero once none came for 10 minutes.
    pub fn count_at(&self, point: &str, category: Category) -> u64 {
        let now = now();
        let state = self.state();
        let seen =
            state.points.get(point).and_then(|counts| counts.0.get(category as usize).copied().flatten());
        seen.filter(|seen| seen.is_fresh(now)).map_or(0, |seen| seen.count)
    }

    /// Every pattern of the last 10 minutes, the most frequent first.
    pub fn patterns(&self) -> Vec<ErrorPattern> {
        let now = now();
        let state = self.state();
        let mut patterns: Vec<_> =
            state.points.iter().flat_map(|(point, counts)| fresh(point, counts, now)).collect();
        drop(state);
        patterns.sort_by(|a, b| {
            b.count.cmp(&a.count).then_with(|| (*a.point).cmp(&*b.point)).then(a.category.cmp(&b.category))
        });
        patterns
    }

    /// Forgets all records and counts.
    pub fn clear(&self) {
        *self.state() = State::default();
    }
}

fn fresh<'a>(point: &'a str, counts: &'a Counts, now: Instant) -> impl Iterator<Item = ErrorPattern> + 'a {
    let places = Category::ALL.into_iter().zip(counts.0);
    places.filter_map(move |(category, seen)| {
        let count = seen.filter(|seen| seen.is_fresh(now))?.count;
        Some(ErrorPattern { point: point.to_owned().into(), category, count })
    })
}

static HISTORY: Site<LazyLock<ErrorHistory>> =
    Site::new(LazyLock::new(ErrorHistory::new), || LazyLock::new(ErrorHistory::new));

/// The history of this process, which [`report`] adds to.
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
