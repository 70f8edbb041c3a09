//! `--checkpoint`: a recorded success is not repeated.

use super::*;

#[test]
fn a_recorded_success_is_not_repeated() {
    let dir = dir();
    let script = "echo >> calls; echo result $(wc -l < calls)";
    for _ in 0..2 {
        let (said, code) = ends(&mut run(dir.path(), "--checkpoint import:7", script));
        assert_eq!((said.as_str(), code), ("result 1\n", 0));
    }
    assert_eq!(calls(dir.path()), 1);

    // A failure is not recorded, a fallback's success neither.
    for _ in 0..2 {
        assert_eq!(
            ends(&mut run(dir.path(), "--checkpoint import:8 --fallback true", "echo >> calls; exit 1")).1,
            0
        );
    }
    assert_eq!(calls(dir.path()), 3);

    // Another command under the same key is a mistake.
    let other = output(&mut run(dir.path(), "--checkpoint import:7", "echo other"));
    assert_eq!(other.status.code(), Some(125));
    assert!(text(&other.stderr).contains("was recorded for `sh -c echo >> calls"), "{}", text(&other.stderr));

    let quiet = "--checkpoint import:9 --checkpoint-output none";
    let said: Vec<_> = (0..2).map(|_| ends(&mut run(dir.path(), quiet, "echo once")).0).collect();
    assert_eq!(said, ["once\n", ""]);
}

#[test]
fn arguments_that_are_not_utf8_are_distinguished() {
    use std::os::unix::ffi::OsStrExt as _;
    let dir = dir();
    let [one, other] = [b"a\xffb", b"a\xfeb"].map(|bytes| OsStr::from_bytes(bytes));
    let recorded = |word| {
        let mut command = run(dir.path(), "--checkpoint import:7", "echo ran; printf %s \"$0\"");
        output(command.arg(word))
    };
    assert_eq!(recorded(one).stdout, b"ran\na\xffb");
    assert_eq!(recorded(one).stdout, b"ran\na\xffb");
    let refused = recorded(other);
    assert_eq!((refused.status.code(), text(&refused.stdout).as_str()), (Some(125), ""));
    let said = text(&refused.stderr);
    assert!(said.contains(r"a\xffb`, and this is") && said.contains(r"a\xfeb`: use another key"), "{said}");

    // A lock in one directory is not that in another one.
    for name in [one, other] {
        fs::create_dir(dir.path().join(name)).unwrap();
    }
    let inner = format!("cd \"../$1\" && exec {BINARY} run --lock ./x -- echo inner");
    let nested = |to| {
        let mut command = run(&dir.path().join(one), "--lock ./x", &inner);
        ends(command.arg("sh").arg(to).env("RESILIENCE_STATE", dir.path().join("state")))
    };
    assert_eq!(nested(other), ("inner\n".to_owned(), 0));
    assert_eq!(nested(one), (String::new(), 75));
}

#[test]
fn output_too_large_for_a_record_is_printed_and_reported() {
    let dir = dir();
    let output = output(&mut run(dir.path(), "--checkpoint big", "yes | head -c 2000000"));
    assert_eq!((output.stdout.len(), output.status.code()), (2_000_000, Some(125)));
    assert!(text(&output.stderr).contains("--checkpoint-output none"), "{}", text(&output.stderr));
}

#[test]
fn an_unusable_store_is_reported_before_the_command_runs() {
    let dir = dir();
    fs::write(dir.path().join("state"), "not a directory").unwrap();
    let output = output(&mut run(dir.path(), "--checkpoint key", "echo >> calls"));
    assert_eq!((output.status.code(), calls(dir.path())), (Some(125), 0), "{}", text(&output.stderr));
}

#[test]
fn only_one_of_two_concurrent_runs_executes_the_command() {
    let dir = dir();
    let script = "echo >> calls; sleep 0.3; echo result";
    let mut both = [0, 1].map(|_| run(dir.path(), "--checkpoint shared", script));
    let both = both.each_mut().map(|command| command.stdout(Stdio::piped()).spawn().unwrap());
    let both = both.map(|child| text(&child.wait_with_output().unwrap().stdout));
    assert_eq!((both, calls(dir.path())), (["result\n".to_owned(), "result\n".to_owned()], 1));
}
