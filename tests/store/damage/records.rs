//! Jobs, steps and operators in front of damaged records.

use super::*;

#[checkpoint("page:{id}")]
fn page(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[checkpoint("page:{id}", name = "store::page", on_corrupt = rerun)]
fn page_again(id: u32) -> Result<u32, Error> {
    Ok(id * 100)
}

/// Writes `bytes` over what is recorded of `page(1)`, past everything that guards it.
fn overwrite(dir: &Path, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let tables = rusqlite::Connection::open(dir.join("store.sqlite")).expect("the tables");
    let sql = "SELECT head, body FROM records WHERE key LIKE '%page:1'";
    let parts = tables.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?)));
    let (mut head, body): (Vec<u8>, Vec<u8>) = parts.expect("the record");
    change(&mut head);
    tables.execute("UPDATE records SET head = ?1 WHERE key LIKE '%page:1'", [&head]).expect("a change");
    [head, body].concat()
}

#[test]
fn a_damaged_step_is_quarantined_when_it_runs_again() {
    let scratch = Scratch::new();
    let _world = isolate();
    let dir = scratch.path("state");
    use_store(Arc::new(SqliteStore::open(&dir).expect("a store")));
    assert_eq!(page(1), Ok(1));
    let damaged = overwrite(&dir, |bytes| bytes[20] ^= 1);
    for _ in 0..2 {
        let error = page(1).expect_err("damaged").checkpoint();
        assert!(matches!(error, CheckpointError::Corrupt { reason: Corrupt::Checksum, .. }), "{error:?}");
    }
    assert!(checkpoints::blocking::load::<u32>("page:1").is_err(), "damage is not absence");
    assert_eq!(page_again(1), Ok(100));
    assert_eq!(quarantined(), [("corrupt".to_owned(), damaged)]);
    assert_eq!(page(1), Ok(100));
}

#[test]
fn damaged_records_are_listed_and_quarantined_on_removal() {
    let scratch = Scratch::new();
    let _world = isolate();
    let dir = scratch.path("state");
    use_store(Arc::new(SqliteStore::open(&dir).expect("a store")));
    for forgets in [|| checkpoints::blocking::remove("page:1").map(usize::from), checkpoints::blocking::clear]
    {
        assert_eq!((page(1), page(2)), (Ok(1), Ok(2)));
        let before = quarantined().len();
        let damaged = overwrite(&dir, |bytes| bytes[20] ^= 1);
        let listed = checkpoints::blocking::list("").expect("a store");
        let listed: Vec<_> = listed.iter().map(|step| (step.key.as_str(), step.damaged)).collect();
        assert_eq!(listed, [("page:1", Some(Corrupt::Checksum)), ("page:2", None)]);
        assert!(forgets().expect("a store") >= 1);
        let kept = quarantined();
        assert_eq!((kept.len() - before, &kept[0].1), (1, &damaged));
        assert!(page(1).is_ok(), "done again, as it was asked for");
    }
}

#[job("dented:{id}")]
fn a_job(id: u32) -> Result<u32, Error> {
    page(id)
}

#[test]
fn a_damaged_job_is_listed_by_its_id() {
    let scratch = Scratch::new();
    let _world = isolate();
    let dir = scratch.path("state");
    use_store(Arc::new(SqliteStore::open(&dir).expect("a store")));
    assert_eq!((a_job(1), a_job(2)), (Ok(1), Ok(2)));
    let tables = rusqlite::Connection::open(dir.join("store.sqlite")).expect("the tables");
    tables
        .execute("UPDATE records SET head = x'00', body = x'' WHERE key = 'j/dented:1'", [])
        .expect("a change");
    let jobs = jobs::blocking::list(Filter::new()).expect("a store");
    let listed: Vec<_> = jobs.iter().map(|job| (job.id.as_str(), job.damaged)).collect();
    assert_eq!(listed, [("dented:1", Some(Corrupt::Short)), ("dented:2", None)]);
    assert_eq!(jobs::blocking::list(Filter::new().status(&[Status::Done])).expect("a store").len(), 1);
    assert_eq!(resilience::recover_blocking().expect("a store").corrupt, [""; 0], "it had ended");
    assert!(jobs::blocking::remove("dented:1").expect("a store"));
}

#[job("mended:{id}", on_corrupt = rerun)]
fn mended(id: u32) -> Result<u32, Error> {
    Ok(id * 10)
}

#[job("mended:{id}", name = "store::mended_async", on_corrupt = rerun)]
async fn mended_async(id: u32) -> Result<u32, Error> {
    Ok(id * 100)
}

#[test]
fn a_damaged_job_with_rerun_runs_again_and_is_quarantined() {
    let scratch = Scratch::new();
    let _world = isolate();
    let dir = scratch.path("state");
    use_store(Arc::new(SqliteStore::open(&dir).expect("a store")));
    let spoil_and_call = |id: &str, call: &dyn Fn() -> Result<u32, Error>, result| {
        assert_eq!(call(), Ok(result));
        let before = quarantined().len();
        let tables = rusqlite::Connection::open(dir.join("store.sqlite")).expect("the tables");
        let change = "UPDATE records SET head = x'00', body = x'' WHERE key = 'j/' || ?1";
        assert_eq!(tables.execute(change, [id]).expect("a change"), 1, "{id}");
        assert_eq!(call(), Ok(result), "{id}");
        assert_eq!(quarantined().len(), before + 1);
        let job = jobs::blocking::get(id).expect("a store").expect("the job");
        assert_eq!((job.status, job.damaged), (Status::Done, None), "{id}");
    };
    spoil_and_call("mended:1", &|| mended(1), 10);
    spoil_and_call("mended:2", &|| block_on(mended_async(2)), 200);
}

#[checkpoint("part:{id}", on_corrupt = rerun)]
fn part(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[job("whole:{id}", rerun)]
fn whole(id: u32) -> Result<u32, Error> {
    part(id)?;
    Err(rejected::job_busy("store::other", "other", Duration::from_secs(1)).into())
}

#[test]
fn records_of_a_later_release_are_left_for_it() {
    let scratch = Scratch::new();
    let _world = isolate();
    let dir = scratch.path("state");
    use_store(Arc::new(SqliteStore::open(&dir).expect("a store")));
    type Call = fn() -> Result<u32, Error>;
    let calls: [(&str, Call); 3] =
        [("c/page:1", || page_again(1)), ("j/mended:3", || mended(3)), ("s/whole%3A4/part:4", || whole(4))];
    let tables = rusqlite::Connection::open(dir.join("store.sqlite")).expect("the tables");
    let head = |key: &str| -> Vec<u8> {
        let sql = "SELECT head FROM records WHERE key = ?1";
        tables.query_row(sql, [key], |row| row.get(0)).expect(key)
    };
    for (key, call) in calls {
        let _ = call();
        let written = head(key);
        // The format and the codec.
        for (at, word) in [(4, "LaterFormat(9)"), (6, "UnknownCodec(9)")] {
            let mut later = written[..written.len() - 4].to_vec();
            later[at] = 9;
            later.extend(crc32c(&later).to_le_bytes());
            let change = "UPDATE records SET head = ?1 WHERE key = ?2";
            tables.execute(change, rusqlite::params![later, key]).expect("a change");
            let error = format!("{:?}", call().expect_err(key));
            assert!(error.contains(word), "{error}");
            assert_eq!(head(key), later);
        }
    }
    assert_eq!(quarantined(), []);
}

#[job("brief:{id}", ttl = 1s)]
fn brief(id: u32) -> Result<u32, Error> {
    page(id)
}

#[test]
fn an_expired_record_of_a_later_release_is_left_for_it() {
    let scratch = Scratch::new();
    let world = isolate();
    let dir = scratch.path("state");
    let store = SqliteStore::open(&dir).expect("a store");
    use_store(Arc::new(store.clone()));
    assert!((1..=4).all(|id| brief(id) == Ok(id)));
    let tables = rusqlite::Connection::open(dir.join("store.sqlite")).expect("the tables");
    for (id, at) in [(1, 4), (2, 6)] {
        let key = format!("j/brief:{id}");
        let sql = "SELECT head FROM records WHERE key = ?1";
        let mut head: Vec<u8> = tables.query_row(sql, [&key], |row| row.get(0)).expect("the record");
        head.truncate(head.len() - 4);
        // The format and the codec.
        head[at] = 9;
        head.extend(crc32c(&head).to_le_bytes());
        let change = "UPDATE records SET head = ?1 WHERE key = ?2";
        tables.execute(change, rusqlite::params![head, key]).expect("a change");
    }
    world.advance(Duration::from_secs(2));
    assert_eq!([(); 3].map(|()| block_on(store.delete_expired(1))), [Ok(1), Ok(1), Ok(0)]);
    assert_eq!(quarantined(), []);
    let mut left = tables.prepare("SELECT key FROM records ORDER BY key").expect("the tables");
    let left: Vec<String> =
        left.query_map([], |row| row.get(0)).and_then(Iterator::collect).expect("the keys");
    assert_eq!(left, ["j/brief:1", "j/brief:2", "s/brief%3A1/page:1", "s/brief%3A2/page:2"]);
}

/// The checksum at the end of a head.
fn crc32c(bytes: &[u8]) -> u32 {
    let step = |sum: u32, _| (sum >> 1) ^ if sum & 1 == 1 { 0x82f6_3b78 } else { 0 };
    !bytes.iter().fold(u32::MAX, |sum, byte| (0..8).fold(sum ^ u32::from(*byte), step))
}

#[job("moved:{id}", was = "place:{id}")]
fn moved(id: u32) -> Result<u32, Error> {
    Ok(id)
}

#[test]
fn a_damaged_record_under_an_earlier_key_is_an_error() {
    let scratch = Scratch::new();
    let _world = isolate();
    let dir = scratch.path("state");
    use_store(Arc::new(SqliteStore::open(&dir).expect("a store")));
    assert_eq!(moved(1), Ok(1));
    let tables = rusqlite::Connection::open(dir.join("store.sqlite")).expect("the tables");
    let sql = "UPDATE records SET head = x'00', body = x'', key = 'j/place:1' WHERE key = 'j/moved:1'";
    tables.execute(sql, []).expect("a change");
    let Err(Error::Rejected(Rejected::Job(error))) = moved(1) else { panic!("it ran again") };
    assert!(matches!(*error, JobError::Corrupt { reason: Corrupt::Short, .. }), "{error}");
}

#[test]
fn released_records_are_cleaned_up() {
    let _world = isolate();
    let store = Arc::new(MemoryStore::new());
    use_store(store.clone());
    assert_eq!(never(1), None);
    assert_eq!(checkpoints::blocking::list("").expect("a store").len(), 1);
    assert_eq!(checkpoints::blocking::clear().expect("a store"), 1);
    assert_eq!(checkpoints::blocking::list("").expect("a store").len(), 0);
}

#[checkpoint("never:{id}")]
fn never(id: u32) -> Option<u32> {
    let _ = id;
    None
}

#[test]
fn a_record_of_another_key_is_an_error() {
    let scratch = Scratch::new();
    let _world = isolate();
    let dir = scratch.path("state");
    use_store(Arc::new(SqliteStore::open(&dir).expect("a store")));
    assert_eq!(page(1), Ok(1));
    overwrite(&dir, |bytes| {
        let mut stored = Record::decode_head(&recorded_key(&dir), bytes).expect("a record");
        stored.key = "s//page:2".to_owned();
        *bytes = stored.encode_parts().0;
    });
    let error = page(1).expect_err("another key").checkpoint();
    assert!(matches!(error, CheckpointError::Corrupt { reason: Corrupt::OtherKey, .. }), "{error:?}");
}

fn recorded_key(dir: &Path) -> String {
    let tables = rusqlite::Connection::open(dir.join("store.sqlite")).expect("the tables");
    let sql = "SELECT key FROM records WHERE key LIKE '%page:1'";
    tables.query_row(sql, [], |row| row.get(0)).expect("the key")
}
