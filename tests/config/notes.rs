//! What is worth a look in a configuration, and who hears of it.

use crate::support::{Scratch, load};
use resilience::alerts::{self, recent};
use resilience::{Rejected, snapshot, with_retry};
use std::time::Duration;

#[with_retry(max = 1, name = "notes::quote")]
fn quote() -> Result<u32, Rejected> {
    Ok(1)
}

/// The message and the reason of each alert in the file.
fn raised() -> Vec<(String, String)> {
    assert!(alerts::flush(Duration::from_secs(60)));
    let all = recent(100).expect("a look").alerts;
    let reason = |alert: &alerts::Alert| alert.details["reason"].as_str().unwrap_or_default().to_owned();
    all.iter().map(|alert| (alert.message.clone(), reason(alert))).collect()
}

#[test]
fn unknown_functions_are_noted_and_raise_alerts() {
    let (_world, scratch) = (resilience::testing::isolate(), Scratch::new());
    alerts::use_dir(scratch.path("alerts"));
    assert_eq!(quote(), Ok(1));
    assert!(snapshot().notes.is_empty());
    let text = "[\"notes::quota\".with_retry]\nmax = 2\n[\"CANARY\\u001b[31m\".timeout]\nlimit = \"1s\"\n";
    let report = load(text).expect("a warning is no mistake");
    assert_eq!(report.warnings.len(), 2);
    let notes = snapshot().notes;
    assert_eq!(notes.len(), 2);
    let hint = "no function is called `notes::quota`: did you mean `notes::quote`?";
    assert!(notes.iter().any(|note| note.contains("shop.toml:2: ") && note.ends_with(hint)), "{notes:?}");
    assert!(!notes.concat().contains('\u{1b}') && snapshot().to_string().ends_with(&notes[1]));
    let [(message, reason)] = &raised()[..] else { panic!("one alert for the load: {:?}", raised()) };
    assert_eq!(message, "settings have no effect");
    assert!(
        reason.contains("notes::quota") && reason.contains("CANARY") && !reason.contains('\u{1b}'),
        "{reason}"
    );

    load("[with_retry]\nmax = \"many\"\n").expect_err("no number");
    assert_eq!(snapshot().notes, notes, "nothing has changed");
    let last = raised().pop().expect("an alert");
    assert_eq!(last.0, "a configuration was refused");
    assert!(last.1.contains("shop.toml:2: ") && last.1.contains("takes a whole number"), "{last:?}");

    load("[\"notes::quote\".with_retry]\nmax = 2\n").expect("sound settings");
    assert!(snapshot().notes.is_empty());
    assert_eq!(raised().len(), 2);
}

#[test]
fn ten_thousand_unknown_functions_raise_one_short_alert() {
    let (_world, scratch) = (resilience::testing::isolate(), Scratch::new());
    alerts::use_dir(scratch.path("alerts"));
    let module = "no_such_module::".repeat(8);
    let table = |n| format!("[\"{module}function_{n}\".with_retry]\nmax = 3\n");
    let report = load(&(0..10_000).map(table).collect::<String>()).expect("warnings are no mistakes");
    assert_eq!((report.settings, report.warnings.len()), (10_000, 10_000));
    let [(message, reason)] = &raised()[..] else { panic!("one alert for the load: {:?}", raised()) };
    assert_eq!(message, "settings have no effect");
    assert!(reason.contains("no_such_module") && reason.len() < 16 << 10, "{}", reason.len());
}
