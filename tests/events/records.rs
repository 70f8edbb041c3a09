//! The last events of a point, and events as JSON and text.

use super::*;

// The last events of a point.

#[test]
fn the_last_events_of_a_point_can_be_read() {
    let world = isolate();
    assert_eq!(events::recent("load"), []);
    for _ in 0..30 {
        load().unwrap_err();
        world.advance(SECOND);
    }
    let last = events::recent("load");
    assert_eq!(last.len(), 100);
    assert!(matches!(last.last().unwrap().event, Event::GaveUp { .. }));
    assert!(last.is_sorted_by_key(|record| record.at), "the oldest first");
    let span = last[99].at.duration_since(last[0].at).unwrap();
    assert!(span > 10 * SECOND && span < 40 * SECOND, "{span:?}");
    assert_eq!(events::recent("load_later"), []);
}

#[test]
fn rejections_do_not_evict_the_opening_of_a_breaker() {
    let world = isolate();
    let breaker = CircuitBreaker::new("down");
    breaker.force_open();
    for _ in 0..10_000 {
        breaker.acquire().unwrap_err();
    }
    world.advance(SECOND);
    breaker.acquire().unwrap_err();
    let kinds: Vec<_> = events::recent("down").iter().map(|record| json!(record)["kind"].clone()).collect();
    assert_eq!(kinds, ["opened", "rejected", "rejected"]);
}

#[test]
fn the_rings_of_many_points_are_bounded_and_the_newest_stay() {
    let world = isolate();
    let points = std::env::var("KEYS").ok().and_then(|keys| keys.parse().ok()).unwrap_or(20_000_u32);
    let name = |point: u32| -> &'static str { Box::leak(format!("point {point}").into()) };
    for point in 0..points {
        CircuitBreaker::new(name(point)).force_open();
        world.advance(Duration::from_millis(1));
    }
    assert_eq!(events::recent("point 0"), [], "those whose last event is oldest have gone");
    let kept = (0..points).filter(|point| !events::recent(name(*point)).is_empty()).collect::<Vec<_>>();
    assert!(kept.is_sorted() && kept.last() == Some(&(points - 1)), "the newest stay");
    assert!((1_000..40_000).contains(&kept.len()), "{}", kept.len());
    assert_eq!(kept.len(), (points - kept[0]) as usize, "and all of them");
}

// Jobs and steps.

#[job("import:{id}", name = "import")]
fn import(id: u32) -> Result<u32, Rejected> {
    let _ = load();
    Ok(page(id)? + page(id)?)
}

#[checkpoint("page:{id}", in_job, name = "page")]
fn page(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

#[checkpoint("rows:{id}", name = "rows")]
fn rows(id: u32) -> Result<u32, Rejected> {
    Ok(id)
}

/// As `rows` after its type and name have changed.
#[checkpoint("rows:{id}", name = "texts", was = "rows")]
fn texts(id: u32) -> Result<String, Rejected> {
    Ok(id.to_string())
}

#[checkpoint("odd", name = "odd")]
fn odd() -> Result<f64, Rejected> {
    Ok(f64::NAN)
}

/// The kind and the job of each event, with the reason of a refusal.
fn received(events: &mut events::Subscription) -> Vec<(String, Option<String>)> {
    let records = std::iter::from_fn(|| events.try_recv()).map(|record| {
        let seen = json!(*record);
        let reason = seen["reason"].as_str().map_or(String::new(), |reason| format!(" {reason}"));
        assert_eq!(seen["job"].as_str(), record.job.as_deref(), "{seen}");
        (format!("{}{reason}", seen["kind"].as_str().unwrap()), record.job.clone())
    });
    records.collect()
}

#[test]
fn events_in_a_job_have_its_id() {
    let _world = isolate();
    let mut events = events::subscribe();
    assert_eq!(import(7).unwrap(), 14);
    let received = received(&mut events);
    let kinds: Vec<_> = received.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds[..2], ["job_started", "attempt_failed"]);
    assert_eq!(kinds[kinds.len() - 3..], ["step_recorded", "step_reused", "job_done"]);
    assert!(received.iter().all(|(_, job)| job.as_deref() == Some("import:7")), "{received:?}");
    assert_eq!(events::recent("load").last().unwrap().job.as_deref(), Some("import:7"));
}

#[test]
fn a_refused_step_emits_its_reason() {
    let _world = isolate();
    let mut events = events::subscribe();
    page(1).unwrap_err();
    assert_eq!(received(&mut events), [("step_refused outside_job".to_owned(), None)]);
    odd().unwrap_err();
    assert_eq!(received(&mut events), [("step_refused encode".to_owned(), None)], "its body has run");
    assert_eq!(rows(1).unwrap(), 1);
    texts(1).unwrap_err();
    let expected = ["step_recorded", "step_reused", "step_refused undecodable"];
    assert_eq!(received(&mut events).into_iter().map(|(kind, _)| kind).collect::<Vec<_>>(), expected);
}

// What leaves the program.

#[test]
fn records_are_written_as_json_and_as_one_line() {
    let _world = isolate();
    let breaker = CircuitBreaker::new("a\u{1b}[2J\n\u{202e}b");
    breaker.force_open();
    let mut events = events::recent("a\u{1b}[2J\n\u{202e}b");
    let record = events.pop().unwrap();
    let seen = json!(record);
    let at = seen["at"].as_str().unwrap();
    assert!(at.ends_with('Z') && at.len() == "2026-11-27T17:18:26.250Z".len(), "{at}");
    assert_eq!((&seen["kind"], &seen["point"]), (&json!("opened"), &json!("a\u{1b}[2J\n\u{202e}b")));
    assert_eq!(seen.as_object().unwrap().keys().next().unwrap(), "at");
    assert_eq!(record.to_string(), format!("{at} a\\u{{1b}}[2J\\u{{a}}\\u{{202e}}b: forced open"));
    assert_eq!(serde_json::to_string(&record).unwrap().lines().count(), 1);
}

#[test]
fn every_kind_has_the_name_that_its_event_has_in_json() {
    let _world = isolate();
    let names: Vec<_> = Kind::ALL.iter().map(|kind| kind.as_str()).collect();
    let serialised: Vec<_> = Kind::ALL.iter().map(|kind| json!(kind)).collect();
    assert_eq!(serialised, names);
    let mut events = events::subscribe();
    load().unwrap_err();
    assert!(
        kinds(std::iter::from_fn(|| events.try_recv()))
            .iter()
            .all(|kind| names.contains(&kind.as_str().unwrap()))
    );
}
