//! The text format of Prometheus.

use super::family::{Family, Label, Sink, Value};
use crate::point::durations::{BOUNDS, Times};
use std::fmt::{self, Display, Write};

/// The page as far as it is written.
#[derive(Default)]
pub(super) struct Page(pub(super) String);

impl Sink for Page {
    fn begin(&mut self, Family { name, kind, help }: &'static Family) {
        let kind = kind.as_str();
        let _ = writeln!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}");
    }

    fn add(&mut self, family: &'static Family, labels: &[Label<'_>], value: Value) {
        self.series(family.name, "", labels);
        let _ = match value {
            Value::Count(count) => writeln!(self.0, "{count}"),
            Value::Real(value) => writeln!(self.0, "{value}"),
        };
    }

    fn times(&mut self, Family { name, .. }: &'static Family, labels: &[Label<'_>], times: &Times) {
        let bounds = BOUNDS.iter().map(ToString::to_string).chain(["+Inf".to_owned()]);
        let mut sum = 0;
        for (bound, count) in bounds.zip(times.buckets) {
            sum += count;
            self.series(name, "_bucket", &[labels, &[("le", bound.as_str())]].concat());
            let _ = writeln!(self.0, "{sum}");
        }
        self.series(name, "_sum", labels);
        let _ = writeln!(self.0, "{}", times.sum.as_secs_f64());
        self.series(name, "_count", labels);
        let _ = writeln!(self.0, "{sum}");
    }
}

impl Page {
    /// Writes the name of a series with its labels, and a space.
    fn series(&mut self, name: &str, suffix: &str, labels: &[Label<'_>]) {
        self.0.push_str(name);
        self.0.push_str(suffix);
        let mut separator = '{';
        for (name, value) in labels {
            let _ = write!(self.0, "{separator}{name}=\"{}\"", Escaped(value));
            separator = ',';
        }
        self.0.push_str(if labels.is_empty() { " " } else { "} " });
    }
}

/// The value of a label: backslashes, quotes and newlines are escaped, all else is as it is.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.0;
        while let Some(at) = rest.find(['\\', '"', '\n']) {
            f.write_str(&rest[..at])?;
            f.write_str(match rest.as_bytes()[at] {
                b'\\' => "\\\\",
                b'"' => "\\\"",
                _ => "\\n",
            })?;
            rest = &rest[at + 1..];
        }
        f.write_str(rest)
    }
}
