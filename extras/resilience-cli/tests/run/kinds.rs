//! Kinds of commands, and of what they write.

use super::hold::read;
use super::{BINARY, calls, dir, output, run, text};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn executable(dir: &Path, name: &str, content: &[u8]) {
    fs::write(dir.join(name), content).unwrap();
    fs::set_permissions(dir.join(name), fs::Permissions::from_mode(0o755)).unwrap();
}

/// As with `timeout`, `env` and `nohup`.
#[test]
fn a_script_without_an_interpreter_is_run_by_the_shell() {
    let dir = dir();
    let path = dir.path();
    executable(path, "plain", b"printf '%s,' \"$0\" \"$@\"; exit 3\n");
    executable(path, "-dashed", b"echo dashed");
    executable(path, "empty", b"");
    executable(path, "binary", b"\x7fELF\0\0\0\0 of another machine\n");
    fs::create_dir(path.join("bin")).unwrap();
    executable(&path.join("bin"), "found", b"echo from $0");
    executable(&path.join("bin"), "-found", b"echo dashed");
    let path_variable = format!("{}:{}", path.join("bin").display(), std::env::var("PATH").unwrap());
    let ended = |words: &[&str]| -> Output {
        let mut command = Command::new(BINARY);
        command.arg("run").args(words).current_dir(path).env("PATH", &path_variable);
        output(command.stdin(Stdio::null()))
    };
    for (words, said, code) in [
        (&["--", "./plain", "a b", "-c"][..], "./plain,a b,-c,", 3),
        (&["--retries", "1", "--base", "1ms", "--", "./plain"], "./plain,", 3),
        (&["--", "./-dashed"], "dashed\n", 0),
        (&["--", "-found"], "dashed\n", 0),
        (&["--", "./empty"], "", 0),
        (&["--", "./binary"], "", 126),
    ] {
        let ended = ended(words);
        assert_eq!(
            (text(&ended.stdout).as_str(), ended.status.code()),
            (said, Some(code)),
            "{words:?}: {}",
            text(&ended.stderr)
        );
    }
    let found = ended(&["--", "found"]);
    assert_eq!(text(&found.stdout), format!("from {}\n", path.join("bin/found").display()));
    fs::write(path.join("not-executable"), "echo hi").unwrap();
    assert_eq!(ended(&["--", "./not-executable"]).status.code(), Some(126));
}

/// A full disk for temporary files, and a directory that does not exist: the output is passed on.
#[test]
fn output_is_passed_on_when_no_file_can_buffer_it() {
    let dir = dir();
    let missing = dir.path().join("missing");
    let script = "echo >> calls; yes | head -c 3000000";
    for (words, end, code, runs) in [
        ("--retries 2 --base 1ms", "exit 0", 0, 1),
        ("--retries 2 --base 1ms", "exit 3", 3, 1),
        ("--checkpoint k --checkpoint-output none", "exit 0", 0, 1),
        ("--fallback true", "exit 0", 0, 1),
    ] {
        let _ = fs::remove_file(dir.path().join("calls"));
        let words = format!("--status-file status {words}");
        let mut command = run(dir.path(), &words, &format!("{script}; {end}"));
        let ended = output(command.env("TMPDIR", &missing));
        let said = text(&ended.stderr);
        assert_eq!((ended.status.code(), ended.stdout.len()), (Some(code), 3_000_000), "{words}: {said}");
        assert!(ended.stdout.iter().step_by(2).all(|byte| *byte == b'y'), "in its order");
        assert_eq!(calls(dir.path()), runs, "{words}");
        assert_eq!(said.contains("not repeated"), code == 3, "{words}: {said}");
        assert!(read(dir.path(), "status").unwrap().contains("\"attempts\":1"));
    }
    // A file of at most 2 MiB, which is full in the middle of a part.
    let limited = format!(
        "trap '' XFSZ; ulimit -f 2050; exec {BINARY} run --retries 2 --base 1ms -- sh -c 'yes | head -c 5000000; exit 3'"
    );
    let mut command = super::unspoilt("bash");
    let ended = output(command.args(["-c", &limited]).current_dir(dir.path()).stdin(Stdio::null()));
    let is_whole = ended.stdout.chunks_exact(2).all(|line| line == b"y\n");
    assert_eq!((ended.stdout.len(), is_whole, ended.status.code()), (5_000_000, true, Some(3)));
}

#[test]
fn binary_output_is_recorded_exactly() {
    let dir = dir();
    let path = dir.path();
    // 750 KiB of all values, of control characters, and of text.
    let bytes: Vec<u8> = (0..750 * 1024_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let control: Vec<u8> = bytes.iter().map(|byte| byte % 32).collect();
    let plain: Vec<u8> = (0..1_000_000).map(|i| if i % 80 == 79 { b'\n' } else { b'a' }).collect();
    for (name, content) in
        [("bytes", bytes), ("control", control), ("plain", plain), ("short", b"\0\xff\x01".to_vec())]
    {
        fs::write(path.join("content"), &content).unwrap();
        let _ = fs::remove_file(path.join("calls"));
        for _ in 0..2 {
            let ended = output(&mut run(path, &format!("--checkpoint {name}"), "echo >> calls; cat content"));
            assert_eq!(ended.status.code(), Some(0), "{name}: {}", text(&ended.stderr));
            assert!(ended.stdout == content, "{name}: {} bytes", ended.stdout.len());
        }
        assert_eq!(calls(path), 1, "{name}");
    }
    // What does not fit is printed, and the message has the option.
    for content in [vec![0xff; 1_000_000], vec![1; 1_000_000]] {
        fs::write(path.join("content"), &content).unwrap();
        let ended = output(&mut run(path, "--checkpoint large", "cat content"));
        assert!(ended.stdout == content, "{} bytes", ended.stdout.len());
        let said = text(&ended.stderr);
        assert_eq!((ended.status.code(), said.lines().count()), (Some(125), 1), "{said}");
        assert!(said.contains("write --checkpoint-output none"), "{said}");
    }
}

#[test]
fn listed_exit_codes_are_retried() {
    for (words, script, attempts) in [
        ("--retry-on 143", "kill -TERM $$", 3),
        ("--retry-on 130,143", "kill -INT $$", 3),
        ("--retry-on 143", "kill -INT $$", 1),
        ("--retry-on 125", "exit 125", 3),
        ("--retry-on 1", "kill -TERM $$", 1),
    ] {
        let dir = dir();
        let script = format!("echo >> calls; {script}");
        output(&mut run(dir.path(), &format!("--retries 2 --base 1ms {words}"), &script));
        assert_eq!(calls(dir.path()), attempts, "{words} -- {script}");
    }
}
