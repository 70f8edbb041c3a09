//! Metrics through OpenTelemetry: every policy's numbers, published to its SDK, which exports them.
//!
//! The way is that of the crate `metrics`: a recorder passes what `metrics::publish` publishes on to a meter. A real
//! program has an exporter for its collector in place of the one that prints, and calls `publish` from a task every few
//! seconds.
//!
//! Run it: `cargo run --example opentelemetry`

use metrics_exporter_opentelemetry::Recorder;
use opentelemetry::metrics::MeterProvider;
use opentelemetry_sdk::metrics::{Aggregation, Instrument, SdkMeterProvider, Stream};
use resilience::{metrics, with_retry};
use std::error::Error;
use std::io::{self, ErrorKind};
use std::sync::atomic::{AtomicU32, Ordering};

static CALLS: AtomicU32 = AtomicU32::new(0);

/// Every second call of the service fails.
#[with_retry(max = 2, base = 1ms, budget = none, timed, name = "stock::count")]
fn count(item: u32) -> io::Result<u32> {
    match CALLS.fetch_add(1, Ordering::Relaxed) % 2 {
        0 => Err(ErrorKind::ConnectionReset.into()),
        _ => Ok(item),
    }
}

/// The buckets of the library, in place of the SDK's own, which are for milliseconds.
fn buckets(instrument: &Instrument) -> Option<Stream> {
    let boundaries = vec![0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];
    let histogram = Aggregation::ExplicitBucketHistogram { boundaries, record_min_max: false };
    let stream = Stream::builder().with_aggregation(histogram).build().ok();
    stream.filter(|_| instrument.name().ends_with("_seconds"))
}

fn main() -> Result<(), Box<dyn Error>> {
    let exporter = opentelemetry_stdout::MetricExporter::default();
    let provider = SdkMeterProvider::builder().with_periodic_exporter(exporter).with_view(buckets).build();
    ::metrics::set_global_recorder(Recorder::with_meter(provider.meter("resilience")))?;

    for item in 0..3 {
        count(item)?;
    }
    metrics::publish();
    count(3)?;
    // What was counted since: the exporter shows 4 calls and 8 attempts.
    metrics::publish();
    provider.shutdown()?;
    Ok(())
}
