//! Signals during a wait for a lock and during a rollback: of other processes, and of keys in a terminal.

use super::hold::{LONG, is_waiting, of_program, read, spawn};
use super::terminal::typed;
use super::{appears, dir, ends, run, signal, text};
use std::fs;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::Path;

// Both runs are in a group of their own, whose parent is in the same session: the kernel does not let Ctrl-Z stop a group
// that no shell could continue, as that of a service is.

#[test]
fn a_run_stopped_while_waiting_does_not_block_the_lock() {
    let dir = dir();
    let path = dir.path();
    let held = of_program(path, "x").acquire().expect("a lock");
    let waits = spawn(run(path, "--lock x --wait 60s", "exit 3").process_group(0));
    while !is_waiting(held.path()) {
        std::thread::yield_now();
    }
    signal(&waits, "TSTP");
    let stat = format!("/proc/{}/stat", waits.id());
    while !fs::read_to_string(&stat).unwrap().contains(") T ") {
        std::thread::yield_now();
    }
    held.unlock();
    drop(of_program(path, "x").wait(LONG).acquire().expect("its turn comes"));
    assert_eq!(ends(&mut run(path, "--lock x --wait 60s", "exit 4")).1, 4);
    signal(&waits, "CONT");
    assert_eq!(waits.wait_with_output().unwrap().status.code(), Some(3));
}

#[test]
fn a_run_stopped_with_its_command_continues_and_rolls_back() {
    let dir = dir();
    let path = dir.path();
    fs::write(path.join("f"), "old\n").unwrap();
    let script = "echo new > f; touch ready; until [ -e go ] || [ ! -e ready ]; do sleep 0.01; done; exit 3";
    let works = spawn(run(path, "--lock x --backup f --rollback", script).process_group(0));
    appears(&path.join("ready"));
    signal(&works, "TSTP");
    fs::write(path.join("go"), "").unwrap();
    assert_eq!(ends(&mut run(path, "--lock x", "true")).1, 75, "a stopped run keeps what it holds");
    signal(&works, "CONT");
    assert_eq!(works.wait_with_output().unwrap().status.code(), Some(76));
    assert_eq!(read(path, "f").as_deref(), Some("old\n"));
}

#[test]
fn a_signal_never_interrupts_a_rollback() {
    let dir = dir();
    let path = dir.path();
    // Large enough that the signals come while it is put back.
    fs::write(path.join("f"), vec![b'x'; 64 << 20]).unwrap();
    let works = spawn(&mut run(path, "--backup f --rollback", "echo new > f; touch ready; exec sleep 60"));
    appears(&path.join("ready"));
    signal(&works, "TERM");
    while !is_being_put_back(path) {
        std::thread::yield_now();
    }
    for name in ["TERM", "INT", "HUP", "TERM"] {
        signal(&works, name);
    }
    assert_eq!(works.wait_with_output().unwrap().status.signal(), Some(15));
    assert_eq!(fs::metadata(path.join("f")).unwrap().len(), 64 << 20);
    let left = left_by_a_rollback(path);
    assert!(left.is_empty(), "it was finished: {left:?}");
}

#[test]
fn every_signal_that_ends_a_process_stops_the_command_and_rolls_back() {
    for name in ["INT", "TERM", "HUP", "QUIT", "ALRM", "USR1", "USR2", "VTALRM", "PROF", "XCPU"] {
        let dir = dir();
        let path = dir.path();
        fs::write(path.join("f"), "old\n").unwrap();
        // Without the directory it ends by itself.
        let script = "trap 'touch stopped; exit 0' TERM; echo new > f; touch ready; while [ -e ready ]; do sleep 0.01; done";
        let mut works = spawn(&mut run(path, "--backup f --rollback", script));
        appears(&path.join("ready"));
        signal(&works, name);
        let number = works.wait().unwrap().signal();
        let same = std::process::Command::new("kill").args(["-l", name]).output().unwrap();
        assert_eq!(
            number.map(|number| number.to_string()).as_deref(),
            Some(text(&same.stdout).trim()),
            "{name}"
        );
        assert_eq!(read(path, "f").as_deref(), Some("old\n"), "{name}");
        assert!(path.join("stopped").exists(), "{name}");
    }
}

/// A copy of the file is being made, to put it back.
fn is_being_put_back(dir: &Path) -> bool {
    let names = fs::read_dir(dir).unwrap().map(|it| it.unwrap().file_name());
    names.into_iter().any(|name| name.to_string_lossy().contains("-copy."))
}

#[test]
fn a_signal_during_a_rollback_acts_after_the_rollback() {
    for (name, number) in [("TERM", 15), ("INT", 2), ("HUP", 1), ("QUIT", 3)] {
        let dir = dir();
        let path = dir.path();
        fs::write(path.join("f"), vec![b'x'; 16 << 20]).unwrap();
        let script = "echo new > f; touch failed; exit 3";
        let works = spawn(&mut run(path, "--backup f --rollback --fallback true", script));
        appears(&path.join("failed"));
        while !is_being_put_back(path) {
            std::thread::yield_now();
        }
        // Held in the middle, so that the signal comes there.
        signal(&works, "STOP");
        assert!(is_being_put_back(path), "it is not over yet");
        signal(&works, name);
        signal(&works, "CONT");
        let ended = works.wait_with_output().unwrap();
        assert_eq!(ended.status.signal(), Some(number), "{name}: {}", text(&ended.stderr));
        assert_eq!(fs::metadata(path.join("f")).unwrap().len(), 16 << 20, "{name}");
        assert!(left_by_a_rollback(path).is_empty());
    }
}

/// The journals and copies that are there.
fn left_by_a_rollback(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).unwrap().map(|it| it.unwrap().file_name().into_string().unwrap());
    names.filter(|name| [".journal", ".old"].iter().any(|end| name.ends_with(end))).collect()
}

#[test]
fn keys_typed_during_a_rollback_act_after_the_rollback() {
    // Ctrl-Z is lost where the process is held for it: the file is as large as it has to be.
    for (key, seen) in [(b"\x1a", "stopped"), (b"\x03", "ended by 2")] {
        let is_in_time = (4..9).any(|size| {
            let dir = dir();
            let path = dir.path();
            let size: u64 = 1 << (20 + size);
            fs::write(path.join("f"), vec![b'x'; usize::try_from(size).unwrap()]).unwrap();
            // As an interactive shell does: a group for each job, and the terminal goes with it.
            let run = "$RUN --backup f --rollback -- sh -c 'echo new > f; exit 3'";
            let look = "stat -c 'size %s' f; ls -A";
            let shell = format!(
                "set -m; trap 'echo caught' INT; {run}; code=$?; {look}; \
                 case $code in 130) echo ended by 2;; 14[78]) echo stopped; fg > /dev/null; echo code $?;; esac"
            );
            let script = path.join("script.sh");
            fs::write(&script, shell).unwrap();
            let is_there = || is_being_put_back(path);
            let screen = typed(path, &format!("sh {}", script.display()), key, is_there);
            assert!(screen.contains(&format!("size {size}")), "the file is whole: {screen}");
            assert!(!screen.contains(".journal") && !screen.contains(".old"), "it was finished: {screen}");
            assert!(!screen.contains("stopped") || screen.contains("code 76"), "{screen}");
            screen.contains(seen)
        });
        assert!(is_in_time, "the key was typed too late each time: {seen}");
    }
}

#[test]
fn a_run_in_a_pipeline_survives_ctrl_z_and_fg() {
    let dir = dir();
    let path = dir.path();
    let waits = "touch ready; until [ -e go ] || [ ! -e ready ]; do sleep 0.01; done; echo done";
    // The group of the shell, and that in the foreground of its terminal.
    let state = "{ stty -g; read -r stat < /proc/$$/stat; set -- $stat; echo $5 $8; }";
    let shell = format!(
        "set -m; {state} > before; $RUN --retries 1 -- sh -c '{waits}' | cat; echo first $?; {state} > stopped; \
         touch go; fg > /dev/null; echo second $?; {state} > after; cmp before stopped && cmp before after && echo same"
    );
    let script = path.join("script.sh");
    fs::write(&script, shell).unwrap();
    let screen = typed(path, &format!("sh {}", script.display()), b"\x1a", || path.join("ready").exists());
    assert!(screen.contains("first 148") && screen.contains("second 0"), "stopped, and continued: {screen}");
    assert!(screen.contains("done") && screen.contains("same"), "{screen}");
}

/// A container that another program enters (`docker exec`, `unshare --pid`) shows a group, a session and a parent from
/// outside of it as 0.
#[test]
fn a_run_started_from_outside_its_pid_namespace_rolls_back() {
    // The first has the `/proc` of the namespace, the other that of the processes outside.
    for proc in [&["--mount-proc"][..], &[]] {
        let dir = dir();
        let path = dir.path();
        fs::write(path.join("f"), "old\n").unwrap();
        // It is process 1; the command below a shell is not.
        for around in ["exec", "true;"] {
            let mut entered = super::unspoilt("unshare");
            entered.args(["--user", "--map-root-user", "--pid", "--fork"]).args(proc);
            let inner = format!(
                "{around} {} run --backup f --rollback -- sh -c 'echo new > f; exit 3'",
                super::BINARY
            );
            entered.args(["sh", "-c", &inner]).current_dir(path).env("RESILIENCE_STATE", path.join("state"));
            let output = super::output(&mut entered);
            let errors = text(&output.stderr);
            if errors.starts_with("unshare:") {
                eprintln!("no namespace can be made here: {errors}");
                return;
            }
            assert_eq!(output.status.code(), Some(76), "{proc:?} {around} {errors}");
            assert_eq!(read(path, "f").as_deref(), Some("old\n"));
        }
    }
}

#[test]
fn process_1_of_a_container_ends_with_the_code_of_the_signal() {
    let dir = dir();
    let mut entered = super::unspoilt("unshare");
    entered.args(["--user", "--map-root-user", "--pid", "--fork", super::BINARY, "run", "--"]);
    entered.args(["sh", "-c", "kill -TERM 1; sleep 60"]).env("RESILIENCE_STATE", dir.path().join("state"));
    let output = super::output(&mut entered);
    let errors = text(&output.stderr);
    if errors.starts_with("unshare:") {
        eprintln!("no namespace can be made here: {errors}");
        return;
    }
    assert_eq!(output.status.code(), Some(143), "{}: {errors}", output.status);
}
