//! Metrics of the whole program as text, for Prometheus and what reads its format.
//!
//! [`prometheus`] writes one page from one look at the inventory; a route of the program's own server returns it.
//! Nothing is counted for it: a program that is never asked pays nothing.
//!
//! | metric | type | labels |
//! |---|---|---|
//! | `resilience_calls_total` | counter | `name`, `outcome`: `success`, `error`, `rejected`, `timeout`, `cancelled`, `panic` |
//! | `resilience_calls_in_flight` | gauge | `name` |
//! | `resilience_errors_total` | counter | `name`, `category`, `severity` |
//! | `resilience_attempts_total` | counter | `name`, `handled`: `true` if a retry followed |
//! | `resilience_retry_amplification` | gauge | `name` |
//! | `resilience_degraded` | gauge, 0 or 1 | `name` |
//! | `resilience_breaker_state` | gauge, 0 or 1 | `name`, `state`; only of breakers without keys |
//! | `resilience_breaker_opened_total` | counter | `name` |
//! | `resilience_breaker_calls_total` | counter | `name`, `result`: `failure`, `rejected`, `cancelled`, `panicked` |
//! | `resilience_retry_calls_total` | counter | `name`, `result`: `ok_retried`, `not_retryable`, `gave_up` |
//! | `resilience_retry_budget_denied_total`, `resilience_nested_retries_total` | counter | `name` |
//! | `resilience_timeouts_total` | counter | `name` |
//! | `resilience_fallbacks_total` | counter | `name`, `result`: `answered`, `failed` |
//! | `resilience_bulkhead_rejected_total`, `resilience_ratelimit_rejected_total` | counter | `name` |
//! | `resilience_hedges_total`, `resilience_hedge_wins_total` | counter | `name` |
//! | `resilience_lock_acquisitions_total` | counter | `name`, `result`: `ok`, `timeout` |
//! | `resilience_chaos_injected_total` | counter | `name`, `kind` |
//!
//! `name` is the point. A series that was never counted is left out, but for the calls with success and error, the
//! state of breakers and the gauges of a point. Counters start at zero with the process and never go down: a policy that
//! is reset keeps them.
//!
//! All numbers of one point's calls are read in one pass, and totals are their sums: `resilience_attempts_total` with
//! `handled="false"` is the sum of `resilience_calls_total` on each page, also under load.
//!
//! # Examples
//!
//! ```
//! use resilience::{metrics, with_retry};
//!
//! #[with_retry(max = 2, base = 0s, name = "metrics::search")]
//! fn search() -> std::io::Result<u32> {
//!     Err(std::io::ErrorKind::TimedOut.into())
//! }
//!
//! # let _world = resilience::testing::isolate();
//! search().unwrap_err();
//! let page = metrics::prometheus();
//! assert!(page.contains("resilience_calls_total{name=\"metrics::search\",outcome=\"timeout\"} 1\n"), "{page}");
//! assert!(page.contains("resilience_attempts_total{name=\"metrics::search\",handled=\"true\"} 2\n"), "{page}");
//! ```

use crate::failure::Category;
use crate::point::counts::CallCounts;
use crate::point::info::{PointSnapshot, Snapshot};
use std::fmt::{self, Display, Write};

/// The `Content-Type` of what [`prometheus`] returns.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Returns the metrics of every point in the text format of Prometheus, version 0.0.4.
///
/// The module has the table of metrics and an example.
pub fn prometheus() -> String {
    text(&crate::point::registry::snapshot())
}

const STATES: [&str; 6] = ["closed", "open", "half_open", "forced_open", "disabled", "metrics_only"];

/// One metric that is read from the counters of policies.
struct Counted {
    metric: &'static str,
    help: &'static str,
    kind: &'static str,
    /// The counters, each with the pair of labels that it gets; `None` for no label beside the name.
    counters: &'static [(&'static str, Option<(&'static str, &'static str)>)],
}

const COUNTED: &[Counted] = &[
    Counted {
        metric: "resilience_breaker_opened_total",
        help: "How often a breaker has opened.",
        kind: "circuit_breaker",
        counters: &[("opened", None)],
    },
    Counted {
        metric: "resilience_breaker_calls_total",
        help: "Calls that a breaker did not count as success, by their result.",
        kind: "circuit_breaker",
        counters: &[
            ("failures", Some(("result", "failure"))),
            ("rejected", Some(("result", "rejected"))),
            ("cancelled", Some(("result", "cancelled"))),
            ("panicked", Some(("result", "panicked"))),
        ],
    },
    Counted {
        metric: "resilience_retry_calls_total",
        help: "Calls whose first attempt failed, by what the retry did.",
        kind: "with_retry",
        counters: &[
            ("recovered", Some(("result", "ok_retried"))),
            ("not_retryable", Some(("result", "not_retryable"))),
            ("gave_up", Some(("result", "gave_up"))),
        ],
    },
    Counted {
        metric: "resilience_retry_budget_denied_total",
        help: "Retries that the budget denied.",
        kind: "with_retry",
        counters: &[("denied", None)],
    },
    Counted {
        metric: "resilience_nested_retries_total",
        help: "Retries inside a repeated attempt of another retry, which multiplies them.",
        kind: "with_retry",
        counters: &[("nested", None)],
    },
    Counted {
        metric: "resilience_timeouts_total",
        help: "Attempts and calls that a timeout ended.",
        kind: "timeout",
        counters: &[("timed_out", None)],
    },
    Counted {
        metric: "resilience_fallbacks_total",
        help: "Failures that came to a fallback, by its result.",
        kind: "with_fallback",
        counters: &[("answered", Some(("result", "answered"))), ("failed", Some(("result", "failed")))],
    },
    Counted {
        metric: "resilience_bulkhead_rejected_total",
        help: "Calls that found no free slot.",
        kind: "bulkhead",
        counters: &[("rejected", None)],
    },
    Counted {
        metric: "resilience_ratelimit_rejected_total",
        help: "Calls beyond the rate limit.",
        kind: "rate_limit",
        counters: &[("rejected", None)],
    },
    Counted {
        metric: "resilience_hedges_total",
        help: "Extra calls of hedges.",
        kind: "hedge",
        counters: &[("hedged", None)],
    },
    Counted {
        metric: "resilience_hedge_wins_total",
        help: "Calls that an extra call of a hedge answered.",
        kind: "hedge",
        counters: &[("won_by_extra", None)],
    },
    Counted {
        metric: "resilience_lock_acquisitions_total",
        help: "Attempts to take a lock, by their result.",
        kind: "with_lock",
        counters: &[("locked", Some(("result", "ok"))), ("rejected", Some(("result", "timeout")))],
    },
    Counted {
        metric: "resilience_chaos_injected_total",
        help: "Faults that were injected on purpose.",
        kind: "chaos",
        counters: &[
            ("error", Some(("kind", "error"))),
            ("lost_answer", Some(("kind", "lost_answer"))),
            ("latency", Some(("kind", "latency"))),
            ("panic", Some(("kind", "panic"))),
        ],
    },
];

fn text(snapshot: &Snapshot) -> String {
    let mut page = Page(String::new());
    let points = &snapshot.points;
    page.calls(points);
    page.policies(points);
    page.0
}

/// The page as far as it is written.
struct Page(String);

impl Page {
    /// One metric: what `rows` adds, below its help and its type; nothing of one without rows.
    fn metric(&mut self, name: &str, kind: &str, help: &str, rows: impl FnOnce(&mut Rows<'_>)) {
        let mut text = String::new();
        rows(&mut Rows { name, text: &mut text });
        if !text.is_empty() {
            let _ = write!(self.0, "# HELP {name} {help}\n# TYPE {name} {kind}\n{text}");
        }
    }

    fn calls(&mut self, points: &[PointSnapshot]) {
        let counted = || points.iter().filter_map(|point| Some((&*point.name, point.calls.as_ref()?)));
        self.metric("resilience_calls_total", "counter", "Calls that have ended, by outcome.", |rows| {
            for (name, calls) in counted() {
                for (outcome, count, is_always) in outcomes(calls) {
                    if is_always || count > 0 {
                        rows.add(&[("name", name), ("outcome", outcome)], count);
                    }
                }
            }
        });
        self.metric("resilience_calls_in_flight", "gauge", "Calls that run now.", |rows| {
            counted().for_each(|(name, calls)| rows.add(&[("name", name)], calls.in_flight));
        });
        self.metric("resilience_errors_total", "counter", "Calls that failed, by category.", |rows| {
            for (name, calls) in counted() {
                for (category, severity, count) in &calls.severities {
                    let (category, severity) = (category.as_str(), severity.as_str());
                    rows.add(&[("name", name), ("category", category), ("severity", severity)], count);
                }
            }
        });
        let help = "Attempts that have ended, by whether a retry followed.";
        self.metric("resilience_attempts_total", "counter", help, |rows| {
            for (name, calls) in counted().filter(|(_, calls)| calls.total > 0) {
                rows.add(&[("name", name), ("handled", "false")], calls.total);
                if calls.attempts > calls.total {
                    rows.add(&[("name", name), ("handled", "true")], calls.attempts - calls.total);
                }
            }
        });
        self.metric("resilience_retry_amplification", "gauge", "Attempts for one call on average.", |rows| {
            counted().for_each(|(name, calls)| rows.add(&[("name", name)], calls.amplification()));
        });
        let help = "Whether in the last 60 s a call was answered with less than the function's own result.";
        self.metric("resilience_degraded", "gauge", help, |rows| {
            for point in points.iter().filter(|point| point.calls.is_some()) {
                rows.add(&[("name", &point.name)], u8::from(point.degraded));
            }
        });
    }

    fn policies(&mut self, points: &[PointSnapshot]) {
        let help = "1 for the state that the breaker is in, 0 for the others.";
        self.metric("resilience_breaker_state", "gauge", help, |rows| {
            for point in points {
                let mut breakers = point.policies.iter().filter(|policy| policy.kind == "circuit_breaker");
                let Some(now) = breakers.find_map(|policy| policy.state) else { continue };
                for state in STATES {
                    rows.add(&[("name", &point.name), ("state", state)], u8::from(state == now));
                }
            }
        });
        for Counted { metric, help, kind, counters } in COUNTED {
            self.metric(metric, "counter", help, |rows| {
                for point in points {
                    for (counter, label) in *counters {
                        let count = sum(point, kind, counter);
                        if count > 0 {
                            let labels = [Some(("name", &*point.name)), *label];
                            rows.add(&labels.into_iter().flatten().collect::<Vec<_>>(), count);
                        }
                    }
                }
            });
        }
    }
}

/// The counter of all layers of one kind: a stack can have several.
fn sum(point: &PointSnapshot, kind: &str, counter: &str) -> u64 {
    let layers = point.policies.iter().filter(|policy| policy.kind == kind);
    let counters = layers.flat_map(|policy| &policy.counters);
    counters.filter(|(name, _)| *name == counter).map(|(_, count)| count).sum()
}

/// Each outcome with its count, and whether it is shown before the first one.
fn outcomes(calls: &CallCounts) -> [(&'static str, u64, bool); 6] {
    let timeouts = |(name, _): &&(&str, u64)| *name == Category::Timeout.as_str();
    let count = |of: &[(&'static str, u64)], is_timeout: bool| -> u64 {
        of.iter().filter(|row| timeouts(row) == is_timeout).map(|(_, count)| count).sum()
    };
    [
        ("success", calls.succeeded, true),
        ("error", count(&calls.failed, false), true),
        ("rejected", calls.rejected, false),
        ("timeout", count(&calls.failed, true), false),
        ("cancelled", calls.cancelled, false),
        ("panic", calls.panicked, false),
    ]
}

/// The series of one metric.
struct Rows<'a> {
    name: &'a str,
    text: &'a mut String,
}

impl Rows<'_> {
    fn add(&mut self, labels: &[(&str, &str)], value: impl Display) {
        let mut separator = "{";
        self.text.push_str(self.name);
        for (name, value) in labels {
            let _ = write!(self.text, "{separator}{name}=\"{}\"", Escaped(value));
            separator = ",";
        }
        let _ = writeln!(self.text, "}} {value}");
    }
}

/// The value of a label: backslashes, quotes and newlines are escaped, all else is as it is.
struct Escaped<'a>(&'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.chars().try_for_each(|c| match c {
            '\\' => f.write_str("\\\\"),
            '"' => f.write_str("\\\""),
            '\n' => f.write_str("\\n"),
            c => f.write_char(c),
        })
    }
}
