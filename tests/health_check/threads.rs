//! Checks that keep their threads, in processes of their own.

use super::is_ready;
use resilience::health::{self, Check, Level};
use std::process::Command;
use std::sync::RwLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::yield_now;
use std::time::Duration;

/// The names of the threads of this process, of which the kernel keeps 15 bytes.
fn threads() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").expect("the threads").flatten();
    // A thread may have ended in between.
    tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok()).collect()
}

/// Not a test of its own: asks about a check that never returns.
#[test]
#[ignore = "run by another, in a process of its own"]
fn asks() {
    if std::env::var_os("HEALTH_TEST_ALONE").is_none() {
        return;
    }
    let blocks = || -> () {
        loop {
            std::thread::park();
        }
    };
    Check::new("blocks", blocks).timeout(Duration::from_millis(1)).register();
    let blocks = || health::check("blocks").expect("a check");
    let mut first = blocks();
    // Its thread may not have begun within the limit.
    while first.level == Level::Warn {
        first = blocks();
    }
    assert_eq!(first.level, Level::Fail, "{first}");
    let then = threads();
    assert_eq!(then.iter().filter(|name| name.starts_with("resilience-heal")).count(), 1, "{then:?}");
    for _ in 1..1_000 {
        // The message says since when, so that it is the look of the first question each time.
        assert_eq!(blocks().message, first.message);
    }
    let now = threads();
    assert_eq!(now.len(), then.len(), "{then:?} before, {now:?} now");
    println!("all seen");
}

/// Not a test of its own: asks about a check while others hold all threads.
#[test]
#[ignore = "run by another, in a process of its own"]
fn asks_without_a_thread() {
    static GATE: RwLock<()> = RwLock::new(());
    static BEGUN: AtomicUsize = AtomicUsize::new(0);
    if std::env::var_os("HEALTH_TEST_ALONE").is_none() {
        return;
    }
    let closed = GATE.write().expect("a gate");
    let holds = || {
        BEGUN.fetch_add(1, Ordering::Relaxed);
        drop(GATE.read());
    };
    for n in 1..=16 {
        let name = format!("holds:{n}");
        Check::new(&name, holds).timeout(Duration::from_millis(1)).register();
        health::check(&name).expect("a check");
        while BEGUN.load(Ordering::Relaxed) < n {
            yield_now();
        }
    }
    Check::new("waits", || "fine").timeout(Duration::from_millis(20)).critical().register();
    let waits = || health::check("waits").expect("a check");
    let status = waits();
    assert!(status.level == Level::Warn && status.healthy, "{status}");
    assert!(status.message.starts_with("not judged: it waits since 20"), "{status}");
    // Nothing is known of the component before its first look. The other critical checks of this program wait, too.
    assert!(health::unregister("answer") && health::unregister("guarded"));
    assert!(!is_ready("waits"));
    drop(closed);
    // Its limit counts from when it has a thread.
    while waits().level != Level::Pass {
        yield_now();
    }
    assert_eq!(waits().to_string(), "waits: pass: fine");
    assert!(is_ready("waits"));
    println!("all seen");
}

#[test]
fn a_check_that_never_returns_uses_only_one_thread() {
    alone("threads::asks");
}

#[test]
fn a_check_without_a_free_thread_is_not_judged() {
    alone("threads::asks_without_a_thread");
}

/// Runs an ignored test in a process of its own.
fn alone(name: &str) {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", name, "--ignored", "--nocapture", "--test-threads=1"]);
    command.env("HEALTH_TEST_ALONE", "1");
    let output = command.output().expect("a child");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("all seen"), "{out}\n{err}");
}
