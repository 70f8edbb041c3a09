//! `resilience alerts` on the alerts of this process.

use resilience::alerts::{self, AlertLevel};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

fn resilience(dir: &Path, words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_resilience"));
    command.arg("--state").arg(dir).args(words.split_whitespace());
    command
}

#[track_caller]
fn said(dir: &Path, words: &str) -> String {
    let output = resilience(dir, words).output().expect("the binary runs");
    assert!(output.status.success(), "{words}: {output:?}");
    String::from_utf8(output.stdout).expect("text")
}

#[test]
fn alerts_are_listed_filtered_and_followed() {
    let dir = TempDir::new().expect("a directory");
    let dir = dir.path().canonicalize().expect("a directory");
    alerts::use_dir(&dir);
    assert_eq!(said(&dir, "alerts"), "");
    let raise = |level, message: &str| {
        assert!(alerts::raise(level, "importer", message, &[("feed", "a\n\u{1b}[2Jb")]).is_written());
    };
    raise(AlertLevel::Critical, "one");
    raise(AlertLevel::Warning, "two");
    raise(AlertLevel::Warning, "three");
    let text = said(&dir, "alerts");
    assert!(text.contains("CRITICAL importer: one (feed: ") && text.lines().count() == 3, "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    assert!(said(&dir, "alerts --count 1").contains("three"));
    // The last one of that level, behind which others have come.
    assert!(said(&dir, "alerts --level critical --count 1").contains("one"));
    let json = said(&dir, "alerts --json --count 1");
    let row: serde_json::Value = serde_json::from_str(&json).expect("one line of JSON");
    assert_eq!(
        (&row["schema"], &row["message"], &row["level"]),
        (&1.into(), &"three".into(), &"WARNING".into())
    );
    assert!(row["details"]["id"].is_string());

    let mut child = resilience(&dir, "alerts -f --count 1").stdout(Stdio::piped()).spawn().expect("a child");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    assert!(lines.next().expect("a line").expect("text").contains("three"));
    raise(AlertLevel::Warning, "four");
    raise(AlertLevel::Warning, "five");
    assert!(lines.next().expect("a line").expect("text").contains("four"));
    assert!(lines.next().expect("a line").expect("text").contains("five"));
    // It ends with the next line once nothing reads its output.
    drop(lines);
    raise(AlertLevel::Warning, "six");
    assert!(child.wait().expect("its end").success());

    // Those of all applications are followed, also of one whose first alert comes later.
    let home = TempDir::new().expect("a directory");
    let of_application = |name: &str| home.path().join("resilience").join(name);
    let mut follower = Command::new(env!("CARGO_BIN_EXE_resilience"));
    follower.args(["alerts", "-f", "--count", "1"]).env("XDG_STATE_HOME", home.path());
    follower.env_remove("RESILIENCE_STATE").env_remove("STATE_DIRECTORY").stdout(Stdio::piped());
    alerts::use_dir(of_application("early"));
    raise(AlertLevel::Warning, "seven");
    let mut child = follower.spawn().expect("a child");
    let mut lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    assert!(lines.next().expect("a line").expect("text").contains("early: WARNING importer: seven"));
    alerts::use_dir(of_application("late"));
    raise(AlertLevel::Warning, "eight");
    raise(AlertLevel::Warning, "nine");
    for message in ["eight", "nine"] {
        let line = lines.next().expect("a line").expect("text");
        assert!(line.contains(&format!("late: WARNING importer: {message}")), "{line}");
    }
    child.kill().expect("a signal");
    child.wait().expect("its end");
}
