//! The limit of lines for alerts of one kind, decided from a table in memory. An alert over the limit is counted without
//! being created, because during an outage every call raises the same one.
//!
//! Each kind (component and message, and the job of a critical alert) has a period of one minute, which its first line
//! begins; so has each component, with 60 lines. Alerts that are held back are always reported: they are counted in the
//! next line of their kind, in a line of its own when the period is over, or in one when the table has to forget the
//! kind. The tables forget the kind that was used longest ago, so that names from outside cannot fill the memory.

use super::alert::{Alert, AlertKind};
use crate::base::alert_level::AlertLevel;
use crate::base::calendar::rfc_3339;
use crate::base::clock::time_of_day;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant, SystemTime};

/// The time for which alerts of one kind are held back after a line.
const PERIOD: Duration = Duration::from_secs(60);
/// The most lines of one component in that time.
const LINES: u64 = 60;
/// The most kinds, and the most components, that are remembered.
const ENTRIES: usize = 1_000;

/// The periods of the kinds and components, each with the time of its last alert.
#[derive(Debug, Default)]
pub(super) struct Limits {
    hasher: RandomState,
    kinds: Table,
    components: Table,
}

/// A period that an alert has begun.
#[derive(Debug)]
struct Period {
    began: Instant,
    lines: u64,
    held_back: u64,
    /// The first alert that was held back, and when the last one was.
    held: Option<(Alert, SystemTime)>,
    /// The number of its last use.
    used: u64,
}

/// The periods, by the hash of a kind or component: the texts can be long, and are not needed again.
#[derive(Debug, Default)]
struct Table {
    entries: HashMap<u64, Period>,
    uses: u64,
}

impl Table {
    /// Returns the period of `key` at `now`; adds to `summaries` a line for the alerts held back by a period that it
    /// evicts.
    fn period(&mut self, key: u64, now: Instant, summaries: &mut Vec<Alert>) -> &mut Period {
        if self.entries.len() >= ENTRIES && !self.entries.contains_key(&key) {
            let oldest = self.entries.iter().min_by_key(|(_, period)| period.used);
            let oldest = oldest.map(|(key, _)| *key);
            let gone = oldest.and_then(|key| self.entries.remove(&key));
            summaries.extend(gone.and_then(|mut period| period.summary()));
        }
        self.uses += 1;
        let new = Period { began: now, lines: 0, held_back: 0, held: None, used: 0 };
        let period = self.entries.entry(key).or_insert(new);
        period.used = self.uses;
        period
    }

    /// Ends the periods that are over.
    fn sweep(&mut self, now: Instant, summaries: &mut Vec<Alert>) {
        self.entries.retain(|_, period| {
            let is_over = period.is_over(now);
            if is_over {
                summaries.extend(period.summary());
            }
            !is_over
        });
    }

    /// Returns the first moment at which a line for held back alerts is due.
    fn due(&self) -> Option<Instant> {
        let held = self.entries.values().filter(|period| period.held_back > 0);
        held.filter_map(|period| period.began.checked_add(PERIOD)).min()
    }
}

impl Period {
    fn is_over(&self, now: Instant) -> bool {
        // A clock that reads earlier was set back: tests have several.
        now < self.began || now.duration_since(self.began) >= PERIOD
    }

    /// Begins a new period; returns how many alerts were held back.
    fn begin(&mut self, now: Instant) -> u64 {
        (self.began, self.lines, self.held) = (now, 0, None);
        std::mem::take(&mut self.held_back)
    }

    /// Counts an alert as held back, and creates it if it is the first; returns the number held back.
    fn hold_back(&mut self, make: impl FnOnce() -> Alert) -> u64 {
        self.held_back += 1;
        let now = time_of_day();
        self.held.get_or_insert_with(|| (make(), now)).1 = now;
        self.held_back
    }

    /// Returns one line for all alerts that were held back: the first of them, with the time of the last.
    fn summary(&mut self) -> Option<Alert> {
        let (alert, at) = self.held.take()?;
        let timestamp = rfc_3339(at).unwrap_or_default();
        Some(Alert { timestamp, ..alert }.suppressing(std::mem::take(&mut self.held_back)))
    }
}

impl Limits {
    /// Creates an alert of this kind as it is written, unless it is held back. Lines about other alerts are added to
    /// `summaries`.
    ///
    /// # Errors
    ///
    /// The number of alerts that were held back in this period, with this one.
    pub(super) fn judge(
        &mut self,
        kind: AlertKind<'_>,
        now: Instant,
        make: impl FnOnce() -> Alert,
        summaries: &mut Vec<Alert>,
    ) -> Result<Alert, u64> {
        let job = kind.job.filter(|_| kind.level == AlertLevel::Critical);
        let hash = self.hasher.hash_one((kind.component, kind.message, job));
        let period = self.kinds.period(hash, now, summaries);
        if period.lines > 0 && !period.is_over(now) {
            return Err(period.hold_back(make));
        }
        let held_back = period.begin(now);
        let of_component = self.components.period(self.hasher.hash_one(kind.component), now, summaries);
        if of_component.is_over(now) {
            summaries.extend(of_component.summary());
            of_component.begin(now);
        }
        if of_component.lines >= LINES && job.is_none() {
            let message = "more alerts were held back".to_owned();
            of_component.held_back += held_back;
            return Err(of_component.hold_back(|| Alert { message, ..make() }));
        }
        of_component.lines += 1;
        period.lines = 1;
        Ok(make().suppressing(held_back))
    }

    /// Adds lines for the alerts that were held back in periods that are over.
    pub(super) fn sweep(&mut self, now: Instant, summaries: &mut Vec<Alert>) {
        self.kinds.sweep(now, summaries);
        self.components.sweep(now, summaries);
    }

    /// Returns when [`sweep`](Self::sweep) has a line next.
    pub(super) fn due(&self) -> Option<Instant> {
        self.kinds.due().into_iter().chain(self.components.due()).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Raises an alert of the kind; returns its line.
    fn raise(limits: &mut Limits, kind: AlertKind<'_>, now: Instant, more: &mut Vec<Alert>) -> Option<Alert> {
        limits.judge(kind, now, || Alert::new(kind, &[]), more).ok()
    }

    fn suppressed(alert: &Alert) -> u64 {
        alert.details["suppressed"].as_u64().expect("a number")
    }

    #[test]
    fn equal_alerts_are_written_once_a_minute_with_a_count() {
        let (mut limits, now, mut more) = (Limits::default(), Instant::now(), Vec::new());
        assert_eq!(
            suppressed(&raise(&mut limits, AlertKind::warning("a", "b"), now, &mut more).expect("a line")),
            0
        );
        for second in 1..60 {
            assert_eq!(
                raise(
                    &mut limits,
                    AlertKind::warning("a", "b"),
                    now + Duration::from_secs(second),
                    &mut more
                ),
                None
            );
        }
        assert_eq!(limits.due(), Some(now + PERIOD));
        let next = raise(&mut limits, AlertKind::warning("a", "b"), now + PERIOD, &mut more).expect("a line");
        assert_eq!((suppressed(&next), more.len(), limits.due()), (59, 0, None));
    }

    #[test]
    fn an_alert_that_is_held_back_is_made_once_a_period() {
        let (mut limits, now, mut alerts, mut more) = (Limits::default(), Instant::now(), 0, Vec::new());
        for n in 0..1_000 {
            let make = || {
                alerts += 1;
                Alert::new(AlertKind::warning("a", "b"), &[])
            };
            let judged = limits.judge(AlertKind::warning("a", "b"), now, make, &mut more);
            assert_eq!(judged.err(), (n > 0).then_some(n));
        }
        assert_eq!(alerts, 2, "the line, and the first that was held back");
        let mut other =
            |n: u64| raise(&mut limits, AlertKind::warning("c", &n.to_string()), now, &mut more).is_some();
        assert_eq!((0..1_000).filter(|n| other(*n)).count(), 60);
    }

    #[test]
    fn a_burst_that_ends_adds_one_summary_line() {
        let (mut limits, now, mut more) = (Limits::default(), Instant::now(), Vec::new());
        for _ in 0..10 {
            raise(&mut limits, AlertKind::warning("a", "b"), now, &mut more);
        }
        limits.sweep(now + PERIOD / 2, &mut more);
        assert_eq!(more, []);
        limits.sweep(now + PERIOD, &mut more);
        assert_eq!((more.len(), suppressed(&more[0]), &*more[0].message), (1, 9, "b"));
        limits.sweep(now + PERIOD * 2, &mut more);
        assert_eq!(more.len(), 1);
    }

    #[test]
    fn a_component_writes_60_lines_a_minute_plus_critical_ones() {
        let (mut limits, now, mut more) = (Limits::default(), Instant::now(), Vec::new());
        let judged =
            |limits: &mut Limits, kind: AlertKind<'_>| raise(limits, kind, now, &mut Vec::new()).is_some();
        let lines = (0..100).filter(|n| judged(&mut limits, AlertKind::warning("a", &n.to_string()))).count();
        assert_eq!(lines, 60);
        assert!(judged(&mut limits, AlertKind::warning("b", "c")), "another component");
        for job in 0..200 {
            let job = job.to_string();
            let critical =
                AlertKind { level: AlertLevel::Critical, job: Some(&job), ..AlertKind::warning("a", "dead") };
            assert!(judged(&mut limits, critical) && !judged(&mut limits, critical), "{job}");
        }
        limits.sweep(now + PERIOD, &mut more);
        let held: Vec<_> = more.iter().filter(|alert| alert.level == AlertLevel::Warning).collect();
        assert_eq!(
            (held.len(), suppressed(held[0]), &*held[0].message),
            (1, 40, "more alerts were held back")
        );
        assert_eq!(more.len(), 201);
    }

    #[test]
    fn tracked_kinds_are_bounded_and_every_alert_is_counted() {
        let (mut limits, now, mut more) = (Limits::default(), Instant::now(), Vec::new());
        let mut lines = 0;
        for n in 0..10_000 {
            let component = format!("component {n}");
            for _ in 0..2 {
                lines += u64::from(
                    raise(&mut limits, AlertKind::warning(&component, "b"), now, &mut more).is_some(),
                );
            }
        }
        assert!(limits.kinds.entries.len() <= ENTRIES && limits.components.entries.len() <= ENTRIES);
        limits.sweep(now + PERIOD, &mut more);
        assert_eq!(lines + more.iter().map(suppressed).sum::<u64>(), 20_000);
    }
}
