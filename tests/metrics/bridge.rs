//! The recorder of the crate `metrics` gets what the page shows.

use super::page::series;
use metrics_exporter_prometheus::PrometheusBuilder;
use metrics_util::MetricKind;
use metrics_util::debugging::{DebugValue, DebuggingRecorder, Snapshotter};
use resilience::testing::{World, isolate};
use resilience::{bulkhead, circuit_breaker, metrics, with_retry};
use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::time::Duration;

#[with_retry(max = 1, base = 0s, budget = none, timed, name = "metrics::\"published\"")]
#[circuit_breaker(threshold = 3, recovery = 10s)]
#[bulkhead(4)]
fn published(world: &World, works: bool) -> io::Result<()> {
    world.advance(Duration::from_millis(70));
    if works { Ok(()) } else { Err(ErrorKind::ConnectionReset.into()) }
}

/// What a recorder has, by the name of the series as the page spells it; of a histogram its values.
#[derive(Default)]
struct Recorded {
    numbers: BTreeMap<String, f64>,
    durations: BTreeMap<String, Vec<f64>>,
}

impl Recorded {
    /// Adds what came since the last look: the recorder gives counters and histograms away.
    fn look(&mut self, snapshots: &Snapshotter) {
        for (key, _, _, value) in snapshots.snapshot().into_vec() {
            let (kind, key) = key.into_parts();
            let quoted = |text: &str| text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
            let labels = key.labels().map(|label| format!("{}=\"{}\"", label.key(), quoted(label.value())));
            let labels: Vec<_> = labels.collect();
            let name = match labels.is_empty() {
                true => key.name().to_owned(),
                false => format!("{}{{{}}}", key.name(), labels.join(",")),
            };
            match value {
                DebugValue::Counter(count) => {
                    assert_eq!(kind, MetricKind::Counter);
                    *self.numbers.entry(name).or_default() += count as f64;
                }
                DebugValue::Gauge(value) => drop(self.numbers.insert(name, value.into_inner())),
                DebugValue::Histogram(values) => {
                    self.durations
                        .entry(name)
                        .or_default()
                        .extend(values.iter().map(|value| value.into_inner()));
                }
            }
        }
    }

    /// That it has every series of the page, with its value, and no other.
    #[track_caller]
    fn expect_page(&self) {
        let page = metrics::prometheus();
        let histograms: Vec<_> = page
            .lines()
            .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" histogram"))
            .collect();
        let is_part = |name: &str| histograms.iter().any(|histogram| name.starts_with(histogram));
        let (parts, numbers): (BTreeMap<_, _>, BTreeMap<_, _>) =
            series(&page).into_iter().partition(|(name, _)| is_part(name));
        let whole = |(name, value): (&String, &f64)| {
            (name.clone(), if name.contains("_seconds_total") { value.floor() } else { *value })
        };
        assert_eq!(self.numbers, numbers.iter().map(whole).collect());
        for (name, values) in &self.durations {
            let (metric, labels) = name.split_once('{').expect("labels");
            let at = |suffix: &str| parts[&format!("{metric}_{suffix}{{{labels}")];
            assert_eq!(values.len() as f64, at("count"), "{name}");
            assert!((values.iter().sum::<f64>() - at("sum")).abs() < 1e-6, "{name}");
        }
    }
}

#[test]
fn a_recorder_receives_every_series_of_the_page() {
    let world = isolate();
    let recorder = DebuggingRecorder::new();
    let snapshots = recorder.snapshotter();
    let mut recorded = Recorded::default();
    ::metrics::with_local_recorder(&recorder, || {
        for works in [true, false, true, false, false] {
            let _ = published(&world, works);
            metrics::publish();
            recorded.look(&snapshots);
            recorded.expect_page();
        }
        metrics::publish();
        recorded.look(&snapshots);
        recorded.expect_page();
    });
    let opened = r#"resilience_breaker_opened_total{name="metrics::\"published\""}"#;
    assert_eq!(recorded.numbers[opened], 1.0);
    assert_eq!(recorded.durations.len(), 7, "three outcomes, two kinds of attempts, the waits and the slots");
}

#[test]
fn a_late_recorder_receives_earlier_counts() {
    let world = isolate();
    published(&world, true).unwrap();
    // To none, then to one that came late, and to a second one.
    metrics::publish();
    for _ in 0..2 {
        let recorder = Box::new(DebuggingRecorder::new());
        let snapshots = recorder.snapshotter();
        published(&world, true).unwrap();
        let mut recorded = Recorded::default();
        ::metrics::with_local_recorder(&*recorder, || {
            metrics::publish();
            recorded.look(&snapshots);
            recorded.expect_page();
        });
        // Kept, so that the next one has another address.
        Box::leak(recorder);
    }
}

#[test]
fn the_exporter_for_prometheus_renders_the_same_page() {
    let world = isolate();
    let builder = PrometheusBuilder::new();
    let buckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
    let recorder = builder.set_buckets(&buckets).expect("buckets").build_recorder();
    let handle = recorder.handle();
    ::metrics::with_local_recorder(&recorder, || {
        for works in [true, false, true] {
            let _ = published(&world, works);
            metrics::publish();
        }
    });
    let (own, other) = (series(&metrics::prometheus()), series(&handle.render()));
    let sorted = |all: BTreeMap<String, f64>| -> BTreeMap<String, f64> {
        all.into_iter()
            .filter(|(name, _)| !name.contains("_seconds_total"))
            .map(|(name, value)| (name, round(value)))
            .collect()
    };
    assert_eq!(sorted(other), sorted(own));
}

/// Sums of durations are added in another order.
fn round(value: f64) -> f64 {
    (value * 1e6).round() / 1e6
}
