//! What these tests share: a directory of their own, and child processes.

#[path = "../shared/mod.rs"]
mod shared;

pub(crate) use shared::*;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

/// A child that speaks in lines, killed when it is dropped.
pub(crate) struct Speaking {
    child: Child,
    lines: std::io::Lines<BufReader<ChildStdout>>,
}

impl Speaking {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("a child");
        let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
        Self { child, lines }
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it says `line`.
    pub(crate) fn wait_for(&mut self, line: &str) {
        let said = self.lines.by_ref().map_while(Result::ok).any(|said| said == line);
        assert!(said, "it has ended without saying {line:?}");
    }

    pub(crate) fn signal(&self, name: &str) {
        let status = Command::new("kill").args([format!("-{name}"), self.pid().to_string()]).status();
        assert!(status.expect("a signal").success());
    }

    /// Lets it go on that waits in [`listen`].
    pub(crate) fn go(&mut self) {
        self.child.stdin.take();
    }

    /// Waits for its end, which is to be a good one.
    pub(crate) fn end(mut self) {
        self.go();
        assert!(self.child.wait().expect("the child").success());
    }

    /// Waits for its end, however it ends.
    #[allow(dead_code, reason = "the tests of locks kill or end it")]
    pub(crate) fn status(mut self) -> ExitStatus {
        self.child.wait().expect("the child")
    }

    pub(crate) fn kill(mut self) {
        self.child.kill().expect("a signal");
        self.child.wait().expect("the child");
    }
}

impl Drop for Speaking {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Says something to the parent.
pub(crate) fn say(line: &str) {
    println!("\n{line}");
    std::io::stdout().flush().expect("the pipe");
}

/// Waits until the parent lets this child go on.
pub(crate) fn listen() {
    let _ = std::io::stdin().read_line(&mut String::new());
}
