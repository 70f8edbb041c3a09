//! Points, snapshots, events, rejections and classes: as JSON for programs, and as text for people.

use resilience::testing::{self, rejected};
use resilience::{
    AdaptiveTimeout, Category, Classification, Classify, Rejected, circuit_breaker, point, points, snapshot,
    with_retry,
};
use serde_json::{Value, json};
use std::error::Error;
use std::time::Duration;

#[derive(Debug, thiserror::Error, Classify)]
enum Failure {
    #[error("down")]
    #[classify(status = 503)]
    Down,
    #[error(transparent)]
    #[classify(transparent)]
    Rejected(#[from] Rejected),
}

#[with_retry(max = 1, base = 1s, jitter = none, on(auth, max = 2), on(conflict, max = 1), name = "Hosts::get")]
#[circuit_breaker(threshold = 2, recovery = 90s, key = host)]
fn get(host: &str) -> Result<u32, Failure> {
    let _ = host;
    Err(Failure::Down)
}

fn json(value: &impl serde::Serialize) -> Value {
    serde_json::to_value(value).unwrap()
}

#[test]
fn the_inventory_serializes() {
    let info = points().into_iter().find(|info| &*info.name == "Hosts::get").unwrap();
    let seen = json(&info);
    assert_eq!(
        (&seen["name"], &seen["max_calls"], &seen["ambiguous"]),
        (&json!("Hosts::get"), &json!(5), &json!(false))
    );
    assert_eq!(seen["worst_case_s"], Value::Null);
    assert!(seen["file"].as_str().unwrap().ends_with("serialise.rs") && seen["line"].is_u64());
    let stack = &seen["stack"];
    assert_eq!((&stack[0]["kind"], &stack[1]["kind"]), (&json!("with_retry"), &json!("circuit_breaker")));
    assert_eq!(stack[0]["settings"]["max"], "1");
    assert_eq!(stack[0]["settings"]["on"], "(auth, max = 2), (conflict, max = 1)");
    assert_eq!(json(&point("Hosts::get").unwrap()), seen);
    assert_eq!(stack[0].as_object().unwrap().keys().collect::<Vec<_>>(), ["kind", "settings"]);
}

#[test]
fn the_source_of_a_setting_serializes() {
    let _world = testing::isolate();
    let variables = [("RESILIENCE__HOSTS_GET__WITH_RETRY__MAX", "4")];
    resilience::config::Config::new().variables(variables).load().unwrap();
    let stack = &json(&point("Hosts::get").unwrap())["stack"];
    assert_eq!(stack[0]["settings"]["max"], "4");
    assert_eq!(stack[0]["sources"], json!({"max": "RESILIENCE__HOSTS_GET__WITH_RETRY__MAX"}));
    assert_eq!(stack[1].get("sources"), None);
}

#[test]
fn the_snapshot_serializes() {
    let world = testing::isolate();
    let _ = get("a.example");
    world.advance(Duration::from_secs(60));
    let seen = json(&snapshot());
    let point =
        seen["points"].as_array().unwrap().iter().find(|point| point["name"] == "Hosts::get").unwrap();
    let calls = json!({
        "total": 1, "succeeded": 0, "failed": {"unavailable": 1}, "rejected": 0, "cancelled": 0, "panicked": 0,
        "in_flight": 0, "attempts": 2,
    });
    assert_eq!(point["calls"], if cfg!(feature = "ops") { calls } else { Value::Null });
    let breaker = &point["policies"][1];
    assert_eq!((&breaker["state"], &breaker["counters"]["failures"]), (&Value::Null, &json!(2)));
    assert_eq!(
        breaker["keys"],
        json!([{
            "key": "a.example", "state": "open", "retry_after_s": 30.0,
            "counters": {
                "opened": 1, "rejected": 0, "failures": 2, "cancelled": 0, "panicked": 0, "slow": 0, "ignored": 0,
            },
        }])
    );
    let key = resilience::point("Hosts::get").unwrap().key("a.example");
    assert_eq!(json(&key), json!({"point": "Hosts::get", "key": "a.example", "state": "open"}));
    let breaker = json(&key.breaker().unwrap().snapshot());
    assert_eq!((&breaker["name"], &breaker["state"]), (&json!("Hosts::get"), &json!("open")));
    assert_eq!((&breaker["retry_after_s"], &breaker["threshold"]), (&json!(30.0), &json!(2)));
    assert!(breaker["since"].as_str().unwrap().ends_with('Z'), "{breaker}");
    assert_eq!(
        key.breaker().unwrap().snapshot().to_string(),
        "Hosts::get (key a.example): open for 30s, failures 2 of 2, rejected 0"
    );
    let text = resilience::point("Hosts::get").unwrap().snapshot().to_string();
    assert!(text.contains("a.example: open for 30s, opened 1"), "{text}");
}

#[test]
fn an_adaptive_timeout_serializes() {
    let _world = testing::isolate();
    let timeout = AdaptiveTimeout::new("quotes", Duration::from_millis(100), Duration::from_secs(10));
    assert_eq!(
        json(&timeout.snapshot()),
        json!({"name": "quotes", "key": null, "limit_s": 10.0, "p99_s": null, "samples": 0, "timed_out": 0})
    );
}

#[test]
fn events_serialize() {
    let world = testing::isolate();
    let _ = get("a.example");
    let events = world.events();
    let opened = events.iter().map(json).find(|event| event["kind"] == "opened").unwrap();
    assert_eq!((&opened["point"], &opened["key"]), (&json!("Hosts::get"), &json!("a.example")));
    assert_eq!((&opened["failures"], &opened["recovery_s"]), (&json!(2), &json!(90.0)));
    assert_eq!(
        (&opened["class"]["category"], &opened["class"]["code"]),
        (&json!("unavailable"), &json!("503"))
    );
    let failed = json(&events[0]);
    assert_eq!((&failed["kind"], failed["delay_s"].is_f64()), (&json!("attempt_failed"), true), "{failed}");
    let opened = events.iter().find(|event| matches!(event, resilience::Event::Opened { .. })).unwrap();
    assert_eq!(opened.key(), Some("a.example"));
    assert_eq!(
        opened.to_string(),
        "Hosts::get: opened after 2 failures, unavailable (503), medium, for 90s",
        "keys are made of arguments, and stay out of texts"
    );
}

#[test]
fn a_classification_serializes() {
    let class = Classification::new(Category::RateLimited).retry_after(Duration::from_millis(1500));
    assert_eq!(class.to_string(), "rate_limited, low");
    assert_eq!(Failure::Down.classify().to_string(), "unavailable (503), medium");
    let seen = json(&class);
    assert_eq!(
        (&seen["category"], &seen["severity"], &seen["retry"]),
        (&json!("rate_limited"), &json!("low"), &json!("backoff"))
    );
    assert_eq!(
        (&seen["delivered"], &seen["retry_after_s"], &seen["code"]),
        (&json!("no"), &json!(1.5), &Value::Null)
    );
}

#[test]
fn rejections_built_for_tests_equal_real_ones() {
    let (point, second) = ("Hosts::get", Duration::from_secs(1));
    for (rejected, category, retry_after) in [
        (rejected::circuit_open(point, Some(second)), Category::Rejected, Some(second)),
        (rejected::circuit_open_for(point, "k", None), Category::Rejected, None),
        (rejected::bulkhead_full(point), Category::Rejected, None),
        (rejected::rate_limited(point, Some(second)), Category::RateLimited, Some(second)),
        (rejected::timed_out(point, second), Category::Timeout, None),
        (rejected::lock_timeout(point), Category::Transient, None),
        (rejected::shutting_down(point), Category::Rejected, None),
        (rejected::checkpoint_busy(point, "page:1", second), Category::Rejected, Some(second)),
        (rejected::job_busy(point, "import:1", second), Category::Rejected, Some(second)),
    ] {
        assert_eq!((rejected.point(), rejected.retry_after()), (point, retry_after), "{rejected}");
        assert_eq!(rejected.classify().category, category, "{rejected}");
        assert!(rejected.to_string().contains(point) && rejected.source().is_none());
    }
    assert_eq!(rejected::circuit_open_for(point, "k", None).key(), Some("k"));
    assert_eq!(rejected::job_busy(point, "import:1", second).key(), Some("import:1"));
    assert_eq!(rejected::timed_out(point, second).limit(), Some(second));

    let world = testing::isolate();
    let _ = get("a.example");
    let Err(Failure::Rejected(real)) = get("a.example") else { panic!("admitted") };
    assert_eq!(real, rejected::circuit_open_for(point, "a.example", Some(Duration::from_secs(90))));
    assert!(size_of_val(&real) <= 24);
    drop(world);
}
