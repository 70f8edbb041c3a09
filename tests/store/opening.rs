//! Opening and checking several stores at once: none waits for another.

use crate::common::{Scratch, pipe};
use resilience::durable::{SqliteStore, StoreError};
use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::mpsc::channel;
use std::time::Duration;

/// `open(2)` of Linux: do not wait for a reader.
const O_NONBLOCK: i32 = 0o4000;

/// Puts a pipe in the place of the log of the store in `dir`: who reads the log waits for what is written to it.
fn endless_log(dir: &Path) {
    pipe(&dir.join("store.sqlite-wal"));
}

/// The log's other end, once another thread reads it. The pipe is removed: it is no log for SQLite.
fn being_read(dir: &Path) -> File {
    let log = dir.join("store.sqlite-wal");
    loop {
        match OpenOptions::new().write(true).custom_flags(O_NONBLOCK).open(&log) {
            Ok(end) => {
                fs::remove_file(&log).expect("the pipe");
                return end;
            }
            // No one reads yet.
            Err(_) => std::thread::yield_now(),
        }
    }
}

#[test]
fn scanning_a_large_log_does_not_block_other_stores() {
    let scratch = Scratch::new();
    let (large, other) = (scratch.path("large"), scratch.path("other"));
    drop(SqliteStore::open(&large).expect("a store"));
    let looked = SqliteStore::inspect(&large).expect("a store");
    type Look<'a> = &'a (dyn Fn() -> Result<(), StoreError> + Sync);
    let looks: [(&str, Look<'_>); 3] = [
        ("inspect", &|| SqliteStore::inspect(&large).map(drop)),
        ("integrity", &|| looked.integrity_blocking().map(|found| assert_eq!(found, [""; 0]))),
        ("open", &|| SqliteStore::open(&large).map(drop)),
    ];
    for (name, look) in looks {
        endless_log(&large);
        std::thread::scope(|threads| {
            let look = threads.spawn(look);
            let log = being_read(&large);
            let (opened, is_open) = channel();
            let other = &other;
            threads.spawn(move || {
                drop(SqliteStore::open(other).expect("a store"));
                drop(SqliteStore::inspect(other).expect("a store"));
                let _ = opened.send(());
            });
            // The time is for one that waits; it would go on when the log ends.
            let is_open = is_open.recv_timeout(Duration::from_secs(30)).is_ok();
            drop(log);
            look.join().expect("its thread").expect("a store");
            assert!(is_open, "{name}");
        });
    }
}

#[test]
fn threads_that_open_one_store_at_once_have_one_handle() {
    let scratch = Scratch::new();
    let dir = scratch.path("state");
    let stores: Vec<_> = std::thread::scope(|threads| {
        let open = |_| threads.spawn(|| SqliteStore::open(&dir).expect("a store"));
        let opening: Vec<_> = (0..8).map(open).collect();
        opening.into_iter().map(|thread| thread.join().expect("its thread")).collect()
    });
    let owners = fs::read_dir(dir.join("owners")).expect("the owners").count();
    assert_eq!(owners, 1, "one owner, and one lock");
    drop(stores);
}
