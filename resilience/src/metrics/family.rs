//! A metric with its series, as the inventory passes it to a page or to a recorder.

use crate::point::durations::Times;

/// One metric: its name, its type and its help.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    pub(super) help: &'static str,
}

pub(super) const fn histogram(name: &'static str, help: &'static str) -> Family {
    Family { name, kind: Kind::Histogram, help }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Counter,
    Gauge,
    Histogram,
}

impl Kind {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// The value of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Value {
    Count(u64),
    Real(f64),
}

impl From<u64> for Value {
    fn from(count: u64) -> Self {
        Self::Count(count)
    }
}

impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Real(value)
    }
}

impl From<bool> for Value {
    fn from(is_so: bool) -> Self {
        Self::Count(u64::from(is_so))
    }
}

pub(super) type Label<'a> = (&'static str, &'a str);

/// A writer that takes the series, one family after the other.
pub(super) trait Sink {
    /// Begins a family that has at least one series.
    fn begin(&mut self, family: &'static Family);

    /// Adds one of the family's series.
    fn add(&mut self, family: &'static Family, labels: &[Label<'_>], value: Value);

    /// Adds one of the family's series, of a histogram.
    fn times(&mut self, family: &'static Family, labels: &[Label<'_>], times: &Times);
}

/// The series of one family.
pub(super) struct Rows<'a> {
    sink: &'a mut dyn Sink,
    family: &'static Family,
    is_empty: bool,
}

impl<'a> Rows<'a> {
    pub(super) fn new(sink: &'a mut dyn Sink, family: &'static Family) -> Self {
        Self { sink, family, is_empty: true }
    }

    /// Adds a series.
    pub(super) fn add(&mut self, labels: &[Label<'_>], value: impl Into<Value>) {
        if std::mem::take(&mut self.is_empty) {
            self.sink.begin(self.family);
        }
        self.sink.add(self.family, labels, value.into());
    }

    /// Adds a series of a histogram, unless nothing was counted.
    pub(super) fn times(&mut self, labels: &[Label<'_>], times: &Times) {
        if times.count() == 0 {
            return;
        }
        if std::mem::take(&mut self.is_empty) {
            self.sink.begin(self.family);
        }
        self.sink.times(self.family, labels, times);
    }

    /// Adds a series, unless nothing was counted.
    pub(super) fn count(&mut self, labels: &[Label<'_>], count: u64) {
        if count > 0 {
            self.add(labels, count);
        }
    }
}
