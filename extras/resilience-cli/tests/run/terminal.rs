//! Commands in a terminal.

use super::*;

/// Types `keys` into a terminal in which `shell` runs, once the file `ready` is there, and returns what is on the screen.
pub(super) fn in_terminal(dir: &Path, shell: &str, keys: &[u8]) -> String {
    typed(dir, shell, keys, || dir.join("ready").exists())
}

/// The same, once `is_time`, if there are any keys.
pub(super) fn typed(dir: &Path, shell: &str, keys: &[u8], is_time: impl Fn() -> bool) -> String {
    let mut command = unspoilt("script");
    command.args(["-qfec", shell, "/dev/null"]).env("RUN", format!("{BINARY} run")).current_dir(dir);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("`script` of util-linux");
    let mut stdin = child.stdin.take().unwrap();
    if !keys.is_empty() {
        while !is_time() && child.try_wait().unwrap().is_none() {
            std::thread::yield_now();
        }
        // It may have ended.
        let _ = stdin.write_all(keys);
    }
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    text(&output.stdout).replace('\r', "")
}

#[test]
fn a_foreground_command_shares_the_process_group() {
    let dir = dir();
    let groups = in_terminal(dir.path(), "ps -o pgid= -p $$; $RUN -- sh -c 'ps -o pgid= -p $$'", b"");
    let groups: Vec<_> = groups.split_whitespace().collect();
    assert_eq!(groups.len(), 2, "{groups:?}");
    assert_eq!(groups[0], groups[1]);
}

#[test]
fn ctrl_c_reaches_the_command_once() {
    let dir = dir();
    let script = "trap \"echo >> calls; exit 1\" INT; touch ready; while :; do sleep 0.01; done";
    let screen = in_terminal(
        dir.path(),
        &format!("$RUN --retries 3 --base 1ms -- sh -c '{script}'; echo code $?"),
        b"\x03",
    );
    assert_eq!(calls(dir.path()), 1, "{screen}");
    assert!(!screen.contains("code 0"), "{screen}");
}

#[test]
fn a_background_command_that_reads_the_terminal_is_ended() {
    let dir = dir();
    // `set -m` gives the background its own group, as an interactive shell does.
    let shell = "set -m; $RUN -- sh -c 'read line < /dev/tty' & wait $!; echo code $?";
    let script: PathBuf = dir.path().join("script.sh");
    fs::write(&script, shell).unwrap();
    let screen = in_terminal(dir.path(), &format!("sh {}", script.display()), b"");
    assert!(screen.contains("wants the terminal") && screen.contains("code 125"), "{screen}");
}
