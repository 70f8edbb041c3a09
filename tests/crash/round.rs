//! One round: processes on one store, and what happens to them.

use crate::judge::judge;
use crate::random::Random;
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const MOMENTS: [&str; 9] = [
    "after claim",
    "after body",
    "before complete",
    "after complete",
    "rollback started",
    "after undo",
    "in rollback",
    "in sweep",
    "after save",
];
const HOUR: i64 = 3_600;
/// Far longer than a round takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(120);

/// What is loaded into the processes; without a C compiler nothing is.
#[derive(Debug)]
pub(crate) struct Shims {
    pub(crate) disk: PathBuf,
    pub(crate) clock: PathBuf,
}

/// A directory for one round, with the processes that use it; all are gone at its end.
struct Round<'a> {
    dir: PathBuf,
    random: Random,
    shims: Option<&'a Shims>,
    /// Whether the power may be cut: then a file is kept as it was synced.
    has_disk: bool,
    children: Vec<Child>,
    /// How many processes were started.
    started: u32,
    /// What happened, for the message of a failure.
    story: String,
}

impl Drop for Round<'_> {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.dir);
    }
}

/// Sends `signal` to processes that were not waited for yet.
fn send(signal: &str, children: &[&Child]) {
    if children.is_empty() {
        return;
    }
    let pids = children.iter().map(|child| child.id().to_string());
    Command::new("kill").arg(signal).args(pids).stderr(Stdio::null()).status().expect("kill");
}

fn is_stopped(child: &Child) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('T'))
}

impl<'a> Round<'a> {
    fn new(seed: u64, shims: Option<&'a Shims>) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = (std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let dir = std::env::temp_dir().join(format!("resilience-crash-{}-{}", name.0, name.1));
        for part in ["state", "image"] {
            fs::create_dir_all(dir.join(part)).expect("a directory");
        }
        fs::set_permissions(dir.join("state"), fs::Permissions::from_mode(0o700)).expect("its mode");
        fs::write(dir.join("clock"), 0_i64.to_ne_bytes()).expect("the clock");
        let mut random = Random::seeded(seed);
        let has_disk = shims.is_some() && random.below(3) == 0;
        Self { dir, random, shims, has_disk, children: Vec::new(), started: 0, story: String::new() }
    }

    /// The test `name` of this program in a process of its own.
    fn command(&self, name: &str) -> Command {
        let mut command = Command::new(std::env::current_exe().expect("this program"));
        command.args(["--exact", name, "--ignored", "--quiet", "--nocapture", "--test-threads=1"]);
        command.env("CRASH_DIR", &self.dir).stdin(Stdio::null());
        if let Some(shims) = self.shims {
            let mut loaded = shims.clock.clone().into_os_string();
            if self.has_disk {
                loaded.push(":");
                loaded.push(&shims.disk);
            }
            command.env("LD_PRELOAD", loaded).env("CLOCK_FILE", self.dir.join("clock"));
            command.env("DISK_DIR", self.dir.join("state")).env("DISK_IMAGE", self.dir.join("image"));
        }
        command
    }

    fn start(&mut self, is_struck: bool) {
        let mut command = self.command("process");
        let mut how = String::new();
        if is_struck && self.random.below(2) == 0 {
            let (at, nth) = (self.random.one_of(&MOMENTS), self.random.below(8) + 1);
            let signal = self.random.one_of(&["-KILL", "-KILL", "-STOP"]);
            how = format!("({signal} {at}#{nth})");
            command.env("CRASH_AT", at).env("CRASH_NTH", nth.to_string()).env("CRASH_SIGNAL", signal);
        }
        self.started += 1;
        self.story += &format!(" start{how}");
        command.env("CRASH_ORDER", self.random.below(1 << 20).to_string());
        let output = File::create(self.dir.join(format!("output-{}", self.started))).expect("a file");
        command.stdout(output.try_clone().expect("a file")).stderr(output);
        self.children.push(command.spawn().expect("a process"));
    }

    fn pause(&mut self, most: u64) {
        std::thread::sleep(Duration::from_micros(self.random.below(most)));
    }

    /// A process chosen at random, if one runs.
    fn victim(&mut self) -> Option<usize> {
        let count = self.children.len() as u64;
        (count > 0).then(|| self.random.below(count) as usize)
    }

    fn kill(&mut self) {
        if let Some(victim) = self.victim() {
            self.story += " kill";
            // It may have ended before.
            let _ = self.children[victim].kill();
        }
    }

    fn stop(&mut self) {
        if let Some(victim) = self.victim() {
            self.story += " stop";
            send("-STOP", &[&self.children[victim]]);
            self.pause(15_000);
            send("-CONT", &[&self.children[victim]]);
        }
    }

    /// Ends all processes at once, and leaves of the store what was synced.
    fn cut_power(&mut self) {
        self.story += " cut";
        for child in &mut self.children {
            let _ = child.kill();
        }
        for mut child in self.children.drain(..) {
            child.wait().expect("a process");
        }
        let (state, image) = (self.dir.join("state"), self.dir.join("image"));
        // A process was killed between naming the new store and telling the disk so; who synced the log since has
        // synced the directory.
        let file = "store.sqlite";
        if !image.join(file).exists() && image.join("store.sqlite-wal").exists() {
            fs::copy(state.join(file), image.join(file)).expect("a file");
        }
        for entry in fs::read_dir(&state).expect("a directory").map(|entry| entry.expect("an entry")) {
            let is_synced_or_gone = entry.file_name().to_string_lossy().starts_with("store.sqlite");
            // What nobody has synced may be there all the same.
            let is_lucky = self.random.below(2) == 0;
            if entry.file_type().expect("a type").is_file() && (is_synced_or_gone || !is_lucky) {
                fs::remove_file(entry.path()).expect("a file");
            }
        }
        for entry in fs::read_dir(&image).expect("a directory").map(|entry| entry.expect("an entry")) {
            if entry.path().extension().is_some_and(|end| end == "part") {
                fs::remove_file(entry.path()).expect("a file");
            } else if entry.file_name() != "sync-ignored" {
                fs::copy(entry.path(), state.join(entry.file_name())).expect("a file");
            }
        }
        // Nobody has synced the files that processes lock, so they may be lost, too.
        if self.random.below(16) == 0 && fs::remove_dir_all(state.join("owners")).is_ok() {
            self.story += "(without owners)";
        }
        for _ in 0..=self.random.below(2) {
            self.start(true);
        }
    }

    fn set_clock(&mut self) {
        let off = self.random.one_of(&[-HOUR, 0, HOUR]);
        self.story += &format!(" clock{off:+}");
        // The processes have it mapped: it must not be truncated.
        let file = OpenOptions::new().write(true).truncate(false).open(self.dir.join("clock"));
        file.and_then(|mut file| file.write_all(&off.to_ne_bytes())).expect("the clock");
    }

    /// Removes processes that have ended, and starts others for those that were killed.
    fn reap(&mut self, is_struck: bool) -> Result<(), String> {
        let mut killed = 0;
        let mut failed = None;
        self.children.retain_mut(|child| match child.try_wait().expect("a process") {
            None => true,
            Some(status) => {
                match status {
                    _ if status.success() => {}
                    _ if is_kill(status) => killed += 1,
                    other => failed = Some(other),
                }
                false
            }
        });
        if let Some(status) = failed {
            return Err(format!("a process ended by itself: {status}\n{}", self.output()));
        }
        // The power may have gone at just the moment at which the process was killed.
        if killed > 0 && is_struck && self.has_disk && self.random.below(4) == 0 {
            self.cut_power();
        } else {
            (0..killed).for_each(|_| self.start(is_struck));
        }
        Ok(())
    }

    /// What the processes wrote.
    fn output(&self) -> String {
        let read = |n| fs::read_to_string(self.dir.join(format!("output-{n}"))).unwrap_or_default();
        (1..=self.started).map(read).collect::<Vec<_>>().join("----\n")
    }

    /// Lets all processes come to their end.
    fn finish(&mut self) -> Result<(), String> {
        self.story += " finish";
        let begun = Instant::now();
        if self.children.is_empty() {
            self.start(false);
        }
        while !self.children.is_empty() {
            let stopped: Vec<&Child> = self.children.iter().filter(|child| is_stopped(child)).collect();
            send("-CONT", &stopped);
            self.reap(false)?;
            if begun.elapsed() > LIMIT {
                return Err(format!("{} processes do not end\n{}", self.children.len(), self.output()));
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// The records, one a line.
    fn records(&self) -> Result<Vec<String>, String> {
        let output = self.command("print").output().expect("a process");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if !output.status.success() {
            return Err(format!(
                "the store cannot be read: {text}{}",
                String::from_utf8_lossy(&output.stderr)
            ));
        }
        Ok(text.lines().filter_map(|line| line.strip_prefix("record ")).map(ToOwned::to_owned).collect())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    fn disturb(&mut self) -> Result<(), String> {
        for _ in 0..=self.random.below(5) {
            self.pause(30_000);
            match self.random.below(10) {
                0..3 => self.kill(),
                3..5 => self.stop(),
                5..7 if self.has_disk => self.cut_power(),
                7..9 if self.shims.is_some() => self.set_clock(),
                _ => {}
            }
            self.reap(true)?;
        }
        Ok(())
    }

    fn tell(mut self, seed: u64, undisturbed: &[String]) -> Result<(), String> {
        let result = self.run(undisturbed);
        result.map_err(|problem| format!("round {seed}:{}\n{problem}\nlog:\n{}", self.story, self.log()))
    }

    fn run(&mut self, undisturbed: &[String]) -> Result<(), String> {
        for _ in 0..2 + self.random.below(3) {
            self.start(true);
        }
        self.disturb()?;
        self.finish()?;
        judge(&self.log(), &self.records()?, undisturbed)
    }
}

fn is_kill(status: ExitStatus) -> bool {
    use std::os::unix::process::ExitStatusExt;
    status.signal() == Some(9)
}

/// The records that an undisturbed run leaves.
pub(crate) fn undisturbed(shims: Option<&Shims>) -> Vec<String> {
    let mut round = Round::new(u64::MAX, shims);
    round.start(false);
    round.finish().unwrap_or_else(|problem| panic!("an undisturbed run: {problem}"));
    round.records().unwrap_or_else(|problem| panic!("an undisturbed run: {problem}"))
}

/// One round, whose course depends on `seed` and on the machine.
///
/// # Errors
///
/// What was wrong at its end, and what had happened.
pub(crate) fn round(seed: u64, shims: Option<&Shims>, undisturbed: &[String]) -> Result<(), String> {
    Round::new(seed, shims).tell(seed, undisturbed)
}

/// One round on a disk that acknowledges writes and does not make them.
///
/// # Errors
///
/// As [`round`].
pub(crate) fn round_on_a_disk_that_lies(
    seed: u64,
    shims: &Shims,
    undisturbed: &[String],
) -> Result<(), String> {
    let mut round = Round::new(seed, Some(shims));
    round.has_disk = true;
    fs::write(round.dir.join("image/sync-ignored"), "").expect("the fault");
    round.tell(seed, undisturbed)
}
