//! What these tests share: a directory of their own, and child processes.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// A directory that is gone when the test is over.
#[derive(Debug)]
pub(crate) struct Scratch(PathBuf);

impl Scratch {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("resilience-fs-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&dir).expect("a directory");
        Self(dir.canonicalize().expect("a directory"))
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Puts a pipe at `path`: a reader that opens it waits for a writer.
pub(crate) fn pipe(path: &Path) {
    assert!(Command::new("mkfifo").args(["-m", "600"]).arg(path).status().expect("mkfifo").success());
}

/// This test program again, to run the ignored test `name` only.
pub(crate) fn child(name: &str, dir: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this program"));
    command.args(["--exact", name, "--ignored", "--quiet", "--nocapture", "--test-threads=1"]);
    command.env("FS_TEST_DIR", dir);
    command
}

/// The directory that [`child`] was given; `None` in a run of all ignored tests.
pub(crate) fn given_dir() -> Option<PathBuf> {
    std::env::var_os("FS_TEST_DIR").map(PathBuf::from)
}

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

/// Counts the warnings about locks.
#[derive(Clone, Default)]
pub(crate) struct Warnings(Arc<AtomicU32>);

impl Warnings {
    pub(crate) fn count(&self) -> u32 {
        self.0.load(Ordering::SeqCst)
    }
}

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        *metadata.level() == Level::WARN && metadata.target() == "resilience::lock"
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
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
