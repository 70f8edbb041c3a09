//! Kinds of commands, and of what they write.

use super::{BINARY, dir, output, text};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

fn executable(dir: &Path, name: &str, content: &[u8]) {
    fs::write(dir.join(name), content).unwrap();
    fs::set_permissions(dir.join(name), fs::Permissions::from_mode(0o755)).unwrap();
}

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
