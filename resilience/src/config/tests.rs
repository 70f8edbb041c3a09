//! Written values and the settings that they become.

use crate::base::change::{Change, Raw};
use crate::policy::{CircuitBreakerConfig, RetryConfig};
use crate::settings::Source;
use std::time::Duration;

fn change(name: &str, raw: Raw) -> Change {
    Change { name: name.to_owned(), raw, source: Source::Environment { variable: "V".into() } }
}

fn text(text: &str) -> Raw {
    Raw::Text(text.to_owned())
}

fn variable(text: &str) -> Raw {
    Raw::Variable(text.to_owned())
}

fn retry(name: &str, raw: Raw) -> Result<RetryConfig, String> {
    let settings = RetryConfig::DEFAULT.into_settings();
    let changed = settings.changed(&[change(name, raw)], |_| None);
    changed.map(|settings| settings.config).map_err(|mistakes| mistakes[0].reason.clone())
}

#[test]
fn a_file_has_types_and_a_variable_has_text() {
    assert_eq!(retry("max", Raw::Integer(7)).unwrap().max, 7);
    assert_eq!(retry("max", variable("7")).unwrap().max, 7);
    assert_eq!(retry("base", text("1.5s")).unwrap().base, Duration::from_millis(1500));
    assert_eq!(retry("base", variable("1.5s")).unwrap().base, Duration::from_millis(1500));
    assert!(!retry("idempotent", variable("false")).unwrap().idempotent);
    assert_eq!(retry("give_up_after", text("off")).unwrap().give_up_after, None);
    for raw in [Raw::Float(3.0), Raw::Integer(2), variable("2.5")] {
        assert!(retry("backoff", raw).is_ok());
    }
    assert!(retry("jitter", text("0.8..1.2")).is_ok());
    assert!(retry("jitter", text("equal")).is_ok());
}

#[test]
fn durations_have_the_units_and_separators_of_the_attributes() {
    for (written, nanos) in [
        ("50ns", 50),
        ("7us", 7_000),
        ("7µs", 7_000),
        ("1_000ms", 1_000_000_000),
        ("1_0.2_5s", 10_250_000_000),
    ] {
        for raw in [text(written), variable(written)] {
            let base = retry("base", raw).map(|retry| retry.base);
            assert_eq!(base, Ok(Duration::from_nanos(nanos)), "{written}");
        }
    }
    assert_eq!(retry("max", variable("1_000")).unwrap().max, 1_000);
    for written in ["_1s", "1_s", "1__0s", "1m_s", "1_.5s"] {
        assert!(retry("base", text(written)).is_err(), "{written}");
    }
}

#[test]
fn an_invalid_value_is_rejected_with_the_expected_form() {
    for (name, raw, words) in [
        ("max", text("7"), "`max` takes a whole number such as 3, and this is \"7\""),
        ("max", Raw::Integer(-1), "`max` takes a whole number such as 3, and this is -1"),
        ("max", Raw::Integer(i64::MAX), "`max` must be at most 4294967295: how many retries follow"),
        ("max", Raw::Float(1.0), "`max` takes a whole number such as 3, and this is 1.0"),
        ("max", variable("+7"), "`max` takes a whole number"),
        ("max", variable(" 7"), "`max` takes a whole number"),
        ("max", variable(""), "`max` takes a whole number such as 3, and this is \"\""),
        ("base", Raw::Integer(100), "`base` takes a duration such as \"2s\", and this is 100"),
        ("base", text("-1s"), "`base` takes a duration"),
        ("base", text("1 s"), "`base` takes a duration"),
        ("base", text("99999999999999999999s"), "`base` takes a duration"),
        ("base", text("off"), "`base` takes a duration"),
        ("idempotent", text("no"), "`idempotent` takes true or false"),
        (
            "jitter",
            text("off"),
            "`jitter` takes \"full\", \"equal\", \"none\" or a range such as \"0.8..1.2\", and this is \"off\"",
        ),
        ("jitter", Raw::Other("an array"), "`jitter` takes \"full\", \"equal\", \"none\" or a range"),
        (
            "backoff",
            text("cubic"),
            "`backoff` takes a factor such as 2.0, \"constant\", \"linear\", \"fibonacci\" or \"decorrelated\", and",
        ),
        ("backoff", Raw::Float(f64::NAN), "`backoff` is not a number"),
        ("backoff", Raw::Float(0.5), "`backoff` is below 1"),
        ("mix", Raw::Integer(1), "there is no setting `mix`"),
    ] {
        let reason = retry(name, raw).unwrap_err();
        assert!(reason.starts_with(words), "{reason}");
    }
    let long = retry("base", text(&"x".repeat(500))).unwrap_err();
    assert!(long.len() < 150, "{long}");
    assert!(retry("base", text("a\nb\"")).unwrap_err().ends_with(r#"this is "a\nb\"""#));
}

#[test]
fn a_setting_that_is_changed_counts_as_set() {
    let breaker = CircuitBreakerConfig::DEFAULT.into_settings();
    let changes = [change("threshold", Raw::Integer(3)), change("rate", text("50%"))];
    let settings = breaker.changed(&changes, |_| None).unwrap();
    assert_eq!((settings.config.threshold, settings.config.rate), (3, Some(0.5)));
    assert_eq!(settings.set, 0b11);
    let fixed = breaker.changed(&changes, |name| (name == "rate").then_some("it is part of the code"));
    let reason = "`rate` cannot change while the program runs: it is part of the code";
    assert_eq!(fixed.unwrap_err()[0].reason, reason);
    let both =
        breaker.changed(&[change("rate", text("150%")), change("threshold", Raw::Integer(0))], |_| None);
    assert_eq!(both.unwrap_err().len(), 2, "all mistakes at once");
}

#[cfg(not(feature = "ops"))]
#[test]
fn calls_are_not_measured_without_the_feature_that_counts_them() {
    let reason = "`timed` needs the feature `ops`, which measures calls";
    let path = std::path::Path::new("/etc/shop.toml").into();
    let text = "timed = true\n[shop]\ntimed = true\n";
    let (_, unread) = super::file::entries(&path, text, &super::names::Names::read());
    let refused = super::resolve::resolve(&[], unread, &super::names::Names::read(), false).unwrap_err();
    let refused: Vec<_> = refused.iter().map(ToString::to_string).collect();
    assert_eq!(refused, [1, 3].map(|line| format!("/etc/shop.toml:{line}: {reason}")));
    let errors = super::Config::new().variables([("RESILIENCE__TIMED", "true")]).load().unwrap_err();
    assert_eq!(errors.errors()[0].reason, reason);
}
