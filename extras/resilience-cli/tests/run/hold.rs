//! What a run holds: locks that the command inherits, backups, and files that are put back.

use super::{BINARY, appears, calls, dir, ends, is_alive, output, run, signal, text};
use resilience::fs::{FileLock, Transaction, TransactionError, backups};
use resilience::lock;
use std::fs;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub(super) const LONG: Duration = Duration::from_secs(60);

/// The lock of a program that shares it with scripts.
pub(super) fn of_program(dir: &Path, name: &str) -> FileLock {
    lock::in_dir(dir.join("home/resilience/locks"), name).wait(Duration::ZERO)
}

pub(super) fn spawn(command: &mut Command) -> Child {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs")
}

pub(super) fn read(dir: &Path, name: &str) -> Option<String> {
    fs::read_to_string(dir.join(name)).ok()
}

#[test]
fn a_held_lock_ends_the_run_with_75_and_programs_share_it() {
    let dir = dir();
    let held = of_program(dir.path(), "deploy").acquire().expect("a lock");
    let busy = output(&mut run(dir.path(), "--lock deploy", "echo >> calls"));
    assert_eq!((busy.status.code(), calls(dir.path())), (Some(75), 0));
    let said = text(&busy.stderr);
    assert!(
        said.lines().count() == 1 && said.contains("deploy") && said.contains("held by process"),
        "{said}"
    );
    assert_eq!(ends(&mut run(dir.path(), "--lock other", "echo >> calls")).1, 0);
    assert_eq!(ends(&mut run(dir.path(), "--lock deploy --wait 60s --total-timeout 50ms", "true")).1, 124);
    // One that waits begins when the lock is free, and holds it then.
    let waits = spawn(&mut run(
        dir.path(),
        "--lock deploy --wait 60s",
        "touch ready; until [ -e go ] || [ ! -e ready ]; do sleep 0.01; done",
    ));
    held.unlock();
    appears(&dir.path().join("ready"));
    assert!(of_program(dir.path(), "deploy").acquire().is_err());
    fs::write(dir.path().join("go"), "").unwrap();
    assert!(waits.wait_with_output().unwrap().status.success());
    drop(of_program(dir.path(), "deploy").acquire().expect("free"));
    // Neither options nor signs in a name lead elsewhere.
    for name in ["../x", "a b", "%", "-"] {
        let mut command = run(dir.path(), "", "exit 3");
        let args: Vec<_> = command.get_args().map(std::ffi::OsStr::to_owned).collect();
        let mut named = Command::new(BINARY);
        named.arg("run").arg(format!("--lock={name}")).args(&args[args.len() - 4..]);
        named.current_dir(dir.path()).env("XDG_STATE_HOME", dir.path().join("home"));
        assert_eq!(ends(named.stdin(Stdio::null())).1, 3, "{name}");
        command.stdin(Stdio::null());
    }
    for wrong in ["--wait 1s", "--shared", "--keep 2", "--rollback", "--backup f --keep 0", "--lock="] {
        assert_eq!(ends(&mut run(dir.path(), wrong, "true")).1, 125, "{wrong}");
    }
}

#[test]
fn readers_share_a_lock_and_a_path_names_one() {
    let dir = dir();
    fs::write(dir.path().join("data"), "content").unwrap();
    for path in ["./data", "./"] {
        let holds = "touch ready; until [ -e go ] || [ ! -e ready ]; do sleep 0.01; done";
        let reader = spawn(&mut run(dir.path(), &format!("--shared --lock {path}"), holds));
        appears(&dir.path().join("ready"));
        assert_eq!(ends(&mut run(dir.path(), &format!("--shared --lock {path}"), "exit 4")).1, 4);
        assert_eq!(ends(&mut run(dir.path(), &format!("--lock {path}"), "true")).1, 75);
        fs::write(dir.path().join("go"), "").unwrap();
        assert!(reader.wait_with_output().unwrap().status.success());
        for file in ["ready", "go"] {
            fs::remove_file(dir.path().join(file)).unwrap();
        }
    }
    assert_eq!(read(dir.path(), "data").as_deref(), Some("content"));
}

#[test]
fn a_nested_run_for_the_same_lock_is_refused_at_once() {
    let dir = dir();
    let nested = |inner: &str| {
        let script = format!("{BINARY} run {inner} -- true; echo $? $RESILIENCE_HELD | sed 's/@[0-9.]*//g'");
        ends(&mut run(dir.path(), "--lock a --backup f --rollback", &script)).0
    };
    let file = dir.path().canonicalize().unwrap().join("f").display().to_string().replace('/', "%2F");
    let held = format!("file={file}:lock=a");
    assert_eq!(nested("--lock a --wait 1h"), format!("75 {held}\n"));
    assert_eq!(nested("--backup ./f --rollback --wait 1h"), format!("75 {held}\n"));
    assert_eq!(nested("--lock b --wait 1h"), format!("0 {held}\n"));
    // What was left behind with the variable may take the lock once it is free.
    let mut left = run(dir.path(), "--lock a", "exit 0");
    assert_eq!(ends(left.env("RESILIENCE_HELD", "lock=a")).1, 0);
}

#[test]
fn a_run_that_has_ended_or_was_killed_is_not_taken_for_one_that_holds_the_lock() {
    let dir = dir();
    let path = dir.path();
    let waits = |lock: &str| {
        format!(
            "until [ -e go ]; do sleep 0.01; done; {BINARY} run --lock {lock} --wait 50ms -- true 2> new
                mv new said"
        )
    };
    let said = |name: &str| {
        fs::write(path.join("go"), "").unwrap();
        appears(&path.join("said"));
        let said = read(path, "said").unwrap();
        fs::remove_file(path.join("said")).unwrap();
        fs::remove_file(path.join("go")).unwrap();
        assert!(said.contains(&format!("the lock \"{name}\" was not free")), "{said}");
        said.contains("a run around this one holds it")
    };
    // A daemon keeps the variable, and the descriptor of the lock.
    let daemon = format!("{{ {}; }} > /dev/null 2>&1 &", waits("a"));
    assert_eq!(ends(&mut run(path, "--lock a", &daemon)).1, 0);
    let held = of_program(path, "a").acquire().expect("a lock");
    assert!(!said("a"), "another process holds it");
    drop(held);
    // A command keeps the lock, too, when its run is killed.
    let mut killed = spawn(&mut run(path, "--lock b", &format!("touch ready; {}", waits("b"))));
    appears(&path.join("ready"));
    signal(&killed, "KILL");
    killed.wait().unwrap();
    assert!(said("b"), "it would wait for itself");
}

#[test]
fn a_run_inside_of_one_waits_for_nothing_that_the_outer_one_holds() {
    let dir = dir();
    fs::create_dir(dir.path().join("sub")).unwrap();
    let nested = |outer: &str, inner: &str| {
        let began = Instant::now();
        let script = format!("{BINARY} run {inner} -- true; echo $?");
        let (printed, _) = ends(&mut run(dir.path(), outer, &script));
        assert!(began.elapsed() < Duration::from_secs(20), "{outer} / {inner}");
        printed
    };
    assert_eq!(nested("--checkpoint k", "--checkpoint k"), "75\n");
    assert_eq!(
        nested("--checkpoint l --checkpoint-output none", "--checkpoint l --total-timeout 1h"),
        "75\n"
    );
    assert_eq!(nested("--checkpoint a:b", "--checkpoint a"), "0\n");
    assert_eq!(nested("--checkpoint m", "--checkpoint m --state other"), "0\n");
    // Backups take the locks of the files for a moment, also if they are not for a rollback.
    assert_eq!(nested("--backup f --rollback", "--backup sub/../f --wait 1h"), "75\n");
    assert_eq!(nested("--backup f", "--backup f --wait 1h"), "0\n");
}

#[test]
fn a_lock_of_another_state_is_another_lock() {
    let dir = dir();
    let holds = "touch ready; until [ -e go ]; do sleep 0.01; done";
    let other = spawn(&mut run(dir.path(), "--lock a", holds));
    appears(&dir.path().join("ready"));
    let inner = format!("(sleep 0.3; touch go) & {BINARY} run --lock a --wait 1m -- echo waited");
    assert_eq!(ends(&mut run(dir.path(), "--lock a --state other", &inner)), ("waited\n".to_owned(), 0));
    assert!(other.wait_with_output().unwrap().status.success());
}

#[test]
fn a_daemon_does_not_keep_the_lock_after_a_success() {
    let dir = dir();
    let daemon = "sleep 60 > /dev/null 2>&1 & echo $! > pid";
    assert_eq!(ends(&mut run(dir.path(), "--lock a --backup f --rollback", daemon)).1, 0);
    let pid = read(dir.path(), "pid").unwrap();
    assert!(is_alive(pid.trim()));
    assert_eq!(ends(&mut run(dir.path(), "--lock a --backup f --rollback", "exit 5")).1, 76);
    assert!(Command::new("kill").arg(pid.trim()).status().unwrap().success());
}

#[test]
fn files_are_restored_after_a_failure_and_kept_after_a_success() {
    let spoil = "cat f >> seen; echo spoilt > f; rm g; echo made > h";
    let left = |dir: &TempDir| ["f", "g", "h"].map(|name| read(dir.path(), name));
    let prepared = || {
        let dir = dir();
        fs::write(dir.path().join("f"), "old\n").unwrap();
        fs::write(dir.path().join("g"), "gone\n").unwrap();
        dir
    };
    let old = [Some("old\n".to_owned()), Some("gone\n".to_owned()), None];
    let new = [Some("spoilt\n".to_owned()), None, Some("made\n".to_owned())];
    for (words, end, code, result, expected) in [
        ("--rollback", "exit 3", 76, "rolled_back", &old),
        ("--rollback", "exit 0", 0, "ok", &new),
        ("--rollback --retries 2 --base 1ms", "exit 3", 76, "rolled_back", &old),
        ("--rollback --timeout 50ms", "exec sleep 60", 76, "rolled_back", &old),
        ("--rollback --fallback true", "exit 3", 0, "fell_back", &old),
        ("--rollback --checkpoint c", "exit 3", 76, "rolled_back", &old),
        ("--rollback --checkpoint c", "exit 0", 0, "ok", &new),
        ("", "exit 3", 3, "failed", &new),
    ] {
        let dir = prepared();
        let words = format!("--status-file status {words} --backup f g h");
        let output = output(&mut run(dir.path(), &words, &format!("{spoil}; {end}")));
        assert_eq!(output.status.code(), Some(code), "{words} -- {end}: {}", text(&output.stderr));
        assert_eq!(&left(&dir), expected, "{words} -- {end}");
        let status: serde_json::Value = serde_json::from_str(&read(dir.path(), "status").unwrap()).unwrap();
        assert_eq!(status["result"], result);
        assert_eq!(
            status["command_code"],
            if code == 76 && end == "exit 3" { 3.into() } else { status["command_code"].clone() }
        );
        let seen = read(dir.path(), "seen").unwrap();
        assert!(seen.lines().all(|line| line == "old"), "each attempt finds the files as they were: {seen}");
        // One backup where the changes have stayed, none where nothing has changed.
        let kept = backups(dir.path().join("f")).unwrap().len();
        assert_eq!(kept, usize::from(expected == &new), "{words} -- {end}");
    }
    // A command that dies of a signal is a failure, too, and one that cannot be started.
    let dir = prepared();
    assert_eq!(
        ends(&mut run(dir.path(), "--rollback --backup f g h", &format!("{spoil}; kill -KILL $$"))).1,
        76
    );
    assert_eq!(left(&dir), old);
    for refused in ["--rollback --backup .", "--backup missing/f", "--rollback --backup f ./f"] {
        let output = output(&mut run(dir.path(), refused, "echo >> calls"));
        assert_eq!((output.status.code(), calls(dir.path())), (Some(125), 0), "{}", text(&output.stderr));
    }
}

#[test]
fn files_that_cannot_be_restored_end_the_run_with_77() {
    let dir = dir();
    fs::write(dir.path().join("f"), "old").unwrap();
    let spoil = "echo spoilt > f; echo damaged > $(echo .f-*-before.old); exit 3";
    let failed = output(&mut run(dir.path(), "--rollback --backup f --retries 3 --fallback true", spoil));
    let said = text(&failed.stderr);
    assert_eq!(failed.status.code(), Some(77), "{said}");
    assert!(
        said.contains("exit code 3") && said.contains("could not be put back") && said.contains("damaged"),
        "{said}"
    );
    // It is never skipped afterwards.
    let again = output(&mut run(dir.path(), "--rollback --backup f", "echo >> calls"));
    let said = text(&again.stderr);
    assert_eq!((again.status.code(), calls(dir.path())), (Some(125), 0), "{said}");
    // It says what to do, and that helps.
    let journal = said.split('`').find(|word| word.ends_with(".journal")).expect("the journal is named");
    fs::write(dir.path().join("f"), "right").unwrap();
    fs::remove_file(dir.path().join(journal)).unwrap();
    assert_eq!(ends(&mut run(dir.path(), "--rollback --backup f", "exit 1")).1, 76);
    assert_eq!(read(dir.path(), "f").as_deref(), Some("right"));
}

/// Kills a run whose command goes on, and then runs another one with the same lock and file.
fn killed(command: &str, is_stopped: bool) {
    let dir = dir();
    let path = dir.path();
    fs::write(path.join("f"), "old\n").unwrap();
    let words = "--lock x --backup f --rollback";
    let script = format!("echo $$ > pid; {command}");
    let mut first = spawn(&mut run(path, words, &script));
    appears(&path.join("ready"));
    first.kill().unwrap();
    first.wait().unwrap();
    let pid = read(path, "pid").unwrap();
    let send =
        |name: &str| assert!(Command::new("kill").args([name, pid.trim()]).status().unwrap().success());
    if is_stopped {
        send("-STOP");
    }
    // The command that goes on holds both locks.
    for words in ["--lock x", words, "--backup f"] {
        let busy = output(&mut run(path, words, "echo >> calls"));
        let said = text(&busy.stderr);
        assert_eq!((busy.status.code(), calls(path)), (Some(75), 0), "{words}: {said}");
        assert!(
            said.contains(&format!("process {} (sh)", pid.trim())),
            "the command itself is named: {said}"
        );
    }
    let edited: Result<(), TransactionError> =
        Transaction::of(path.join("f")).wait(Duration::ZERO).apply(|_| Ok(()));
    assert!(matches!(edited, Err(TransactionError::Lock(_))), "{edited:?}");
    assert_ne!(read(path, "f").as_deref(), Some("old\n"), "nothing is put back under a command that works");
    let second = spawn(&mut run(path, &format!("{words} --wait 60s"), "cat f; echo second > f"));
    fs::write(path.join("go"), "").unwrap();
    if is_stopped {
        send("-CONT");
    }
    let second = second.wait_with_output().unwrap();
    assert_eq!(
        text(&second.stdout),
        "old\n",
        "it begins when the first command has ended, with the file as it was"
    );
    assert!(
        text(&second.stderr).contains("put back after a run that was killed"),
        "{}",
        text(&second.stderr)
    );
    assert_eq!(read(path, "f").as_deref(), Some("second\n"));
    // The first command had ended by then, and what it has written is not lost.
    let kept = backups(path.join("f")).unwrap();
    let kept: Vec<_> = kept.iter().map(|it| fs::read_to_string(&it.path).unwrap()).collect();
    assert!(kept.iter().any(|content| content.contains("last")), "{kept:?}");
}

#[test]
fn a_command_keeps_the_lock_when_its_run_is_killed() {
    let writes = "touch ready; i=0; while [ $i -lt 100 ] || { [ ! -e go ] && [ -e ready ]; }; do i=$((i+1)); echo $i >> f; sleep 0.02; done; echo last >> f";
    killed(writes, false);
}

#[test]
fn a_stopped_command_keeps_the_lock_when_its_run_is_killed() {
    killed(
        "echo begun > f; touch ready; until [ -e go ] || [ ! -e ready ]; do sleep 0.01; done; echo last >> f",
        true,
    );
}

#[test]
fn a_transaction_restores_the_file_of_a_killed_run_first() {
    let dir = dir();
    let path = dir.path();
    fs::write(path.join("f"), "old").unwrap();
    let mut first = spawn(&mut run(
        path,
        "--backup f --rollback",
        "echo new > f; touch ready; until [ -e go ] || [ ! -e ready ]; do sleep 0.01; done",
    ));
    appears(&path.join("ready"));
    first.kill().unwrap();
    first.wait().unwrap();
    fs::write(path.join("go"), "").unwrap();
    let seen = Transaction::of(path.join("f"))
        .wait(LONG)
        .apply(|file| file.read_to_string().map_err(|_| unreachable!()));
    assert_eq!(seen.map_err(|error: TransactionError| error), Ok("old".to_owned()));
}

#[test]
fn a_signal_ends_the_wait_for_a_lock_and_rolls_back() {
    for (name, number) in [("TERM", 15), ("INT", 2), ("HUP", 1)] {
        let dir = dir();
        let path = dir.path();
        fs::write(path.join("f"), "old\n").unwrap();
        // While it waits for a lock.
        for words in ["--lock x", "--backup f"] {
            let held = match words {
                "--lock x" => of_program(path, "x").acquire().expect("a lock"),
                _ => file_lock(path).acquire().expect("a lock"),
            };
            let waits = spawn(&mut run(
                path,
                &format!("-v {words} --rollback --backup f --wait 1h"),
                "echo >> calls",
            ));
            while !is_waiting(held.path()) {
                std::thread::yield_now();
            }
            signal(&waits, name);
            let ended = waits.wait_with_output().unwrap();
            assert_eq!((ended.status.signal(), calls(path)), (Some(number), 0), "{name} {words}");
        }
        // While the command works.
        let script = "echo new > f; trap 'exit 0' TERM; touch ready; while :; do sleep 0.01; done";
        let works =
            spawn(&mut run(path, "--lock x --rollback --backup f --retries 5 --fallback true", script));
        appears(&path.join("ready"));
        signal(&works, name);
        let ended = works.wait_with_output().unwrap();
        assert_eq!(ended.status.signal(), Some(number), "{name}: {}", text(&ended.stderr));
        assert_eq!(read(path, "f").as_deref(), Some("old\n"), "{name}");
        drop(of_program(path, "x").acquire().expect("free"));
        // While it waits for the next attempt.
        fs::remove_file(path.join("ready")).unwrap();
        let script = "echo new > f; touch ready; exit 1";
        let waits =
            spawn(&mut run(path, "--rollback --backup f --retries 5 --base 1h --cap 1h --no-jitter", script));
        appears(&path.join("ready"));
        while read(path, "f").as_deref() != Some("old\n") {
            std::thread::yield_now();
        }
        signal(&waits, name);
        assert_eq!(waits.wait_with_output().unwrap().status.signal(), Some(number));
        assert_eq!(read(path, "f").as_deref(), Some("old\n"));
        assert_eq!(ends(&mut run(path, "--rollback --backup f", "cat f")).0, "old\n");
    }
}

/// The lock of the file `f`, as transactions take it.
fn file_lock(dir: &Path) -> FileLock {
    Transaction::of(dir.join("f")).apply(|_| Ok::<_, TransactionError>(())).expect("free");
    FileLock::at(file_lock_path(dir)).wait(Duration::ZERO)
}

pub(super) fn file_lock_path(dir: &Path) -> std::path::PathBuf {
    let names = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    names.into_iter().find(|path| path.extension().is_some_and(|end| end == "lock")).expect("a lock")
}

/// Whether a process waits for the lock whose file this is: it has the turn.
pub(super) fn is_waiting(lock: &Path) -> bool {
    let turns = [
        lock.with_extension("turn"),
        lock.with_file_name(format!("{}.turn", lock.file_name().unwrap().display())),
    ];
    turns.iter().filter_map(|turn| fs::File::open(turn).ok()).any(|turn| turn.try_lock().is_err())
}

#[test]
fn a_long_wait_is_shown_only_on_a_terminal() {
    let dir = dir();
    let path = dir.path();
    let held = of_program(path, "deploy").acquire().expect("a lock");
    let home = path.join("home").display().to_string();
    let shell = format!("XDG_STATE_HOME={home} $RUN --lock deploy --wait 1500ms -- true; echo code $?");
    let screen = super::terminal::in_terminal(path, &shell, b"");
    assert!(screen.contains("waiting for the lock deploy, for 1s") && screen.contains("code 75"), "{screen}");
    let shell = "$RUN --retries 1 --base 1500ms --no-jitter -- false; echo code $?";
    let screen = super::terminal::in_terminal(path, shell, b"");
    assert!(screen.contains("waiting for attempt 2 of 2, for 1s") && screen.contains("code 1"), "{screen}");
    let quiet = output(&mut run(path, "--lock deploy --wait 1500ms", "true"));
    assert_eq!(text(&quiet.stderr).lines().count(), 1, "{}", text(&quiet.stderr));
    drop(held);
}
