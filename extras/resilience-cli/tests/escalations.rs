//! `resilience alerts --escalations` and `--acknowledge` on the alerts of this process.

use resilience::alerts;
use std::path::Path;
use std::process::Command;
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
fn escalations_are_listed_until_they_are_acknowledged() {
    let dir = TempDir::new().expect("a directory");
    let dir = dir.path().canonicalize().expect("a directory");
    alerts::use_dir(&dir);
    assert_eq!(said(&dir, "alerts --escalations"), "");
    for feed in ["prices", "rates"] {
        assert!(alerts::escalate(feed, "a new\u{1b}[2Jformat", &[]).is_written());
    }
    let text = said(&dir, "alerts --escalations");
    assert!(text.contains("CRITICAL prices: a new") && text.lines().count() == 2, "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    let id = text.split(' ').next().expect("an id").to_owned();
    let json = said(&dir, "alerts --escalations --json");
    let row: serde_json::Value = serde_json::from_str(json.lines().next().expect("a line")).expect("JSON");
    let expected = (&1.into(), &"prices".into(), &id.as_str().into());
    assert_eq!((&row["schema"], &row["component"], &row["details"]["id"]), expected);
    let acknowledge = |id: &str| {
        resilience(&dir, &format!("alerts --acknowledge {id}"))
            .env("USER", "ada")
            .output()
            .expect("the binary")
    };
    assert!(acknowledge(&id).status.success());
    let text = said(&dir, "alerts --escalations");
    assert!(text.contains("rates") && text.lines().count() == 1, "{text}");
    let all = alerts::escalations().expect("a look");
    assert_eq!(all[0].acknowledged_by.as_deref(), Some("ada"));
    for id in [&*id, "0123"] {
        let refused = acknowledge(id);
        assert_eq!(refused.status.code(), Some(125));
        assert!(String::from_utf8_lossy(&refused.stderr).contains("no escalation"), "{refused:?}");
    }
}
