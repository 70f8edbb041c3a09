//! `examples/complete_task.sh`: two JSON files that change together, whatever happens.

use super::{BINARY, appears, dir, output, text, unspoilt};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use tempfile::TempDir;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/complete_task.sh");
const TASKS: &str = r#"{"TASK-1": {"state": "open"}, "TASK-2": {"state": "open"}}"#;
const AGENTS: &str = r#"{"anna": {"done": ["TASK-0"]}}"#;

/// Counts its calls, and stops at the one whose number is in the file `stop` until it is killed.
const JQ: &str = r#"#!/bin/sh
echo >> calls
number=$(wc -l < calls)
[ "$number" != "$(cat fail 2>/dev/null)" ] || exit 5
if [ "$number" = "$(cat stop 2>/dev/null)" ]; then
	touch stopped
	until [ -e go ] || [ ! -e stop ]; do sleep 0.01; done
fi
exec "$JQ" "$@"
"#;

/// Where the program is that a test needs; `None`, with a message, where it is not installed.
fn installed(program: &str) -> Option<PathBuf> {
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&paths).map(|dir| dir.join(program)).find(|path| path.is_file());
    if found.is_none() {
        eprintln!("skipped: {program} is not installed");
    }
    found
}

/// A directory with the two files and a jq that counts.
fn prepared() -> Option<TempDir> {
    installed("jq")?;
    let dir = dir();
    fs::write(dir.path().join("tasks.json"), TASKS).unwrap();
    fs::write(dir.path().join("agents.json"), AGENTS).unwrap();
    let bin = dir.path().join("bin");
    fs::create_dir(&bin).unwrap();
    fs::write(bin.join("jq"), JQ).unwrap();
    fs::set_permissions(bin.join("jq"), fs::Permissions::from_mode(0o755)).unwrap();
    std::os::unix::fs::symlink(BINARY, bin.join("resilience")).unwrap();
    Some(dir)
}

fn script(dir: &Path, words: &[&str]) -> Command {
    let mut command = unspoilt(SCRIPT);
    let mut path = vec![dir.join("bin")];
    path.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    command.args(words).current_dir(dir).env("PATH", std::env::join_paths(path).unwrap());
    command.env("XDG_STATE_HOME", dir.join("home")).env_remove("RESILIENCE_STATE");
    command.env("JQ", installed("jq").unwrap()).stdin(Stdio::null());
    command
}

fn complete(dir: &Path, task: &str) -> Output {
    output(&mut script(dir, &["anna", task, "it's \"done\""]))
}

fn json(dir: &Path, name: &str) -> serde_json::Value {
    serde_json::from_slice(&fs::read(dir.join(name)).unwrap()).unwrap_or_default()
}

/// Whether both files are after the change of `task`; both are before it otherwise.
fn is_done(dir: &Path, task: &str) -> bool {
    let of_task = json(dir, "tasks.json")[task]["state"] == "done";
    let done = json(dir, "agents.json");
    let of_agent = done["anna"]["done"].as_array().is_some_and(|done| done.iter().any(|it| it == task));
    assert_eq!(of_task, of_agent, "one file is changed, and the other one is not");
    of_task
}

#[test]
fn the_example_passes_shellcheck() {
    let Some(shellcheck) = installed("shellcheck") else { return };
    let checked = output(Command::new(shellcheck).arg(SCRIPT));
    assert!(checked.status.success(), "{}", text(&checked.stdout));
}

#[test]
fn a_task_is_completed_once() {
    let Some(dir) = prepared() else { return };
    let dir = dir.path();
    for _ in 0..2 {
        let done = complete(dir, "TASK-1");
        assert!(done.status.success(), "{}", text(&done.stderr));
        assert!(is_done(dir, "TASK-1") && !is_done(dir, "TASK-2"));
    }
    assert_eq!(super::calls(dir), 3, "the second call is answered by the checkpoint");
    let tasks = json(dir, "tasks.json");
    assert_eq!(tasks["TASK-1"]["message"], "it's \"done\"");
    let unknown = complete(dir, "TASK-9");
    assert_eq!(unknown.status.code(), Some(76));
    assert!(text(&unknown.stderr).contains("no task TASK-9"), "{}", text(&unknown.stderr));
    assert_eq!(json(dir, "tasks.json"), tasks);
    assert_eq!(output(&mut script(dir, &["anna"])).status.code(), Some(64));
}

#[test]
fn a_failure_between_the_files_rolls_back_and_can_be_retried() {
    let Some(dir) = prepared() else { return };
    let dir = dir.path();
    fs::write(dir.join("fail"), "3\n").unwrap();
    let failed = complete(dir, "TASK-1");
    assert_eq!(failed.status.code(), Some(76), "{}", text(&failed.stderr));
    assert_eq!(fs::read_to_string(dir.join("tasks.json")).unwrap(), TASKS);
    assert!(complete(dir, "TASK-1").status.success() && is_done(dir, "TASK-1"));
}

#[test]
fn concurrent_tasks_wait_for_each_other() {
    let Some(dir) = prepared() else { return };
    let dir = dir.path();
    let both = ["TASK-1", "TASK-2"].map(|task| script(dir, &["anna", task, "done"]).spawn().unwrap());
    for mut one in both {
        assert!(one.wait().unwrap().success());
    }
    assert!(is_done(dir, "TASK-1") && is_done(dir, "TASK-2"));
}

#[test]
fn a_kill_leaves_both_files_changed_or_neither() {
    for stop in 1..=3 {
        for kills_all in [true, false] {
            let Some(dir) = prepared() else { return };
            let dir = dir.path();
            fs::write(dir.join("stop"), format!("{stop}\n")).unwrap();
            let mut first = script(dir, &["anna", "TASK-1", "first"]).stderr(Stdio::null()).spawn().unwrap();
            appears(&dir.join("stopped"));
            let command = child_of(first.id());
            first.kill().unwrap();
            first.wait().unwrap();
            if kills_all {
                // The command and the jq that it waits for are a group of their own.
                let killed = Command::new("kill").args(["-KILL", "--", &format!("-{command}")]).status();
                assert!(killed.unwrap().success());
            } else {
                fs::write(dir.join("go"), "").unwrap();
            }
            let listed = || {
                let mut command = Command::new(BINARY);
                command.args(["backups", "restore", "agents.json", "9999"]).current_dir(dir);
                output(command.env("XDG_STATE_HOME", dir.join("home")))
            };
            // There is no such backup: this only waits for the lock, and puts the files back.
            assert_eq!(listed().status.code(), Some(125));
            assert!(!is_done(dir, "TASK-1"), "what was not recorded is undone");
            fs::remove_file(dir.join("stop")).unwrap();
            assert!(complete(dir, "TASK-1").status.success());
            assert!(is_done(dir, "TASK-1"));
        }
    }
}

/// The first child of the process.
fn child_of(pid: u32) -> u32 {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap();
    children.split_whitespace().next().expect("a child").parse().expect("a number")
}
