//! Files that other versions of the library have written: an earlier one's are read, a later one's are refused by name.

use crate::common::Scratch;
use resilience::fs::{Transaction, backups, recover, restore};
use resilience::lock;
use std::fs;
use std::path::Path;
use std::time::Duration;

fn golden(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/fs-1").join(name);
    fs::read_to_string(path).expect("a golden file")
}

/// The lock beside the file at `path`, once it was used.
fn lock_of(path: &Path) -> std::path::PathBuf {
    edit(path, "made").expect("a transaction");
    let names = fs::read_dir(path.parent().expect("a directory")).expect("a directory");
    let mut names = names.map(|entry| entry.expect("an entry").path());
    names.find(|path| path.extension().is_some_and(|end| end == "lock")).expect("a lock")
}

fn edit(path: &Path, content: &str) -> std::io::Result<()> {
    Transaction::of(path).apply(|file| file.write(content))
}

#[test]
fn a_lock_of_format_1_is_readable() {
    let scratch = Scratch::new();
    let dir = scratch.path("locks");
    drop(lock::in_dir(&dir, "deploy").acquire().expect("a lock"));
    let path = lock::list_in(&dir).expect("a listing").remove(0).path;
    fs::write(&path, golden("lock")).expect("a lock");
    let listed = lock::list_in(&dir).expect("a listing").remove(0);
    assert_eq!((listed.name.as_str(), listed.is_held), ("of an earlier version: 7/8", false));
    drop(lock::in_dir(&dir, "deploy").acquire().expect("a lock"));
    let text = fs::read_to_string(&path).expect("a lock");
    let words = |text: &str| -> Vec<String> {
        text.lines().map(|line| line.split(' ').next().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(words(&text), words(&golden("lock")), "what this version writes has the same lines");
    assert!(text.starts_with("resilience lock 1\n"), "{text}");
}

#[test]
fn a_lock_of_a_later_version_excludes_and_its_text_stays() {
    let scratch = Scratch::new();
    let dir = scratch.path("locks");
    drop(lock::in_dir(&dir, "deploy").acquire().expect("a lock"));
    let path = lock::list_in(&dir).expect("a listing").remove(0).path;
    for later in ["resilience lock 2\nowner 7\n", "resilience lock 10\n", "resilience lock 1x\njournal /x\n"]
    {
        fs::write(&path, later).expect("a lock");
        let held = lock::in_dir(&dir, "deploy").acquire().expect("the kernel's lock is the same");
        assert!(lock::in_dir(&dir, "deploy").wait(Duration::ZERO).acquire().is_err());
        assert!(lock::list_in(&dir).expect("a listing")[0].is_held);
        drop(held);
        assert_eq!(fs::read_to_string(&path).expect("a lock"), later, "it may name a journal");
    }
    fs::write(&path, "resilience lock 2\n").expect("a lock");
    assert_eq!(lock::prune_in(&dir).expect("a look"), 0, "what it says is not known");
}

#[test]
fn a_transaction_of_a_later_version_is_rejected_and_kept() {
    let scratch = Scratch::new();
    let file = scratch.path("x.conf");
    let lock = lock_of(&file);
    // Its lock.
    let later = "resilience lock 2\nowner 7\nsteps /srv/later.journal\n";
    fs::write(&lock, later).expect("a lock");
    let refused = [edit(&file, "new"), recover([&file], Duration::ZERO).map(drop).map_err(Into::into)];
    for refused in refused.map(|it| it.expect_err("a later format").to_string()) {
        assert!(refused.contains("later version") && refused.contains("format 2"), "{refused}");
    }
    assert_eq!(fs::read_to_string(&lock).expect("a lock"), later);
    // Its journal, which an earlier lock names.
    for later in ["resilience journal 2\nall else is new\n", "resilience rollback 11\n"] {
        let journal = scratch.path(".resilience-00000000feedf00d.journal");
        fs::write(&journal, later).expect("a journal");
        let text =
            format!("resilience lock 1\njournal {}\n", journal.display().to_string().replace('/', "%2F"));
        fs::write(&lock, text).expect("a lock");
        let refused = edit(&file, "new").expect_err("a later format").to_string();
        let format = later.split([' ', '\n']).nth(2).expect("a format");
        assert!(
            refused.contains(&format!("of format {format},")) && refused.contains("feedf00d"),
            "{refused}"
        );
        assert_eq!(
            fs::read_to_string(&journal).expect("a journal"),
            later,
            "it is never taken for a damaged one"
        );
        fs::remove_file(&journal).expect("a journal");
    }
    assert_eq!(fs::read_to_string(&file).expect("a file"), "made");
    edit(&file, "new").expect("what is named and is not there was finished");
}

#[test]
fn backups_of_version_1_are_found_by_their_names() {
    let scratch = Scratch::new();
    let file = scratch.path("x.conf");
    for name in golden("backups").lines() {
        fs::write(scratch.path(name), name).expect("a backup");
    }
    let found: Vec<_> =
        backups(&file).expect("a listing").iter().map(|it| (it.number, it.was_there)).collect();
    assert_eq!(found, [(1, true), (2, false), (12, true)]);
    restore(&file, 12).expect("a backup");
    assert!(fs::read_to_string(&file).expect("a file").contains("-00000012-"));
    Transaction::of(&file).keep(9).apply(|file| file.write("new")).expect("a transaction");
    let last = backups(&file).expect("a listing").last().map(|it| it.number);
    assert!(last > Some(12), "the next number: {last:?}");
}

#[test]
fn a_file_with_the_last_number_is_no_backup() {
    let scratch = Scratch::new();
    let file = scratch.write("x.conf", "old");
    let name = golden("backups").lines().next_back().expect("a name").to_owned();
    let foreign = scratch.write(&name.replace("00000012", &u64::MAX.to_string()), "foreign");
    Transaction::of(&file).keep(1).apply(|file| file.write("new")).expect("a transaction");
    let kept = backups(&file).expect("a listing");
    assert_eq!(kept.iter().map(|it| it.number).collect::<Vec<_>>(), [1]);
    assert_eq!(fs::read_to_string(&kept[0].path).expect("a backup"), "old");
    assert_eq!(fs::read_to_string(foreign).expect("a file"), "foreign");
}
