//! Opening and checking several stores at once: none waits for another.

use crate::common::{Scratch, pipe};
use resilience::durable::{SqliteStore, StoreError};
use std::cell::Cell;
use std::fs;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

thread_local! {
    /// The test that this thread tells when it reads a log, and waits for then.
    static READS: Cell<Option<(Sender<()>, Receiver<()>)>> = const { Cell::new(None) };
}

/// Lets a thread of the test wait where it begins to read a log, as it does where that is large.
fn waits_in_log(moment: &'static str) {
    if moment == "in log"
        && let Some((reads, goes_on)) = READS.take()
    {
        reads.send(()).expect("the test");
        let _ = goes_on.recv();
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
    resilience::testing::on_moment(waits_in_log);
    for (name, look) in looks {
        std::thread::scope(|threads| {
            let ((begins, reads), (go_on, goes_on)) = (channel(), channel());
            let look = threads.spawn(move || {
                READS.set(Some((begins, goes_on)));
                look()
            });
            reads.recv().expect("it reads the log");
            let (opened, is_open) = channel();
            let other = &other;
            threads.spawn(move || {
                drop(SqliteStore::open(other).expect("a store"));
                drop(SqliteStore::inspect(other).expect("a store"));
                let _ = opened.send(());
            });
            // The time is for one that waits; it would go on when the look does.
            let is_open = is_open.recv_timeout(Duration::from_secs(30)).is_ok();
            drop(go_on);
            look.join().expect("its thread").expect("a store");
            assert!(is_open, "{name}");
        });
    }
}

/// Opens or inspects the store in `dir`, on a thread of its own, which may hang.
fn looks(dir: &Path, look: fn(&Path) -> Result<SqliteStore, StoreError>) -> Option<Result<(), StoreError>> {
    let (ended, end) = channel();
    let dir = dir.to_owned();
    std::thread::spawn(move || ended.send(look(&dir).map(drop)));
    end.recv_timeout(Duration::from_secs(30)).ok()
}

#[test]
fn a_pipe_directory_or_socket_instead_of_a_file_is_refused_without_blocking() {
    type Kind = (&'static str, fn(&Path));
    let kinds: [Kind; 3] = [
        ("a pipe", pipe),
        ("a directory", |path| fs::create_dir(path).expect("a directory")),
        ("a socket", |path| drop(UnixListener::bind(path).expect("a socket"))),
    ];
    for name in
        ["store.sqlite", "store.sqlite-wal", "store.sqlite-shm", "store.sqlite-journal", "acknowledged"]
    {
        for (kind, make) in kinds {
            let scratch = Scratch::new();
            let dir = scratch.path("state");
            drop(SqliteStore::open(&dir).expect("a store"));
            let file = dir.join(name);
            let _ = fs::remove_file(&file);
            make(&file);
            let ends = [
                ("open", looks(&dir, |dir| SqliteStore::open(dir))),
                ("inspect", looks(&dir, |dir| SqliteStore::inspect(dir))),
            ];
            for (look, end) in ends {
                let end = end.unwrap_or_else(|| panic!("{look}: {name}, {kind}: it blocks"));
                if look == "inspect" && name == "acknowledged" {
                    end.expect("it is only read");
                    continue;
                }
                let words = end.expect_err(name).to_string();
                let told = format!("{} is {kind}, not a regular file", file.display());
                assert!(words.contains(&told), "{look}: {words}");
            }
        }
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

#[test]
fn a_busy_timeout_may_have_any_length() {
    let scratch = Scratch::new();
    for (n, wait) in
        [Duration::ZERO, Duration::from_secs(30 * 24 * 3600), Duration::MAX].into_iter().enumerate()
    {
        let store = SqliteStore::options().busy_timeout(wait).open(scratch.path(&n.to_string()));
        assert!(store.is_ok(), "{wait:?}: {store:?}");
    }
}
