//! A disk that fills up at every single change of it: the files are whole, the error says so, and what was begun is
//! finished when there is room again.

use crate::common::{Scratch, child, given_dir, say};
use crate::kills::{files, is_after, prepare};
use crate::rollback::change;
use crate::shim::compiled;
use resilience::fs::{Rollback, Transaction, TransactionError, recover};
use resilience::testing;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

/// Fills the disk at the change with the number in `FULL_AT`, counted from now on.
fn fill_at() {
    testing::on_moment(|name| {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let at = std::env::var("FULL_AT").ok().and_then(|at| at.parse().ok());
        if name.starts_with("fs ") && Some(COUNT.fetch_add(1, Ordering::SeqCst) + 1) == at {
            let full = std::env::var_os("FULL").expect("a path");
            fs::write(full, "").expect("outside of the full disk");
        }
    });
}

fn transaction(dir: &Path) -> io::Result<()> {
    Transaction::many(files(dir)).keep(2).run(|files| {
        files[0].write("new")?;
        files[1].write("made")?;
        files[2].remove();
        Ok(())
    })
}

fn back_up_or_fail(dir: &Path) -> io::Result<Rollback> {
    Ok(Transaction::many(files(dir)).keep(2).back_up()?)
}

/// Not a test of its own: changes the three files while the disk fills up, and says how that ended.
#[test]
#[ignore = "run by others, in a process of its own"]
fn fills_up() {
    let Some(dir) = given_dir() else { return };
    let Ok(what) = std::env::var("FULL_WHILE") else { return };
    let ended = match what.as_str() {
        "transaction" => {
            fill_at();
            transaction(&dir)
        }
        "backing up" => {
            fill_at();
            back_up_or_fail(&dir).and_then(|rollback| Ok(rollback.roll_back()?))
        }
        _ => {
            let rollback = back_up_or_fail(&dir).expect("there is room");
            change(&dir);
            fill_at();
            let ended = if what == "accepting" { rollback.accept() } else { rollback.roll_back() };
            ended.map_err(io::Error::from)
        }
    };
    say(&ended.map_or_else(|error| format!("failed: {error}"), |()| "done".to_owned()));
}

/// Fills the disk at each change of it `while` something is done; `judge` looks at the files with whether it was done.
fn at_each_change(what: &str, judge: impl Fn(&Path, bool)) {
    let (scratch, outside) = (Scratch::new(), Scratch::new());
    let (dir, full) = (scratch.path(""), outside.path("full"));
    let shim = compiled("tests/fs/full.c").expect("a compiler");
    let mut failures = 0;
    for number in 1.. {
        prepare(&dir);
        let mut command = child("full::fills_up", &dir);
        command.env("FULL_WHILE", what).env("FULL_AT", number.to_string());
        command.env("LD_PRELOAD", &shim).env("FULL_DIR", &dir).env("FULL", &full);
        let output = command.output().expect("a child");
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{what}, change {number}: {said}");
        let ended = said.lines().find(|line| *line == "done" || line.starts_with("failed: "));
        let ended = ended.unwrap_or_else(|| panic!("{what}, change {number}: {said}"));
        let is_done = ended == "done";
        assert!(is_done || ended.contains("No space left on device"), "{what}, change {number}: {ended}");
        let was_filled = full.exists();
        let _ = fs::remove_file(&full);
        judge(&dir, is_done);
        failures += u32::from(!is_done);
        // There is room again: the next one finishes what was begun, whichever file it opens.
        recover([&files(&dir)[number as usize % 3]], LONG).expect("it is finished");
        let after = is_after(&dir);
        assert!(recover(files(&dir), LONG).expect("nothing is left").is_empty() && is_after(&dir) == after);
        assert!(transaction_fits(&dir), "{what}, change {number}: the files can be changed");
        if !was_filled {
            break;
        }
    }
    assert!(failures > 5, "{what}: {failures}");
}

/// Whether each of the files can be edited, which changes nothing.
fn transaction_fits(dir: &Path) -> bool {
    Transaction::many(files(dir)).run(|_| Ok::<_, TransactionError>(())).is_ok()
}

/// Whether a journal says what is left to do.
fn has_journal(dir: &Path) -> bool {
    let dirs = files(dir).map(|file| fs::read_dir(file.parent().expect("a directory")).expect("a directory"));
    let mut names = dirs.into_iter().flatten().map(|entry| entry.expect("an entry").file_name());
    names.any(|name| name.to_string_lossy().ends_with(".journal"))
}

#[test]
fn a_transaction_on_a_full_disk_is_undone_or_finished_later() {
    at_each_change("transaction", |dir, is_done| {
        if is_done || !has_journal(dir) {
            // It panics where the files are between before and after.
            assert_eq!(is_after(dir), is_done);
        }
    });
}

#[test]
fn a_failed_backup_leaves_the_files_unchanged() {
    at_each_change("backing up", |dir, _| assert!(!is_after(dir)));
}

#[test]
fn a_failed_restore_is_finished_later() {
    at_each_change("rolling back", |dir, is_done| {
        if is_done {
            assert!(!is_after(dir));
        } else {
            assert!(has_journal(dir), "it says what is left to do");
            // Each by itself is as it was before or as it was left, never a part of that.
            let contents = files(dir).map(|file| fs::read_to_string(file).ok());
            let whole = [[Some("old"), Some("new")], [None, Some("made")], [Some("gone"), None]];
            for (content, whole) in contents.iter().zip(whole) {
                assert!(whole.contains(&content.as_deref()), "{content:?}");
            }
        }
    });
}

#[test]
fn changes_that_cannot_be_accepted_are_rolled_back() {
    at_each_change("accepting", |dir, is_done| {
        assert!(is_done || has_journal(dir) || !is_after(dir));
    });
}
