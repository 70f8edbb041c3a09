//! A check that never returns, in a process whose threads are counted.

use resilience::health::{self, Check, Level};
use std::process::Command;
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
    let first = health::check("blocks").expect("a check");
    assert_eq!(first.level, Level::Fail, "{first}");
    let then = threads();
    assert_eq!(then.iter().filter(|name| name.starts_with("resilience-heal")).count(), 1, "{then:?}");
    for _ in 1..1_000 {
        // The message says since when, so that it is the look of the first question each time.
        assert_eq!(health::check("blocks").expect("a check").message, first.message);
    }
    let now = threads();
    assert_eq!(now.len(), then.len(), "{then:?} before, {now:?} now");
    println!("all seen");
}

#[test]
fn a_check_that_never_returns_uses_only_one_thread() {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", "threads::asks", "--ignored", "--nocapture", "--test-threads=1"]);
    command.env("HEALTH_TEST_ALONE", "1");
    let output = command.output().expect("a child");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success() && out.contains("all seen"), "{out}\n{err}");
}
