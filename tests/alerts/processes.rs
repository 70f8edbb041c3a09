//! Processes that share one file, are killed, and find it full.

use crate::common::{Scratch, Speaking, child, given_dir, listen, say};
use crate::shim::compiled;
use resilience::alerts::{self, AlertLevel, Follower, recent_in};
use resilience::{CircuitBreaker, testing};
use std::collections::HashMap;
use std::fs;
use std::io::{self, BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// How many alerts four processes raise.
fn total() -> usize {
    std::env::var("ALERTS").map_or(10_000, |number| number.parse().expect("a number"))
}

/// Not a test of its own: raises alerts, and says the number of each that is written.
#[test]
#[ignore = "run by others, in a process of its own"]
fn appends() {
    let Some(dir) = given_dir() else { return };
    alerts::use_dir(&dir);
    alerts::rotate_at(64 << 10);
    for n in 0..total() / 4 {
        let number = format!("{}-{n}", std::process::id());
        let details = [("text", &*"x\n\"".repeat(n % 60))];
        if alerts::raise(AlertLevel::Warning, &number, &number, &details).is_written() {
            say(&format!("wrote {number}"));
        }
    }
    say("over");
}

/// The alerts that `child` has acknowledged; it is killed after the one of `until`.
fn acknowledged(mut command: Command, until: Option<usize>) -> Vec<String> {
    let mut child = command.stdout(Stdio::piped()).stdin(Stdio::null()).spawn().expect("a child");
    let lines = BufReader::new(child.stdout.take().expect("its output")).lines().map_while(Result::ok);
    let mut numbers = Vec::new();
    let mut is_over = false;
    for line in lines {
        is_over |= line == "over";
        numbers.extend(line.strip_prefix("wrote ").map(str::to_owned));
        if until.is_some_and(|until| until == numbers.len()) {
            child.kill().expect("a signal");
        }
    }
    child.wait().expect("its end");
    assert!(is_over || until.is_some());
    numbers
}

#[test]
fn alerts_are_read_once_across_rotations_a_kill_and_a_rename() {
    let scratch = Scratch::new();
    let dir = scratch.path("");
    let each = total() / 4;
    let mut follower = Follower::new(&dir);
    let is_over = AtomicBool::new(false);
    let (mut written, mut seen) = (Vec::new(), HashMap::<String, u32>::new());
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|n| {
                let command = child("processes::appends", &dir);
                let until =
                    (n == 0).then_some(each / 2 + usize::from(std::process::id() as u16) % (each / 4));
                scope.spawn(move || acknowledged(command, until))
            })
            .collect();
        let follows = scope.spawn(|| {
            let mut renamed = false;
            loop {
                let last = is_over.load(Ordering::SeqCst);
                let alerts = follower.next().expect("a look");
                let is_empty = alerts.is_empty();
                for alert in alerts {
                    *seen.entry(alert.message).or_default() += 1;
                }
                if !renamed && seen.len() > each {
                    fs::rename(dir.join("alerts.jsonl"), dir.join("moved.jsonl")).expect("a file");
                    renamed = true;
                }
                if last && is_empty {
                    assert!(renamed);
                    break;
                }
            }
        });
        for writer in writers {
            written.extend(writer.join().expect("a writer"));
        }
        is_over.store(true, Ordering::SeqCst);
        follows.join().expect("the follower");
    });
    assert!(written.len() > each * 3);
    for number in &written {
        assert_eq!(seen.get(number), Some(&1), "{number}");
    }
    assert!(seen.values().all(|times| *times == 1));
    // What was written but not acknowledged, and a line that was cut off: one at most, by the kill.
    assert!(seen.len() <= written.len() + 1, "{} read, {} written", seen.len(), written.len());
    assert!(follower.skipped() <= 1);
}

/// Not a test of its own: fills a file that may have 64 KiB, and raises again once it is gone.
#[test]
#[ignore = "run by others, in a process of its own"]
fn fills() {
    let Some(dir) = given_dir() else { return };
    alerts::use_dir(&dir);
    let mut written = 0;
    let raise =
        |message: &str| alerts::raise(AlertLevel::Critical, message, "x", &[("text", &"x".repeat(700))]);
    while raise(&written.to_string()).is_written() {
        written += 1;
    }
    assert!(written > 20, "{written}");
    assert!(!raise("lost").is_written());
    let text = fs::read_to_string(dir.join("alerts.jsonl")).expect("the file");
    assert!(text.ends_with("}\n"), "nothing is left of a line that did not fit");
    assert_eq!(recent_in(&dir, 1000).expect("a look").skipped, 0);
    fs::remove_file(dir.join("alerts.jsonl")).expect("the file");
    assert!(alerts::raise(AlertLevel::Critical, "a", "back", &[]).is_written());
    let seen = alerts::recent(10).expect("a look").alerts;
    assert_eq!((seen[0].message.as_str(), &seen[0].details["lost"]), ("alerts were lost", &"2".into()));
    assert_eq!(seen[1].message, "back");
}

#[test]
fn a_line_that_does_not_fit_is_cut_back_and_shown_on_stderr() {
    let scratch = Scratch::new();
    let inner = child("processes::fills", &scratch.path(""));
    // A file may not become larger, as on a disk that is full; the write that reaches the end is a short one.
    let mut limited = Command::new("sh");
    limited.args(["-c", "trap '' XFSZ; ulimit -f 64; exec \"$@\"", "sh"]);
    limited.arg(inner.get_program()).args(inner.get_args()).env("TEST_DIR", scratch.path(""));
    let output = limited.output().expect("a shell");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
    assert!(err.contains("this alert is in no file") && err.contains("lost: x"), "{err}");
}

/// Not a test of its own: takes the lock of the alerts, and keeps it.
#[test]
#[ignore = "run by others, in a process of its own"]
fn locks() {
    let Some(dir) = given_dir() else { return };
    let file = fs::File::create(dir.join("alerts.lock")).expect("the lock");
    file.lock().expect("the lock");
    say("locked");
    listen();
}

#[test]
fn a_lock_held_elsewhere_delays_an_alert_by_at_most_a_second() {
    let scratch = Scratch::new();
    let mut holder = Speaking::start(&mut child("processes::locks", &scratch.path("")));
    holder.wait_for("locked");
    let mut waits = Speaking::start(&mut child("processes::waits", &scratch.path("")));
    waits.wait_for("late");
    holder.kill();
    waits.end();
    let messages: Vec<_> = recent_in(scratch.path(""), 10).expect("a look").alerts;
    assert_eq!(messages.iter().map(|alert| &*alert.message).collect::<Vec<_>>(), ["late", "after"]);
}

#[test]
fn calls_do_not_wait_for_a_blocked_alert_file() {
    let (_world, scratch) = (testing::isolate(), Scratch::new());
    let mut holder = Speaking::start(&mut child("processes::locks", &scratch.path("")));
    holder.wait_for("locked");
    alerts::use_dir(scratch.path(""));
    for n in 0..500 {
        let breaker = CircuitBreaker::new(format!("stuck {n}").leak()).threshold(1);
        let failed: io::Result<()> = breaker.call(|| Err(io::ErrorKind::ConnectionReset.into()));
        assert!(failed.is_err());
    }
    assert!(
        recent_in(scratch.path(""), 1_000).expect("a look").alerts.is_empty(),
        "no line could be written"
    );
    holder.kill();
    assert!(alerts::flush(Duration::from_secs(60)));
    assert_eq!(recent_in(scratch.path(""), 1_000).expect("a look").alerts.len(), 500);
}

/// Not a test of its own: raises an alert that comes late, and then one that does not.
#[test]
#[ignore = "run by others, in a process of its own"]
fn waits() {
    let Some(dir) = given_dir() else { return };
    alerts::use_dir(&dir);
    assert!(!alerts::raise(AlertLevel::Critical, "a", "late", &[]).is_written());
    // Readers need no lock to go on.
    assert!(alerts::recent(10).expect("a look").alerts.is_empty());
    say("late");
    assert!(alerts::flush(Duration::from_secs(60)));
    assert!(alerts::raise(AlertLevel::Critical, "a", "after", &[]).is_written());
}

/// Not a test of its own: writes, reads and acknowledges alerts, one after the other.
#[test]
#[ignore = "run by others, in a process of its own"]
fn uses_the_lock() {
    let Some(dir) = given_dir() else { return };
    alerts::use_dir(&dir);
    let mut follower = Follower::new(&dir);
    for message in ["first", "second"] {
        assert!(alerts::escalate("a", message, &[]).is_written(), "{message}");
        assert_eq!(follower.next().expect("a look").len(), 1, "{message}");
        let seen = alerts::recent(1).expect("a look").alerts;
        assert!(alerts::acknowledge(seen[0].id(), "Ada").expect("the file"), "{message}");
    }
}

#[test]
fn a_child_that_is_forked_while_alerts_are_locked_does_not_keep_the_lock() {
    let scratch = Scratch::new();
    let mut command = child("processes::uses_the_lock", &scratch.path(""));
    command.env("HOSTILE_HEIRS", scratch.write("heirs", ""));
    command.env("LD_PRELOAD", compiled("tests/store/hostile.c").expect("a compiler"));
    assert!(command.status().expect("a child").success());
}

#[test]
fn a_signal_during_the_wait_for_the_lock_loses_no_alert() {
    let scratch = Scratch::new();
    let mut command = child("processes::uses_the_lock", &scratch.path(""));
    command.env("HOSTILE_SIGNAL", "1");
    command.env("LD_PRELOAD", compiled("tests/store/hostile.c").expect("a compiler"));
    assert!(command.status().expect("a child").success());
}

/// Not a test of its own: raises alerts, one of which the disk does not confirm.
#[test]
#[ignore = "run by others, in a process of its own"]
fn is_not_synced() {
    let Some(dir) = given_dir() else { return };
    alerts::use_dir(&dir);
    assert!(alerts::raise(AlertLevel::Warning, "a", "before", &[]).is_written());
    say("before");
    listen();
    assert!(!alerts::raise(AlertLevel::Critical, "a", "not synced", &[]).is_written());
    assert!(alerts::flush(Duration::from_secs(60)));
    assert!(alerts::raise(AlertLevel::Critical, "a", "after", &[]).is_written());
}

#[test]
fn a_failed_sync_takes_nothing_from_a_follower_that_has_read_the_line() {
    let scratch = Scratch::new();
    let mut command = child("processes::is_not_synced", &scratch.path(""));
    command.env("HOSTILE_UNSYNCED", scratch.path("sync"));
    command.env("LD_PRELOAD", compiled("tests/store/hostile.c").expect("a compiler"));
    let mut writer = Speaking::start(&mut command);
    writer.wait_for("before");
    let mut follower = Follower::new(scratch.path(""));
    let mut seen = || {
        let alerts = follower.next().expect("a look").into_iter();
        (alerts.map(|alert| alert.message).collect::<Vec<_>>(), follower.skipped())
    };
    assert_eq!(seen(), (vec!["before".to_owned()], 0));
    writer.go();
    let limit = Instant::now() + Duration::from_secs(60);
    while !scratch.path("sync.here").exists() {
        assert!(Instant::now() < limit, "nothing was synced");
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(seen(), (vec!["not synced".to_owned()], 0));
    fs::write(scratch.path("sync.go"), "").expect("a file");
    writer.end();
    assert_eq!(seen(), (vec!["alerts were lost".to_owned(), "after".to_owned()], 0));
}
