//! Transactions: whole or not at all, whatever happens, and kept as the files were.

use crate::common::Scratch;
use futures::FutureExt as _;
use futures::executor::block_on;
use resilience::fs::{LockError, Transaction, TransactionError, backups, restore};
use resilience::{Category, Classify as _};
use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc;

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
fn a_file_that_was_only_read_must_not_change_either() {
    let scratch = Scratch::new();
    let (a, b, absent) = (scratch.path("a"), scratch.path("b"), scratch.path("absent"));
    for keep in [0, 2] {
        for changed in [&b, &absent] {
            fs::write(&a, "old").expect("a file");
            fs::write(&b, "rate 1").expect("a file");
            let transaction = Transaction::many([&a, &b, &absent]).keep(keep);
            let outcome: Result<(), TransactionError> = transaction.run(|files| {
                let [a, b, absent] = files else { unreachable!("three files") };
                assert!(!absent.exists());
                let seen = b.read().expect("a copy");
                fs::write(changed, "rate 2").expect("a file");
                a.write(seen).expect("a copy");
                Ok(())
            });
            let conflict = outcome.expect_err("it was made of what is no longer there");
            assert!(
                matches!(&conflict, TransactionError::Conflict { path, .. } if path == changed),
                "{conflict:?}"
            );
            assert_eq!(text(&a).as_deref(), Some("old"));
            assert_eq!(text(changed).as_deref(), Some("rate 2"));
            let _ = fs::remove_file(&absent);
        }
    }
    // Without a change to make, nothing is made of what was read.
    let outcome: Result<(), TransactionError> = Transaction::many([&a, &b]).run(|_| {
        fs::write(&b, "rate 3").expect("a file");
        Ok(())
    });
    assert!(outcome.is_ok(), "{outcome:?}");
}

#[test]
fn a_transaction_whose_copy_was_removed_fails() {
    let scratch = Scratch::new();
    let (a, b) = (scratch.path("a"), scratch.path("b"));
    for (paths, keep) in [(vec![&a], 0), (vec![&a], 2), (vec![&a, &b], 0)] {
        fs::write(&a, "old").expect("a file");
        let outcome: Result<(), TransactionError> = Transaction::many(paths).keep(keep).run(|files| {
            files.iter_mut().for_each(|file| file.write("new").expect("a copy"));
            let names = fs::read_dir(scratch.path("")).expect("a directory");
            for path in names.map(|entry| entry.expect("an entry").path()) {
                if path.extension().is_some_and(|end| end == "new") {
                    fs::remove_file(path).expect("a copy");
                }
            }
            Ok(())
        });
        let failed = outcome.expect_err("its content is gone");
        assert!(failed.to_string().contains("was removed"), "{failed}");
        assert_eq!((text(&a).as_deref(), text(&b)), (Some("old"), None));
        assert_eq!(plain(&scratch.path("")), ["a"]);
    }
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
