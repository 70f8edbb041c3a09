//! Transactions of several files whose process is killed at any change of the disk.

use crate::common::{Scratch, child, given_dir, say};
use crate::transactions::{plain, text};
use resilience::fs::{FileLock, LockError, Transaction, TransactionError, backups};
use resilience::{Event, testing};
use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

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
    has_ended("kills::changes", dir, variables)
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
    let output = child("kills::changes", &dir).env("FS_TEST_NAMES", "").output().expect("a child");
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
