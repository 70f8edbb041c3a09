//! Transactions: whole or not at all, whatever happens, and kept as the files were.

use crate::common::{Scratch, child, given_dir, say};
use futures::FutureExt as _;
use futures::executor::block_on;
use resilience::fs::{FileLock, LockError, Transaction, TransactionError, backups, restore};
use resilience::{Category, Classify as _, Event, testing};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc;
use std::time::Duration;

/// The files of a directory that are neither locks nor backups.
pub(crate) fn plain(dir: &Path) -> Vec<String> {
    let names = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().expect("text")).collect();
    names.retain(|name| {
        !name.starts_with('.')
            || ![".lock", ".turn", ".backup", ".absent"].iter().any(|end| name.ends_with(end))
    });
    names.sort();
    names
}

pub(crate) fn text(path: &Path) -> Option<String> {
    fs::read_to_string(path).ok()
}

#[test]
fn an_error_or_panic_leaves_the_files_unchanged() {
    let scratch = Scratch::new();
    let (a, b) = (scratch.path("a"), scratch.path("b"));
    fs::write(&a, "old").expect("a file");
    let both = Transaction::many([&a, &b]);
    let failed: io::Result<()> = both.run(|files| {
        assert_eq!((files[0].read_to_string()?, files[1].exists()), ("old".to_owned(), false));
        assert_eq!(files[1].read().expect_err("no file").kind(), io::ErrorKind::NotFound);
        files[0].write("new")?;
        files[1].write("new")?;
        Err(io::Error::other("no"))
    });
    assert_eq!(failed.expect_err("its own").to_string(), "no");
    let panics = || both.run(|files| -> io::Result<()> { files[0].write("new").map(|()| panic!("no")) });
    assert!(std::panic::catch_unwind(panics).is_err());
    assert_eq!((text(&a), plain(&scratch.path(""))), (Some("old".to_owned()), vec!["a".to_owned()]));
    // Nothing changed: nothing is replaced.
    let inode = fs::metadata(&a).expect("a file").ino();
    both.run(|files| files[0].write("old")).expect("a transaction");
    assert_eq!(fs::metadata(&a).expect("a file").ino(), inode);
    // Nor is a copy of it left where another file changes, with and without a journal.
    for keep in [0, 1] {
        let both = both.clone().keep(keep);
        both.run(|files| files[0].write("old").and_then(|()| files[1].write(keep.to_string())))
            .expect("a transaction");
        assert_eq!(plain(&scratch.path("")), ["a", "b"]);
    }
    fs::remove_file(&b).expect("a file");
    // One file is written, one made, and removed again.
    both.run(|files| files[0].write("new").and_then(|()| files[1].write("new"))).expect("a transaction");
    assert_eq!((text(&a), text(&b)), (Some("new".to_owned()), Some("new".to_owned())));
    Transaction::edit(&b, |file| {
        file.remove();
        io::Result::Ok(())
    })
    .expect("a transaction");
    assert_eq!(plain(&scratch.path("")), ["a"]);
}

#[test]
fn a_transaction_keeps_the_mode_and_attributes_of_a_file() {
    let scratch = Scratch::new();
    let (path, long) = (scratch.path("x.conf"), scratch.path(&"l".repeat(255)));
    for path in [&path, &long] {
        fs::write(path, "old").expect("a file");
        fs::set_permissions(path, Permissions::from_mode(0o2640)).expect("its mode");
        let has_attribute = Command::new("setfattr")
            .args(["-n", "user.a", "-v", "b"])
            .arg(path)
            .status()
            .is_ok_and(|it| it.success());
        Transaction::edit(path, |file| file.write("new")).expect("a transaction");
        assert_eq!(
            (text(path), fs::metadata(path).expect("a file").mode() & 0o7777),
            (Some("new".to_owned()), 0o2640)
        );
        let locks =
            fs::read_dir(scratch.path("")).expect("a directory").map(|entry| entry.expect("an entry"));
        for lock in locks.filter(|entry| entry.file_name().to_string_lossy().ends_with(".lock")) {
            let mode = lock.metadata().expect("a lock").mode();
            assert_eq!(mode & 0o777, 0o640, "who may write the file may lock it");
        }
        if has_attribute {
            let shown =
                Command::new("getfattr").args(["-n", "user.a"]).arg(path).output().expect("a command");
            assert!(String::from_utf8_lossy(&shown.stdout).contains("user.a=\"b\""));
        }
    }
    let read_only = scratch.path("read-only");
    fs::write(&read_only, "old").expect("a file");
    fs::set_permissions(&read_only, Permissions::from_mode(0o444)).expect("its mode");
    for content in ["new", "newer"] {
        Transaction::of(&read_only).keep(1).apply(|file| file.write(content)).expect("a transaction");
    }
    assert_eq!(fs::metadata(&read_only).expect("a file").mode() & 0o777, 0o444);
    let runs = AtomicU32::new(0);
    let refused = |transaction: Transaction| {
        let outcome = transaction.apply(|file| {
            runs.fetch_add(1, Ordering::Relaxed);
            file.write("other")
        });
        outcome.expect_err("it is refused").to_string()
    };
    fs::hard_link(&path, scratch.path("link")).expect("a link");
    assert!(refused(Transaction::of(&path)).contains("2 hard links"));
    symlink(&long, scratch.path("symlink")).expect("a link");
    assert!(refused(Transaction::of(scratch.path("symlink"))).contains("it is a link: `follow(true)`"));
    symlink(scratch.path("gone"), scratch.path("dangling")).expect("a link");
    assert!(refused(Transaction::of(scratch.path("dangling")).follow(true)).contains("leads to no file"));
    fs::create_dir(scratch.path("directory")).expect("a directory");
    assert!(refused(Transaction::of(scratch.path("directory"))).contains("directory"));
    assert!(refused(Transaction::of(&long).limit(2)).contains("`limit` is 2"));
    assert!(refused(Transaction::many([&path, &scratch.path("./x.conf")])).contains("named twice"));
    assert!(refused(Transaction::of(scratch.path("missing/x"))).contains("No such file"));
    if Command::new("chattr").arg("+i").arg(&long).status().is_ok_and(|it| it.success()) {
        let words = refused(Transaction::of(&long));
        assert!(Command::new("chattr").arg("-i").arg(&long).status().expect("a command").success());
        assert!(words.contains("immutable"), "{words}");
    }
    assert_eq!(runs.load(Ordering::Relaxed), 0, "refused before the closure runs");
    Transaction::of(&path).break_links(true).apply(|file| file.write("other")).expect("a transaction");
    assert_eq!(text(&scratch.path("link")).as_deref(), Some("new"), "the other link keeps the old content");
    Transaction::of(scratch.path("symlink"))
        .follow(true)
        .apply(|file| file.write("through"))
        .expect("a transaction");
    assert_eq!(text(&long).as_deref(), Some("through"));
    assert!(fs::symlink_metadata(scratch.path("symlink")).expect("a link").is_symlink());
}

#[test]
fn json_edits_of_several_files_are_atomic() {
    let scratch = Scratch::new();
    let (tasks, agents) = (scratch.path("tasks.json"), scratch.path("agents.json"));
    fs::write(&tasks, "{\n  \"z\": 18446744073709551616,\n  \"a\": {\"state\": \"open\"}\n}\n")
        .expect("a file");
    fs::write(&agents, "{").expect("a file");
    let both = Transaction::many([&tasks, &agents]);
    let complete = || {
        both.run(|files| {
            files[0].edit_json(|json| json.set("/a/state", "done"))?;
            files[1].edit_json(|json| json.set("/anna", &["a"]))
        })
    };
    let corrupt: TransactionError = complete().expect_err("it is broken");
    assert_eq!(corrupt.classify().category, Category::Corrupt);
    assert!(
        corrupt.to_string().contains("agents.json: it is not JSON: EOF")
            && corrupt.to_string().contains("line 1")
    );
    assert!(text(&tasks).expect("a file").contains("open"));
    fs::write(&agents, "{}").expect("a file");
    complete().expect("a transaction");
    assert_eq!(
        text(&tasks).as_deref(),
        Some("{\n  \"z\": 18446744073709551616,\n  \"a\": {\"state\": \"done\"}\n}\n")
    );
    assert_eq!(text(&agents).as_deref(), Some("{\"anna\":[\"a\"]}"));
    let missing: Result<(), TransactionError> =
        Transaction::edit(scratch.path("missing"), |file| file.edit_json(|json| json.set("", &1)));
    assert!(matches!(missing, Err(TransactionError::Failed { kind: io::ErrorKind::NotFound, .. })));
}

/// Whether `program` did what was asked; says so if not, since not every system allows it.
fn can(program: &str, args: &[&str], path: &Path) -> bool {
    let done = Command::new(program).args(args).arg(path).output().is_ok_and(|it| it.status.success());
    if !done {
        eprintln!("skipped: `{program} {}` is not possible here", args.join(" "));
    }
    done
}

#[test]
fn access_lists_and_groups_are_kept_or_rejected() {
    let scratch = Scratch::new();
    type Change = fn(&Path) -> Result<(), TransactionError>;
    // Transactions and rollbacks alike.
    let changes: [Change; 2] = [
        |path| Transaction::of(path).apply(|file| file.write("new").map_err(|_| unreachable!("a copy"))),
        |path| {
            let rollback = Transaction::of(path).back_up()?;
            fs::remove_file(path).expect("a file");
            fs::write(path, "other").expect("a file");
            rollback.roll_back()
        },
    ];
    for (number, change) in changes.into_iter().enumerate() {
        let path = scratch.path(&format!("file{number}"));
        fs::write(&path, "old").expect("a file");
        let shown = |program: &str, args: &[&str]| {
            let output = Command::new(program).args(args).arg(&path).output().expect("a command");
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        let has_list = can("setfacl", &["-m", "u:12345:rw-,g:12346:r--"], &path);
        let has_attribute = can("setfattr", &["-n", "user.note", "-v", "kept"], &path);
        let has_group = std::os::unix::fs::chown(&path, None, Some(12_347)).is_ok();
        if !has_group {
            eprintln!("skipped: this user may not give a file to another group");
        }
        let before = (fs::metadata(&path).expect("a file"), has_list.then(|| shown("getfacl", &["-pn"])));
        change(&path).expect("a change");
        let after = (fs::metadata(&path).expect("a file"), has_list.then(|| shown("getfacl", &["-pn"])));
        assert_eq!(
            (after.0.mode(), after.0.gid(), after.0.uid()),
            (before.0.mode(), before.0.gid(), before.0.uid())
        );
        assert_eq!(after.1, before.1);
        assert!(after.1.is_none_or(|list| list.contains("user:12345:rw-")));
        assert!(!has_attribute || shown("getfattr", &["-d"]).contains("user.note=\"kept\""));
        assert!(!has_group || after.0.gid() == 12_347);

        let mounted = scratch.path(&format!("mounted{number}"));
        fs::write(&mounted, "old").expect("a file");
        let name = mounted.display().to_string();
        if can("mount", &["--bind", &name], &mounted) {
            let words = change(&mounted).expect_err("a mount point").to_string();
            assert!(can("umount", &[], &mounted));
            assert!(words.contains("mount point"), "{words}");
            assert_eq!(text(&mounted).as_deref(), Some("old"));
        }
        for (flag, words) in [("i", "immutable"), ("a", "appended")] {
            if can("chattr", &[&format!("+{flag}")], &path) {
                let refused = change(&path).expect_err("it may not be replaced").to_string();
                assert!(can("chattr", &[&format!("-{flag}")], &path));
                assert!(refused.contains(words), "{refused}");
            }
        }
        // The longest name that a file may have, and one with a line and quotes in it.
        for name in ["n".repeat(255), "a\n\"b' \\".to_owned()] {
            let path = scratch.path(&name);
            fs::write(&path, "old").expect("a file");
            change(&path).expect("a change");
            fs::remove_file(&path).expect("a file");
        }
    }
}

#[test]
fn a_new_file_has_the_rights_that_its_directory_gives() {
    let scratch = Scratch::new();
    let shared = scratch.path("shared");
    fs::create_dir(&shared).expect("a directory");
    // Others get nothing here, whatever the mask of the process, and a user of the list may write.
    if !can("setfacl", &["-d", "-m", "u:12345:rwx,o::---"], &shared) {
        return;
    }
    for dir in [scratch.path(""), shared] {
        let shown = |name: &str| {
            let list =
                Command::new("getfacl").args(["-cpn"]).arg(dir.join(name)).output().expect("a command");
            assert!(list.status.success());
            String::from_utf8_lossy(&list.stdout).into_owned()
        };
        fs::write(dir.join("usual"), "new").expect("a file");
        Transaction::edit(dir.join("one"), |file| file.write("new")).expect("a transaction");
        let several = Transaction::many([dir.join("two"), dir.join("three")]).keep(1);
        several.run(|files| files.iter_mut().try_for_each(|file| file.write("new"))).expect("a transaction");
        // It is made, taken back, and made again.
        Transaction::edit(dir.join("again"), |file| {
            file.write("newer")?;
            file.remove();
            file.write("new")
        })
        .expect("a transaction");
        for name in ["one", "two", "three", "again"] {
            assert_eq!(shown(name), shown("usual"), "{name}");
        }
    }
}

#[test]
fn a_directory_scan_sees_only_hidden_temporary_files() {
    let scratch = Scratch::new();
    let path = scratch.path("a.conf");
    fs::write(&path, "0").expect("a file");
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                for entry in fs::read_dir(scratch.path("")).expect("a directory") {
                    let name = entry.expect("an entry").file_name().into_string().expect("text");
                    assert!(name == "a.conf" || !name.ends_with(".conf") && name.starts_with('.'), "{name}");
                }
                assert!(!text(&path).expect("always a file").is_empty());
            }
        });
        for number in 1..40 {
            let outcome = Transaction::of(&path).keep(2).apply(|file| file.write(number.to_string()));
            outcome.expect("a transaction");
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_change_without_the_lock_is_a_conflict() {
    let scratch = Scratch::new();
    let (a, b) = (scratch.path("a"), scratch.path("b"));
    for changes in [&(|path: &Path| fs::write(path, "foreign").expect("a file")) as &dyn Fn(&Path), &|path| {
        fs::write(path.with_extension("new"), "foreign").expect("a file");
        fs::rename(path.with_extension("new"), path).expect("a rename");
    }] {
        for (path, had_content) in [(&a, true), (&b, false)] {
            if had_content {
                fs::write(path, "old").expect("a file");
            }
            let outcome: Result<(), TransactionError> = Transaction::many([&a, &b]).run(|files| {
                files.iter_mut().for_each(|file| file.write("new").expect("a copy"));
                changes(path);
                Ok(())
            });
            let conflict = outcome.expect_err("it has changed");
            assert_eq!(conflict.classify().category, Category::Conflict);
            assert!(matches!(conflict, TransactionError::Conflict { path: found, .. } if found == *path));
            assert_eq!(text(path).as_deref(), Some("foreign"));
            assert!(plain(&scratch.path("")).iter().all(|name| !name.starts_with('.')));
            let _ = fs::remove_file(&b);
            fs::write(&a, "old").expect("a file");
        }
    }
    // The lock file is removed meanwhile: others may have begun.
    let outcome: Result<(), TransactionError> = Transaction::edit(&a, |file| {
        file.write("new").expect("a copy");
        for entry in
            fs::read_dir(scratch.path("")).expect("a directory").map(|entry| entry.expect("an entry").path())
        {
            if entry.extension().is_some_and(|end| end == "lock") {
                fs::remove_file(entry).expect("a file");
            }
        }
        Ok(())
    });
    assert!(matches!(outcome, Err(TransactionError::Lock(LockError::Refused { .. }))), "{outcome:?}");
    assert_eq!(text(&a).as_deref(), Some("old"));
}

#[test]
fn backups_are_numbered_and_restored_with_mode_and_absence() {
    let scratch = Scratch::new();
    let path = scratch.path("x");
    let write = |content: &str| {
        Transaction::of(&path).keep(3).apply(|file| file.write(content)).expect("a transaction")
    };
    let all = || {
        backups(&path)
            .expect("a listing")
            .into_iter()
            .map(|it| (it.number, it.was_there.then(|| text(&it.path).expect("text"))))
            .collect::<Vec<_>>()
    };
    let old = |content: &str| Some(content.to_owned());
    write("1");
    fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("its mode");
    write("2");
    fs::set_permissions(&path, Permissions::from_mode(0o644)).expect("its mode");
    assert_eq!(all(), [(1, None), (2, old("1"))]);
    restore(&path, 2).expect("a backup");
    assert_eq!((text(&path), fs::metadata(&path).expect("a file").mode() & 0o777), (old("1"), 0o600));
    assert_eq!(all(), [(1, None), (2, old("1")), (3, old("2"))]);
    restore(&path, 1).expect("a backup");
    assert!(!path.exists());
    restore(&path, 3).expect("a backup");
    assert_eq!(text(&path), old("2"));
    write("3");
    assert_eq!(all(), [(4, old("1")), (5, None), (6, old("2"))]);
    assert!(matches!(restore(&path, 1), Err(TransactionError::Refused { .. })));
}

#[test]
fn a_nested_transaction_on_the_same_file_is_rejected() {
    let scratch = Scratch::new();
    let path = scratch.path("x");
    let outcome = Transaction::edit(&path, |file| {
        let inner: Result<(), TransactionError> = Transaction::edit(&path, |_| Ok(()));
        assert!(matches!(inner, Err(TransactionError::Lock(LockError::Reentered { .. }))), "{inner:?}");
        file.write("0")
    });
    outcome.expect("a transaction");
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..10 {
                    let raised = Transaction::edit(&path, |file| {
                        let number: u32 = file.read_to_string()?.parse().expect("a number");
                        file.write((number + 1).to_string())
                    });
                    raised.expect("a transaction");
                }
            });
        }
    });
    assert_eq!(text(&path).as_deref(), Some("40"));
}

#[test]
fn a_future_that_is_dropped_rolls_back_before_the_commit() {
    let scratch = Scratch::new();
    let path = scratch.path("x");
    let write =
        |content: &'static str| Transaction::of(&path).run_async(move |files| files[0].write(content));
    block_on(write("old")).expect("a transaction");
    let ((begun, has_begun), (go, gate)) = (mpsc::channel(), mpsc::channel::<()>());
    let mut dropped = Box::pin(Transaction::of(&path).run_async(move |files| {
        begun.send(()).expect("a test");
        let _ = gate.recv();
        files[0].write("new")
    }));
    assert!(dropped.as_mut().now_or_never().is_none());
    has_begun.recv().expect("a thread");
    drop(dropped);
    drop(go);
    // The lock is free once it has rolled back.
    let seen = Transaction::edit(&path, |file| file.read_to_string()).expect("a transaction");
    assert_eq!(seen, "old");
    assert_eq!(plain(&scratch.path("")), ["x"]);
    block_on(write("newer")).expect("a transaction");
    assert_eq!(text(&path).as_deref(), Some("newer"));
}

const DIRS: [&str; 3] = ["one", "two", "three"];

/// Three files in three directories: one is replaced, one made, one removed.
pub(crate) fn files(dir: &Path) -> [PathBuf; 3] {
    DIRS.map(|name| dir.join(name).join("x.conf"))
}

pub(crate) fn prepare(dir: &Path) {
    for (file, content) in files(dir).iter().zip(CONTENTS[0]) {
        let _ = fs::remove_dir_all(file.parent().expect("a directory"));
        fs::create_dir_all(file.parent().expect("a directory")).expect("a directory");
        content.into_iter().for_each(|content| fs::write(file, content).expect("a file"));
    }
}

/// What the files have before the transaction and after it.
const CONTENTS: [[Option<&str>; 3]; 2] =
    [[Some("old"), None, Some("gone")], [Some("new"), Some("made"), None]];

/// Whether the file at `number` has the content from after the transaction, or that from before it.
pub(crate) fn is_content(number: usize, content: Option<&str>, is_after: bool) -> bool {
    CONTENTS[usize::from(is_after)][number] == content
}

/// Whether everything is after the transaction, or everything before it.
pub(crate) fn is_after(dir: &Path) -> bool {
    let now = files(dir).map(|file| text(&file));
    let now = now.each_ref().map(Option::as_deref);
    let after = now == CONTENTS[1];
    assert!(after || now == CONTENTS[0], "between before and after: {now:?}");
    after
}

/// As [`is_after`], whatever the file at `number` has.
pub(crate) fn is_after_but(dir: &Path, number: usize) -> bool {
    let all = files(dir);
    let others = || all.iter().enumerate().filter(|(other, _)| *other != number);
    let are = |after| others().all(|(other, file)| is_content(other, text(file).as_deref(), after));
    assert!(are(true) || are(false), "between before and after, but for {number}");
    are(true)
}

/// Lets this process end at the change of the disk with the number in `FS_TEST_AT`.
pub(crate) fn end_at() {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    testing::on_moment(|name| {
        let at = std::env::var("FS_TEST_AT").ok().and_then(|at| at.parse().ok());
        if std::env::var_os("FS_TEST_NAMES").is_some() {
            say(name);
        }
        if name.starts_with("fs ") && Some(COUNT.fetch_add(1, Ordering::SeqCst) + 1) == at {
            // As a kill: nothing is cleaned up, and the kernel frees the locks.
            std::process::exit(86);
        }
    });
}

/// Not a test of its own: changes the three files, or opens one of them.
#[test]
#[ignore = "run by others, in a process of its own"]
fn changes() {
    let Some(dir) = given_dir() else { return };
    end_at();
    let keep = if std::env::var_os("FS_TEST_KEEP").is_some() { 2 } else { 0 };
    match std::env::var("FS_TEST_OPEN").ok().and_then(|at| at.parse::<usize>().ok()) {
        Some(at) => {
            let outcome: Result<(), TransactionError> = Transaction::of(&files(&dir)[at]).apply(|_| Ok(()));
            outcome.expect("it is finished first");
        }
        None if std::env::var_os("FS_TEST_ONE").is_some() => {
            Transaction::of(&files(&dir)[0])
                .keep(keep)
                .apply(|file| file.write("new"))
                .expect("a transaction");
        }
        None => {
            let outcome = Transaction::many(files(&dir)).keep(keep).run(|files| {
                files[0].write("new")?;
                files[1].write("made")?;
                files[2].remove();
                io::Result::Ok(())
            });
            outcome.expect("a transaction");
        }
    }
    say("done");
}

/// Runs [`changes`] with these variables; whether it has reached its end.
pub(crate) fn run(dir: &Path, variables: &[Variable]) -> bool {
    has_ended("transactions::changes", dir, variables)
}

/// What a child finds in its environment.
pub(crate) type Variable = (&'static str, String);

/// Runs the ignored test `name` with these variables; whether it has reached its end, and was not killed.
pub(crate) fn has_ended(name: &str, dir: &Path, variables: &[Variable]) -> bool {
    let mut command = child(name, dir);
    command.envs(variables.iter().map(|(name, value)| (*name, value)));
    let output = command.output().expect("a child");
    match output.status.code() {
        Some(0) => true,
        Some(86) => false,
        _ => panic!("{}", String::from_utf8_lossy(&output.stdout)),
    }
}

pub(crate) fn open(at: usize) -> Variable {
    ("FS_TEST_OPEN", at.to_string())
}

pub(crate) fn killed_at(number: u32) -> Variable {
    ("FS_TEST_AT", number.to_string())
}

/// Kills what `run` runs at each change of the disk in turn, with the files as `begin` makes them, and lets `judge`
/// look at what is left. Returns the number of the first change that there was not.
pub(crate) fn at_each_change(
    begin: impl Fn(),
    run: impl Fn(&[Variable]) -> bool,
    mut judge: impl FnMut(u32),
) -> u32 {
    for number in 1.. {
        begin();
        if run(&[killed_at(number)]) {
            return number;
        }
        judge(number);
    }
    unreachable!("it ends")
}

/// Opens all three files, and checks that nothing is left.
pub(crate) fn settle(dir: &Path, first: usize) -> bool {
    let outcome: Result<(), TransactionError> = Transaction::of(&files(dir)[first]).apply(|_| Ok(()));
    outcome.expect("it is finished first");
    let after = is_after(dir);
    for other in 1..3 {
        let file = &files(dir)[(first + other) % 3];
        let outcome: Result<(), TransactionError> = Transaction::of(file).apply(|_| Ok(()));
        outcome.expect("nothing is left to finish");
    }
    for file in files(dir) {
        let all = plain(file.parent().expect("a directory"));
        assert!(all.iter().all(|name| name == "x.conf"), "{all:?}");
    }
    assert_eq!(is_after(dir), after);
    after
}

#[test]
fn a_kill_at_any_write_leaves_all_files_changed_or_none() {
    let scratch = Scratch::new();
    let dir = scratch.path("");
    let with = |more: Option<Variable>| {
        let dir = &dir;
        move |at: &[Variable]| run(dir, &[at, more.as_slice()].concat())
    };
    for keep in [None, Some(("FS_TEST_KEEP", String::new()))] {
        let mut afters = 0;
        let judge = |number| afters += u32::from(settle(&dir, number as usize % 3));
        let number = at_each_change(|| prepare(&dir), with(keep), judge);
        assert!(number > 20 && afters > 5 && afters + 5 < number, "{afters} of {number} were after");
        assert!(is_after(&dir));
    }
    // One file without backups: its replacement is the commit.
    let one = with(Some(("FS_TEST_ONE", String::new())));
    let number = at_each_change(
        || prepare(&dir),
        one,
        |_| {
            assert!(run(&dir, &[open(0)]));
            let now = text(&files(&dir)[0]).expect("a file");
            assert!(now == "old" || now == "new", "{now}");
            assert_eq!(plain(files(&dir)[0].parent().expect("a directory")), ["x.conf"]);
        },
    );
    assert!(number > 5);
}

#[test]
fn writes_are_ordered_to_survive_a_power_cut() {
    let scratch = Scratch::new();
    let dir = scratch.path("");
    prepare(&dir);
    let output = child("transactions::changes", &dir).env("FS_TEST_NAMES", "").output().expect("a child");
    let output = String::from_utf8(output.stdout).expect("text");
    let names: Vec<_> = output.lines().filter_map(|line| line.strip_prefix("fs ")).collect();
    let copies = ["create", "create", "remove", "create", "sync", "sync", "remove"];
    let locks = ["name journal", "sync lock"].repeat(3);
    let dirs = ["sync dir"; 3];
    let journal = ["create", "sync", "rename_new", "sync dir"];
    // Until here no target has changed; from here on the journal is there until all directories are synced.
    let targets = ["exchange", "rename_new", "rename_new"];
    let displaced = ["remove", "remove"];
    let end = ["rename_new", "sync dir", "remove"];
    let expected = [&copies[..], &locks, &dirs, &journal, &targets, &dirs, &displaced, &end, &locks].concat();
    assert_eq!(names, expected);
}

/// The first change of the disk after the commit.
fn committed(dir: &Path) -> u32 {
    (1..)
        .find(|number| {
            prepare(dir);
            assert!(!run(dir, &[killed_at(*number)]), "it has a commit");
            fs::read_dir(dir.join("one"))
                .expect("a directory")
                .any(|entry| entry.expect("an entry").file_name().to_string_lossy().ends_with(".journal"))
        })
        .expect("a commit")
}

#[test]
fn recovery_may_be_killed_or_run_twice_at_once() {
    let scratch = Scratch::new();
    let dir = scratch.path("");
    let commit = committed(&dir);
    for at in 0..3 {
        // From the second change on, what is left to do grows less with each death.
        for number in 1.. {
            if run(&dir, &[killed_at(number), open(at)]) {
                break;
            }
            if number % 4 == 0 {
                assert!(settle(&dir, (at + 1) % 3));
                prepare(&dir);
                assert!(!run(&dir, &[killed_at(commit)]));
            }
        }
        assert!(settle(&dir, at), "what is committed only goes forward");
        prepare(&dir);
        assert!(!run(&dir, &[killed_at(commit)]));
    }
    std::thread::scope(|scope| {
        for at in 0..3 {
            let dir = &dir;
            scope.spawn(move || assert!(run(dir, &[open(at)])));
        }
    });
    assert!(settle(&dir, 0));
}

#[test]
fn recovery_keeps_foreign_content_and_rejects_damage() {
    let world = testing::isolate();
    let scratch = Scratch::new();
    let dir = scratch.path("");
    let commit = committed(&dir);
    let [one, two, _] = files(&dir);
    fs::write(&one, "foreign").expect("a file");
    fs::write(&two, "foreign, too").expect("a file");
    // A link in the place of a file is no file either, and leads nowhere.
    let three = &files(&dir)[2];
    fs::remove_file(three).expect("a file");
    symlink(&one, three).expect("a link");
    assert_eq!(Transaction::edit(&two, |file| file.read_to_string()).expect("a transaction"), "made");
    assert!(is_after(&dir));
    for (file, content) in [(&one, "foreign"), (&two, "foreign, too")] {
        let kept = backups(file).expect("a listing");
        assert_eq!(text(&kept[0].path).as_deref(), Some(content));
    }
    let alerts = world.events().into_iter().filter(|event| matches!(event, Event::Alert { .. })).count();
    assert_eq!(alerts, 3);
    assert!(fs::symlink_metadata(&backups(three).expect("a listing")[0].path).expect("a link").is_symlink());
    // A journal that cannot be read is never skipped.
    prepare(&dir);
    assert!(!run(&dir, &[killed_at(commit)]));
    let journal =
        fs::read_dir(dir.join("one")).expect("a directory").map(|entry| entry.expect("an entry").path());
    let journal = journal
        .into_iter()
        .find(|path| path.extension().is_some_and(|end| end == "journal"))
        .expect("a journal");
    let whole = fs::read(&journal).expect("a journal");
    fs::write(&journal, &whole[..whole.len() - 1]).expect("a journal");
    for file in files(&dir) {
        let outcome = Transaction::edit(&file, |file| file.write("other").map_err(|_| unreachable!()));
        assert!(matches!(outcome, Err(TransactionError::Corrupt { .. })), "{outcome:?}");
    }
    // Nor is one that waits for a lock which another process holds.
    fs::write(&journal, &whole).expect("a journal");
    let lock =
        fs::read_dir(dir.join("three")).expect("a directory").map(|entry| entry.expect("an entry").path());
    let lock =
        lock.into_iter().find(|path| path.extension().is_some_and(|end| end == "lock")).expect("a lock");
    let held = FileLock::at(lock).acquire().expect("a lock");
    let outcome: Result<(), TransactionError> = Transaction::of(&one).wait(Duration::ZERO).apply(|_| Ok(()));
    assert!(matches!(outcome, Err(TransactionError::Lock(LockError::Timeout { .. }))), "{outcome:?}");
    drop(held);
    assert!(settle(&dir, 0));
}

#[test]
fn values_that_json_cannot_hold_are_not_written_to_a_file() {
    /// A value of this many levels that takes no memory.
    struct Levels(u32);
    impl serde::Serialize for Levels {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq(self.0.checked_sub(1).map(Levels))
        }
    }
    let scratch = Scratch::new();
    let path = scratch.path("limits.json");
    for text in ["{\"rate\": 0.5}", "{\n  \"rate\": 0.5\n}\n"] {
        fs::write(&path, text).expect("a file");
        let edited: Result<(), TransactionError> = Transaction::edit(&path, |file| {
            file.edit_json(|json| {
                let nan = json.set("/rate", &f32::NAN).expect_err("no number");
                assert!(matches!(nan, TransactionError::Refused { .. }), "{nan}");
                assert!(nan.to_string().contains("is not a number in JSON"), "{nan}");
                json.set("/rates", &[Some(f64::INFINITY)]).expect_err("no number");
                json.set("/deep", &Levels(1_000_000)).expect_err("too deep");
                assert_eq!(json.text(), text);
                json.set("/rate", &Some(None::<u8>))
            })
        });
        edited.expect("a null that was asked for");
        assert_eq!(fs::read_to_string(&path).expect("a file"), text.replace("0.5", "null"));
    }
}
