//! What users of `timeout`, `flock` and `parallel --retries` expect, compared with these tools where they are installed.

use super::hold::{read, spawn};
use super::{BINARY, appears, calls, dir, ends, output, run, signal, text, unspoilt};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

/// The exit code as a shell shows it.
fn code(status: ExitStatus) -> i32 {
    status.code().or(status.signal().map(|signal| 128 + signal)).expect("it has ended")
}

fn is_installed(program: &str) -> bool {
    let found = Command::new(program).arg("--version").stdout(Stdio::null()).status().is_ok();
    if !found {
        eprintln!("skipped: {program} is not installed");
    }
    found
}

/// The code and the output of `program`, called in `dir` with `words`, then `command`.
fn said(dir: &Path, program: &[&str], command: &[&str]) -> (i32, String) {
    let mut all = unspoilt(program[0]);
    all.args(&program[1..]).args(command).current_dir(dir).env("XDG_STATE_HOME", dir.join("home"));
    let mut child = spawn(all.stdin(Stdio::piped()));
    // One that does not read it may have ended.
    let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"input\n");
    let output = child.wait_with_output().unwrap();
    (code(output.status), text(&output.stdout))
}

#[test]
fn timeouts_behave_like_coreutils_timeout() {
    if !is_installed("timeout") {
        return;
    }
    let dir = dir();
    fs::write(dir.path().join("plain"), "no program").unwrap();
    let deaf = "trap '' TERM; while :; do sleep 1; done";
    for (theirs, ours, command) in [
        (&["5"][..], "--timeout 5s", &["sh", "-c", "cat; exit 3"][..]),
        (&["5"], "--timeout 5s", &["true"]),
        (&["0.05"], "--timeout 50ms", &["sleep", "60"]),
        (&["0.05s"], "--timeout 0.05", &["sh", "-c", "echo begun; exec sleep 60"]),
        (&["-k", "0.05", "0.05"], "--timeout 50ms --kill-after 50ms", &["sh", "-c", deaf]),
        (&["0.1"], "--timeout 100ms", &["sh", "-c", "kill -STOP $$"]),
        (&["0.1"], "--timeout 100ms", &["sh", "-c", "trap 'exit 9' TERM; sleep 60 & wait"]),
        (&["5"], "--timeout 5s", &["sh", "-c", "kill -TERM $$"]),
        (&["5"], "--timeout 5s", &["sh", "-c", "kill -KILL $$"]),
        (&["5"], "--timeout 5s", &["sh", "-c", "sleep 60 > /dev/null 2>&1 & kill $!; echo done"]),
        (&["5"], "--timeout 5s", &["/does/not/exist"]),
        (&["5"], "--timeout 5s", &["./plain"]),
    ] {
        let theirs = [&["timeout"], theirs].concat();
        let ours: Vec<_> = [BINARY, "run"].into_iter().chain(ours.split(' ')).chain(["--"]).collect();
        let expected = said(dir.path(), &theirs, command);
        assert_eq!(said(dir.path(), &ours, command), expected, "{theirs:?} {command:?}");
    }
    // Both end their command when they are asked to end.
    for program in [&["timeout", "60"][..], &[BINARY, "run", "--timeout", "60s", "--"]] {
        let script = "trap 'touch asked; exit 7' TERM; touch ready; while :; do sleep 0.01; done";
        let mut command = unspoilt(program[0]);
        let child = spawn(command.args(&program[1..]).args(["sh", "-c", script]).current_dir(dir.path()));
        appears(&dir.path().join("ready"));
        signal(&child, "TERM");
        assert!(!child.wait_with_output().unwrap().status.success());
        for file in ["asked", "ready"] {
            fs::remove_file(dir.path().join(file)).expect(file);
        }
    }
}

#[test]
fn locks_behave_like_flock() {
    if !is_installed("flock") {
        return;
    }
    let dir = dir();
    let path = dir.path();
    let both = |busy: &str, held: &str| {
        let theirs = ["flock", "-E", "75", "-w", "0", "./lock"];
        let theirs = match (busy, held) {
            ("shared", _) => vec!["flock", "-E", "75", "-s", "-w", "0", "./lock"],
            _ => theirs.to_vec(),
        };
        let mut ours = vec![BINARY, "run", "--lock", "./lock"];
        if busy == "shared" {
            ours.push("--shared");
        }
        ours.push("--");
        [theirs, ours]
    };
    // Each excludes the other, and readers share with readers.
    let holds = ["sh", "-c", "touch ready; until [ -e go ] || [ ! -e ready ]; do sleep 0.01; done; exit 6"];
    for (held, busy, expected) in
        [("alone", "alone", 75), ("alone", "shared", 75), ("shared", "alone", 75), ("shared", "shared", 4)]
    {
        for holder in both(held, busy) {
            let mut command = unspoilt(holder[0]);
            let holder = spawn(command.args(&holder[1..]).args(holds).current_dir(path));
            appears(&path.join("ready"));
            for asks in both(busy, held) {
                assert_eq!(said(path, &asks, &["sh", "-c", "exit 4"]).0, expected, "{held} {busy} {asks:?}");
            }
            fs::write(path.join("go"), "").unwrap();
            assert_eq!(holder.wait_with_output().unwrap().status.code(), Some(6));
            for file in ["ready", "go"] {
                fs::remove_file(path.join(file)).unwrap();
            }
        }
    }
    // The command keeps the lock of both when they are killed, and a wait ends with it.
    for holder in both("alone", "alone") {
        let mut command = unspoilt(holder[0]);
        let mut holder = spawn(command.args(&holder[1..]).args(holds).current_dir(path));
        appears(&path.join("ready"));
        holder.kill().unwrap();
        holder.wait().unwrap();
        for asks in both("alone", "alone") {
            assert_eq!(said(path, &asks, &["true"]).0, 75);
        }
        let waits = spawn(&mut run(path, "--lock ./lock --wait 60s", "echo free"));
        fs::write(path.join("go"), "").unwrap();
        assert_eq!(text(&waits.wait_with_output().unwrap().stdout), "free\n");
        for file in ["ready", "go"] {
            fs::remove_file(path.join(file)).unwrap();
        }
    }
    // `flock -F` and `exec` chains: the lock file keeps what it has.
    fs::write(path.join("data"), "kept").unwrap();
    assert_eq!(said(path, &[BINARY, "run", "--lock", "./data", "--"], &["true"]).0, 0);
    assert_eq!(read(path, "data").as_deref(), Some("kept"));
}

/// `parallel --retries n` makes n attempts; here the first one does not count. Its own code is how many jobs failed.
#[test]
fn retries_behave_like_gnu_parallel() {
    let has_parallel = is_installed("parallel");
    for (attempts, script, code) in [
        (1, "exit 0", 0),
        (3, "exit 1", 1),
        (3, "exit 200", 200),
        (2, "test $(wc -l < calls) -eq 2", 0),
        (3, "kill -ABRT $$", 134),
    ] {
        let dir = dir();
        let words = "--retries 2 --base 1ms";
        let (said, ended) = ends(&mut run(dir.path(), words, &format!("echo >> calls; echo out; {script}")));
        assert_eq!((calls(dir.path()), ended, said.as_str()), (attempts, code, "out\n"), "{script}");
        if !has_parallel {
            continue;
        }
        fs::remove_file(dir.path().join("calls")).unwrap();
        let mut theirs = unspoilt("parallel");
        theirs.args(["-n0", "--retries", "3", &format!("echo >> calls; echo out; {script}"), ":::", "job"]);
        // It keeps what it knows of the machine there.
        theirs.env("HOME", dir.path()).current_dir(dir.path()).stdin(Stdio::null());
        let theirs = output(&mut theirs);
        let ended = (calls(dir.path()), theirs.status.success(), text(&theirs.stdout));
        assert_eq!(ended, (attempts, code == 0, said), "{script}: {}", text(&theirs.stderr));
    }
}

/// The commands that the README shows.
#[test]
fn the_commands_of_the_readme_work() {
    let dir = dir();
    let path = dir.path();
    let bin = path.join("bin");
    fs::create_dir(&bin).unwrap();
    for (name, script) in [
        ("fetch", "[ $1 = rates ] && echo '{}'"),
        ("import", "cat $1 && echo new > stock.json && rm log.json"),
        ("report", "echo >> calls; echo report of $1"),
    ] {
        fs::write(bin.join(name), format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    symlink(BINARY, bin.join("resilience")).unwrap();
    for file in ["stock.json", "log.json", "rates.old"] {
        fs::write(path.join(file), format!("{file}\n")).unwrap();
    }
    let readme = include_str!("../../README.md");
    let commands =
        readme.split("```sh\n").nth(1).and_then(|rest| rest.split("```").next()).expect("commands");
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let paths = std::env::join_paths([bin].into_iter().chain(std::env::split_paths(&paths))).unwrap();
    for _ in 0..2 {
        fs::write(path.join("log.json"), "log\n").unwrap();
        let mut all = Command::new("sh");
        all.args(["-euc", commands]).current_dir(path).env("PATH", &paths).env_remove("RESILIENCE_STATE");
        let done = output(all.env("XDG_STATE_HOME", path.join("home")).stdin(Stdio::null()));
        let said = text(&done.stdout);
        assert!(done.status.success(), "{said}{}", text(&done.stderr));
        for part in
            ["{}", "report of 2026-11", "rates.old", "import  free", "stock.json  1", "no jobs", "state: "]
        {
            let is_it = |line: &str| part.split_whitespace().all(|word| line.contains(word));
            assert!(said.lines().any(is_it), "{part}:\n{said}");
        }
    }
    assert_eq!((calls(path), read(path, "stock.json").as_deref()), (1, Some("new\n")));
}
