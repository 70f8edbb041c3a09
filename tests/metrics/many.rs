//! The inventory, the snapshot and a page of ten thousand points.

use super::page::series;
use resilience::testing::isolate;
use resilience::{CircuitBreaker, Point, health, metrics, points, snapshot};
use std::io;
use std::sync::Arc;

const MANY: usize = 10_000;

#[test]
fn ten_thousand_points_fit_into_a_bounded_page() {
    let _world = isolate();
    let breakers: Vec<_> = (0..MANY)
        .map(|n| {
            let breaker = Arc::new(CircuitBreaker::new(format!("many::{n:05}").leak()).threshold(1));
            Point::register(&breaker);
            breaker
        })
        .collect();
    for breaker in &breakers {
        let failed: io::Result<()> = breaker.call(|| Err(io::ErrorKind::ConnectionReset.into()));
        assert!(failed.is_err());
    }
    let expected = || (0..MANY).map(|n| format!("many::{n:05}"));
    let is_ours = |name: &&str| name.starts_with("many::");
    let points = points();
    assert!(points.iter().map(|point| &*point.name).filter(is_ours).eq(expected()));
    let snapshot = snapshot();
    assert!(snapshot.points.iter().map(|point| &*point.name).filter(is_ours).eq(expected()));
    let ours = snapshot.points.iter().filter(|point| is_ours(&&*point.name));
    assert!(ours.flat_map(|point| &point.policies).all(|policy| policy.state == Some("open")));

    let page = metrics::prometheus();
    let series = series(&page);
    for name in expected() {
        let state = format!("resilience_breaker_state{{name=\"{name}\",state=\"open\"}}");
        assert_eq!(series.get(&state), Some(&1.0), "{name}");
    }
    let ours: Vec<_> = series.keys().filter(|series| series.contains("name=\"many::")).collect();
    assert_eq!(ours.len() % MANY, 0, "each point has the same series");
    assert!(ours.len() / MANY <= 40, "{} series a point", ours.len() / MANY);
    assert!(page.len() / MANY <= 4_000, "{} bytes a point", page.len() / MANY);
    // A check names 20 of them, and counts all.
    let status = health::check("breakers").expect("a check");
    assert!(status.message.starts_with("10000 breakers"), "{status}");
    assert_eq!(status.details.len(), 20);
}
