//! Stores and backups that are made by several processes, or by one that dies.

use super::*;

#[test]
#[ignore = "run by others, in a process of its own"]
fn opens_and_records() {
    let Some(dir) = given_dir() else { return };
    let _world = isolate();
    use_store(Arc::new(SqliteStore::open(dir.join("new/state")).expect("a store")));
    let own = std::process::id();
    assert_eq!(step(own), Ok(own));
}

#[test]
fn thirty_processes_open_a_new_store_at_once() {
    let scratch = Scratch::new();
    let dir = scratch.path("");
    run_all((0..30).map(|_| child("hostile::creation::opens_and_records", &dir)).collect());
    let store = SqliteStore::open(scratch.path("new/state")).expect("a store");
    let steps = block_on(store.list(Query::new("c/"))).expect("a listing");
    assert_eq!(steps.records.len(), 30);
    let left: Vec<_> =
        fs::read_dir(store.dir()).expect("a directory").map(|entry| entry.expect("it").file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("new-")), "{left:?}");
}

/// The names of what is in `dir`; none if it is not there.
fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// How many drafts of stores and locks of owners are in `dir`.
fn drafts_and_locks(dir: &Path) -> (usize, usize) {
    let drafts = names(dir).iter().filter(|name| name.contains("new-")).count();
    (drafts, names(&dir.join("owners")).len())
}

/// The child `name`, which waits before it puts what it made in its place.
fn waits_to_link(name: &str, scratch: &Scratch, link: &Path) -> Killed {
    let mut maker = child(name, &scratch.path(""));
    maker.env("HOSTILE_LINK", link).env("LD_PRELOAD", compiled("tests/store/hostile.c").expect("a compiler"));
    let maker = Killed::start(maker);
    wait_until("the process about to link", || link.with_extension("here").exists());
    maker
}

#[test]
fn a_crash_while_creating_a_store_is_cleaned_up() {
    let scratch = Scratch::new();
    let dir = scratch.path("new/state");
    drop(waits_to_link("hostile::creation::opens_and_records", &scratch, &scratch.path("link")));
    assert_eq!(drafts_and_locks(&dir), (1, 1));
    // What SQLite makes beside a draft, and something of the user's own.
    let draft = names(&dir).into_iter().find(|name| name.contains("new-")).expect("the draft");
    fs::write(dir.join(format!("{draft}-journal")), "").expect("a file");
    fs::write(dir.join("store.txt"), "mine").expect("a file");
    let store = SqliteStore::open(&dir).expect("a store");
    assert_eq!(drafts_and_locks(&dir), (0, 1), "its own lock is left");
    assert!(dir.join("store.txt").exists());
    drop(store);
    assert_eq!(drafts_and_locks(&dir), (0, 0));
}

#[test]
fn every_directory_with_a_new_entry_is_synced() {
    let scratch = Scratch::new();
    let (dir, log) = (scratch.path(""), scratch.path("syncs"));
    let dir = fs::canonicalize(dir).expect("a directory");
    let mut opener = child("hostile::creation::opens_and_records", &dir);
    opener.env("HOSTILE_SYNCS", &log);
    opener.env("LD_PRELOAD", compiled("tests/store/hostile.c").expect("a compiler"));
    assert!(opener.output().expect("a process").status.success());
    let log = fs::read_to_string(log).expect("what was synced");
    let synced = |path: &Path| log.lines().any(|line| Path::new(line) == path);
    // The names of `new`, of `state`, and of the store's file and the directory of the owners.
    for path in [dir.clone(), dir.join("new"), dir.join("new/state")] {
        assert!(synced(&path), "{} is not in\n{log}", path.display());
    }
}

#[test]
fn a_store_created_concurrently_is_found() {
    let scratch = Scratch::new();
    let looked = scratch.path("looked");
    let mut looker = child("hostile::creation::opens_and_records", &scratch.path(""));
    looker.env("HOSTILE_MISSING", &looked);
    looker.env("LD_PRELOAD", compiled("tests/store/hostile.c").expect("a compiler"));
    let mut looker = Killed::start(looker);
    wait_until("the process that has found no store", || looked.with_extension("here").exists());
    let store = SqliteStore::open(scratch.path("new/state")).expect("a store");
    let claimed = block_on(store.claim(Claim::new("c/first", store.owner(), "first"))).expect("a store");
    assert!(matches!(claimed, Claimed::Held(_)), "{claimed:?}");
    fs::write(looked.with_extension("go"), "").expect("a file");
    assert!(looker.0.wait().expect("its end").success());
    let own = format!("c/step:{}", looker.0.id());
    assert!(block_on(store.get(&own)).expect("a store").is_some(), "it is in the same store");
}

#[test]
fn a_store_being_created_elsewhere_is_not_disturbed() {
    let scratch = Scratch::new();
    let dir = scratch.path("new/state");
    let mut makers: Vec<_> = ["a", "b"]
        .map(|link| waits_to_link("hostile::creation::opens_and_records", &scratch, &scratch.path(link)))
        .into_iter()
        .collect();
    let store = SqliteStore::open(&dir).expect("a store");
    assert_eq!(drafts_and_locks(&dir), (2, 3));
    for link in ["a", "b"] {
        fs::write(scratch.path(link).with_extension("go"), "").expect("a file");
    }
    for maker in &mut makers {
        assert!(maker.0.wait().expect("its end").success());
        let own = format!("c/step:{}", maker.0.id());
        assert!(block_on(store.get(&own)).expect("a store").is_some(), "it is in the one store");
    }
    assert_eq!(drafts_and_locks(&dir).0, 0);
}

#[test]
#[ignore = "run by others, in a process of its own"]
fn makes_a_backup() {
    let Some(dir) = given_dir() else { return };
    let store = SqliteStore::inspect(dir.join("state")).expect("a store");
    store.backup_blocking(dir.join("copy")).expect("a copy");
}

#[test]
fn a_crash_while_writing_a_backup_is_cleaned_up() {
    let scratch = Scratch::new();
    let (dir, copy) = (scratch.path("state"), scratch.path("copy"));
    let store = SqliteStore::open(&dir).expect("a store");
    drop(waits_to_link("hostile::creation::makes_a_backup", &scratch, &scratch.path("a")));
    assert_eq!(drafts_and_locks(&copy), (1, 1));
    store.backup_blocking(&copy).expect("nothing but what is left of a copy is there");
    assert_eq!(names(&copy), ["store.sqlite"]);
    fs::remove_file(copy.join("store.sqlite")).expect("the copy");
    // One that is being made is not what is left of one, and keeps its place from others.
    let mut maker = waits_to_link("hostile::creation::makes_a_backup", &scratch, &scratch.path("b"));
    store.backup_blocking(&copy).expect("the other one is not complete");
    assert_eq!(drafts_and_locks(&copy).0, 1);
    fs::write(scratch.path("b").with_extension("go"), "").expect("a file");
    assert!(!maker.0.wait().expect("its end").success(), "another copy is there");
    assert_eq!(names(&copy), ["store.sqlite"]);
    // A directory of the user's own is not taken for one of locks.
    let own = scratch.path("own");
    fs::create_dir_all(own.join("owners")).expect("a directory");
    fs::write(own.join("owners/people.txt"), "").expect("a file");
    assert!(matches!(store.backup_blocking(&own), Err(StoreError::Refused(_))));
    assert_eq!(names(&own), ["owners"]);
}
