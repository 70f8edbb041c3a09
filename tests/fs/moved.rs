//! Transactions that were killed, in directories that have another name afterwards: renamed, exchanged, copied, or reached by
//! another path.

use crate::common::Scratch;
use crate::kills::{at_each_change, files, is_after, killed_at, open, prepare, run, settle};
use crate::rollback;
use crate::transactions::{plain, text};
use resilience::fs::{Transaction, TransactionError, recover};
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

/// The directory of the files, and one for other things.
fn place(scratch: &Scratch) -> (PathBuf, PathBuf) {
    (scratch.path("live"), scratch.path("other"))
}

fn copy(from: &Path, to: &Path) {
    assert!(Command::new("cp").arg("-a").args([from, to]).status().expect("cp").success());
}

fn remove(dir: &Path) {
    let _ = fs::remove_dir_all(dir);
    let _ = fs::remove_file(dir);
}

/// Renames the directory, and makes another one in its place.
fn replace(dir: &Path, moved: &Path) {
    fs::rename(dir, moved).expect("a rename");
    prepare(dir);
}

/// Opens the file, and changes nothing.
fn look(file: &Path) -> Result<(), TransactionError> {
    Transaction::of(file).apply(|_| Ok(()))
}

/// What [`look`] is refused with.
fn refused(file: &Path) -> Option<String> {
    let refused = look(file).err()?;
    assert!(matches!(refused, TransactionError::Corrupt { .. }), "{refused}");
    Some(refused.to_string())
}

/// Kills a transaction at each change of the disk, and looks at the directories as `then` leaves them: at how many it was
/// committed.
fn at_each(then: impl Fn(&Path, &Path, usize) -> bool) {
    let scratch = Scratch::new();
    let (dir, other) = place(&scratch);
    let mut afters = 0;
    let number = at_each_change(
        || {
            remove(&other);
            remove(&dir);
            prepare(&dir);
        },
        |at| run(&dir, at),
        |number| afters += u32::from(then(&dir, &other, number as usize % 3)),
    );
    assert!(number > 20 && afters > 5 && afters + 5 < number, "{afters} of {number} were after");
}

#[test]
fn a_renamed_and_replaced_directory_is_recovered() {
    at_each(|dir, moved, first| {
        replace(dir, moved);
        let after = settle(moved, first);
        assert!(!settle(dir, first), "the other one has nothing to do with it");
        after
    });
}

#[test]
fn two_swapped_directories_are_recovered() {
    at_each(|blue, green, first| {
        prepare(green);
        for file in files(green) {
            look(&file).expect("a transaction");
        }
        let between = blue.with_file_name("between");
        for (from, to) in [(blue, &*between), (green, blue), (&between, green)] {
            fs::rename(from, to).expect("a rename");
        }
        assert!(!settle(blue, first));
        settle(green, first)
    });
}

#[test]
fn a_copied_directory_is_recovered_separately() {
    at_each(|dir, other, first| {
        copy(dir, other);
        let after = settle(other, first);
        assert_eq!(settle(dir, (first + 1) % 3), after);
        after
    });
    // The original is gone, and another one in its place.
    at_each(|dir, other, first| {
        copy(dir, other);
        remove(dir);
        prepare(dir);
        let after = settle(other, first);
        assert!(!settle(dir, first));
        after
    });
}

#[test]
fn a_symlink_at_the_old_name_leads_to_the_directory() {
    at_each(|dir, moved, first| {
        fs::rename(dir, moved).expect("a rename");
        symlink(moved, dir).expect("a link");
        settle(dir, first)
    });
}

#[test]
fn a_partly_renamed_transaction_is_recovered_or_rejected() {
    let scratch = Scratch::new();
    let (dir, _) = place(&scratch);
    for renamed in 0..3 {
        let (mut afters, mut refusals) = (0, 0);
        at_each_change(
            || {
                remove(&dir);
                prepare(&dir);
            },
            |at| run(&dir, at),
            |number| {
                let file = files(&dir)[renamed].clone();
                let was = file.parent().expect("a directory");
                let is = dir.join("renamed");
                fs::rename(was, &is).expect("a rename");
                fs::create_dir(was).expect("a directory");
                // By the others it is found, or its absence is an error that names it.
                let others = [1, 2].map(|other| refused(&files(&dir)[(renamed + other) % 3]));
                for words in others.into_iter().flatten() {
                    refusals += 1;
                    assert!(words.contains("is not there") || words.contains("is not found"), "{words}");
                    assert!(words.contains(".journal"), "{words}");
                }
                // By itself all of them are finished.
                if number % 2 == 0 {
                    look(&is.join("x.conf")).expect("it is finished");
                    fs::remove_dir_all(was).expect("a directory");
                    fs::rename(&is, was).expect("a rename");
                    afters += u32::from(is_after(&dir));
                } else {
                    fs::remove_dir_all(was).expect("a directory");
                    fs::rename(&is, was).expect("a rename");
                }
                settle(&dir, number as usize % 3);
            },
        );
        assert!(afters > 3 && refusals > 3, "{afters} {refusals}");
    }
}

#[test]
fn a_partial_copy_is_rejected() {
    let scratch = Scratch::new();
    let (dir, _) = place(&scratch);
    let mut refusals = 0;
    at_each_change(
        || {
            remove(&dir);
            prepare(&dir);
        },
        |at| run(&dir, at),
        |number| {
            let half = dir.join("half");
            copy(&dir.join("two"), &half);
            let committed = plain(&dir.join("one")).iter().any(|name| name.ends_with(".journal"));
            let words = refused(&half.join("x.conf"));
            if committed {
                let words = words.expect("it is half of a transaction");
                assert!(words.contains("copy") && words.contains(".journal"), "{words}");
                refusals += 1;
            }
            assert_eq!(settle(&dir, number as usize % 3), is_after(&dir));
            if committed && has_leftovers(&half) {
                assert!(refused(&half.join("x.conf")).expect("half of it").contains("copy"));
            }
        },
    );
    assert!(refusals > 5, "{refusals}");
}

/// Whether something of the transaction is beside the file in `dir`.
fn has_leftovers(dir: &Path) -> bool {
    plain(dir).iter().any(|name| name.ends_with(".new"))
}

#[test]
fn a_journal_is_found_without_a_lock_that_names_it() {
    at_each(|dir, _, first| {
        // What an earlier version has left that did not find it, or a program that cleans directories.
        let one = dir.join("one");
        let committed = plain(&one).iter().any(|name| name.ends_with(".journal"));
        let names = fs::read_dir(&one).expect("a directory").map(|entry| entry.expect("an entry").path());
        for lock in names.filter(|path| path.extension().is_some_and(|end| end == "lock")) {
            fs::remove_file(lock).expect("a lock");
        }
        let first = if committed { 0 } else { first };
        settle(dir, first)
    });
}

#[test]
fn journals_without_a_recorded_location_are_found_by_name() {
    at_each(|dir, moved, first| {
        for file in files(dir) {
            let dir = file.parent().expect("a directory");
            let names = fs::read_dir(dir).expect("a directory").map(|entry| entry.expect("an entry").path());
            for lock in names.filter(|path| path.extension().is_some_and(|end| end == "lock")) {
                let text = text(&lock).expect("a lock");
                let lines = text.lines().filter(|line| !line.starts_with("places "));
                fs::write(&lock, lines.fold(String::new(), |all, line| all + line + "\n")).expect("a lock");
            }
        }
        if !plain(&dir.join("one")).iter().any(|name| name.ends_with(".journal")) {
            // Then its directory has to be there.
            return settle(dir, first);
        }
        replace(dir, moved);
        settle(moved, first)
    });
}

#[test]
fn files_are_restored_in_renamed_and_copied_directories() {
    let scratch = Scratch::new();
    let (dir, other) = place(&scratch);
    for first in 0..3 {
        for copies in [false, true] {
            remove(&dir);
            remove(&other);
            prepare(&dir);
            assert!(!rollback::run(&dir, &[rollback::dies()]));
            assert!(is_after(&dir));
            if copies {
                copy(&dir, &other);
            } else {
                replace(&dir, &other);
            }
            let put_back = recover([&files(&other)[first]], LONG).expect("it is put back");
            assert_eq!(put_back.len(), 3);
            assert!(put_back.iter().all(|path| path.starts_with(&other)), "{put_back:?}");
            assert!(!is_after(&other));
            assert_eq!(is_after(&dir), copies, "only the copy was put back");
            assert_eq!(
                recover([&files(&dir)[first]], LONG).expect("its own").len(),
                if copies { 3 } else { 0 }
            );
            assert!(!is_after(&dir));
        }
    }
}

#[test]
fn one_file_under_two_paths_is_rejected() {
    let scratch = Scratch::new();
    let (dir, other) = place(&scratch);
    prepare(&dir);
    fs::create_dir(&other).expect("a directory");
    let mount = |args: &[&str], on: &[&Path]| {
        Command::new("mount").args(args).args(on).status().is_ok_and(|status| status.success())
    };
    if !mount(&["--bind"], &[&dir, &other]) {
        eprintln!("SKIPPED: this user may not mount");
        return;
    }
    let twice = Transaction::many([&files(&dir)[0], &files(&other)[0]]).run(|files| files[0].write("new"));
    // Killed under one path, finished under the other one.
    let committed = (1..).find(|number| {
        prepare(&dir);
        assert!(!run(&dir, &[killed_at(*number)]), "it has a commit");
        plain(&dir.join("one")).iter().any(|name| name.ends_with(".journal"))
    });
    let after = settle(&other, 1);
    assert!(Command::new("umount").arg(&other).status().expect("umount").success());
    assert!(twice.expect_err("one file").to_string().contains("named twice"));
    assert!(after && is_after(&dir) && committed.is_some());
}

#[test]
fn a_foreign_journal_changes_only_files_of_its_user() {
    const OTHER: u32 = 12_345;
    let scratch = Scratch::new();
    let (dir, _) = place(&scratch);
    let commit = (1..).find(|number| {
        prepare(&dir);
        assert!(!run(&dir, &[killed_at(*number)]), "it has a commit");
        plain(&dir.join("one")).iter().any(|name| name.ends_with(".journal"))
    });
    let one = dir.join("one");
    let name = plain(&one).into_iter().find(|name| name.ends_with(".journal")).expect("a journal");
    if chown(one.join(name), Some(OTHER), None).is_err() {
        eprintln!("SKIPPED: this user may not give files away");
        return;
    }
    assert!(commit.is_some());
    for file in files(&dir) {
        let refused = look(&file).expect_err("it leads into directories of this user");
        assert!(matches!(refused, TransactionError::Refused { .. }), "{refused}");
        assert!(refused.to_string().contains("belongs to user 12345"), "{refused}");
    }
    assert!(!is_after(&dir), "nothing was changed");
    // In a directory like /tmp, in which no lock names it, it counts for nothing.
    fs::set_permissions(&one, fs::Permissions::from_mode(0o1777)).expect("its mode");
    let names = fs::read_dir(&one).expect("a directory").map(|entry| entry.expect("an entry").path());
    for lock in names.filter(|path| path.extension().is_some_and(|end| end == "lock")) {
        fs::remove_file(lock).expect("a lock");
    }
    look(&files(&dir)[0]).expect("it is not named");
    // A user's own directories are that user's business.
    for dir in [one, dir.join("two"), dir.join("three")] {
        chown(&dir, Some(OTHER), None).expect("a directory");
    }
    assert!(settle(&dir, 1));
    assert!(run(&dir, &[open(0)]));
}
