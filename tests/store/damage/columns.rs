//! Rows whose columns hold what no record has there: a flipped bit makes another type of a number, or no text of a key.

use super::*;
use resilience::recover_blocking;

#[job("left:{id}")]
fn left(id: u32) -> Result<u32, Error> {
    Ok(id)
}

/// Opens a store with the interrupted jobs `left:1` to `left:3`, and runs `sql` on its tables.
fn changed(dir: &Path, sql: &str) -> SqliteStore {
    let store = SqliteStore::open(dir).expect("a store");
    for id in 1..4 {
        let mut record = Record::new(format!("j/left:{id}"));
        record.function = "left:{id}".to_owned();
        record.status = Status::Interrupted;
        record.input = format!(r#"{{"id":{id}}}"#).into_bytes();
        block_on(store.cas(None, record)).expect("a store");
    }
    let tables = rusqlite::Connection::open(dir.join("store.sqlite")).expect("the tables");
    assert_eq!(tables.execute(sql, []).expect(sql), 1, "{sql}");
    use_store(Arc::new(store.clone()));
    store
}

/// What `recover` and `jobs::list` find of the jobs: the ids of the sound ones, and of the damaged ones.
type Found = (Vec<String>, Vec<String>);

fn recovered() -> Found {
    let recovered = recover_blocking().expect("a store");
    (recovered.jobs.iter().map(|job| job.id.clone()).collect(), recovered.corrupt)
}

fn listed(limit: usize) -> Found {
    let mut found = Found::default();
    let mut filter = Filter::new().limit(limit);
    for _ in 0..10 {
        let page = jobs::blocking::list(filter).expect("a store");
        for job in &page {
            let side = if job.damaged.is_some() { &mut found.1 } else { &mut found.0 };
            side.push(job.id.clone());
        }
        match page.next {
            Some(next) => filter = Filter::new().limit(limit).after(next),
            None => return found,
        }
    }
    panic!("the pages have no end: {found:?}");
}

fn found(sound: &[&str], damaged: &[&str]) -> Found {
    let owned = |ids: &[&str]| ids.iter().map(|&id| id.to_owned()).collect();
    (owned(sound), owned(damaged))
}

#[test]
fn a_column_of_another_type_stops_only_its_own_job() {
    for set in [
        "status = 0",
        "status = 99",
        "status = 300",
        "status = ''",
        "status = x'04'",
        "status = 4.5",
        "fence = 1.5",
        "fence = 'x'",
        "fence = -1",
        "head = 7",
        "head = 1.5",
        "head = ''",
    ] {
        let scratch = Scratch::new();
        let _world = isolate();
        let dir = scratch.path("state");
        changed(&dir, &format!("UPDATE records SET {set} WHERE key = 'j/left:2'"));
        let expected = found(&["left:1", "left:3"], &["left:2"]);
        assert_eq!(listed(100), expected, "{set}");
        assert_eq!(listed(1), expected, "{set}");
        assert_eq!(recovered(), expected, "{set}");
        let error = format!("{:?}", left(2).expect_err(set));
        assert!(error.contains("Corrupt"), "{set}: {error}");
    }
}

#[test]
fn a_blob_that_became_text_has_its_bytes() {
    let scratch = Scratch::new();
    let _world = isolate();
    let dir = scratch.path("state");
    let set = "head = CAST(head AS TEXT), body = CAST(body AS TEXT)";
    changed(&dir, &format!("UPDATE records SET {set} WHERE key = 'j/left:2'"));
    assert_eq!(recovered(), found(&["left:1", "left:2", "left:3"], &[]));
}

#[test]
fn a_key_that_is_no_text_stops_only_its_own_job() {
    // The byte that takes the place of the `2`, and what is shown in place of the key.
    for (key, shown) in
        [("6a2f6c6566743affff", "left:\u{fffd}\u{fffd}"), ("6a2f6c6566b43a32", "lef\u{fffd}:2")]
    {
        let scratch = Scratch::new();
        let _world = isolate();
        let dir = scratch.path("state");
        let set = format!("key = CAST(x'{key}' AS TEXT), completed = 1, expires = 1");
        let store = changed(&dir, &format!("UPDATE records SET {set} WHERE key = 'j/left:2'"));
        let expected = found(&["left:1", "left:3"], &[shown]);
        assert_eq!(listed(100), expected, "{key}");
        let (sound, _) = listed(1);
        assert_eq!(sound, expected.0, "{key}");
        assert_eq!(recovered(), expected, "{key}");
        assert_eq!(page(1), Ok(1), "{key}");
        assert_eq!(checkpoints::blocking::list("").expect("a store").len(), 1, "{key}");
        let damage = store.integrity_blocking().expect("a look");
        assert!(damage.iter().any(|words| words.contains(shown)), "{damage:?}");
        // What expires is deleted, although this row cannot be.
        assert_eq!(block_on(store.delete_expired(10)), Ok(0), "{key}");
        assert_eq!(block_on(store.delete_older_than("j/", 2, 10)), Ok(0), "{key}");
    }
}

#[test]
fn a_key_that_became_a_blob_is_passed_over_by_retention() {
    let scratch = Scratch::new();
    let _world = isolate();
    let dir = scratch.path("state");
    let set = "key = CAST(key AS BLOB), completed = 1, expires = 1";
    let store = changed(&dir, &format!("UPDATE records SET {set} WHERE key = 'j/left:2'"));
    assert_eq!(block_on(store.delete_expired(10)), Ok(0), "it cannot be deleted by its key");
}

#[checkpoint("page:{id}", name = "store::column_page")]
fn page(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[test]
fn a_damaged_row_of_an_owner_stops_no_claim() {
    for damage in ["CAST(x'ff' AS TEXT), 1, 1, NULL, NULL", "'1-dead', 'x', 'x', 'x', 'x'"] {
        let scratch = Scratch::new();
        let _world = isolate();
        let dir = scratch.path("state");
        let store = SqliteStore::open(&dir).expect("a store");
        use_store(Arc::new(store.clone()));
        let tables = rusqlite::Connection::open(dir.join("store.sqlite")).expect("the tables");
        tables.execute(&format!("INSERT INTO owners VALUES ({damage})"), []).expect("a row");
        // With more rows than this each new owner looks for the dead ones.
        for dead in 0..20 {
            tables
                .execute("INSERT INTO owners VALUES (?1, 1, 1, NULL, NULL)", [format!("{dead}-gone")])
                .expect("a row");
        }
        assert_eq!(page(1), Ok(1), "{damage}");
        assert_eq!(block_on(store.delete_expired(10)), Ok(0), "{damage}");
    }
}

#[test]
fn a_damaged_entry_of_the_quarantine_stops_only_itself() {
    let scratch = Scratch::new();
    let _world = isolate();
    let dir = scratch.path("state");
    let entry = "INSERT INTO quarantine VALUES (7, CAST(x'ff' AS TEXT), 'x', 1.5, 'bytes')";
    changed(&dir, entry);
    let tables = rusqlite::Connection::open(dir.join("store.sqlite")).expect("the tables");
    tables.execute("INSERT INTO quarantine VALUES (8, 'c/a', 1, 'corrupt', x'00')", []).expect("a row");
    let kept = checkpoints::blocking::quarantine(10).expect("a store");
    let kept: Vec<_> = kept.iter().map(|entry| (entry.id, entry.key.as_str(), entry.size)).collect();
    assert_eq!(kept, [(8, "c/a", 1), (7, "\u{fffd}", 5)]);
    let entry = checkpoints::blocking::quarantined(7).expect("a store").expect("the entry");
    assert_eq!(entry.bytes.as_deref(), Some(&b"bytes"[..]));
    assert_eq!(checkpoints::blocking::remove_quarantined(7), Ok(true));
}

#[test]
fn no_fence_is_given_twice_once_they_are_used_up() {
    let scratch = Scratch::new();
    let store = SqliteStore::open(scratch.path("state")).expect("a store");
    let tables = rusqlite::Connection::open(scratch.path("state/store.sqlite")).expect("the tables");
    tables.execute("UPDATE meta SET value = ?1 WHERE name = 'fence'", [i64::MAX]).expect("the last fence");
    let refused = block_on(store.claim(Claim::new("c/step", store.owner(), "shop::step")));
    let Err(StoreError::Unavailable(words)) = &refused else { panic!("{refused:?}") };
    assert!(words.contains("fences"), "{words}");
}
