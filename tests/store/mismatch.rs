//! What a recorded step means to other code: every difference, and what each choice makes of it.

use crate::common::{Error, Scratch, quarantined};
use resilience::checkpoint;
use resilience::durable::store::{Mismatch, Query};
use resilience::durable::{CheckpointError, MemoryStore, Record, SqliteStore, Store, use_store};
use resilience::recover;
use resilience::testing::isolate;
use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

thread_local! {
    static RUNS: Cell<u32> = const { Cell::new(0) };
}

fn ran<T>(value: T) -> Result<T, Error> {
    RUNS.with(|runs| runs.set(runs.get() + 1));
    Ok(value)
}

/// The same key, `row:{id}`, claimed by code that differs in one thing each.
macro_rules! variants {
    ($($module:ident { $($option:tt)* })*) => {$(
        mod $module {
            use super::*;

            #[checkpoint("row:{id}", name = "shop::row", inputs(size) $($option)*)]
            pub(super) fn recorded(id: u32, size: u32) -> Result<u32, Error> {
                let _ = (id, size);
                ran(1)
            }

            #[checkpoint("row:{id}", name = "shop::other", inputs(size) $($option)*)]
            pub(super) fn function(id: u32, size: u32) -> Result<u32, Error> {
                let _ = (id, size);
                ran(2)
            }

            #[checkpoint("row:{id}", name = "shop::row", version = 2, inputs(size) $($option)*)]
            pub(super) fn version(id: u32, size: u32) -> Result<u32, Error> {
                let _ = (id, size);
                ran(3)
            }

            #[checkpoint("row:{id}", name = "shop::row", inputs(size) $($option)*)]
            pub(super) fn kind(id: u32, size: u32) -> Result<String, Error> {
                let _ = (id, size);
                ran("4".to_owned())
            }
        }
    )*};
}

variants! {
    reporting {}
    redoing { , on_mismatch = rerun, on_corrupt = rerun }
}

/// What a call gave, in a word.
fn told<T: std::fmt::Debug>(result: Result<T, Error>) -> String {
    match result {
        Ok(value) => format!("{value:?}"),
        Err(error) => match error.checkpoint() {
            CheckpointError::Mismatch { contradiction, .. } => match contradiction.what {
                Mismatch::Function => "function".to_owned(),
                Mismatch::Version => "version".to_owned(),
                Mismatch::Inputs => "inputs".to_owned(),
                other => format!("{other:?}"),
            },
            CheckpointError::Undecodable { .. } => "undecodable".to_owned(),
            CheckpointError::Corrupt { reason, .. } => format!("corrupt: {reason}"),
            other => format!("{other:?}"),
        },
    }
}

/// A world with `row:1` recorded by `reporting::recorded` for the size 10.
fn recorded(store: Arc<MemoryStore>) -> resilience::testing::World {
    let world = isolate();
    use_store(store);
    assert_eq!(reporting::recorded(1, 10), Ok(1));
    RUNS.with(|runs| runs.set(0));
    world
}

#[test]
fn every_mismatch_has_its_error_and_can_be_rerun() {
    type Call = fn() -> String;
    let table: [(&str, Call, &str, Call, &str); 5] = [
        ("the same", || told(reporting::recorded(1, 10)), "1", || told(redoing::recorded(1, 10)), "1"),
        ("function", || told(reporting::function(1, 10)), "function", || told(redoing::function(1, 10)), "2"),
        ("version", || told(reporting::version(1, 10)), "version", || told(redoing::version(1, 10)), "3"),
        ("inputs", || told(reporting::recorded(1, 11)), "inputs", || told(redoing::recorded(1, 11)), "1"),
        ("type", || told(reporting::kind(1, 10)), "undecodable", || told(redoing::kind(1, 10)), "\"4\""),
    ];
    for (what, reporting, error, redoing, value) in table {
        let store = Arc::new(MemoryStore::new());
        let _world = recorded(store.clone());
        let before = record(&store);
        assert_eq!(reporting(), error, "{what} differs, to be reported");
        assert_eq!(RUNS.with(Cell::get), 0, "{what} differs: the body does not run");
        assert_eq!(record(&store), before, "{what} differs: the record stays");
        assert_eq!(redoing(), value, "{what} differs, to be done again");
        let again = u32::from(what != "the same");
        assert_eq!(RUNS.with(Cell::get), again, "{what} differs: the body runs again");
        let kept: Vec<_> = quarantined().into_iter().map(|(_, bytes)| bytes).collect();
        let expected: Vec<_> = (again == 1).then(|| before.encode()).into_iter().collect();
        assert_eq!(kept, expected, "{what} differs: what is replaced is kept");
    }
}

fn record(store: &MemoryStore) -> Record {
    let keys = crate::common::block_on(store.list(Query::new("").values()));
    let records = keys.expect("a listing").records;
    records.into_iter().find(|record| record.key.ends_with("row:1")).expect("the record of row 1")
}

#[test]
fn quarantined_bytes_are_deleted_after_30_days() {
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    let scratch = Scratch::new();
    for is_embedded in [false, true] {
        let world = isolate();
        if is_embedded {
            use_store(Arc::new(SqliteStore::open(scratch.path("state")).expect("a store")));
        } else {
            use_store(Arc::new(MemoryStore::new()));
        }
        assert_eq!((redoing::recorded(1, 1), redoing::version(1, 1)), (Ok(1), Ok(3)));
        world.advance(20 * DAY);
        assert_eq!((redoing::recorded(2, 1), redoing::version(2, 1)), (Ok(1), Ok(3)));
        assert_eq!(quarantined().len(), 2, "what was replaced");
        let recovered = |days: u32| {
            world.advance(days * DAY);
            recover().once().blocking().expect("a recovery");
            quarantined().len()
        };
        assert_eq!([recovered(9), recovered(2), recovered(18), recovered(2)], [2, 1, 1, 0]);
    }
}
