//! `resilience run`, as a shell sees it: the real binary, real commands, pipes, signals and a terminal.

#[path = "run/alike.rs"]
mod alike;
#[path = "run/checkpoint.rs"]
mod checkpoint;
#[path = "run/example.rs"]
mod example;
#[path = "run/hold.rs"]
mod hold;
#[path = "run/kinds.rs"]
mod kinds;
#[path = "run/listing.rs"]
mod listing;
#[path = "run/moments.rs"]
mod moments;
#[path = "run/orphans.rs"]
mod orphans;
#[path = "run/signals.rs"]
mod signals;
#[path = "run/terminal.rs"]
mod terminal;
#[path = "run/unwritable.rs"]
mod unwritable;

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::Duration;
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_resilience");

/// `resilience run ..` with `words` split at spaces, and the shell script that it runs.
fn run(dir: &Path, words: &str, script: &str) -> Command {
    let mut command = unspoilt(BINARY);
    command.arg("run").args(words.split_whitespace()).args(["--", "sh", "-c", script]);
    command.current_dir(dir).env("RESILIENCE_STATE", dir.join("state")).stdin(Stdio::null());
    command.env("XDG_STATE_HOME", dir.join("home"));
    command
}

/// `program` with no signal ignored: a shell ignores some for what it runs in the background, tests perhaps.
fn unspoilt(program: &str) -> Command {
    let mut command = Command::new("env");
    command.args(["--default-signal", program]);
    command
}

fn output(command: &mut Command) -> Output {
    command.output().expect("the binary runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Standard output and the exit code.
#[track_caller]
fn ends(command: &mut Command) -> (String, i32) {
    let output = output(command);
    let code = output.status.code().unwrap_or_else(|| panic!("{}: {}", output.status, text(&output.stderr)));
    (text(&output.stdout), code)
}

fn dir() -> TempDir {
    tempfile::tempdir().expect("a directory")
}

/// How many lines the script has written into `calls`.
fn calls(dir: &Path) -> usize {
    fs::read_to_string(dir.join("calls")).unwrap_or_default().lines().count()
}

/// Waits until `file` is there.
fn appears(file: &Path) {
    for _ in 0..1000 {
        if file.exists() {
            return;
        }
        sleep(Duration::from_millis(10));
    }
    panic!("{} does not appear", file.display());
}

fn is_alive(pid: &str) -> bool {
    fs::read(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        !text(&stat).rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('Z'))
    })
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status();
    assert!(sent.expect("kill").success());
}

/// What users of `timeout`, `env` and `nohup` expect of exit codes.
#[test]
fn the_exit_code_is_that_of_the_command() {
    let dir = dir();
    let none = "--retries 0";
    for (words, script, expected) in [
        ("", "exit 0", 0),
        ("", "exit 7", 7),
        ("", "exit 125", 125),
        ("", "kill -KILL $$", 137),
        ("", "kill -TERM $$", 143),
        ("", "kill -SEGV $$", 139),
        (none, "exit 7", 7),
        ("--timeout 50ms", "exec sleep 60", 124),
        ("--total-timeout 50ms", "exec sleep 60", 124),
        ("--timeout 50ms --kill-after 50ms", "trap '' TERM; while :; do sleep 1; done", 137),
        ("--timeout 60", "exit 3", 3),
        ("--timeout 50ms", "trap 'exit 9' TERM; sleep 60 & wait", 124),
        ("--retries 2 --base 1ms", "exit 3", 3),
        ("--retries 2 --base 1ms --timeout 20ms", "exec sleep 60", 124),
        ("--retries 9 --base 1s --no-jitter --total-timeout 1100ms", "exit 3", 3),
        ("--fallback true", "exit 3", 0),
        ("--retries 1 --base 1ms --fallback exit\t4", "exit 3", 4),
    ] {
        let words = words.replace("exit\t4", "exit$4");
        let mut command = Command::new(BINARY);
        command.arg("run").args(words.split_whitespace().map(|word| word.replace('$', " ")));
        command.args(["--", "sh", "-c", script]).current_dir(dir.path()).stdin(Stdio::null());
        assert_eq!(ends(&mut command).1, expected, "{words} -- {script}");
    }
    let code = |words: &[&str]| output(Command::new(BINARY).arg("run").args(words)).status.code();
    assert_eq!(code(&["--", "/does/not/exist"]), Some(127));
    let missing = output(Command::new(BINARY).args(["run", "--", "./not\nthere"]));
    let said = text(&missing.stderr);
    assert!(said.starts_with("resilience: `./not\\u{a}there` cannot be started: No such file"), "{said}");
    assert_eq!(code(&["--", "/etc/passwd"]), Some(126));
    assert_eq!(code(&["--", "/"]), Some(126));
    for wrong in [
        &["--nonsense", "--", "true"][..],
        &[],
        &["true"],
        &["--retries", "-1", "--", "true"],
        &["--retries", "1", "--backoff", "0.5", "--", "true"],
        &["--timeout", "0", "--", "true"],
        &["--timeout", "soon", "--", "true"],
        &["--backoff", "2", "--", "true"],
        &["--retries", "1", "--base", "60s", "--total-timeout", "1s", "--", "true"],
        &["--retry-on", "0", "--retries", "1", "--", "true"],
    ] {
        assert_eq!(code(wrong), Some(125), "{wrong:?}");
    }
}

#[test]
fn results_are_reported_on_stderr_and_in_the_status_file() {
    let dir = dir();
    let status = dir.path().join("status");
    let said = |words: &str, script: &str| {
        let words = format!("--status-file {} {words}", status.display());
        let output = output(&mut run(dir.path(), &words, script));
        let status: serde_json::Value = serde_json::from_slice(&fs::read(&status).unwrap()).unwrap();
        let status = (status["result"].as_str().unwrap().to_owned(), status["attempts"].as_u64().unwrap());
        assert!(output.status.code().is_some_and(|code| code >= 0));
        (text(&output.stderr), status)
    };
    assert_eq!(said("", "exit 0"), (String::new(), ("ok".to_owned(), 1)));
    assert_eq!(said("--retries 2 --base 1ms", "exit 5"), (String::new(), ("failed".to_owned(), 3)));
    let (line, status) = said("--timeout 20ms", "exec sleep 60");
    assert_eq!((line.as_str(), status.0.as_str()), ("resilience: timed out after 20ms\n", "timed_out"));
    assert_eq!(said("--fallback true", "exit 5").1.0, "fell_back");
}

/// Else a script reads what an earlier run has written.
#[test]
fn wrong_usage_is_in_the_status_file() {
    let dir = dir();
    let file = dir.path().join(OsStr::from_bytes(b"status\xff"));
    let (option, name) = (OsStr::new("--status-file"), OsStr::from_bytes(b"status\xff"));
    for words in [[option, name].as_slice(), &[OsStr::from_bytes(b"--status-file=status\xff")]] {
        fs::write(&file, r#"{"result":"ok"}"#).unwrap();
        let mut command = Command::new(BINARY);
        command.args(["run", "--retries", "x"]).args(words).args(["--", "true"]).current_dir(dir.path());
        assert_eq!(output(&mut command).status.code(), Some(125));
        let status: serde_json::Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        assert_eq!((&status["result"], &status["code"]), (&"error".into(), &125.into()));
        assert!(
            status["message"].as_str().is_some_and(|text| text.contains("invalid value 'x'")),
            "{status}"
        );
    }
}

/// A variable of the script that is not set; an empty fallback would turn each failure into a success.
#[test]
fn an_empty_name_or_command_is_wrong_usage() {
    let dir = dir();
    for option in ["--fallback", "--app", "--lock", "--checkpoint", "--state", "--backup", "--retry-on"] {
        let mut command = Command::new(BINARY);
        command.args(["run", "--retries", "1", option, "", "--", "sh", "-c", "echo >> calls; exit 5"]);
        command.current_dir(dir.path()).env("XDG_STATE_HOME", dir.path().join("home"));
        assert_eq!((ends(&mut command).1, calls(dir.path())), (125, 0), "{option}");
    }
    let mut listing = Command::new(BINARY);
    listing.args(["jobs", "list", "--app", ""]).env("XDG_STATE_HOME", dir.path().join("home"));
    assert_eq!(ends(&mut listing), (String::new(), 2));
}

#[test]
fn options_that_contradict_each_other_are_named_in_one_line() {
    let dir = dir();
    for (words, message) in [
        (
            "--retries 2 --total-timeout 200ms",
            "`--total-timeout` is shorter than the first wait, at the mean of its jitter: no retry could ever be made: \
             raise it, or lower `--base`",
        ),
        (
            "--retries 2 --backoff 0.5",
            "`--backoff` is below 1: each wait would be shorter than the one before",
        ),
    ] {
        let output = output(&mut run(dir.path(), words, "exit 5"));
        assert_eq!(text(&output.stderr), format!("resilience: {message}\n"), "{words}");
        assert_eq!((output.status.code(), calls(dir.path())), (Some(125), 0), "{words}");
    }
}

#[test]
fn a_misspelled_option_gets_a_suggestion() {
    let dir = dir();
    let output = output(&mut run(dir.path(), "--retry 2", "exit 5"));
    let said = text(&output.stderr);
    assert!(said.contains("'--retries'") && !said.contains("--retry-on"), "{said}");
    assert_eq!(output.status.code(), Some(125));
}

#[test]
fn only_retryable_exit_codes_are_retried() {
    for (words, script, attempts) in [
        ("--retries 3", "exit 1", 4),
        ("--retries 3", "exit 0", 1),
        ("--retries 3", "test $(wc -l < calls) -eq 2", 2),
        ("--retries 3", "exit 125", 1),
        ("--retries 3", "exit 126", 1),
        ("--retries 3", "exit 127", 1),
        ("--retries 3", "kill -TERM $$", 1),
        ("--retries 3", "kill -INT $$", 1),
        ("--retries 3", "kill -HUP $$", 1),
        ("--retries 3", "kill -ABRT $$", 4),
        ("--retries 3 --retry-on 1,75", "exit 75", 4),
        ("--retries 3 --retry-on 1,75", "exit 2", 1),
        ("--retries 3 --retry-on 127", "exit 127", 4),
        ("--retries 2 --timeout 20ms", "exec sleep 60", 3),
        ("--retries 2 --timeout 20ms --retry-on 1", "exec sleep 60", 1),
        ("--retries 2 --timeout 20ms --retry-on 124", "exec sleep 60", 3),
        ("", "exit 1", 1),
    ] {
        let dir = dir();
        let base = if words.is_empty() { "" } else { "--base 1ms --no-jitter" };
        output(&mut run(dir.path(), &format!("{words} {base}"), &format!("echo >> calls; {script}")));
        assert_eq!(calls(dir.path()), attempts, "{words} -- {script}");
    }
}

#[test]
fn output_is_that_of_the_last_attempt() {
    let dir = dir();
    let counted = "echo >> calls; echo attempt $(wc -l < calls); echo error >&2";
    for (words, script, expected) in [
        ("--retries 2 --base 1ms", "exit 1", "attempt 3\n"),
        ("--retries 2 --base 1ms", "test $(wc -l < calls) -eq 2", "attempt 2\n"),
        ("--retries 2 --base 1ms --retry-on 1", "exit 2", "attempt 1\n"),
        ("--retries 1 --base 1ms --fallback printf\tinstead", "exit 1", "instead"),
        ("--fallback false", "exit 0", "attempt 1\n"),
    ] {
        let _ = fs::remove_file(dir.path().join("calls"));
        let mut command = Command::new(BINARY);
        command.arg("run").args(words.split(' ').map(|word| word.replace('\t', " ")));
        command.args(["--", "sh", "-c", &format!("{counted}; {script}")]).current_dir(dir.path());
        let output = output(command.stdin(Stdio::null()));
        assert_eq!(text(&output.stdout), expected, "{words} -- {script}");
        assert_eq!(
            text(&output.stderr).matches("error").count(),
            calls(dir.path()),
            "each attempt's errors are shown"
        );
    }
}

#[test]
fn large_output_is_buffered_in_a_file_up_to_the_limit() {
    let dir = dir();
    let very_many = "echo >> calls; yes | head -c 100000000; test $(wc -l < calls) -eq 2";
    let (held, code) = ends(&mut run(dir.path(), "--retries 1 --base 1ms", very_many));
    assert_eq!((held.len(), code), (100_000_000, 0));
    fs::remove_file(dir.path().join("calls")).unwrap();
    let many = "echo >> calls; yes | head -c 3000000";
    let (passed, code) =
        ends(&mut run(dir.path(), "--retries 3 --base 1ms --max-output 2MiB", &format!("{many}; exit 3")));
    assert_eq!((passed.len(), code, calls(dir.path())), (3_000_000, 3, 1), "what was seen is not repeated");
    let words = "-v --retries 3 --base 1ms --max-output 2MiB";
    let output = output(&mut run(dir.path(), words, &format!("{many}; exit 3")));
    let last = "resilience: attempt 1 of 4: not repeated, since its output was passed on\n";
    assert!(text(&output.stderr).ends_with(last), "{}", text(&output.stderr));
}

#[test]
fn each_attempt_reads_the_input_from_its_beginning() {
    let dir = dir();
    fs::write(dir.path().join("lines"), "skipped\none\ntwo\n").unwrap();
    let script = "echo >> calls; cat; test $(wc -l < calls) -eq 3";
    let from = |shell: &str| {
        let _ = fs::remove_file(dir.path().join("calls"));
        let mut command = Command::new("sh");
        ends(
            command
                .args(["-c", shell])
                .env("RUN", format!("{BINARY} run"))
                .env("SCRIPT", script)
                .current_dir(dir.path()),
        )
    };
    let retried = "$RUN --retries 3 --base 1ms -- sh -c \"$SCRIPT\"";
    assert_eq!(from(&format!("(read first; {retried}) < lines")), ("one\ntwo\n".to_owned(), 0));
    assert_eq!(from(&format!("cat lines | {retried}")), ("skipped\none\ntwo\n".to_owned(), 0));
    assert_eq!(from(&format!("{retried} < /dev/null")), (String::new(), 0));
    // A command that reads one line of three leaves the others to the loop.
    let all = from("while read line; do echo \"$line\" | $RUN -- cat; $RUN -- true; done < lines");
    assert_eq!(all, ("skipped\none\ntwo\n".to_owned(), 0));
    // More than is kept: passed through once.
    let (size, code) = from(
        "yes | head -c 20000000 | $RUN --retries 3 --base 1ms -- sh -c 'echo >> calls; cat | wc -c; exit 3'",
    );
    assert_eq!((size.trim(), code, calls(dir.path())), ("20000000", 3, 1));
    let (steps, _) = from(
        "yes | head -c 20000000 | $RUN -v --retries 3 --base 1ms -- sh -c 'cat > /dev/null; exit 3' 2>&1",
    );
    let last = "resilience: attempt 1 of 4: not repeated, since it had more input than is kept\n";
    assert!(steps.ends_with(last), "{steps}");
    // A command that does not read is not waited for.
    assert_eq!(from("yes | $RUN --retries 1 -- echo done").0, "done\n");
    let closes = "yes | $RUN --retries 1 --base 1ms -- sh -c 'exec <&-; echo closed; exit 3'";
    assert_eq!(from(closes), ("closed\n".to_owned(), 3));
}

#[test]
fn an_attempt_ends_with_its_command_even_if_pipes_stay_open() {
    let dir = dir();
    let background = "sleep 60 & echo $! > pid; echo hi";
    // It keeps standard error open, too.
    let (said, code) = ends(run(dir.path(), "--retries 1", background).stderr(Stdio::null()));
    assert_eq!((said.as_str(), code), ("hi\n", 0));
    let pid = fs::read_to_string(dir.path().join("pid")).unwrap();
    assert!(is_alive(pid.trim()), "after a success it goes on");
    assert!(Command::new("kill").arg(pid.trim()).status().unwrap().success());

    let left = "setsid sleep 60 & echo $! >> pids; exit 1";
    assert_eq!(ends(&mut run(dir.path(), "--retries 1 --base 1ms", left)).1, 1);
    for pid in fs::read_to_string(dir.path().join("pids")).unwrap().lines() {
        assert!(!is_alive(pid), "what a failed attempt leaves behind is killed");
    }
    let deep = "(sleep 60 & echo $! > deep; wait) & wait";
    assert_eq!(ends(&mut run(dir.path(), "--timeout 100ms", deep)).1, 124);
    assert!(!is_alive(fs::read_to_string(dir.path().join("deep")).unwrap().trim()));
}

/// Runs `script` until it has made the file `ready`, then sends `name`.
fn interrupted(words: &str, script: &str, name: &str) -> (TempDir, Output) {
    let dir = dir();
    let mut command = run(dir.path(), words, script);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
    appears(&dir.path().join("ready"));
    signal(&child, name);
    let output = child.wait_with_output().unwrap();
    (dir, output)
}

#[test]
fn a_signal_ends_the_command_and_then_the_run() {
    for (name, number) in [("TERM", 15), ("INT", 2), ("HUP", 1), ("QUIT", 3)] {
        let script = "echo >> calls; trap 'echo asked > asked; exit 1' TERM; touch ready; while :; do sleep 0.01; done";
        let (dir, output) = interrupted("--retries 5 --base 1ms --fallback false", script, name);
        assert_eq!(output.status.signal(), Some(number), "{name}: a shell in a loop is to see it");
        assert_eq!(calls(dir.path()), 1, "no further attempt");
        assert!(dir.path().join("asked").exists(), "{name}: the command was asked to end");
    }
    let deaf = "trap '' TERM; touch ready; while :; do sleep 0.01; done";
    let (_, output) = interrupted("--kill-after 50ms", deaf, "TERM");
    assert_eq!(output.status.signal(), Some(15));
}

#[test]
fn a_signal_ends_a_wait_at_once() {
    let script = "echo >> calls; touch ready; exit 1";
    let (dir, output) = interrupted("--retries 5 --base 1h --cap 1h --no-jitter", script, "TERM");
    assert_eq!((output.status.signal(), calls(dir.path())), (Some(15), 1));
}

#[test]
fn a_stopped_command_is_killed_at_its_timeout() {
    let dir = dir();
    assert_eq!(ends(&mut run(dir.path(), "--timeout 100ms", "kill -STOP $$")).1, 124);
}

#[test]
fn ignored_signals_stay_ignored() {
    let dir = dir();
    let inner = "echo >> calls; grep SigIgn /proc/self/status > ignored; touch ready; sleep 0.3";
    let script = format!("trap '' HUP; exec {BINARY} run --retries 1 -- sh -c '{inner}'");
    let child = unspoilt("sh").args(["-c", &script]).current_dir(dir.path()).spawn().unwrap();
    appears(&dir.path().join("ready"));
    signal(&child, "HUP");
    assert!(child.wait_with_output().unwrap().status.success());
    let mask = fs::read_to_string(dir.path().join("ignored")).unwrap();
    let mask = u64::from_str_radix(mask.split_whitespace().nth(1).unwrap(), 16).unwrap();
    assert_eq!(mask & 1, 1, "the command ignores it, too");
}

#[test]
fn a_closed_stdout_is_not_a_failure() {
    let dir = dir();
    let shell = "($RUN --retries 1 -- seq 1 1000000; echo $? > code) | head -1";
    let mut command = Command::new("sh");
    let (first, _) =
        ends(command.args(["-c", shell]).env("RUN", format!("{BINARY} run")).current_dir(dir.path()));
    assert_eq!(first, "1\n");
    assert_eq!(fs::read_to_string(dir.path().join("code")).unwrap(), "0\n");

    // A command that writes for ever gets SIGPIPE, as in a pipeline, and what it did is put back.
    for (words, code, left) in [("", 141, "new\n"), ("--backup f --rollback", 76, "old")] {
        fs::write(dir.path().join("f"), "old").unwrap();
        let shell = format!(
            "($RUN --retries 3 --max-output 1KiB {words} -- sh -c 'echo >> calls; echo new > f; exec yes'; \
             echo $? > code) | head -1"
        );
        let mut command = Command::new("sh");
        command.args(["-c", &shell]).env("RUN", format!("{BINARY} run")).current_dir(dir.path());
        command.env("RESILIENCE_STATE", dir.path().join("state"));
        assert_eq!(ends(&mut command).0, "y\n");
        assert_eq!(fs::read_to_string(dir.path().join("code")).unwrap(), format!("{code}\n"));
        assert_eq!(fs::read_to_string(dir.path().join("f")).unwrap(), left);
    }
    assert_eq!(calls(dir.path()), 2, "an output that was passed on is not repeated");
}
