//! Paths that a program gives or its environment names, in processes that change their working directory, have an unusual mask, or
//! act for another user.

use crate::common::{Scratch, child, given_dir, pipe, say};
use resilience::fs::{DirLock, FileLock, LockError, MarkerLock, Transaction, TransactionError};
use resilience::{Event, lock};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

const OTHER: u32 = 12_345;

fn is_busy(lock: &FileLock) -> bool {
    matches!(lock.clone().wait(Duration::ZERO).acquire(), Err(LockError::Timeout { .. }))
}

/// Not a test of its own: gives relative paths, and changes the working directory.
#[test]
#[ignore = "run by others, in a process of its own"]
fn changes_directory() {
    let Some(dir) = given_dir() else { return };
    let lease = Duration::from_millis(200);
    let (file, marker) = (FileLock::at("x.lock"), MarkerLock::at("x.marker").lease(lease));
    let (locks, all) = (lock::in_dir("locks", "x"), DirLock::at("."));
    let edits = Transaction::many(["x.conf", "y.conf"]);
    let held = [lock::named("x"), lock::common("x"), file.clone(), locks.clone(), all.clone().into()];
    let guards = held.each_ref().map(|lock| lock.acquire().expect("a lock"));
    let marked = marker.acquire().expect("a lock");
    std::env::set_current_dir("elsewhere").expect("a directory");
    assert!(held.iter().all(is_busy), "the same locks");
    assert!(is_busy(&lock::named("x")) && is_busy(&lock::common("x")));
    assert!(lock::dir().expect("a directory").starts_with(&dir));
    let waited = marker.clone().wait(3 * lease).acquire();
    assert!(waited.is_err() && marked.still_ours(), "its heart beats where it was");
    drop((guards, marked));
    assert!(!held.iter().any(is_busy) && !dir.join("x.marker").exists());
    let edited = edits.run(|files| files.iter_mut().try_for_each(|file| file.write("new")));
    edited.expect("a transaction");
    lock::use_dir("of/its/own");
    drop(lock::named("y").acquire().expect("a lock"));
    std::env::set_current_dir("/").expect("a directory");
    drop(lock::named("y").acquire().expect("a lock"));
    assert!(lock::dir().expect("a directory").starts_with(dir.join("elsewhere/of/its/own")));
    say("done");
}

#[test]
fn relative_paths_keep_their_meaning_after_chdir() {
    for state in ["st", "./st", "a/b/../st"] {
        let scratch = Scratch::new();
        let dir = scratch.path("");
        for name in ["elsewhere", "a", "a/b"] {
            fs::create_dir(dir.join(name)).expect("a directory");
        }
        let mut child = child("given::changes_directory", &dir);
        child
            .current_dir(&dir)
            .env("RESILIENCE_STATE", state)
            .env("HOME", dir.join("home"))
            .env_remove("XDG_STATE_HOME");
        let output = child.output().expect("a child");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        assert!(dir.join(state).join("locks").is_dir() && dir.join("x.conf").is_file());
        assert!(dir.join("home/.local/state/resilience/locks").is_dir());
        let names = fs::read_dir(dir.join("elsewhere")).expect("a directory");
        let names: Vec<_> = names.map(|entry| entry.expect("an entry").file_name()).collect();
        assert_eq!(names, ["of"], "nothing else");
    }
}

/// Not a test of its own: uses locks and transactions on files that are not there.
#[test]
#[ignore = "run by others, in a process of its own"]
fn makes_files() {
    let Some(dir) = given_dir() else { return };
    let own = dir.join("own");
    drop(lock::in_dir(own.join("a/locks"), "x").acquire().expect("a lock"));
    drop(FileLock::at(own.join("x.lock")).acquire().expect("a lock"));
    let marker = MarkerLock::at(own.join("x.marker")).acquire().expect("a lock");
    assert!(marker.still_ours());
    let names = [1, 2].map(|n| own.join(format!("{n}-{}", std::process::id())));
    let edited: Result<(), TransactionError> = Transaction::many(&names).keep(1).run(|files| {
        files.iter_mut().for_each(|file| file.write("new").expect("a copy"));
        Ok(())
    });
    match std::env::var("FS_TEST_MASK").as_deref() {
        Ok("0777") => {
            let words = edited.expect_err("no transaction could read them").to_string();
            assert!(words.contains("`umask`"), "{words}");
            assert!(names.iter().all(|name| !name.exists()));
        }
        _ => edited.expect("a transaction"),
    }
    say("done");
}

/// This program as another user with this mask; `None`, said aloud, where that cannot be.
fn as_other(name: &str, dir: &Path, mask: &str) -> Option<Command> {
    let own = child(name, dir);
    let user = ["--reuid", "12345", "--regid", "12345", "--clear-groups"];
    let can = Command::new("setpriv").args(user).args(["test", "-x"]).arg(own.get_program()).status();
    if !can.is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: this program cannot run as another user");
        return None;
    }
    let mut command = Command::new("sh");
    command.args(["-c", "umask $0; exec setpriv \"$@\"", mask]).args(user);
    command.arg(own.get_program()).args(own.get_args()).env("TEST_DIR", dir).env("FS_TEST_MASK", mask);
    Some(command)
}

#[test]
fn any_umask_leaves_files_usable_for_later_processes() {
    for mask in ["0777", "0177", "0277", "0000"] {
        let scratch = Scratch::new();
        let dir = scratch.path("");
        fs::create_dir(dir.join("own")).expect("a directory");
        if chown(dir.join("own"), Some(OTHER), Some(OTHER)).is_err() {
            return eprintln!("SKIPPED: this user may not give a directory to another one");
        }
        for _ in 0..2 {
            let Some(mut child) = as_other("given::makes_files", &dir, mask) else { return };
            let output = child.output().expect("a child");
            assert!(output.status.success(), "{mask}: {}", String::from_utf8_lossy(&output.stdout));
        }
        let mode = |name: &str| fs::metadata(dir.join("own").join(name)).expect("a directory").mode() & 0o777;
        assert_eq!((mode("a"), mode("a/locks")), (0o700, 0o700), "{mask}");
    }
}

/// Not a test of its own: takes a lock in a directory that was made unusable.
#[test]
#[ignore = "run by others, in a process of its own"]
fn is_rejected() {
    let Some(dir) = given_dir() else { return };
    let words = lock::in_dir(dir.join("own"), "x").acquire().expect_err("it has no rights").to_string();
    assert!(words.contains("chmod u+rwx") && words.contains("mode 0000"), "{words}");
    say("done");
}

/// Not a test of its own: takes a lock that was made in a directory of another user.
#[test]
#[ignore = "run by others, in a process of its own"]
fn locks_in_a_foreign_directory() {
    let Some(dir) = given_dir() else { return };
    let lock = FileLock::at(dir.join("x.lock")).wait(Duration::ZERO);
    let held = lock.acquire().expect("it may be read");
    assert!(is_busy(&lock) && held.still_ours());
    assert!(is_busy(&FileLock::at(dir.join("held.lock")).wait(Duration::ZERO)));
    drop(FileLock::at(dir.join("piped.lock")).acquire().expect("it needs no turn"));
    let missing = FileLock::at(dir.join("missing.lock")).acquire().expect_err("it cannot be made");
    assert!(
        matches!(missing, LockError::Failed { kind: std::io::ErrorKind::PermissionDenied, .. }),
        "{missing}"
    );
    say("done");
}

#[test]
fn a_readable_lock_in_a_foreign_directory_is_usable() {
    let scratch = Scratch::new();
    let dir = scratch.path("");
    // As an administrator makes it in `/run/lock`.
    scratch.write("x.lock", "");
    scratch.write("piped.lock", "");
    pipe(&dir.join("piped.lock.turn"));
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(dir.join("piped.lock.turn"), mode).expect("its mode");
    let held = FileLock::at(dir.join("held.lock")).acquire().expect("a lock");
    let Some(mut child) = as_other("given::locks_in_a_foreign_directory", &dir, "0022") else { return };
    let output = child.output().expect("a child");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    drop(held);
}

#[test]
fn a_directory_without_permissions_is_rejected_with_advice() {
    let scratch = Scratch::new();
    let dir = scratch.path("");
    fs::create_dir(dir.join("own")).expect("a directory");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o0);
    fs::set_permissions(dir.join("own"), mode).expect("its mode");
    if chown(dir.join("own"), Some(OTHER), Some(OTHER)).is_err() {
        return eprintln!("SKIPPED: this user may not give a directory to another one");
    }
    let Some(mut child) = as_other("given::is_rejected", &dir, "0022") else { return };
    let output = child.output().expect("a child");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn no_lock_directory_is_created_under_another_user() {
    let world = resilience::testing::isolate();
    let scratch = Scratch::new();
    let state = scratch.path("state");
    fs::create_dir(&state).expect("a directory");
    if chown(&state, Some(OTHER), None).is_err() {
        return eprintln!("SKIPPED: this user may not give a directory to another one");
    }
    let refused =
        lock::in_dir(state.join("locks"), "x").acquire().expect_err("it is another user's").to_string();
    assert!(refused.contains("belongs to user 12345") && refused.contains("lock a path"), "{refused}");
    lock::use_dir(state.join("locks"));
    assert!(lock::named("x").acquire().is_err());
    assert_eq!(fs::read_dir(&state).expect("a directory").count(), 0, "nothing was made");
    assert!(!world.events().iter().any(|event| matches!(event, Event::Alert { .. })));
}
