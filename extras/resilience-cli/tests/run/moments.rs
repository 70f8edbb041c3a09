//! Ends and limits that come at the same time, and numbers at the edge of what a command line can say.

use super::hold::{read, spawn};
use super::{BINARY, appears, calls, dir, is_alive, output, run, signal, text};
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
fn a_command_that_ended_in_time_has_not_timed_out() {
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
fn a_command_that_ends_before_it_is_killed_was_not_killed() {
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
fn numbers_at_the_edge_are_numbers() {
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
