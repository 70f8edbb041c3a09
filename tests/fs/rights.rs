//! Rights of files that a transaction changes or makes.

use crate::common::Scratch;
use crate::transactions::text;
use resilience::fs::{FileLock, LockError, Transaction, TransactionError};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

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
fn a_lock_on_a_read_only_file_system_is_taken_without_writing() {
    let scratch = Scratch::new();
    let (dir, view) = (scratch.path("dir"), scratch.path("view"));
    for path in [&dir, &view] {
        fs::create_dir(path).expect("a directory");
    }
    for name in ["used", "used.turn", "without a turn"] {
        fs::write(dir.join(name), "").expect("a file");
    }
    let source = dir.display().to_string();
    if !can("mount", &["--bind", &source], &view) {
        return;
    }
    let is_read_only = can("mount", &["-o", "remount,bind,ro"], &view);
    let take = |name: &str, is_shared: bool| {
        let lock = FileLock::at(view.join(name)).shared(is_shared).wait(Duration::ZERO);
        lock.acquire().map(|guard| guard.still_ours())
    };
    let free = ["used", "without a turn"].map(|name| [take(name, false), take(name, true)]);
    let holder = FileLock::at(dir.join("used")).acquire().expect("a lock where it may be written");
    let (held, missing) = (take("used", true), take("missing", false));
    drop(holder);
    assert!(can("umount", &[], &view));
    if is_read_only {
        assert_eq!(free, [const { [Ok(true), Ok(true)] }; 2]);
        assert!(matches!(held, Err(LockError::Timeout { .. })), "{held:?}");
        let refused = matches!(missing, Err(LockError::Failed { kind: ErrorKind::ReadOnlyFilesystem, .. }));
        assert!(refused, "{missing:?}");
    }
}
