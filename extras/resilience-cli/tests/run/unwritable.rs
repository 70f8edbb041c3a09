//! Standard output and standard error that cannot be written: a full disk, a pipe whose reader has gone.

use super::hold::read;
use super::{BINARY, appears, calls, dir, output, run, text};
use std::fs::{self, File};
use std::io::pipe;
use std::path::Path;
use std::process::{Command, Stdio};

/// A stream that is written in vain: each write fails.
fn full() -> Stdio {
    File::options().write(true).open("/dev/full").expect("/dev/full").into()
}

/// The same, of a pipe without a reader.
fn gone() -> Stdio {
    pipe().expect("a pipe").1.into()
}

type Stream = (&'static str, fn() -> Stdio);

const STREAMS: [Stream; 2] = [("full", full), ("gone", gone)];

/// The exit code of a run, and the result in its status file.
fn result(dir: &Path, words: &str, script: &str, stderr: Stdio) -> (Option<i32>, String) {
    let mut command = run(dir, &format!("--status-file status {words}"), script);
    let code = command.stdout(Stdio::null()).stderr(stderr).status().expect("the binary runs").code();
    let status = read(dir, "status").unwrap_or_default();
    let status: serde_json::Value = serde_json::from_str(&status).unwrap_or_default();
    (code, status["result"].as_str().unwrap_or("none").to_owned())
}

#[test]
fn a_run_continues_without_a_standard_error() {
    for (name, stderr) in STREAMS {
        for (words, script, code, expected, number, left) in [
            ("-v --backup f --rollback", "echo new > f; sleep 9 >/dev/null 2>&1 & exit 0", 0, "ok", 1, "new"),
            ("-v --fallback true", "exit 3", 0, "fell_back", 1, "old"),
            ("--timeout 50ms --fallback true", "exec sleep 60", 0, "fell_back", 1, "old"),
            ("-v --retries 3 --base 1ms", "test $(wc -l < calls) -eq 3", 0, "ok", 3, "old"),
            ("-v --checkpoint k", "exit 0", 0, "ok", 1, "old"),
            ("--timeout 50ms", "exec sleep 60", 124, "timed_out", 1, "old"),
            ("--total-timeout 50ms", "exec sleep 60", 124, "timed_out", 1, "old"),
            ("--backup f --rollback", "echo new > f; exit 3", 76, "rolled_back", 1, "old"),
            ("--lock /does/not/exist", "exit 0", 125, "error", 0, "old"),
        ] {
            let dir = dir();
            fs::write(dir.path().join("f"), "old\n").unwrap();
            let ended = result(dir.path(), words, &format!("echo >> calls; {script}"), stderr());
            assert_eq!(ended, (Some(code), expected.to_owned()), "{name}: {words} -- {script}");
            assert_eq!(calls(dir.path()), number, "{name}: {words} -- {script}");
            assert_eq!(read(dir.path(), "f").unwrap().trim(), left, "{name}: {words} -- {script}");
        }
        let dir = dir();
        let held = super::hold::of_program(dir.path(), "x").acquire().expect("a lock");
        assert_eq!(result(dir.path(), "--lock x", "true", stderr()), (Some(75), "busy".to_owned()), "{name}");
        drop(held);
        let missing = Command::new(BINARY)
            .args(["run", "--status-file"])
            .arg(dir.path().join("status"))
            .args(["--", "/does/not/exist"])
            .stderr(stderr())
            .status();
        assert_eq!(missing.expect("the binary runs").code(), Some(127), "{name}");
        assert!(read(dir.path(), "status").unwrap().contains("not_started"), "{name}");
    }
}

#[test]
fn other_subcommands_work_without_a_standard_error() {
    for (name, stderr) in STREAMS {
        let dir = dir();
        let path = dir.path();
        fs::create_dir(path.join("state")).unwrap();
        fs::write(path.join("state/alerts.jsonl"), "no alert\n").unwrap();
        fs::write(path.join("file"), "no directory").unwrap();
        // A run that was killed, after which a file is put back.
        let killed = |script: &str| {
            fs::write(path.join("f"), "old\n").unwrap();
            let mut killed = run(path, "--backup f --rollback", script).spawn().unwrap();
            appears(&path.join("ready"));
            killed.kill().unwrap();
            killed.wait().unwrap();
            fs::remove_file(path.join("ready")).unwrap();
        };
        killed("echo new > f; touch ready; exec sleep 0.2");
        for (words, code) in [
            ("backups restore f 1", 0),
            ("backups list /does/not/exist", 125),
            ("alerts", 0),
            ("--state file jobs list", 125),
            ("--state file checkpoints list", 125),
            ("jobs show nothing", 125),
            ("alerts --acknowledge nothing", 125),
            ("jobs list --nonsense", 2),
        ] {
            let mut command = Command::new(BINARY);
            command.args(words.split(' ')).current_dir(path).env("RESILIENCE_STATE", path.join("state"));
            let status = command.stdout(Stdio::null()).stderr(stderr()).status().expect("the binary runs");
            assert_eq!(status.code(), Some(code), "{name}: {words}");
        }
        killed("echo new > f; touch ready; exec sleep 0.2");
        std::thread::sleep(std::time::Duration::from_millis(300));
        let mut command = Command::new(BINARY);
        command.args(["backups", "list", "f"]).current_dir(path).stdout(Stdio::null()).stderr(stderr());
        assert_eq!(command.status().unwrap().code(), Some(0), "{name}");
        assert_eq!(read(path, "f").as_deref(), Some("old\n"), "{name}");
    }
}

/// A full disk is an error; a reader that has seen enough is none.
#[test]
fn a_failed_write_is_an_error_unless_the_reader_closed_the_pipe() {
    let dir = dir();
    let path = dir.path();
    assert!(run(path, "--checkpoint recorded", "echo hi").output().unwrap().status.success());
    for words in [
        "jobs list",
        "checkpoints list",
        "--json checkpoints list",
        "checkpoints show recorded",
        "locks list",
        "doctor",
        "man",
        "completions bash",
        "--help",
        "--version",
        "help run",
        "run --retries 1 -- echo hi",
        "run --fallback true -- echo hi",
        "run --checkpoint new -- echo hi",
        "run --checkpoint quiet --checkpoint-output none -- echo hi",
        "run --checkpoint recorded -- sh -c echo\thi",
    ] {
        for (stdout, expected) in [(full(), 125), (gone(), 0)] {
            let mut command = Command::new(BINARY);
            command.args(words.split(' ').map(|word| word.replace('\t', " ")));
            command.current_dir(path).env("RESILIENCE_STATE", path.join("state")).stdin(Stdio::null());
            command.stderr(Stdio::piped());
            let ended = command.stdout(stdout).spawn().unwrap().wait_with_output().unwrap();
            let said = text(&ended.stderr);
            assert_eq!(ended.status.code(), Some(expected), "{words}: {said}");
            let is_said = said.starts_with("resilience: standard output: No space left on device");
            assert_eq!(
                (is_said, said.lines().count()),
                (expected != 0, usize::from(expected != 0)),
                "{words}: {said}"
            );
        }
    }
}

/// The limit of processes leaves no room for a thread.
#[test]
fn a_run_that_cannot_start_a_thread_fails_before_its_command() {
    use std::os::unix::fs::PermissionsExt as _;
    let dir = dir();
    let path = dir.path();
    fs::set_permissions(path, fs::Permissions::from_mode(0o777)).unwrap();
    let inner =
        format!("ulimit -u 1; exec {BINARY} run --status-file status --backup f --rollback -- touch ran");
    let mut command = super::unspoilt("setpriv");
    // The limit does not hold for root.
    command.args(["--reuid", "65534", "--regid", "65534", "--clear-groups", "bash", "-c", &inner]);
    let ended = output(command.current_dir(path).env("RESILIENCE_STATE", path.join("state")));
    let said = text(&ended.stderr);
    if said.starts_with("setpriv:") {
        eprintln!("no other user can be taken on here: {said}");
        return;
    }
    assert_eq!(ended.status.code(), Some(125), "{said}");
    assert!(said.starts_with("resilience: ") && said.lines().count() == 1, "{said}");
    assert!(read(path, "status").is_some_and(|status| status.contains("error")), "{said}");
    assert!(!path.join("ran").exists());
}
