//! A real process with a real environment, which is sent real signals.

use crate::support::{Scratch, info};
use resilience::{Event, config, events, with_retry};
use std::fs;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

#[with_retry(max = 3, name = "process::call")]
fn call() -> std::io::Result<u32> {
    Ok(1)
}

#[with_retry(max = 3, name = "process::by_variable")]
fn by_variable() -> std::io::Result<u32> {
    Ok(1)
}

const CHILD: &str = "CONFIG_TEST_CHILD";

/// The child: says what is in force at start and after each load.
#[test]
fn child() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let _ = (call(), by_variable());
    let say = |word: &str| {
        println!("= {word} {} {}", info("process::call").max_calls, info("process::by_variable").max_calls);
        std::io::stdout().flush().unwrap();
    };
    let mut events = events::subscribe();
    config::on_sighup().unwrap();
    config::on_sighup().unwrap();
    let loaded = config::load(Path::new(&path));
    say(if loaded.is_ok() { "loaded" } else { "refused" });
    drop(events.recv_blocking());
    for _ in 0..2 {
        let record = events.recv_blocking();
        let Event::Config { refused, .. } = &record.event else { panic!("{record}") };
        say(if *refused { "refused" } else { "loaded" });
    }
}

struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Process {
    fn start(path: &Path, variables: &[(&str, &str)]) -> Self {
        let program = std::env::current_exe().unwrap();
        let mut command = Command::new(program);
        command.args(["--exact", "process::child", "--nocapture", "--test-threads=1"]);
        command.env(CHILD, path).envs(variables.iter().copied()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next line that the child itself has printed.
    fn says(&mut self) -> String {
        let line = self
            .lines
            .by_ref()
            .map(Result::unwrap)
            .find_map(|line| line.split_once("= ").map(|(_, said)| said.to_owned()));
        line.expect("a line")
    }

    fn hang_up(&self) {
        let sent = Command::new("kill").args(["-HUP", &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(unix)]
#[test]
fn sighup_reloads_the_file_and_an_invalid_one_changes_nothing() {
    let scratch = Scratch::new();
    let path = scratch.write("shop.toml", "[\"process::call\".with_retry]\nmax = 5\n");
    let variables = [("RESILIENCE__PROCESS_BY_VARIABLE__WITH_RETRY__MAX", "1")];
    let mut process = Process::start(&path, &variables);
    assert_eq!(process.says(), "loaded 6 2");
    fs::write(&path, "[\"process::call\".with_retry]\nmax = 7\n[with_retry]\nmax = 0\n").unwrap();
    process.hang_up();
    assert_eq!(process.says(), "loaded 8 2");
    fs::write(&path, "[\"process::call\".with_retry]\nmax = -1\n").unwrap();
    process.hang_up();
    assert_eq!(process.says(), "refused 8 2");
    assert!(process.child.wait().unwrap().success());
}

#[test]
fn a_failed_load_keeps_the_settings_of_the_code() {
    let scratch = Scratch::new();
    let path = scratch.write("shop.toml", "[\"process::call\".with_retry]\nmax = 5\n");
    let variables = [("RESILIENCE__PROCESS_BY_VARIABLE__WITH_RETRY__MAX", "many")];
    assert_eq!(Process::start(&path, &variables).says(), "refused 4 4");
}
