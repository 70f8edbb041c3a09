//! The files of one transaction on two file systems, and processes that want them in opposite order.

use crate::common::{Scratch, Speaking, child, given_dir, listen, say};
use crate::kills::{Variable, at_each_change, files, open, prepare, run, settle};
use crate::transactions::text;
use resilience::fs::{Transaction, TransactionError};
use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A directory in memory, which is gone when the test is over.
pub(crate) struct InMemory(PathBuf);

impl InMemory {
    /// `None`, said aloud, where there is no other file system than that of `dir`.
    pub(crate) fn beside(dir: &Path) -> Option<Self> {
        let other = Path::new("/dev/shm").join(dir.file_name().expect("a name"));
        let device = |path: &Path| fs::metadata(path).ok().map(|found| found.dev());
        if fs::create_dir(&other).is_err() {
            eprintln!("SKIPPED: there is no /dev/shm");
            return None;
        }
        let other = Self(other);
        if device(&other.0) == device(dir) {
            eprintln!("SKIPPED: /dev/shm is no other file system");
            return None;
        }
        Some(other)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    /// Makes the three files, with the directory of the second one here.
    pub(crate) fn prepare(&self, dir: &Path) {
        prepare(dir);
        fs::remove_dir_all(&self.0).expect("a directory");
        fs::create_dir(&self.0).expect("a directory");
        fs::remove_dir(dir.join("two")).expect("a directory");
        symlink(&self.0, dir.join("two")).expect("a link");
    }
}

impl Drop for InMemory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_kill_at_any_write_leaves_both_file_systems_consistent() {
    let scratch = Scratch::new();
    let dir = scratch.path("");
    let Some(other) = InMemory::beside(&dir) else { return };
    let mut afters = 0;
    let recovers = |at: usize| {
        let dir = &dir;
        move || assert!(run(dir, &[open(at)]))
    };
    let number = at_each_change(
        || other.prepare(&dir),
        |at: &[Variable]| run(&dir, at),
        |number| {
            // Through each of the files in turn, and now and then by two processes at once.
            if number % 4 == 0 {
                std::thread::scope(|scope| {
                    scope.spawn(recovers(number as usize % 3));
                    scope.spawn(recovers((number as usize + 1) % 3));
                });
            }
            afters += u32::from(settle(&dir, number as usize % 3));
        },
    );
    assert!(number > 20 && afters > 5 && afters + 5 < number, "{afters} of {number} were after");
    assert_eq!(text(&files(&dir)[1]).as_deref(), Some("made"));
}

/// How many transactions each process makes; CI makes 500.
fn rounds() -> u32 {
    std::env::var("CRASH_ROUNDS").map_or(30, |rounds| rounds.parse().expect("a number"))
}

/// Not a test of its own: changes the three files again and again, in the order that it is given.
#[test]
#[ignore = "run by others, in a process of its own"]
fn changes_in_an_order() {
    let (Some(dir), Ok(order)) = (given_dir(), std::env::var("FS_TEST_ORDER")) else { return };
    let mut paths = files(&dir).to_vec();
    if order == "backward" {
        paths.reverse();
    }
    say("ready");
    listen();
    for round in 0..rounds() {
        let content = format!("{order} {round}");
        let changed: Result<(), TransactionError> =
            Transaction::many(&paths).wait(Duration::from_secs(120)).run(|files| {
                files.iter_mut().for_each(|file| file.write(&content).expect("a copy"));
                Ok(())
            });
        changed.expect("its turn comes");
    }
}

#[test]
fn opposite_file_orders_do_not_deadlock() {
    let scratch = Scratch::new();
    let dir = scratch.path("");
    prepare(&dir);
    let start = |order: &str| {
        let mut command = child("two_disks::changes_in_an_order", &dir);
        let mut process = Speaking::start(command.env("FS_TEST_ORDER", order));
        process.wait_for("ready");
        process
    };
    let mut both = ["forward", "backward"].map(start);
    both.iter_mut().for_each(Speaking::go);
    both.into_iter().for_each(Speaking::end);
    let contents = files(&dir).map(|file| text(&file));
    assert!(contents.iter().all(|content| *content == contents[0]), "of one transaction: {contents:?}");
    assert!(contents[0].as_ref().is_some_and(|last| last.ends_with(&format!(" {}", rounds() - 1))));
}
