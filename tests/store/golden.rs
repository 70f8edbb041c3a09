//! Records and tables of each released format are read for ever. `GOLDEN=write` writes them anew, which
//! only a new format may do.

use crate::common::{Scratch, block_on};
use resilience::durable::store::{Claim, Claimed, Completion};
use resilience::durable::{Record, SqliteStore, Status, Store};
use std::fs;
use std::path::{Path, PathBuf};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

fn is_writing() -> bool {
    std::env::var("GOLDEN").is_ok_and(|value| value == "write")
}

fn record(key: &str, change: impl FnOnce(&mut Record)) -> Record {
    let mut record = Record::new(key);
    change(&mut record);
    record
}

/// One record of every kind, each field used by at least one.
fn records() -> Vec<(&'static str, Record)> {
    let step = record("s/import:7/page:a%20b:1", |step| {
        step.status = Status::Done;
        step.function = "shop::page".into();
        step.version = 3;
        step.inputs = Some(0x0123_4567_89ab_cdef_0011_2233_4455_6677);
        (step.fence, step.incarnation) = (1_000_042, 3);
        step.owner = "4711-00c0ffee".into();
        (step.attempts, step.recoveries) = (2, 1);
        (step.created, step.updated, step.completed) =
            (1_700_000_000_000, 1_700_000_000_002, 1_700_000_000_001);
        (step.ttl, step.revision, step.order) = (60_000, 5, 7);
        step.value = br#"{"rows":["a/1"],"next":2}"#.to_vec();
    });
    let job = record("j/import:7", |job| {
        job.status = Status::RollingBack;
        job.function = "import:{id}".into();
        job.fence = 9;
        job.owner = "4711-00c0ffee".into();
        (job.lease, job.incarnation, job.progress) = (30_000, 9, 2);
        job.cancelled = true;
        job.note = br#"{"events":[]}"#.to_vec();
        job.input = br#"[7,"/data/rows.csv"]"#.to_vec();
    });
    let unicode = record("\u{e4}\u{1f600}", |step| step.value = (0..=255).collect());
    vec![("step", step), ("job", job), ("any-bytes", unicode), ("empty", Record::new(""))]
}

#[test]
fn records_of_format_1_are_read() {
    for (name, record) in records() {
        let bytes = fs::read(golden(&format!("format-1/{name}.record"))).expect("a golden file");
        // It had a deadline in place of a lease, and was told from other incarnations by the time of its beginning.
        let mut expected = record.clone();
        (expected.lease, expected.incarnation, expected.progress) = (30_000, record.created, 0);
        assert_eq!(Record::decode(&record.key, &bytes), Ok(expected), "{name} is read");
    }
}

#[test]
fn records_of_format_2_are_read_and_written_byte_for_byte() {
    for (name, record) in records() {
        let file = golden(&format!("format-2/{name}.record"));
        if is_writing() {
            fs::create_dir_all(golden("format-2")).expect("a directory");
            fs::write(&file, record.encode()).expect("a golden file");
        }
        let bytes = fs::read(&file).expect("a golden file");
        assert_eq!(Record::decode(&record.key, &bytes), Ok(record.clone()), "{name} is read");
        assert_eq!(record.encode(), bytes, "{name} is written as it was released");
    }
}

#[test]
fn status_codes_match_the_release() {
    let codes: Vec<_> = (0..=9).map(|code| Status::from_code(code).map(Status::as_str)).collect();
    let released =
        ["free", "running", "done", "failed", "interrupted", "manual", "rolling_back", "rolled_back", "dead"];
    let released: Vec<_> = released.into_iter().map(Some).chain([None]).collect();
    assert_eq!(codes, released);
}

fn write_tables(dir: &Path) {
    let scratch = Scratch::new();
    let made = scratch.path("made");
    {
        let store = SqliteStore::open(&made).expect("a store");
        let held =
            |key: &str| match block_on(store.claim(Claim::new(key, "one", "shop::page"))).expect("a claim") {
                Claimed::Held(record) => record.fence,
                other => panic!("{other:?}"),
            };
        let fence = held("s/page:1");
        block_on(store.complete(Completion::done("s/page:1", fence, b"\"first\"".to_vec())))
            .expect("a result");
        let fence = held("j/import:1");
        block_on(store.complete(Completion::of("j/import:1", fence, Status::Failed))).expect("an end");
        held("j/import:2");
    }
    fs::create_dir_all(dir).expect("a directory");
    // The last connection to close moves the log into the file; its thread ends a moment after the store.
    while made.join("store.sqlite-wal").exists() {
        std::thread::yield_now();
    }
    fs::copy(made.join("store.sqlite"), dir.join("store.sqlite")).expect("a golden file");
}

#[test]
fn tables_of_schema_1_are_read_and_written() {
    let released = golden("schema-1");
    if is_writing() {
        write_tables(&released);
    }
    let scratch = Scratch::new();
    fs::create_dir(scratch.path("copy")).expect("a directory");
    fs::copy(released.join("store.sqlite"), scratch.path("copy/store.sqlite")).expect("a golden file");
    let store = SqliteStore::open(scratch.path("copy")).expect("a store of the release");
    let read = |key| block_on(store.get(key)).expect("a record").expect("it is there");
    assert_eq!(read("s/page:1").value, b"\"first\"");
    assert_eq!(read("j/import:1").status, Status::Failed);
    let lost = read("j/import:2");
    assert_eq!(lost.status, Status::Running);
    // Its owner has no lock that could be judged: it is watched for a lease.
    let world = resilience::testing::isolate();
    let claim = || block_on(store.claim(Claim::new("j/import:2", "two", "shop::page"))).expect("a claim");
    assert!(matches!(claim(), Claimed::Busy { .. }));
    world.advance(std::time::Duration::from_secs(30));
    match claim() {
        Claimed::Held(record) => assert!(record.fence > lost.fence && record.recoveries == 1, "{record:?}"),
        other => panic!("{other:?}"),
    }
}
