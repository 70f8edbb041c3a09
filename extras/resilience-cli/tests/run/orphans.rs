//! The processes of a run besides its command: those that it had before, and those that the command leaves to it.

use super::hold::read;
use super::{dir, ends, is_alive, run, unspoilt};
use std::process::Command;

#[test]
fn processes_from_before_the_run_are_not_killed() {
    let dir = dir();
    // The shell becomes the run, and its jobs are the children of that; one of them leaves a child of its own behind.
    let script = "exec > /dev/null 2>&1; sleep 60 & echo $! > job
        { sleep 60 & echo $! > deep; until [ -e ready ]; do sleep 0.01; done; } &
        until [ -s deep ]; do sleep 0.01; done
        exec $RUN --retries 1 --base 1ms --timeout 30s -- sh -c 'touch ready
            until [ \"$(cut -d \" \" -f 4 /proc/$(cat deep)/stat)\" = $PPID ]; do sleep 0.01; done
            setsid sleep 60 & echo $! >> left; exit 3'";
    let mut shell = unspoilt("sh");
    shell.args(["-c", script]).current_dir(dir.path());
    shell.env("RUN", format!("{} run", super::BINARY)).env("RESILIENCE_STATE", dir.path().join("state"));
    assert_eq!(ends(&mut shell).1, 3);
    for name in ["job", "deep"] {
        let pid = read(dir.path(), name).unwrap();
        assert!(is_alive(pid.trim()), "{name}");
        assert!(Command::new("kill").arg(pid.trim()).status().unwrap().success());
    }
    let left = read(dir.path(), "left").unwrap();
    assert_eq!(left.lines().count(), 2);
    for pid in left.lines() {
        assert!(!is_alive(pid), "what a failed attempt leaves behind is killed");
    }
}

#[test]
fn orphans_of_earlier_processes_are_not_killed() {
    let dir = dir();
    // A job of the shell begins another process during the run, and ends: the run is the parent of that then.
    let script = "exec > /dev/null 2>&1
        { until [ -e ready ]; do sleep 0.01; done; sleep 60 & echo $! > new; mv new late; } &
        exec $RUN --retries 1 --base 1ms --timeout 30s -- sh -c 'touch ready; until [ -s late ]; do sleep 0.01; done
            until [ \"$(cut -d \" \" -f 4 /proc/$(cat late)/stat || echo $PPID)\" = $PPID ]; do sleep 0.01; done
            sleep 60 & echo $! >> left; exit 3'";
    let mut shell = unspoilt("sh");
    shell.args(["-c", script]).current_dir(dir.path());
    shell.env("RUN", format!("{} run", super::BINARY)).env("RESILIENCE_STATE", dir.path().join("state"));
    assert_eq!(ends(&mut shell).1, 3);
    let late = read(dir.path(), "late").unwrap();
    assert!(is_alive(late.trim()), "it is none of the command's");
    assert!(Command::new("kill").arg(late.trim()).status().unwrap().success());
    let left = read(dir.path(), "left").unwrap();
    assert!(left.lines().count() == 2 && !left.lines().any(is_alive), "those of the command are killed");
}

/// The kernel cuts the name of a program off after 15 bytes, also in the middle of a character.
#[test]
fn leftovers_are_killed_whatever_the_bytes_of_their_names() {
    let dir = dir();
    let script = "ln -s \"$(command -v sleep)\" quartalsabschlüsse; ./quartalsabschlüsse 60 > /dev/null 2>&1 & echo $! > left
        until od -An -tx1 /proc/$!/comm | grep -q 'c3 0a'; do sleep 0.01; done; exit 3";
    assert_eq!(ends(&mut run(dir.path(), "", script)).1, 3);
    let left = read(dir.path(), "left").unwrap();
    assert!(!is_alive(left.trim()), "what a failed attempt leaves behind is killed");
}

#[test]
fn orphans_of_a_running_command_are_reaped() {
    let dir = dir();
    let script = "(sh -c 'echo $$ > new; mv new orphan' &); until [ -e orphan ]; do sleep 0.01; done
        for _ in $(seq 2000); do [ -e /proc/$(cat orphan) ] || exit 0; sleep 0.01; done; exit 3";
    assert_eq!(ends(&mut run(dir.path(), "", script)).1, 0, "it has no parent but the run");
}
