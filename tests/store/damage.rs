//! Bytes that were flipped and files that were cut: what is read is what was recorded, or an error; never an earlier
//! state, and never anything else.

mod columns;
mod records;

use crate::common::{Error, Random, Scratch, block_on, child, given_dir, quarantined};
use resilience::durable::record::Corrupt;
use resilience::durable::store::{Claim, Claimed, Completion, Query};
use resilience::durable::{
    CheckpointError, JobError, MemoryStore, Record, SqliteStore, Status, Store, StoreError, use_store,
};
use resilience::jobs::{self, Filter};
use resilience::testing::{isolate, rejected};
use resilience::{Rejected, checkpoint, checkpoints, job};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

const KEYS: [&str; 3] = ["s//first", "s//second", "s//last"];

fn value(key: &str) -> Vec<u8> {
    format!("\"the one result of {key}\"").into_bytes()
}

/// Three steps, each of which was held before it was done.
fn fill(store: &SqliteStore) {
    for key in KEYS {
        let claim = Claim::new(key, "one", "shop::step");
        let Ok(Claimed::Held(held)) = block_on(store.claim(claim)) else { panic!("free") };
        block_on(store.complete(Completion::done(key, held.fence, value(key)))).expect("a result");
    }
}

/// The two files of a store as a crash would leave them: everything is in the log, or nothing.
struct Image {
    tables: Vec<u8>,
    log: Vec<u8>,
    /// How far it was acknowledged.
    mark: Vec<u8>,
}

impl Image {
    fn with_log() -> Self {
        let scratch = Scratch::new();
        let store = SqliteStore::open(scratch.path("state")).expect("a store");
        fill(&store);
        let read = |name| fs::read(scratch.path("state").join(name)).expect("a file");
        let (log, mark) = (read("store.sqlite-wal"), read("acknowledged"));
        Self { tables: read("store.sqlite"), log, mark }
    }

    fn without_log() -> Self {
        let image = Self::with_log();
        let scratch = Scratch::new();
        let file = image.placed(&scratch).join("store.sqlite");
        rusqlite::Connection::open(&file)
            .and_then(|tables| tables.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())))
            .expect("the log moved into the tables");
        Self { tables: fs::read(&file).expect("a file"), log: Vec::new(), mark: image.mark }
    }

    /// The same with these files.
    fn with(&self, tables: &[u8], log: &[u8]) -> Self {
        Self { tables: tables.to_vec(), log: log.to_vec(), mark: self.mark.clone() }
    }

    /// Writes the files into a directory of their own: a store that was dropped closes its files in its own time.
    fn placed(&self, scratch: &Scratch) -> PathBuf {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let dir = scratch.path(&format!("state-{}", NEXT.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir_all(&dir).expect("a directory");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&dir, fs::Permissions::from_mode(0o700)).expect("its mode");
        }
        let write = |name: &str, bytes: &[u8]| {
            fs::write(dir.join(name), bytes).expect("a file");
            #[cfg(unix)]
            {
                use std::os::unix::fs::PermissionsExt;
                fs::set_permissions(dir.join(name), fs::Permissions::from_mode(0o600)).expect("its mode");
            }
        };
        write("store.sqlite", &self.tables);
        write("acknowledged", &self.mark);
        if !self.log.is_empty() {
            write("store.sqlite-wal", &self.log);
        }
        dir
    }
}

/// How many records of damaged stores were read as recorded, and how many were refused.
#[derive(Debug, Default)]
struct Seen {
    whole: u32,
    refused: u32,
}

impl Seen {
    /// Everything that can be asked of a damaged store, and what it may answer.
    fn judge(&mut self, dir: &Path, how: &str) {
        let Ok(store) = SqliteStore::open(dir) else {
            self.refused += 1;
            return;
        };
        for key in KEYS {
            match block_on(store.get(key)) {
                Ok(None) => panic!("{how}: {key} is absent"),
                Ok(Some(record)) => {
                    assert_eq!((record.status, &record.value), (Status::Done, &value(key)), "{how}");
                    self.whole += 1;
                }
                Err(StoreError::Corrupt { .. } | StoreError::Unavailable(_) | StoreError::Lost(_)) => {
                    self.refused += 1;
                }
                Err(error) => panic!("{how}: {error}"),
            }
        }
        match block_on(store.list(Query::new("s/").values())) {
            Ok(page) => {
                for record in page.records.iter().filter(|record| record.status == Status::Done) {
                    assert_eq!(record.value, value(&record.key), "{how}");
                }
            }
            Err(StoreError::Unavailable(_)) => {}
            Err(error) => panic!("{how}: {error}"),
        }
        // A claim gives the recorded value; damage is an error.
        match block_on(store.claim(Claim::new(KEYS[2], "two", "shop::step"))) {
            Ok(Claimed::Done(record)) => assert_eq!(record.value, value(KEYS[2]), "{how}"),
            Ok(other) => panic!("{how}: {other:?}"),
            Err(StoreError::Corrupt { .. } | StoreError::Unavailable(_)) => {}
            Err(error) => panic!("{how}: {error}"),
        }
    }
}

/// Where the record of `key` stands in `bytes` for the last time.
fn place_of(bytes: &[u8], key: &str) -> std::ops::Range<usize> {
    let needle = value(key);
    let at = bytes.windows(needle.len()).rposition(|window| window == needle).expect("the value is there");
    let start = bytes[..at].windows(4).rposition(|window| window == b"RSLR").expect("the record begins");
    start - 40..at + needle.len() + 4
}

#[test]
fn flipped_bits_of_a_record_in_the_log_are_detected() {
    let scratch = Scratch::new();
    let image = Image::with_log();
    let mut seen = Seen::default();
    for at in place_of(&image.log, KEYS[2]) {
        let mut log = image.log.clone();
        log[at] ^= 1 << (at % 8);
        let dir = image.with(&image.tables, &log).placed(&scratch);
        seen.judge(&dir, &format!("byte {at} of the log"));
    }
    assert!(seen.refused > 100, "{seen:?}");
}

/// Not a test of its own: opens a store with less memory than its log has bytes.
#[cfg(unix)]
#[test]
#[ignore = "run by others, in a process of its own"]
fn opens_a_store_in_little_memory() {
    let Some(dir) = given_dir() else { return };
    let refused = SqliteStore::open(dir.join("state-0")).expect_err("its log is damaged").to_string();
    assert!(refused.contains("its log") && refused.contains("is damaged at frame"), "{refused}");
}

#[cfg(unix)]
#[test]
fn damage_is_found_in_a_log_larger_than_memory() {
    let scratch = Scratch::new();
    let image = Image::with_log();
    let mut log = image.log.clone();
    // In its first page.
    log[200] ^= 1;
    let dir = image.with(&image.tables, &log).placed(&scratch);
    fs::rename(dir, scratch.path("state-0")).expect("a rename");
    let log =
        fs::OpenOptions::new().write(true).open(scratch.path("state-0/store.sqlite-wal")).expect("the log");
    // It takes no room on the disk.
    log.set_len(8 << 30).expect("a longer log");
    let own = child("damage::opens_a_store_in_little_memory", &scratch.path(""));
    let mut limited = std::process::Command::new("sh");
    limited.args(["-c", "ulimit -v 2000000; exec \"$@\"", "sh"]).arg(own.get_program()).args(own.get_args());
    let output = limited.env("TEST_DIR", scratch.path("")).output().expect("a child");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn flipped_bits_of_a_record_in_the_tables_are_detected() {
    let scratch = Scratch::new();
    let image = Image::without_log();
    let mut seen = Seen::default();
    for at in place_of(&image.tables, KEYS[2]) {
        let mut tables = image.tables.clone();
        tables[at] ^= 1 << (at % 8);
        let dir = image.with(&tables, &[]).placed(&scratch);
        seen.judge(&dir, &format!("byte {at} of the tables"));
    }
    assert!(seen.whole > 0 && seen.refused > 100, "{seen:?}");
}

#[test]
fn truncated_files_never_yield_a_wrong_result() {
    let scratch = Scratch::new();
    let image = Image::with_log();
    let mut seen = Seen::default();
    for length in place_of(&image.log, KEYS[2]) {
        let dir = image.with(&image.tables, &image.log[..length]).placed(&scratch);
        seen.judge(&dir, &format!("a log of {length} bytes"));
    }
    let moved = Image::without_log();
    for length in place_of(&moved.tables, KEYS[2]) {
        let dir = moved.with(&moved.tables[..length], &[]).placed(&scratch);
        seen.judge(&dir, &format!("tables of {length} bytes"));
    }
    assert!(seen.refused > 100, "{seen:?}");
}

#[test]
fn random_damage_never_yields_a_wrong_result() {
    let scratch = Scratch::new();
    let (with_log, without_log) = (Image::with_log(), Image::without_log());
    let mut random = Random::seeded(4);
    let mut seen = Seen::default();
    for round in 0..400 {
        let image = if round % 2 == 0 { &with_log } else { &without_log };
        let (mut tables, mut log) = (image.tables.clone(), image.log.clone());
        let damaged = if log.is_empty() { &mut tables } else { &mut log };
        let at = random.below(damaged.len());
        if random.below(4) == 0 {
            damaged.truncate(at);
        } else {
            damaged[at] ^= 1 << random.below(8);
        }
        let dir = image.with(&tables, &log).placed(&scratch);
        seen.judge(&dir, &format!("round {round}, at {at}"));
    }
    assert!(seen.whole > 0 && seen.refused > 0, "{seen:?}");
}
