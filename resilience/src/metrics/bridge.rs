//! The metrics for the recorder of the crate `metrics`.

use super::family::{Family, Kind, Label, Sink, Value};
use super::write;
use crate::base::site::Site;
use crate::base::sync::locked;
use crate::point::durations::{BOUNDS, Times};
use ::metrics::{Key, Level, Metadata, Recorder, Unit, with_recorder};
use std::collections::HashMap;
use std::sync::Mutex;

/// Publishes every metric of [`prometheus`](super::prometheus) to the installed recorder of the crate `metrics`.
///
/// It needs the feature `metrics`, and version 0.24 of that crate.
///
/// It reads the inventory once, and publishes nothing by itself later: call it before a scrape is answered, or from a
/// task every few seconds. A recorder gets the counts since the last call, and at its first one all of them; so it
/// may be installed late, and the page stays right beside it. Names, labels and values are those of the page, with two
/// differences that the crate asks for: counters are whole numbers, so that seconds are rounded down; and a
/// histogram gets a duration of the right bucket for each that was measured, with the same sum. With the buckets of
/// [the module](super#durations) the recorder shows the same histogram.
///
/// # Examples
///
/// ```
/// use metrics_exporter_prometheus::PrometheusBuilder;
/// use resilience::{metrics, with_retry};
///
/// #[with_retry(max = 2, base = 0s, name = "feeds::load")]
/// fn load() -> std::io::Result<u32> {
///     Ok(7)
/// }
///
/// # let _world = resilience::testing::isolate();
/// // A program calls `install_recorder` once, in `main`.
/// let recorder = PrometheusBuilder::new().build_recorder();
/// let handle = recorder.handle();
/// ::metrics::with_local_recorder(&recorder, || {
///     load().unwrap();
///     metrics::publish();
/// });
/// assert!(handle.render().contains("resilience_calls_total{name=\"feeds::load\",outcome=\"success\"} 1\n"));
/// ```
pub fn publish() {
    with_recorder(|recorder| {
        let mut all = CollectedSeries::default();
        {
            let mut published = locked(&PUBLISHED);
            write(&mut all);
            all.advance(published.get_or_insert_default().of(recorder));
        }
        // The recorder is code of the program: it runs without a lock.
        all.publish(recorder);
    });
}

/// The values that were published so far.
static PUBLISHED: Site<Mutex<Option<PublishedValues>>> = Site::new(Mutex::new(None), Mutex::default);

/// The most recorders whose values are kept apart; programs have one.
const RECORDERS: usize = 16;

/// The values that each recorder has, by its address: a recorder that is installed late has none yet.
#[derive(Debug, Default)]
struct PublishedValues(HashMap<usize, Totals>);

#[derive(Debug, Default)]
struct Totals {
    counters: HashMap<Key, u64>,
    histograms: HashMap<Key, Times>,
}

impl PublishedValues {
    fn of(&mut self, recorder: &dyn Recorder) -> &mut Totals {
        let at = std::ptr::from_ref(recorder).cast::<()>().addr();
        if self.0.len() >= RECORDERS && !self.0.contains_key(&at) {
            self.0.clear();
        }
        self.0.entry(at).or_default()
    }
}

const METADATA: Metadata<'static> = Metadata::new("resilience::metrics", Level::INFO, Some(module_path!()));

/// The series of one look.
#[derive(Default)]
struct CollectedSeries {
    gauges: Vec<(&'static Family, Key, f64)>,
    /// The counts since the last call, once that call's values are known.
    counters: Vec<(&'static Family, Key, u64)>,
    histograms: Vec<(&'static Family, Key, Times)>,
}

impl Sink for CollectedSeries {
    fn begin(&mut self, _: &'static Family) {}

    fn add(&mut self, family: &'static Family, labels: &[Label<'_>], value: Value) {
        let key = key(family, labels);
        match (family.kind, value) {
            (Kind::Gauge, Value::Count(count)) => self.gauges.push((family, key, count as f64)),
            (Kind::Gauge, Value::Real(value)) => self.gauges.push((family, key, value)),
            (_, Value::Count(count)) => self.counters.push((family, key, count)),
            (_, Value::Real(value)) => self.counters.push((family, key, value as u64)),
        }
    }

    fn times(&mut self, family: &'static Family, labels: &[Label<'_>], times: &Times) {
        self.histograms.push((family, key(family, labels), times.clone()));
    }
}

fn key(family: &'static Family, labels: &[Label<'_>]) -> Key {
    let label = |(name, value): &Label<'_>| ::metrics::Label::new(*name, (*value).to_owned());
    Key::from_parts(family.name, labels.iter().map(label).collect::<Vec<_>>())
}

impl CollectedSeries {
    /// Leaves what came after `published`, which becomes what there is now.
    fn advance(&mut self, published: &mut Totals) {
        for (_, key, count) in &mut self.counters {
            let before = published.counters.insert(key.clone(), *count).unwrap_or(0);
            *count = count.saturating_sub(before);
        }
        for (_, key, times) in &mut self.histograms {
            let before = published.histograms.insert(key.clone(), times.clone()).unwrap_or_default();
            for (count, before) in times.buckets.iter_mut().zip(before.buckets) {
                *count = count.saturating_sub(before);
            }
            times.sum = times.sum.saturating_sub(before.sum);
        }
    }

    /// Passes all on. Each series is described: there are recorders that forget it with the first one of a name.
    fn publish(&self, recorder: &dyn Recorder) {
        for (Family { name, help, .. }, key, value) in &self.gauges {
            recorder.describe_gauge((*name).into(), unit(name), (*help).into());
            recorder.register_gauge(key, &METADATA).set(*value);
        }
        for (Family { name, help, .. }, key, count) in &self.counters {
            recorder.describe_counter((*name).into(), unit(name), (*help).into());
            recorder.register_counter(key, &METADATA).increment(*count);
        }
        for (Family { name, help, .. }, key, times) in &self.histograms {
            recorder.describe_histogram((*name).into(), unit(name), (*help).into());
            let histogram = recorder.register_histogram(key, &METADATA);
            for (seconds, count) in spread(times) {
                histogram.record_many(seconds, usize::try_from(count).unwrap_or(usize::MAX));
            }
        }
    }
}

fn unit(name: &str) -> Option<Unit> {
    if name.contains("_seconds") {
        return Some(Unit::Seconds);
    }
    name.contains("_bytes").then_some(Unit::Bytes)
}

/// Returns durations that fall into the same buckets as `times` and have the same sum: one for each bucket, and its
/// count.
///
/// Within its bucket each is at the same share of the way from the lower bound to the upper one. Durations longer than
/// all bounds take the rest of the sum.
fn spread(times: &Times) -> Vec<(f64, u64)> {
    let lower = std::iter::once(0.0).chain(BOUNDS);
    let bounded: Vec<_> = lower.zip(BOUNDS).zip(times.buckets).collect();
    let beyond = times.buckets.last().copied().unwrap_or(0);
    let sum = times.sum.as_secs_f64();
    let least: f64 = bounded.iter().map(|((low, _), count)| low * *count as f64).sum();
    let width: f64 = bounded.iter().map(|((low, high), count)| (high - low) * *count as f64).sum();
    let share = if beyond > 0 || width <= 0.0 { 0.5 } else { (sum - least) / width };
    // A duration at the lower bound would be one of the bucket before.
    let share = share.clamp(1e-6, 1.0);
    let at = |((low, high), count): &((f64, f64), u64)| (low + share * (high - low), *count);
    let mut all: Vec<_> = bounded.iter().map(at).filter(|(_, count)| *count > 0).collect();
    if beyond > 0 {
        let rest = sum - all.iter().map(|(seconds, count)| seconds * *count as f64).sum::<f64>();
        let longest = BOUNDS.last().copied().unwrap_or(0.0);
        all.push(((rest / beyond as f64).max(longest * 1.001), beyond));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn spread_durations_keep_the_buckets_and_the_sum() {
        for all in [&[0.002][..], &[0.005, 0.3, 0.4, 7.0], &[1.0; 100], &[59.0, 61.0, 3_600.0], &[600.0]] {
            let mut times = Times::default();
            for seconds in all {
                let at = BOUNDS.iter().position(|bound| seconds <= bound).unwrap_or(BOUNDS.len());
                times.buckets[at] += 1;
                times.sum += Duration::from_secs_f64(*seconds);
            }
            let mut again = Times::default();
            let mut sum = 0.0;
            for (seconds, count) in spread(&times) {
                let at = BOUNDS.iter().position(|bound| seconds <= *bound).unwrap_or(BOUNDS.len());
                again.buckets[at] += count;
                sum += seconds * count as f64;
            }
            assert_eq!(again.buckets, times.buckets, "{all:?}");
            assert!((sum - all.iter().sum::<f64>()).abs() < 1e-6, "{all:?}: {sum}");
        }
        assert!(spread(&Times::default()).is_empty());
    }
}
