//! Listings in pages: few rows at a time are read, and other work of the thread goes on between them.

use crate::durable::record::{Corrupt, Millis, Record, Status};
use crate::durable::store::pages::yield_now;
use crate::durable::store::{Liveness, Query, Store, StoreError};
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;
use std::time::Duration;

/// The default number of items of a page.
const ITEMS: usize = 100;
/// The most items of a page.
const MOST: usize = 1_000;
/// The number of records that are read at one time.
const ROWS: usize = 256;
/// The bytes after which a page ends.
const BYTES: usize = 4 << 20;

/// A filter of jobs, or of steps and cursors, for a listing.
///
/// A text is a filter for the ids or keys that begin with it. Each method narrows the selection; all have to
/// hold.
///
/// # Examples
///
/// ```
/// use resilience::durable::{Status, store::Liveness};
/// use resilience::jobs::{self, Filter};
///
/// # let _world = resilience::testing::isolate();
/// let stuck = Filter::new().status(&[Status::Running]).owner(&[Liveness::Dead, Liveness::Unknown]);
/// for job in jobs::blocking::list(stuck)? {
///     println!("{job}");
/// }
/// # Ok::<(), resilience::Rejected>(())
/// ```
#[derive(Clone, Debug, Default)]
#[must_use]
pub struct Filter {
    statuses: Vec<Status>,
    owners: Vec<Liveness>,
    prefix: String,
    name: Option<String>,
    older_than: Option<Duration>,
    after: Option<String>,
    limit: usize,
    values: bool,
}

impl Filter {
    /// Admits everything; a page has 100 items.
    pub fn new() -> Self {
        Self::default()
    }

    /// Admits only records in one of these states.
    ///
    /// An empty list admits all states.
    pub fn status(mut self, statuses: &[Status]) -> Self {
        self.statuses = statuses.to_vec();
        self
    }

    /// Admits only records that are `Running` or `RollingBack` and whose owner is one of these, as far as the store can
    /// tell at once: a job that runs although its owner is `Dead` waits for its recovery.
    ///
    /// Each owner is judged once for a page. [`Unknown`](Liveness::Unknown) is one of another host, or whose lock is
    /// missing: its job may run.
    pub fn owner(mut self, owners: &[Liveness]) -> Self {
        self.owners = owners.to_vec();
        self
    }

    /// Admits only ids or keys that begin with `prefix`.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Admits only jobs of this name, or steps of this function (`crate::function`).
    ///
    /// The whole name, compared as it is; damaged records have none, and are left out.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Admits only records that were last written (begun, ended, interrupted, saved) at least `age` ago, by the clock
    /// of the machine.
    ///
    /// It counts from the last write, so that a job that is at work, and records steps, is not old.
    pub fn older_than(mut self, age: Duration) -> Self {
        self.older_than = Some(age);
        self
    }

    /// Admits only ids or keys after this one: [`Page::next`] of the page before, or any other.
    ///
    /// It need not exist: an id that was deleted since the page before does as well.
    pub fn after(mut self, id: impl Into<String>) -> Self {
        self.after = Some(id.into());
        self
    }

    /// Sets the most items of a page, at most 1,000; 100 by default, and for 0. A page ends earlier after 4 MiB.
    pub fn limit(mut self, limit: usize) -> Self {
        self.limit = limit;
        self
    }

    /// Reads the arguments, results and cursors, too; by default they stay unread.
    ///
    /// A record can have 1 MiB of them, so that a page may end after four.
    pub fn values(mut self) -> Self {
        self.values = true;
        self
    }

    pub(super) fn has_values(&self) -> bool {
        self.values
    }

    /// Returns whether a record may be left out for more than its state, which the store filters.
    fn is_narrow(&self) -> bool {
        self.name.is_some() || self.older_than.is_some() || !self.owners.is_empty()
    }

    fn admits(&self, record: &Record, before: Millis, owners: &mut KnownOwners<'_>) -> bool {
        self.name.as_ref().is_none_or(|name| record.function == *name)
            && (self.older_than.is_none() || record.updated <= before)
            && (self.owners.is_empty()
                || record.status.is_held() && self.owners.contains(&owners.liveness(&record.owner)))
    }
}

impl From<&str> for Filter {
    fn from(prefix: &str) -> Self {
        Self::new().prefix(prefix)
    }
}

impl From<String> for Filter {
    fn from(prefix: String) -> Self {
        Self::new().prefix(prefix)
    }
}

impl From<&String> for Filter {
    fn from(prefix: &String) -> Self {
        Self::new().prefix(prefix)
    }
}

/// A part of a listing; it reads like a slice of its items.
///
/// A page can have fewer items than the limit, or none, and still a `next`: the listing stops after a bounded amount of
/// reading, so that a narrow filter over many records never holds the caller up.
///
/// # Examples
///
/// ```
/// use resilience::jobs::{self, Filter};
///
/// # let _world = resilience::testing::isolate();
/// let mut filter = Filter::new().prefix("import:").limit(50);
/// loop {
///     let page = jobs::blocking::list(filter.clone())?;
///     for job in &page {
///         println!("{job}");
///     }
///     let Some(next) = page.next else { break };
///     filter = filter.after(next);
/// }
/// # Ok::<(), resilience::Rejected>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
#[non_exhaustive]
pub struct Page<T> {
    /// The items, in the order of their ids or keys.
    pub items: Vec<T>,
    /// The key for [`Filter::after`] for the next page; `None` if this is the last one.
    pub next: Option<String>,
}

impl<T> Deref for Page<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.items
    }
}

impl<T> IntoIterator for Page<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a Page<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.items.iter()
    }
}

/// The owners and whether they live; each is judged once.
pub(super) struct KnownOwners<'a> {
    store: &'a Arc<dyn Store>,
    known: HashMap<String, Liveness>,
}

impl<'a> KnownOwners<'a> {
    pub(super) fn of(store: &'a Arc<dyn Store>) -> Self {
        Self { store, known: HashMap::new() }
    }

    pub(super) fn liveness(&mut self, owner: &str) -> Liveness {
        if owner.is_empty() {
            return Liveness::Unknown;
        }
        if let Some(known) = self.known.get(owner) {
            return *known;
        }
        let liveness = self.store.liveness(owner);
        self.known.insert(owner.to_owned(), liveness);
        liveness
    }
}

/// One row of a listing.
pub(super) struct Row {
    /// The key in the store, without the place.
    key: String,
    /// The place of the row.
    pub(super) place: usize,
    pub(super) record: Result<Record, (String, Corrupt)>,
}

/// Returns the next page that `filter` admits of the keys that begin with one of `places`, in the order of the rest of
/// the key.
pub(super) async fn page(
    store: &Arc<dyn Store>,
    places: &[&str],
    filter: &Filter,
    owners: &mut KnownOwners<'_>,
) -> Result<Page<Row>, StoreError> {
    let wanted = if filter.limit == 0 { ITEMS } else { filter.limit.min(MOST) };
    let age = filter.older_than.map_or(0, |age| Millis::try_from(age.as_millis()).unwrap_or(Millis::MAX));
    let before = store.now().await?.saturating_sub(age);
    let is_any = filter.statuses.is_empty() && !filter.is_narrow();
    let mut after = filter.after.clone();
    let (mut items, mut bytes): (Vec<Row>, usize) = (Vec::new(), 0);
    loop {
        let rows = if filter.is_narrow() { ROWS } else { ROWS.min(wanted.saturating_sub(items.len())) };
        let (mut found, end) = rows_after(store, places, filter, after.as_deref(), rows).await?;
        found.sort_by(|one, other| (&one.key, one.place).cmp(&(&other.key, other.place)));
        for row in found {
            // A step and a cursor of one key are not torn apart: the next page begins after the key.
            let is_next = items.last().is_none_or(|last| last.key != row.key);
            if is_next && (items.len() >= wanted || bytes > BYTES) {
                return Ok(Page { items, next: after });
            }
            after = Some(row.key.clone());
            let is_admitted = match &row.record {
                Ok(record) => filter.admits(record, before, owners),
                // Neither its name nor its state is known.
                Err(_) => is_any,
            };
            if is_admitted {
                bytes += row
                    .record
                    .as_ref()
                    .map_or(0, |record| record.note.len() + record.input.len() + record.value.len());
                items.push(row);
            }
        }
        match end {
            None => return Ok(Page { items, next: None }),
            Some(end) if items.len() >= wanted || bytes > BYTES => {
                return Ok(Page { items, next: Some(end) });
            }
            end => after = end,
        }
        yield_now().await;
    }
}

/// Returns some rows after the key `after` of each place, and up to which key all are known; `None` if there are no
/// more.
async fn rows_after(
    store: &Arc<dyn Store>,
    places: &[&str],
    filter: &Filter,
    after: Option<&str>,
    rows: usize,
) -> Result<(Vec<Row>, Option<String>), StoreError> {
    let mut found = Vec::new();
    let mut end: Option<String> = None;
    for (index, place) in places.iter().enumerate() {
        let mut query = Query::new(format!("{place}{}", filter.prefix)).only(&filter.statuses).limit(rows);
        query.values = filter.values;
        if let Some(after) = after {
            query.after = format!("{place}{after}");
        }
        let page = store.list(query).await?;
        let rest = |key: &str| key.strip_prefix(place).unwrap_or(key).to_owned();
        if let Some(next) = page.next {
            let next = rest(&next);
            end = Some(end.map_or(next.clone(), |end| end.min(next)));
        }
        found.extend(page.records.into_iter().map(|record| Row {
            key: rest(&record.key),
            place: index,
            record: Ok(record),
        }));
        found.extend(page.corrupt.into_iter().map(|(key, reason)| Row {
            key: rest(&key),
            place: index,
            record: Err((key, reason)),
        }));
    }
    if let Some(end) = &end {
        found.retain(|row| row.key <= *end);
    }
    Ok((found, end))
}
