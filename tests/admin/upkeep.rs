//! Size, integrity, copies and compaction of a store on disk.

use crate::common::{Error, Scratch, block_on};
use resilience::durable::store::Claim;
use resilience::durable::{SqliteStore, Store, StoreError, use_store};
use resilience::testing::isolate;
use resilience::{checkpoint, checkpoints, jobs};
use std::fs;
use std::path::Path;
use std::sync::Arc;

#[checkpoint("page:{n}")]
fn page(n: u32) -> Result<String, Error> {
    Ok("x".repeat(usize::try_from(n).unwrap_or(0) * 1_000))
}

fn store_with_pages(dir: &Path, pages: u32) -> Arc<SqliteStore> {
    let store = Arc::new(SqliteStore::open(dir).expect("a store"));
    use_store(store.clone());
    (1..=pages).for_each(|n| drop(page(n).expect("its value")));
    store
}

#[test]
fn compaction_returns_free_pages() {
    let scratch = Scratch::new();
    let _world = isolate();
    let store = store_with_pages(&scratch.path("state"), 60);
    let before = store.size_blocking().expect("its size");
    assert!(before.tables > 1 << 20, "{before}");
    assert_eq!(checkpoints::blocking::clear().expect("a store"), 60);
    store.compact_blocking().expect("a smaller store");
    let after = store.size_blocking().expect("its size");
    assert!(after.tables < 1 << 17 && after.free == 0 && after.log == 0, "{before}; {after}");
    assert_eq!(fs::metadata(scratch.path("state/store.sqlite")).expect("the file").len(), after.tables);
    page(1).expect("it goes on");
}

#[test]
fn integrity_names_damaged_records() {
    let scratch = Scratch::new();
    let _world = isolate();
    let store = store_with_pages(&scratch.path("state"), 2);
    assert_eq!(store.integrity_blocking().expect("a check"), [""; 0]);
    let tables = rusqlite::Connection::open(scratch.path("state/store.sqlite")).expect("the tables");
    tables.execute("UPDATE records SET body = x'00' WHERE key = 'c/page:1'", []).expect("a change");
    let words = "the record of `c/page:1` is damaged: the checksum does not match";
    assert_eq!(store.integrity_blocking().expect("a check"), [words]);
    drop(tables);
    let looked = SqliteStore::inspect(scratch.path("state")).expect("a store");
    assert_eq!(looked.integrity_blocking().expect("a check"), [words]);
}

#[test]
fn a_backup_opens_as_a_store_and_overwrites_nothing() {
    let scratch = Scratch::new();
    let _world = isolate();
    let store = store_with_pages(&scratch.path("state"), 5);
    store.backup_blocking(scratch.path("deep/copy")).expect("a copy");
    let names: Vec<_> = fs::read_dir(scratch.path("deep/copy"))
        .expect("the copy")
        .map(|entry| entry.expect("a file").file_name())
        .collect();
    assert_eq!(names, ["store.sqlite"], "one file");
    page(6).expect("the store goes on");
    for full in ["deep/copy", "state"] {
        let error = store.backup_blocking(scratch.path(full)).expect_err("it is not empty");
        assert!(matches!(&error, StoreError::Refused(words) if words.contains("is not empty")), "{error}");
    }
    let looked = SqliteStore::inspect(scratch.path("state")).expect("a store");
    looked.backup_blocking(scratch.path("second")).expect("a copy by who only looks");
    let identity = store.identity();
    drop((store, looked));
    use_store(Arc::new(SqliteStore::open(scratch.path("unused")).expect("a store")));
    for (copy, pages) in [("deep/copy", 5), ("second", 6)] {
        let copy = Arc::new(SqliteStore::open(scratch.path(copy)).expect("it opens"));
        assert_eq!(copy.identity(), identity, "idempotency keys stay");
        assert_eq!(checkpoints::blocking::of(copy.clone()).list("").expect("its steps").len(), pages);
        block_on(copy.claim(Claim::new("c/new", copy.owner(), "f"))).expect("it can be written to");
    }
}

#[test]
fn a_failed_backup_leaves_no_files() {
    let scratch = Scratch::new();
    let _world = isolate();
    let store = store_with_pages(&scratch.path("state"), 1);
    fs::write(scratch.path("file"), "a file").expect("a file");
    assert!(store.backup_blocking(scratch.path("file")).is_err());
    assert!(store.backup_blocking(scratch.path("file/below")).is_err());
    assert_eq!(fs::read_to_string(scratch.path("file")).expect("the file"), "a file");
    // What is copied is gone.
    fs::rename(scratch.path("state/store.sqlite"), scratch.path("moved")).expect("a move");
    assert!(matches!(store.backup_blocking(scratch.path("copy")), Err(StoreError::Lost(_))));
    assert!(!scratch.path("copy").exists());
    assert!(matches!(store.compact_blocking(), Err(StoreError::Lost(_))));
}

#[tokio::test(flavor = "current_thread")]
async fn maintenance_does_not_block_the_runtime_thread() {
    let scratch = Scratch::new();
    let _world = isolate();
    let store = store_with_pages(&scratch.path("state"), 3);
    let other = rusqlite::Connection::open(scratch.path("state/store.sqlite")).expect("a connection");
    other.execute_batch("BEGIN IMMEDIATE").expect("its lock");
    let compacting = store.compact();
    let release = async {
        // Compaction waits for the lock, and this runs on the same thread.
        other.execute_batch("ROLLBACK").expect("its end");
    };
    let (compacted, ()) = futures::join!(compacting, release);
    compacted.expect("a smaller store");
    assert!(store.size().await.expect("its size").tables > 0);
    assert_eq!(store.integrity().await.expect("a check"), [""; 0]);
    store.backup(scratch.path("copy")).await.expect("a copy");
    let copy = Arc::new(SqliteStore::inspect(scratch.path("copy")).expect("the copy"));
    assert_eq!(checkpoints::of(copy.clone()).list("page:").await.expect("its steps").len(), 3);
    assert_eq!(jobs::of(copy.clone()).count().await.expect("a count").total(), 0);
    assert_eq!(copy.compact().await, Err(StoreError::ReadOnly));
}
