//! Ends and limits that come at the same time, and numbers at the edge of what a command line can say.

use super::hold::{read, spawn};
use super::{BINARY, appears, calls, dir, ends, is_alive, output, run, signal, text};
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::thread::sleep;
use std::time::Duration;

/// The status of a run that is stopped while its command ends, until each of its limits is over.
fn paused(dir: &Path, words: &str, script: &str, signals: &[&str]) -> ExitStatus {
    let mut running = spawn(&mut run(dir, words, &format!("echo $$ > pid; touch ready; {script}")));
    appears(&dir.join("ready"));
    signal(&running, "STOP");
    fs::write(dir.join("go"), "").unwrap();
    let pid = read(dir, "pid").unwrap();
    while is_alive(pid.trim()) {
        std::thread::yield_now();
    }
    // Beyond the limits of the run.
    sleep(Duration::from_millis(2100));
    for name in signals {
        signal(&running, name);
    }
    signal(&running, "CONT");
    running.wait().unwrap()
}

#[test]
fn a_command_that_ends_in_time_has_not_timed_out() {
    let waits = "echo new > f; echo >> calls; until [ -e go ]; do sleep 0.01; done";
    let cases = [
        ("--timeout 2s --backup f --rollback", "exit 0", &[][..], 0),
        ("--total-timeout 2s --backup f --rollback", "exit 0", &[], 0),
        ("--timeout 2s --retries 2 --base 1ms", "exit 0", &[], 0),
        ("--timeout 2s", "exit 5", &[], 5),
        ("--backup f --rollback", "exit 0", &["TERM"], 0),
        ("--backup f --rollback --timeout 2s", "exit 0", &["HUP", "TERM"], 0),
    ];
    let check = |(words, script, signals, code): (&str, &str, &[&str], i32)| {
        let dir = dir();
        fs::write(dir.path().join("f"), "old\n").unwrap();
        let ended = paused(dir.path(), words, &format!("{waits}; {script}"), signals);
        assert_eq!((ended.code(), calls(dir.path())), (Some(code), 1), "{words} -- {script} {signals:?}");
        assert_eq!(read(dir.path(), "f").as_deref(), Some("new\n"), "{words} -- {script} {signals:?}");
    };
    std::thread::scope(|threads| {
        for case in cases {
            threads.spawn(move || check(case));
        }
    });
    // A signal acts after a failure.
    let dir = dir();
    fs::write(dir.path().join("f"), "old\n").unwrap();
    let ended = paused(dir.path(), "--backup f --rollback", &format!("{waits}; exit 3"), &["TERM"]);
    assert_eq!((ended.signal(), read(dir.path(), "f").as_deref()), (Some(15), Some("old\n")));
}

#[test]
fn a_command_that_ends_on_sigterm_is_not_reported_as_killed() {
    let dir = dir();
    // It ends when it is asked to, while the run is stopped.
    let script = "trap 'touch asked; until [ -e go ]; do sleep 0.01; done; exit 0' TERM; \
                  echo $$ > pid; touch ready; while :; do sleep 0.01; done";
    let mut running = spawn(&mut run(dir.path(), "--timeout 500ms --kill-after 2s", script));
    appears(&dir.path().join("asked"));
    signal(&running, "STOP");
    fs::write(dir.path().join("go"), "").unwrap();
    let pid = read(dir.path(), "pid").unwrap();
    while is_alive(pid.trim()) {
        std::thread::yield_now();
    }
    sleep(Duration::from_millis(2100));
    signal(&running, "CONT");
    assert_eq!(running.wait().unwrap().code(), Some(124));
}

#[test]
fn a_command_keeps_its_checkpoint_when_its_run_is_killed() {
    let dir = dir();
    let path = dir.path();
    let script = "echo >> calls; echo $$ > pid; touch ready; until [ -e go ]; do sleep 0.01; done; echo done";
    let mut first = spawn(&mut run(path, "--checkpoint k", script));
    appears(&path.join("ready"));
    first.kill().unwrap();
    first.wait().unwrap();
    let pid = read(path, "pid").unwrap();
    assert_eq!(ends(&mut run(path, "--checkpoint other", "exit 0")).1, 0);
    let late = output(&mut run(path, "--checkpoint k --total-timeout 300ms", script));
    assert_eq!((late.status.code(), calls(path)), (Some(124), 1), "{}", text(&late.stderr));
    let second = spawn(&mut run(path, "--checkpoint k", script));
    sleep(Duration::from_millis(300));
    assert_eq!(calls(path), 1, "it waits for the command");
    let mut locks = Command::new(BINARY);
    let locks = ends(locks.args(["locks", "list", "--held", "--state"]).arg(path.join("state"))).0;
    assert!(locks.contains("checkpoint:k") && locks.contains(&format!("process {}", pid.trim())), "{locks}");
    fs::write(path.join("go"), "").unwrap();
    let second = second.wait_with_output().unwrap();
    assert_eq!((text(&second.stdout).as_str(), calls(path)), ("done\n", 2), "{}", text(&second.stderr));
    assert_eq!(ends(&mut run(path, "--checkpoint k", script)), ("done\n".to_owned(), 0));
    assert_eq!(calls(path), 2);
    // A daemon that a success leaves behind does not keep it.
    let daemon = "sleep 60 > /dev/null 2>&1 & echo $! > pid; exit 0";
    assert_eq!(ends(&mut run(path, "--checkpoint daemon --total-timeout 60s", daemon)).1, 0);
    let mut locks = Command::new(BINARY);
    let held = ends(locks.args(["locks", "list", "--held", "--state"]).arg(path.join("state"))).0;
    assert_eq!(held, "no locks\n");
    assert!(Command::new("kill").arg(read(path, "pid").unwrap().trim()).status().unwrap().success());
}

#[test]
fn a_total_timeout_ends_the_wait_for_another_runs_checkpoint() {
    let dir = dir();
    let path = dir.path();
    let script = "touch ready; until [ -e go ]; do sleep 0.01; done";
    let first = spawn(&mut run(path, "--checkpoint k", script));
    appears(&path.join("ready"));
    let mut words = "--status-file status --checkpoint k --total-timeout 200ms".to_owned();
    for more in ["", " --fallback true"] {
        words += more;
        let late = output(&mut run(path, &words, script));
        assert_eq!(late.status.code(), Some(124), "{}", text(&late.stderr));
        assert_eq!(text(&late.stderr), "resilience: the total timeout is over\n");
        assert!(read(path, "status").unwrap().contains("timed_out"));
    }
    fs::write(path.join("go"), "").unwrap();
    assert!(first.wait_with_output().unwrap().status.success());
}

#[test]
fn extreme_numbers_are_accepted() {
    let dir = dir();
    for (words, script, code, attempts) in [
        ("--retries 4294967295 --base 1ms --no-jitter", "test $(wc -l < calls) -eq 3", 0, 3),
        ("--retries 4294967295 --base 0", "test $(wc -l < calls) -eq 3", 0, 3),
        ("--retries 1 --base 0 --backoff 1e300", "exit 3", 3, 2),
        ("--timeout 1.8e19", "exit 3", 3, 1),
        ("--timeout 500000000000y", "exit 3", 3, 1),
        ("--total-timeout 1.8e19 --retries 1 --base 1ms", "exit 3", 3, 2),
        ("--timeout 50ms --kill-after 1.8e19", "exec sleep 60", 124, 1),
        ("--lock x --wait 1.8e19", "exit 3", 3, 1),
        ("--backup f --rollback --wait 1.8e19 --keep 4294967295", "exit 3", 76, 1),
        ("--retries 1 --base 1ms --cap 1.8e19", "exit 3", 3, 2),
        ("--fallback false --max-output 18446744073709551615", "exit 3", 1, 1),
        ("--checkpoint a --total-timeout 1.8e19", "exit 3", 3, 1),
    ] {
        let _ = fs::remove_file(dir.path().join("calls"));
        let ended = output(&mut run(dir.path(), words, &format!("echo >> calls; {script}")));
        assert_eq!(ended.status.code(), Some(code), "{words}: {}", text(&ended.stderr));
        assert_eq!(calls(dir.path()), attempts, "{words}");
    }
    for (words, code) in [
        ("jobs list --limit 18446744073709551615", 0),
        ("jobs list --limit 0", 0),
        ("checkpoints list --limit 18446744073709551615", 0),
        ("checkpoints list --limit 0", 0),
        ("checkpoints clean --older-than 1.8e19", 0),
        ("alerts --count 18446744073709551615", 0),
        ("alerts --count 0", 0),
        ("doctor --limit 1.8e19", 0),
        ("backups restore f 18446744073709551615", 125),
    ] {
        let mut command = Command::new(BINARY);
        command
            .args(words.split(' '))
            .current_dir(dir.path())
            .env("RESILIENCE_STATE", dir.path().join("state"));
        let ended = output(&mut command);
        let said = text(&ended.stderr);
        assert!(ended.status.code() == Some(code) && !said.contains("fault"), "{words}: {said}");
    }
}

#[test]
fn the_status_file_always_has_the_number_of_attempts() {
    for (words, script, result, attempts) in [
        (
            "--retries 3 --base 1ms --retry-on 1",
            "test $(wc -l < calls) -eq 2 && kill -TERM $PPID && sleep 60; exit 1",
            "signal",
            2,
        ),
        ("--retries 1 --base 1ms --max-output 1", "echo long; exit 1", "failed", 1),
        ("--checkpoint k", "head -c 2000000 /dev/zero", "error", 1),
        ("--lock /does/not/exist", "exit 0", "error", 0),
        ("--retries 2 --base 1ms --rollback --backup f", "exit 1", "rolled_back", 3),
    ] {
        let dir = dir();
        let words = format!("--status-file status {words}");
        output(&mut run(dir.path(), &words, &format!("echo >> calls; {script}")));
        let status: serde_json::Value = serde_json::from_str(&read(dir.path(), "status").unwrap()).unwrap();
        assert_eq!((&status["result"], &status["attempts"]), (&result.into(), &attempts.into()), "{words}");
    }
    // A command that was not started is no attempt, and those before it are.
    let dir = dir();
    let script = dir.path().join("removes-itself");
    fs::write(&script, "#!/bin/sh\nrm \"$0\"\nexit 1\n").unwrap();
    assert!(Command::new("chmod").arg("+x").arg(&script).status().unwrap().success());
    let mut command = run(dir.path(), "", "");
    command = {
        let mut own = Command::new(BINARY);
        own.args(["run", "--retries", "2", "--base", "1ms", "--status-file", "status", "--"]).arg(&script);
        own.current_dir(command.get_current_dir().unwrap());
        own
    };
    assert_eq!(ends(&mut command).1, 127);
    let status: serde_json::Value = serde_json::from_str(&read(dir.path(), "status").unwrap()).unwrap();
    assert_eq!((&status["result"], &status["attempts"]), (&"not_started".into(), &1.into()));
}
