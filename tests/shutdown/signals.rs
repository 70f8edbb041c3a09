//! Real signals to real processes.

use super::common::{Scratch, Speaking, child, given_dir, say};
use super::{Error, LONG};
use resilience::durable::{MemoryStore, use_store};
use resilience::{job, shutdown, shutdown_blocking};
use std::os::unix::process::ExitStatusExt;
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

#[job("blocks:{id}")]
fn blocks(id: u32) -> Result<(), Error> {
    let _ = id;
    say("blocks");
    loop {
        thread::park();
    }
}

/// Not a test of its own: ends in order at a signal, with a job that blocks if the directory has a file `blocks`.
#[test]
#[ignore = "run by others, in a process of its own"]
fn serves() {
    let Some(dir) = given_dir() else { return };
    use_store(Arc::new(MemoryStore::new()));
    let signal = shutdown::signal().unwrap();
    if dir.join("blocks").exists() {
        thread::spawn(|| blocks(1));
    } else {
        say("serves");
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let report = if dir.join("async").exists() {
        runtime.block_on(async {
            signal.await;
            say("signalled");
            shutdown(LONG).await
        })
    } else {
        signal.wait();
        say("signalled");
        // In a runtime the waiting happens elsewhere.
        runtime.block_on(async { shutdown_blocking(LONG) })
    };
    say(&format!("left {}", report.left.iter().filter_map(|left| left.job.clone()).collect::<String>()));
    std::process::exit(if report.is_complete() { 0 } else { 7 });
}

fn start(scratch: &Scratch, files: &[&str]) -> Speaking {
    for file in files {
        std::fs::write(scratch.path(file), "").unwrap();
    }
    Speaking::start(&mut child("signals::serves", &scratch.path("")))
}

#[test]
fn the_first_signal_shuts_down_in_order() {
    for (signal, files) in [("TERM", &[][..]), ("INT", &["async"][..])] {
        let scratch = Scratch::new();
        let mut serves = start(&scratch, files);
        serves.wait_for("serves");
        serves.signal(signal);
        serves.wait_for("signalled");
        serves.wait_for("left ");
        serves.end();
    }
}

#[test]
fn the_second_signal_ends_the_wait_and_lists_unfinished_work() {
    for files in [&["blocks"][..], &["blocks", "async"][..]] {
        let scratch = Scratch::new();
        let mut serves = start(&scratch, files);
        serves.wait_for("blocks");
        serves.signal("TERM");
        serves.wait_for("signalled");
        serves.signal("TERM");
        serves.wait_for("left blocks:1");
        assert_eq!(serves.status().code(), Some(7));
    }
}

/// Not a test of its own: does work of its own after the first signal, and shuts down with a job that blocks.
#[test]
#[ignore = "run by others, in a process of its own"]
fn shuts_down_late() {
    let Some(dir) = given_dir() else { return };
    use_store(Arc::new(MemoryStore::new()));
    let signal = shutdown::signal().unwrap();
    thread::spawn(|| blocks(1));
    signal.wait();
    say("signalled");
    while !dir.join("go").exists() {
        thread::yield_now();
    }
    let limit = Duration::from_secs(20);
    let report = shutdown_blocking(limit);
    say(&format!("left {}", report.left.len()));
    std::process::exit(if report.took < limit / 2 { 0 } else { 7 });
}

#[test]
fn a_second_signal_before_the_shutdown_ends_its_wait() {
    let scratch = Scratch::new();
    let mut late = Speaking::start(&mut child("signals::shuts_down_late", &scratch.path("")));
    late.wait_for("blocks");
    late.signal("TERM");
    late.wait_for("signalled");
    late.signal("TERM");
    std::fs::write(scratch.path("go"), "").unwrap();
    late.wait_for("left 1");
    assert_eq!(late.status().code(), Some(0), "it has waited for the job");
}

/// Not a test of its own: takes signals, and reacts to none.
#[test]
#[ignore = "run by others, in a process of its own"]
fn ignores() {
    let Some(_) = given_dir() else { return };
    drop(shutdown::signal().unwrap());
    say("ignores");
    loop {
        thread::park();
    }
}

#[test]
fn the_third_signal_kills_the_process() {
    let scratch = Scratch::new();
    let mut ignores = Speaking::start(&mut child("signals::ignores", &scratch.path("")));
    ignores.wait_for("ignores");
    // Signals of one kind that come before the library looks are one, so more than three may be needed.
    let mut sent = 0;
    while !has_ended(ignores.pid()) {
        ignores.signal("TERM");
        until_taken(ignores.pid());
        sent += 1;
    }
    assert!(sent >= 3, "{sent}");
    assert_eq!(ignores.status().signal(), Some(15));
}

#[test]
fn the_third_signal_ends_process_1_of_a_container_with_its_code() {
    let unshare = || {
        let mut unshare = Command::new("unshare");
        unshare.args(["--user", "--map-root-user", "--pid", "--fork", "--kill-child"]);
        unshare
    };
    if !unshare().arg("true").status().is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: no namespace can be made here");
        return;
    }
    let scratch = Scratch::new();
    let inner = child("signals::ignores", &scratch.path(""));
    let mut entered = unshare();
    entered.arg(inner.get_program()).args(inner.get_args());
    entered.envs(inner.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let mut ignores = Speaking::start(&mut entered);
    ignores.wait_for("ignores");
    let outer = ignores.pid();
    let children = std::fs::read_to_string(format!("/proc/{outer}/task/{outer}/children")).unwrap();
    let pid: u32 = children.trim().parse().unwrap();
    while !has_ended(pid) {
        // It may end in between.
        let _ = Command::new("kill").args(["-TERM", &pid.to_string()]).output();
        until_taken(pid);
    }
    assert_eq!(ignores.status().code(), Some(143));
}

/// Whether the process has ended; how, is not asked for yet.
fn has_ended(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("State:"))
        .is_none_or(|state| state.trim().starts_with('Z'))
}

/// Waits until no signal waits for the process, or it has ended.
fn until_taken(pid: u32) {
    loop {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let waits = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("0");
            u64::from_str_radix(line.trim(), 16).unwrap_or(0) & 0x4002
        };
        if waits("SigPnd:") | waits("ShdPnd:") == 0 {
            return;
        }
        thread::yield_now();
    }
}

/// Not a test of its own: uses the library without a word about signals.
#[test]
#[ignore = "run by others, in a process of its own"]
fn has_no_handler() {
    let Some(_) = given_dir() else { return };
    use_store(Arc::new(MemoryStore::new()));
    say("runs");
    loop {
        thread::park();
    }
}

#[test]
fn signals_keep_their_default_without_a_handler() {
    let scratch = Scratch::new();
    let mut runs = Speaking::start(&mut child("signals::has_no_handler", &scratch.path("")));
    runs.wait_for("runs");
    let handled =
        Command::new("grep").args(["SigCgt", &format!("/proc/{}/status", runs.pid())]).output().unwrap();
    let handled = String::from_utf8_lossy(&handled.stdout);
    let mask = u64::from_str_radix(handled.split_whitespace().last().unwrap(), 16).unwrap();
    assert_eq!(mask & 0x4002, 0, "INT and TERM have their default");
    runs.signal("TERM");
    assert_eq!(runs.status().signal(), Some(15));
}
