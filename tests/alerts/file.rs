//! Lines, limits of their length, reading, and a directory that goes and comes back.

use crate::common::{Scratch, pipe};
use resilience::alerts::{self, AlertLevel, Follower, recent_in};
use resilience::testing;
use serde_json::Value;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

const HOSTILE: &str = "a\"b\\c\nd\te\u{1b}[2J\u{202e}f";

#[test]
fn a_line_has_five_fields_and_every_detail() {
    let (_world, scratch) = (testing::isolate(), Scratch::new());
    let dir = scratch.path("new/state");
    alerts::use_dir(&dir);
    assert!(
        alerts::raise(AlertLevel::Critical, HOSTILE, HOSTILE, &[(HOSTILE, HOSTILE), ("attempt", "2")])
            .is_written()
    );
    let text = fs::read_to_string(dir.join("alerts.jsonl")).expect("the file");
    assert_eq!(text.matches('\n').count(), 1, "{text}");
    let line: Value = serde_json::from_str(&text).expect("JSON");
    let names: Vec<_> = line.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(names.len(), 5);
    assert!(
        text.starts_with("{\"timestamp\":\"") && text.contains("\"level\":\"CRITICAL\",\"component\":\"")
    );
    assert!(!text.contains("\\u001b") && !text.contains('\u{202e}'));
    for name in ["id", "point", "job", "attempt", "category", "code", "process", "suppressed", "key"] {
        assert!(line["details"].get(name).is_some(), "{name}: {text}");
    }
    assert_eq!(line["details"]["process"]["pid"], std::process::id());
    let mode = |path| fs::metadata(path).expect("a file").permissions().mode() & 0o777;
    assert_eq!(
        (mode(dir.clone()), mode(dir.join("alerts.jsonl")), mode(dir.join("alerts.lock"))),
        (0o700, 0o600, 0o600)
    );
    let shown = recent_in(&dir, 1).expect("a look").alerts.remove(0).to_string();
    assert!(!shown.chars().any(|c| c.is_control() || c == '\u{202e}'), "{shown}");
}

#[test]
fn no_field_contains_secrets() {
    let (_world, scratch) = (testing::isolate(), Scratch::new());
    alerts::use_dir(scratch.path(""));
    let address = "postgres://app:CANARY@db:5432/app";
    let pairs = [
        ("url", address),
        ("password", "CANARY"),
        ("x-api-key", "CANARY"),
        ("header", "Bearer CANARYCANARYCANARYCANARY"),
        (address, "x"),
    ];
    assert!(alerts::raise(AlertLevel::Warning, address, address, &pairs).is_written());
    let text = fs::read_to_string(scratch.path("alerts.jsonl")).expect("the file");
    assert!(!text.contains("CANARY"), "{text}");
    assert!(!recent_in(scratch.path(""), 1).expect("a look").alerts[0].to_string().contains("CANARY"));
}

#[test]
fn invalid_lines_are_skipped_and_counted() {
    let (_world, scratch) = (testing::isolate(), Scratch::new());
    alerts::use_dir(scratch.path(""));
    assert!(alerts::raise(AlertLevel::Warning, "a", "one", &[]).is_written());
    let file = scratch.path("alerts.jsonl");
    let mut bytes = fs::read(&file).expect("the file");
    bytes.extend_from_slice(b"{\"level\":7}\nnonsense\n\xff\xfe\n[]\n{\"timestamp\":\"2026");
    fs::write(&file, &bytes).expect("a write");
    let mut follower = Follower::new(scratch.path(""));
    assert_eq!(follower.next().expect("a look").len(), 1);
    // The cut line is ended by the writer that comes next.
    assert!(alerts::raise(AlertLevel::Warning, "a", "two", &[]).is_written());
    let seen = recent_in(scratch.path(""), 100).expect("a look");
    let messages: Vec<_> = seen.alerts.iter().map(|alert| alert.message.as_str()).collect();
    assert_eq!((messages, seen.skipped), (vec!["one", "two"], 5));
    assert_eq!(follower.next().expect("a look")[0].message, "two");
    assert_eq!(follower.skipped(), 5);
}

#[test]
fn files_are_rotated_and_five_are_kept() {
    let (_world, scratch) = (testing::isolate(), Scratch::new());
    alerts::use_dir(scratch.path(""));
    alerts::rotate_at(4096);
    for n in 0..200 {
        assert!(
            alerts::raise(AlertLevel::Warning, &format!("a{n}"), &format!("number {n}"), &[]).is_written()
        );
    }
    let mut names: Vec<_> = fs::read_dir(scratch.path(""))
        .expect("a look")
        .map(|entry| {
            let entry = entry.expect("an entry");
            assert!(entry.metadata().expect("a file").len() <= 4096);
            entry.file_name().into_string().expect("a name")
        })
        .collect();
    names.sort();
    let files = ["alerts.jsonl", "alerts.jsonl.1", "alerts.jsonl.2", "alerts.jsonl.3", "alerts.jsonl.4"];
    assert_eq!(names, [&["README"], &files[..], &["alerts.lock"]].concat());
    let seen = recent_in(scratch.path(""), 30).expect("a look").alerts;
    let messages: Vec<_> = seen.into_iter().map(|alert| alert.message).collect();
    assert_eq!(messages, (170..200).map(|n| format!("number {n}")).collect::<Vec<_>>());
    assert_eq!(recent_in(scratch.path(""), 0).expect("a look").alerts.len(), 1, "at least one");
}

#[test]
fn the_end_of_a_large_file_is_read_in_blocks() {
    let (_world, scratch) = (testing::isolate(), Scratch::new());
    alerts::use_dir(scratch.path(""));
    let long = "x".repeat(900);
    let pairs: Vec<_> = ["a", "b", "c", "d", "e", "f", "g", "h"].map(|name| (name, long.as_str())).to_vec();
    for n in 0..50 {
        assert!(alerts::raise(AlertLevel::Warning, "a", &format!("number {n}"), &pairs).is_written());
    }
    for limit in [1, 7, 49, 50, 1000] {
        let seen = recent_in(scratch.path(""), limit).expect("a look");
        assert_eq!((seen.alerts.len(), seen.skipped), (limit.min(50), 0));
        assert_eq!(seen.alerts.last().expect("an alert").message, "number 49");
    }
}

#[test]
fn a_missing_directory_is_reported_once_it_is_back() {
    let (_world, scratch) = (testing::isolate(), Scratch::new());
    let dir = scratch.path("state");
    alerts::use_dir(&dir);
    assert!(alerts::raise(AlertLevel::Warning, "a", "before", &[]).is_written());
    fs::remove_dir_all(&dir).expect("a directory");
    fs::write(&dir, "in the way").expect("a file");
    assert!(!alerts::raise(AlertLevel::Warning, "a", "one", &[]).is_written());
    assert!(!alerts::raise(AlertLevel::Critical, "a", "two", &[]).is_written());
    fs::remove_file(&dir).expect("a file");
    assert!(alerts::raise(AlertLevel::Warning, "a", "after", &[]).is_written());
    let seen = recent_in(&dir, 10).expect("a look").alerts;
    let messages: Vec<_> = seen.iter().map(|alert| alert.message.as_str()).collect();
    assert_eq!(messages, ["alerts were lost", "after"]);
    assert_eq!(seen[0].details["lost"], "2");
    assert!(seen[0].details["since"].as_str().expect("a time").ends_with('Z'));
    // Removed while its file is open: the next line is in a new one.
    fs::remove_dir_all(&dir).expect("a directory");
    assert!(alerts::raise(AlertLevel::Warning, "a", "again", &[]).is_written());
    assert_eq!(recent_in(&dir, 10).expect("a look").alerts[0].message, "again");
}

#[test]
fn symlinks_and_directories_of_other_users_are_rejected() {
    let (_world, scratch) = (testing::isolate(), Scratch::new());
    let dir = scratch.path("state");
    fs::create_dir(&dir).expect("a directory");
    alerts::use_dir(&dir);
    fs::write(scratch.path("target"), "").expect("a file");
    std::os::unix::fs::symlink(scratch.path("target"), dir.join("alerts.jsonl")).expect("a link");
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).expect("a mode");
    assert!(!alerts::raise(AlertLevel::Warning, "a", "b", &[]).is_written());
    assert_eq!(fs::read(scratch.path("target")).expect("a file"), b"");
    fs::remove_file(dir.join("alerts.jsonl")).expect("a link");
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).expect("a mode");
    assert!(!alerts::raise(AlertLevel::Warning, "a", "b", &[]).is_written());
    assert!(!dir.join("alerts.jsonl").exists());
}

#[test]
fn no_alert_is_written_without_a_directory() {
    let _world = testing::isolate();
    assert!(!alerts::raise(AlertLevel::Critical, "a", "b", &[]).is_written());
    assert!(alerts::recent(10).is_err());
    assert!(alerts::flush(Duration::ZERO));
}

#[test]
fn async_code_waits_without_blocking() {
    let (_world, scratch) = (testing::isolate(), Scratch::new());
    alerts::use_dir(scratch.path(""));
    let raised = alerts::raise_async(AlertLevel::Warning, "a", "b", &[]);
    assert!(futures::executor::block_on(raised).is_written());
    assert_eq!(alerts::recent(10).expect("a look").alerts.len(), 1);
}

#[test]
fn a_pipe_or_directory_instead_of_a_file_fails_without_blocking() {
    let (_world, scratch) = (testing::isolate(), Scratch::new());
    for (n, make) in [pipe, |path: &Path| fs::create_dir(path).expect("a directory")].into_iter().enumerate()
    {
        let dir = |name: &str| scratch.path(&format!("{name}-{n}"));
        for name in ["alerts.jsonl", "alerts.jsonl.1"] {
            let component = format!("{name}-{n}");
            alerts::use_dir(dir(name));
            assert!(alerts::raise(AlertLevel::Warning, &component, "before", &[]).is_written());
            let _ = fs::remove_file(dir(name).join(name));
            make(&dir(name).join(name));
            recent_in(dir(name), 10).expect_err("no file");
            Follower::new(dir(name)).next().expect_err("no file");
            let raised = alerts::raise(AlertLevel::Warning, &component, "after", &[]);
            assert_eq!(raised.is_written(), name != "alerts.jsonl");
        }
        make(&{
            fs::create_dir_all(dir("lock")).expect("a directory");
            dir("lock").join("alerts.lock")
        });
        alerts::use_dir(dir("lock"));
        assert!(!alerts::raise(AlertLevel::Warning, &format!("lock-{n}"), "one", &[]).is_written());
        assert!(recent_in(dir("lock"), 10).expect("a look").alerts.is_empty());
        fs::create_dir_all(dir("escalations")).expect("a directory");
        make(&dir("escalations").join("escalations.jsonl"));
        alerts::use_dir(dir("escalations"));
        alerts::escalations_in(dir("escalations")).expect_err("no file");
        alerts::acknowledge_in(dir("escalations"), "id", "me").expect_err("no file");
        assert!(!alerts::escalate(&format!("escalate-{n}"), "one", &[]).is_written());
    }
}
