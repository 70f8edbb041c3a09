//! Keys with any character in them are kept apart by every store.

use crate::common::{Error, Scratch};
use resilience::durable::{MemoryStore, SqliteStore, Status, Store, use_store};
use resilience::jobs::{self, Filter};
use resilience::testing::isolate;
use resilience::{Checkpoint, Job, Progress, checkpoints};
use std::sync::Arc;

/// Pairs that a store which ends a text at a NUL, ignores case or normalises would take for one.
const KEYS: [&str; 8] = ["a", "a\0", "a\0b", "\0", "A", "\u{e4}", "a\u{308}", "\u{10ffff}"];

const STEP: Checkpoint = Checkpoint::new("step");

#[test]
fn keys_of_jobs_steps_and_cursors_never_collide() {
    let scratch = Scratch::new();
    let stores: [Arc<dyn Store>; 2] =
        [Arc::new(MemoryStore::new()), Arc::new(SqliteStore::open(scratch.path("state")).expect("a store"))];
    for store in stores {
        let _world = isolate();
        use_store(store);
        for run in 0..2 {
            for key in KEYS {
                let value = format!("{run} {key}");
                let first = Ok::<_, Error>(format!("0 {key}"));
                let in_job = Job::run_blocking(key, (), |()| STEP.call(key, || Ok(value.clone())));
                assert_eq!(in_job, first, "{key:?} in a job");
                assert_eq!(STEP.call(key, || Ok(value.clone())), first, "{key:?}");
                let mut cursor = Progress::<String>::open(key);
                let saved = cursor.restore_blocking().expect("a cursor");
                assert_eq!(saved, (run == 1).then(|| format!("0 {key}")), "{key:?}");
                cursor.save_blocking(&value).expect("a cursor");
            }
        }
        let mut expected = KEYS.to_vec();
        expected.sort_unstable();
        let listed = jobs::blocking::list(Filter::new()).expect("the jobs");
        assert_eq!(listed.iter().map(|job| &*job.id).collect::<Vec<_>>(), expected);
        for key in KEYS {
            let job = jobs::blocking::get(key).expect("a store").expect("the job");
            assert_eq!(job.status, Status::Done, "{key:?}");
            assert_eq!(jobs::blocking::steps(key).expect("its steps").len(), 1, "{key:?}");
            assert!(jobs::blocking::remove(key).expect("a store"), "{key:?}");
            assert!(checkpoints::blocking::remove(key).expect("a store"), "{key:?}");
        }
        assert!(jobs::blocking::list(Filter::new()).expect("the jobs").is_empty());
    }
}
