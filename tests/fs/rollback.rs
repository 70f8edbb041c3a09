//! Files that other code changes in place: put back when it fails, whoever is killed at which moment.

use crate::common::{Scratch, given_dir, say};
use crate::kills::{Variable, at_each_change, end_at, files, has_ended, is_after, killed_at, open, prepare};
use crate::transactions::{plain, text};
use resilience::fs::{Rollback, Transaction, TransactionError, backups, recover, restore};
use resilience::{Event, testing};
use std::fs::{self, Permissions};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

const LONG: Duration = Duration::from_secs(60);

fn back_up(dir: &Path, keep: u32) -> Rollback {
    Transaction::many(files(dir)).keep(keep).back_up().expect("backups")
}

/// Changes the three files as a program does that knows nothing of transactions.
pub(crate) fn change(dir: &Path) {
    let [one, two, three] = files(dir);
    fs::write(one, "new").expect("a file");
    fs::write(two, "made").expect("a file");
    fs::remove_file(three).expect("a file");
}

/// The names in the three directories but those of the files and their locks.
fn others(dir: &Path) -> Vec<String> {
    let all = files(dir).map(|file| fs::read_dir(file.parent().expect("a directory")).expect("a directory"));
    let names = all.into_iter().flatten().map(|entry| entry.expect("an entry").file_name());
    let mut names: Vec<_> = names.map(|name| name.into_string().expect("text")).collect();
    names.retain(|name| name != "x.conf" && !name.ends_with(".lock") && !name.ends_with(".turn"));
    names
}

#[test]
fn files_are_restored_or_kept_together() {
    let scratch = Scratch::new();
    let dir = scratch.path("");
    prepare(&dir);
    let rollback = back_up(&dir, 0);
    for _ in 0..2 {
        change(&dir);
        assert!(is_after(&dir));
        rollback.restore().expect("put back");
        assert!(!is_after(&dir));
    }
    change(&dir);
    rollback.roll_back().expect("put back");
    assert!(!is_after(&dir));
    assert_eq!(others(&dir), [""; 0], "nothing is left");
    // Dropped, as by a panic.
    let panics = std::panic::catch_unwind(|| {
        let _rollback = back_up(&dir, 0);
        change(&dir);
        panic!("on purpose");
    });
    assert!(panics.is_err() && !is_after(&dir) && others(&dir).is_empty());
    // Accepted: the backups of what has changed stay, if they are kept.
    let rollback = back_up(&dir, 0);
    change(&dir);
    rollback.accept().expect("accepted");
    assert!(is_after(&dir) && others(&dir).is_empty());
    prepare(&dir);
    let rollback = back_up(&dir, 2);
    change(&dir);
    rollback.accept().expect("accepted");
    let [one, two, _] = files(&dir);
    assert_eq!(text(&backups(&one).expect("a listing")[0].path).as_deref(), Some("old"));
    assert!(!backups(&two).expect("a listing")[0].was_there);
    restore(&one, 1).expect("a backup");
    assert_eq!(text(&one).as_deref(), Some("old"));
    // What is as the newest backup needs no other one.
    for expected in [2, 2] {
        back_up(&dir, 9).accept().expect("accepted");
        assert_eq!(backups(&two).expect("a listing").len(), expected);
    }
}

#[test]
fn mode_links_and_directories_are_restored() {
    let scratch = Scratch::new();
    let dir = scratch.path("");
    prepare(&dir);
    let [one, two, three] = files(&dir);
    fs::set_permissions(&one, Permissions::from_mode(0o640)).expect("its mode");
    let rollback = back_up(&dir, 0);
    // Only the mode.
    fs::set_permissions(&one, Permissions::from_mode(0o666)).expect("its mode");
    rollback.restore().expect("put back");
    assert_eq!(fs::metadata(&one).expect("a file").mode() & 0o777, 0o640);
    // Replaced by a link, made as a directory, removed.
    fs::remove_file(&one).expect("a file");
    symlink("/etc/passwd", &one).expect("a link");
    fs::create_dir(&two).expect("a directory");
    fs::write(two.join("inside"), "kept").expect("a file");
    fs::remove_file(&three).expect("a file");
    rollback.roll_back().expect("put back");
    assert!(!is_after(&dir));
    assert!(fs::symlink_metadata(&one).expect("a file").is_file(), "no link any more");
    let kept = backups(&two).expect("a listing").remove(0).path;
    assert_eq!(text(&kept.join("inside")).as_deref(), Some("kept"), "no directory is ever removed");
    // A directory and a missing one are refused, and nothing is left.
    for path in [dir.join("one"), dir.join("missing/x")] {
        assert!(Transaction::many([&three, &path]).back_up().is_err());
        assert_eq!(plain(three.parent().expect("a directory")), ["x.conf"]);
    }
    assert!(matches!(Transaction::many([] as [&str; 0]).back_up(), Err(TransactionError::Refused { .. })));
}

/// Not a test of its own: backs up the three files, changes them, and accepts that; or recovers one of them.
#[test]
#[ignore = "run by others, in a process of its own"]
fn changes_in_place() {
    let Some(dir) = given_dir() else { return };
    end_at();
    let at = std::env::var("FS_TEST_OPEN").ok().and_then(|at| at.parse::<usize>().ok());
    if let Some(at) = at {
        recover([&files(&dir)[at]], LONG).expect("it is put back");
        return say("done");
    }
    let rollback = back_up(&dir, 0);
    change(&dir);
    if std::env::var_os("FS_TEST_DIES").is_some() {
        std::process::exit(86);
    }
    match std::env::var_os("FS_TEST_BACK") {
        Some(_) => rollback.roll_back().expect("put back"),
        None => rollback.accept().expect("accepted"),
    }
    say("done");
}

/// Runs [`changes_in_place`] with these variables; whether it has reached its end.
pub(crate) fn run(dir: &Path, variables: &[Variable]) -> bool {
    has_ended("rollback::changes_in_place", dir, variables)
}

pub(crate) fn dies() -> Variable {
    ("FS_TEST_DIES", String::new())
}

/// Opens all three files in a process of its own, and checks that nothing is left but backups of what was displaced.
fn settle(dir: &Path, first: usize) -> bool {
    recover([&files(dir)[first]], LONG).expect("it is put back");
    let after = is_after(dir);
    let put_back = recover(files(dir), LONG).expect("nothing is left to do");
    assert_eq!(put_back, [""; 0].map(std::path::PathBuf::from), "by one of the files, all of them");
    for file in files(dir) {
        Transaction::edit(&file, |_| Ok::<_, TransactionError>(())).expect("free");
    }
    assert_eq!(is_after(dir), after);
    let left = others(dir);
    assert!(left.iter().all(|name| name.contains("-0") && name.ends_with(".backup")), "{left:?}");
    after
}

#[test]
fn a_kill_at_any_write_leaves_all_files_changed_or_none() {
    let scratch = Scratch::new();
    let dir = scratch.path("");
    for back in [false, true] {
        let mut afters = 0;
        let more = back.then(|| ("FS_TEST_BACK", String::new()));
        let number = at_each_change(
            || prepare(&dir),
            |at| run(&dir, &[at, more.as_slice()].concat()),
            |number| afters += u32::from(settle(&dir, number as usize % 3)),
        );
        assert!(number > 25, "{number}");
        assert_eq!(afters > 0, !back, "it stays only where it was accepted");
        assert_eq!(is_after(&dir), !back);
        assert_eq!(others(&dir), [""; 0]);
    }
}

#[test]
fn a_restore_may_be_killed_or_run_twice_at_once() {
    let scratch = Scratch::new();
    let dir = scratch.path("");
    for at in 0..3 {
        prepare(&dir);
        for number in 1.. {
            assert!(!run(&dir, &[dies()]));
            if run(&dir, &[killed_at(number), open(at)]) {
                break;
            }
            // The next one that is killed begins where this one has ended.
            if number % 3 == 0 {
                run(&dir, &[killed_at(number), open((at + 1) % 3)]);
            }
            assert!(!settle(&dir, (at + 2) % 3), "what was not accepted never stays");
            prepare(&dir);
        }
        assert!(!is_after(&dir));
    }
    prepare(&dir);
    assert!(!run(&dir, &[dies()]));
    std::thread::scope(|scope| {
        for at in 0..3 {
            let dir = &dir;
            scope.spawn(move || assert!(run(dir, &[open(at)])));
        }
    });
    assert!(!settle(&dir, 0));
}

#[test]
fn a_late_restore_raises_an_alert_and_keeps_foreign_content() {
    let world = testing::isolate();
    let scratch = Scratch::new();
    let dir = scratch.path("");
    prepare(&dir);
    assert!(!run(&dir, &[dies()]));
    let [one, two, three] = files(&dir);
    // Another program writes after the crash.
    fs::write(&one, "foreign").expect("a file");
    let seen = Transaction::edit(&two, |file| Ok::<_, TransactionError>(file.exists())).expect("free");
    assert!(!seen && !is_after(&dir));
    for (file, content) in [(&one, "foreign"), (&two, "made")] {
        assert_eq!(text(&backups(file).expect("a listing")[0].path).as_deref(), Some(content));
    }
    assert!(backups(&three).expect("a listing").is_empty());
    let alerts: Vec<_> = world.events().into_iter().filter(|it| matches!(it, Event::Alert { .. })).collect();
    let said = alerts.iter().map(ToString::to_string).collect::<String>();
    assert!(alerts.len() == 1 && said.contains("put back") && said.contains("x.conf"), "{said}");
    // A backup that is not what it was is never put back.
    prepare(&dir);
    assert!(!run(&dir, &[dies()]));
    let copy = others(&dir).into_iter().find(|name| name.ends_with("-before.old")).expect("a copy");
    fs::write(one.with_file_name(copy), "damaged").expect("a copy");
    let refused = recover([&three], LONG).expect_err("its backup is damaged").to_string();
    assert!(refused.contains("damaged") && is_partly_after(&one), "{refused}");
}

fn is_partly_after(one: &Path) -> bool {
    text(one).as_deref() == Some("new")
}

#[test]
fn children_keep_inherited_locks() {
    let scratch = Scratch::new();
    let dir = scratch.path("");
    prepare(&dir);
    let rollback = back_up(&dir, 0);
    let go = dir.join("go");
    let mut waits = Command::new("sh");
    waits.args(["-c", "until [ -e \"$0\" ]; do sleep 0.01; done"]).arg(&go);
    let [one, two, three] = rollback.locks() else { panic!("three locks") };
    let inherited = [one, two, three].map(|lock| lock.as_fd().try_clone_to_owned().expect("a duplicate"));
    let [one, two, three] = inherited.map(Stdio::from);
    let mut waits = waits.stdin(one).stdout(two).stderr(three).spawn().expect("a child");
    let busy = |wait| Transaction::of(&files(&dir)[0]).wait(wait).apply(|_| Ok::<_, TransactionError>(()));
    assert!(matches!(busy(Duration::ZERO), Err(TransactionError::Lock(_))));
    // The guards unlock for the children, too.
    rollback.accept().expect("accepted");
    busy(Duration::ZERO).expect("free");
    fs::write(go, "").expect("a file");
    assert!(waits.wait().expect("the child").success());
}
