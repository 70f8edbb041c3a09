//! Where an embedded store may stand, and who may read it.
#![cfg(unix)]

use crate::common::{Error, Scratch, Warnings, block_on, child, given_dir};
use resilience::durable::store::{Claim, Claimed};
use resilience::durable::{CheckpointError, SqliteStore, Store, StoreError, use_store};
use resilience::testing::isolate;
use resilience::{checkpoint, checkpoints};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("its mode");
}

fn refused(dir: &Path) -> String {
    match SqliteStore::open(dir) {
        Err(StoreError::Refused(words)) => words,
        other => panic!("it was not refused: {other:?}"),
    }
}

#[test]
fn a_store_is_accessible_only_to_its_user() {
    let scratch = Scratch::new();
    let dir = scratch.path("deep/state");
    let store = SqliteStore::open(&dir).expect("a store");
    block_on(store.claim(Claim::new("a", "one", "f"))).expect("a claim");
    assert_eq!(mode(&dir), 0o700);
    for file in ["store.sqlite", "store.sqlite-wal", "store.sqlite-shm", "acknowledged", "README"] {
        assert_eq!(mode(&dir.join(file)), 0o600, "{file}");
    }
    for lock in fs::read_dir(dir.join("owners")).expect("the owners") {
        assert_eq!(mode(&lock.expect("a lock").path()), 0o600);
    }
}

#[test]
fn a_new_store_says_in_its_directory_what_that_is() {
    let scratch = Scratch::new();
    let (dir, readme) = (scratch.path("state"), scratch.path("state/README"));
    drop(SqliteStore::open(&dir).expect("a store"));
    let text = fs::read_to_string(&readme).expect("a text");
    assert!(text.contains("`resilience`") && text.contains("Do not remove"), "{text}");
    fs::write(&readme, "changed").expect("a text");
    drop(SqliteStore::open(&dir).expect("a store"));
    assert_eq!(fs::read_to_string(&readme).expect("a text"), "changed");
    // One that was removed is not missed.
    fs::remove_file(&readme).expect("a file");
    drop(SqliteStore::open(&dir).expect("a store"));
}

#[test]
fn a_directory_or_file_writable_by_others_is_rejected() {
    let scratch = Scratch::new();
    let dir = scratch.path("open");
    fs::create_dir(&dir).expect("a directory");
    set_mode(&dir, 0o777);
    assert!(refused(&dir).contains("`chmod go-w`"));
    set_mode(&dir, 0o700);
    drop(SqliteStore::open(&dir).expect("a store"));
    set_mode(&dir.join("store.sqlite"), 0o666);
    assert!(refused(&dir).contains("store.sqlite can be written to by users other than its owner "));
}

#[test]
fn symlinks_and_files_are_rejected() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("real")).expect("a directory");
    set_mode(&scratch.path("real"), 0o700);
    symlink(scratch.path("real"), scratch.path("link")).expect("a link");
    assert!(refused(&scratch.path("link")).contains("link"));
    symlink(scratch.path("elsewhere"), scratch.path("real/store.sqlite")).expect("a link");
    assert!(refused(&scratch.path("real")).contains("store.sqlite is a link, not a regular file"));
    fs::write(scratch.path("file"), "").expect("a file");
    assert!(SqliteStore::open(scratch.path("file")).is_err());
}

#[test]
fn a_directory_of_another_user_is_refused() {
    let scratch = Scratch::new();
    let dir = scratch.path("foreign");
    fs::create_dir(&dir).expect("a directory");
    set_mode(&dir, 0o700);
    if let Err(error) = std::os::unix::fs::chown(&dir, Some(12_345), None) {
        eprintln!("SKIPPED: only root can give a directory away ({error})");
        return;
    }
    for mode in [0o700, 0o770, 0o777] {
        set_mode(&dir, mode);
        let words = refused(&dir);
        let told = format!("belongs to user 12345 (mode 0{mode:o}), not to this process's user");
        assert!(words.contains(&told) && !words.contains("chmod"), "{words}");
    }
}

/// Not a test of its own: it sets the subscriber of its process.
#[test]
#[ignore = "run by the other, in a process of its own"]
fn uses_the_home_of_another_user() {
    let Some(home) = given_dir() else { return };
    let warnings = Warnings::of("resilience::store");
    tracing::subscriber::set_global_default(warnings.clone()).expect("the only one");
    for name in ["importer", "exporter"] {
        SqliteStore::open(home.join(".local/state/resilience").join(name)).expect("a store");
    }
    assert_eq!(warnings.count(), 1, "when the first directory is made");
    println!("all seen");
}

#[test]
fn a_directory_made_in_the_home_of_another_user_is_reported() {
    let scratch = Scratch::new();
    let home = scratch.path("home");
    fs::create_dir(&home).expect("a directory");
    set_mode(&home, 0o755);
    if let Err(error) = std::os::unix::fs::chown(&home, Some(12_345), None) {
        eprintln!("SKIPPED: only root can give a directory away ({error})");
        return;
    }
    let output = child("places::uses_the_home_of_another_user", &home).output().expect("a process");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("all seen"), "{text}\n{output:?}");
}

#[test]
fn tables_of_a_later_release_are_not_changed() {
    let scratch = Scratch::new();
    let dir = scratch.path("later");
    drop(SqliteStore::open(&dir).expect("a store"));
    let file = dir.join("store.sqlite");
    rusqlite::Connection::open(&file)
        .and_then(|tables| tables.pragma_update(None, "user_version", 3))
        .expect("the tables");
    assert!(refused(&dir).contains("its tables are of version 3, this release knows versions 1 to 2"));
}

#[test]
fn tables_that_a_later_release_has_migrated_are_not_written_to_any_more() {
    let scratch = Scratch::new();
    let _world = isolate();
    let dir = scratch.path("migrated");
    use_store(Arc::new(SqliteStore::open(&dir).expect("a store")));
    assert_eq!(step(1), Ok(1));
    // As the other program of a rolling deployment does it.
    let tables = rusqlite::Connection::open(dir.join("store.sqlite")).expect("the tables");
    let migrate = "BEGIN; ALTER TABLE records ADD COLUMN later INTEGER; PRAGMA user_version = 3; COMMIT";
    tables.execute_batch(migrate).expect("a migration");
    let refused = [
        step(1).expect_err("a claim"),
        step(2).expect_err("a claim"),
        checkpoints::blocking::load::<u32>("locked:1").expect_err("a look").into(),
    ];
    for error in refused.map(|error| format!("{error:?}")) {
        assert!(error.contains("its tables are of version 3, and this release reads version 2"), "{error}");
    }
    let count = tables.query_row("SELECT count(*) FROM records", [], |row| row.get::<_, i64>(0));
    assert_eq!(count.expect("the tables"), 1);
}

#[test]
fn a_file_that_is_no_database_is_not_changed() {
    let scratch = Scratch::new();
    let dir = scratch.path("foreign");
    fs::create_dir(&dir).expect("a directory");
    set_mode(&dir, 0o700);
    let text = "these are somebody's notes\n".repeat(1_000);
    fs::write(dir.join("store.sqlite"), &text).expect("a file");
    set_mode(&dir.join("store.sqlite"), 0o600);
    let error = SqliteStore::open(&dir).expect_err("no store");
    assert!(error.to_string().contains("damaged"), "{error}");
    assert_eq!(fs::read_to_string(dir.join("store.sqlite")).expect("the file"), text);
}

#[checkpoint("locked:{id}")]
fn step(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[test]
fn a_store_that_another_process_has_locked_is_reported() {
    let scratch = Scratch::new();
    let _world = isolate();
    let dir = scratch.path("state");
    let open = SqliteStore::options().busy_timeout(Duration::from_millis(5)).open(&dir);
    use_store(Arc::new(open.expect("a store")));
    assert_eq!(step(1), Ok(1));
    let other = rusqlite::Connection::open(dir.join("store.sqlite")).expect("a second connection");
    other.execute_batch("BEGIN IMMEDIATE").expect("its lock");
    assert_eq!(step(1), Err(step(1).expect_err("locked")), "even a recorded step is claimed first");
    let error = step(2).expect_err("locked").checkpoint();
    assert!(
        matches!(&error, CheckpointError::Store { store, .. }
        if store.to_string().contains("another process has it locked")),
        "{error:?}"
    );
    other.execute_batch("ROLLBACK").expect("its end");
    assert_eq!(step(2), Ok(2));
}

#[test]
fn a_clock_jump_does_not_end_a_lease() {
    let scratch = Scratch::new();
    let world = isolate();
    let store = SqliteStore::open(scratch.path("state")).expect("a store");
    let claim = || Claim::new("a", store.owner(), "f");
    world.advance(Duration::from_secs(3_600));
    let Ok(Claimed::Held(first)) = block_on(store.claim(claim())) else { panic!("free") };
    // Another world begins where this one began: an hour ago.
    let back = isolate();
    assert!(block_on(store.now()).expect("its clock") < first.created);
    for _ in 0..2 {
        let Ok(Claimed::Busy { left, .. }) = block_on(store.claim(claim())) else { panic!("held") };
        assert_eq!(left, Duration::from_secs(30), "its owner lives, whatever the clocks say");
        back.advance(Duration::from_secs(7_200));
    }
}

/// Not a test of its own: two steps in the store of the process, which is in no test world.
#[test]
#[ignore = "run by others, in a process of its own"]
fn uses_the_store_of_the_process() {
    let Some(dir) = given_dir() else { return };
    let warnings = Warnings::of("resilience::store");
    tracing::subscriber::set_global_default(warnings.clone()).expect("the only one");
    if let Ok(name) = std::env::var("PLACES_APPLICATION") {
        resilience::application(name);
    }
    assert_eq!((step(1), step(2), step(1)), (Ok(1), Ok(2), Ok(1)));
    let is_kept = fs::read_dir(&dir).expect("the directory").next().is_some();
    println!("kept: {is_kept}, warnings: {}", warnings.count());
}

/// Where a process puts its store that has these variables, and is called so; `None` if it has said once that it keeps
/// everything in memory.
#[cfg(target_os = "linux")]
fn placed(variables: &[(&str, &str)], application: Option<&str>) -> Option<String> {
    let scratch = Scratch::new();
    let dir = scratch.path("");
    let mut process = child("places::uses_the_store_of_the_process", &dir);
    process.env_remove("RESILIENCE_STATE").env_remove("XDG_STATE_HOME").env("HOME", dir.join("home"));
    for (name, value) in variables {
        process.env(name, value.replace("SCRATCH", dir.to_str().expect("a path")));
    }
    application.map(|name| process.env("PLACES_APPLICATION", name));
    let output = process.current_dir(&dir).output().expect("a process");
    let text = String::from_utf8_lossy(&output.stdout);
    if text.contains("kept: false, warnings: 1") {
        return None;
    }
    assert!(text.contains("kept: true, warnings: 0"), "{text}{}", String::from_utf8_lossy(&output.stderr));
    let mut dirs = vec![dir.clone()];
    while let Some(next) = dirs.pop() {
        for entry in fs::read_dir(next).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.ends_with("store.sqlite") {
                let place = path.parent().and_then(|place| place.strip_prefix(&dir).ok()).expect("below");
                return Some(place.to_str().expect("a path").to_owned());
            }
            dirs.extend(path.is_dir().then_some(path));
        }
    }
    panic!("there is no store")
}

#[cfg(target_os = "linux")]
#[test]
fn the_store_location_follows_environment_and_name() {
    let state = ("RESILIENCE_STATE", "SCRATCH/given");
    let xdg = ("XDG_STATE_HOME", "SCRATCH/xdg");
    for (variables, application, place) in [
        (&[state, xdg][..], Some("importer"), "given"),
        (&[("RESILIENCE_STATE", "relative")], None, "relative"),
        (&[xdg], Some("importer"), "xdg/resilience/importer"),
        (&[("XDG_STATE_HOME", "relative")], Some("importer"), "home/.local/state/resilience/importer"),
        (&[], Some("importer"), "home/.local/state/resilience/importer"),
    ] {
        assert_eq!(placed(variables, application).as_deref(), Some(place), "{variables:?}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_test_binary_outside_a_world_uses_a_memory_store() {
    assert_eq!(placed(&[("XDG_STATE_HOME", "SCRATCH/xdg")], None), None);
}
