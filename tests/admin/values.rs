//! Ids, values and lengths of time that broke other queues and workflow engines: each is tried on both stores.

use crate::common::Scratch;
use resilience::durable::{MemoryStore, SqliteStore, Status, Store, use_store};
use resilience::jobs::{self, Filter};
use resilience::testing::isolate;
use resilience::{Checkpoint, Job, Progress, Rejected, checkpoints, job, recover};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// Calls `body` with each store as the default one.
fn in_both(body: impl Fn(&Arc<dyn Store>)) {
    for is_on_disk in [false, true] {
        let _world = isolate();
        let scratch = Scratch::new();
        let store: Arc<dyn Store> = if is_on_disk {
            Arc::new(SqliteStore::open(scratch.path("state")).expect("a store"))
        } else {
            Arc::new(MemoryStore::new())
        };
        use_store(store.clone());
        body(&store);
    }
}

/// Runs the step `key` twice; what the second call returns was recorded.
fn twice<T: Serialize + for<'de> Deserialize<'de>>(key: &str, value: impl Fn() -> T) -> Result<T, Rejected> {
    let step = Checkpoint::new("values::step");
    let first: Result<T, Rejected> = step.call(key, || Ok(value()));
    first?;
    step.call(key, || unreachable!("recorded"))
}

/// Texts that a database cannot hold as they are, or takes for a pattern or for each other.
const IDS: [&str; 18] = [
    "a",
    "A",
    "a/b",
    "a%2Fb",
    "a%",
    "a_",
    "ab",
    "a#1",
    "a b",
    "a\n",
    "a\0b",
    "..",
    "%",
    "e\u{301}",
    "\u{e9}",
    "\u{202e}a",
    "\u{10ffff}",
    "'; DROP TABLE records; --",
];

/// Oban and River: ids and arguments with NUL, patterns and case met each other, or were refused by the database.
#[test]
fn ids_of_any_text_do_not_collide() {
    in_both(|store| {
        let run = |id: &str| -> Result<String, Rejected> {
            Job::run_blocking(id, id, |text: &str| {
                let step: Result<String, Rejected> =
                    Checkpoint::new("values::step").call("step", || Ok(text.to_owned()));
                Progress::<String>::open("rows").save_blocking(&step?)?;
                Ok(text.to_owned())
            })
        };
        for id in IDS {
            assert_eq!(run(id).unwrap(), id);
        }
        for id in IDS {
            let job = jobs::blocking::get(id).unwrap().expect("a job");
            assert_eq!((&*job.id, job.steps), (id, Some(1)));
            let page = jobs::blocking::list(Filter::new().prefix(id)).unwrap();
            let expected = IDS.iter().filter(|other| other.starts_with(id)).count();
            assert_eq!(page.items.len(), expected, "{id:?}");
            let steps = checkpoints::blocking::of(store.clone()).in_job(id);
            let recorded: Option<String> = steps.load("step").unwrap();
            assert_eq!(recorded.as_deref(), Some(id));
        }
        for (n, id) in IDS.iter().enumerate() {
            assert!(jobs::blocking::remove(id).unwrap());
            let left = jobs::blocking::count().unwrap().total();
            assert_eq!(left as usize, IDS.len() - n - 1, "{id:?} takes no other with it");
            for other in IDS[n + 1..].iter().take(3) {
                let job = jobs::blocking::get(other).unwrap().expect("a job");
                assert_eq!(job.steps, Some(1), "{id:?} took the steps of {other:?}");
            }
        }
    });
}

/// Temporal and DBOS: numbers above 2^53 and the last digit of a float changed on their way through JSON.
#[test]
fn numbers_round_trip() {
    in_both(|_| {
        for (n, value) in [u64::MAX, 1 << 53, (1 << 53) + 1].into_iter().enumerate() {
            assert_eq!(twice(&format!("u{n}"), || value).unwrap(), value);
        }
        assert_eq!(twice("i", || i64::MIN).unwrap(), i64::MIN);
        assert_eq!(twice("u128", || u128::MAX).unwrap(), u128::MAX);
        // A generator of bits: every exponent, and digits that need all 17 places.
        let mut bits = 0x9e37_79b9_7f4a_7c15_u64;
        let floats = (0..2_000).map(|_| {
            bits ^= bits << 13;
            bits ^= bits >> 7;
            bits ^= bits << 17;
            f64::from_bits(bits)
        });
        let floats: Vec<_> = floats
            .filter(|float| float.is_finite())
            .chain([f64::MIN_POSITIVE, f64::MAX, -0.0, 5e-324])
            .collect();
        let back = twice("floats", || floats.clone()).unwrap();
        assert!(floats.iter().zip(&back).all(|(one, two)| one.to_bits() == two.to_bits()));
        assert_eq!(twice("f32", || vec![0.1_f32, f32::MAX, 1e-45]).unwrap(), [0.1_f32, f32::MAX, 1e-45]);
    });
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind")]
enum Message {
    Text { body: String },
    Pair { one: i8, two: u64 },
}

/// Sidekiq, apalis and River: texts, keys and tagged values that JSON writes in another way than the program has them.
#[test]
fn values_of_many_shapes_round_trip() {
    in_both(|_| {
        for (n, id) in IDS.iter().enumerate() {
            assert_eq!(twice(&format!("t{n}"), || (*id).to_owned()).unwrap(), *id);
        }
        let map: BTreeMap<i32, char> = [(-1, '\0'), (7, '\u{10ffff}')].into();
        assert_eq!(twice("map", || map.clone()).unwrap(), map);
        let set: HashMap<String, Vec<u8>> = (0..50_u8).map(|n| (n.to_string(), vec![n; 3])).collect();
        assert_eq!(twice("set", || set.clone()).unwrap(), set);
        let messages =
            vec![Message::Pair { one: -8, two: u64::MAX }, Message::Text { body: "\u{2028}".to_owned() }];
        assert_eq!(twice("tagged", || messages.clone()).unwrap(), messages);
        assert_eq!(twice::<Option<u32>>("none", || None).unwrap(), None);
        twice("unit", || ()).unwrap();
        assert_eq!(twice("wait", || Duration::MAX).unwrap(), Duration::MAX);
        let nested = (0..100).fold(serde_json::json!(1), |inner, _| serde_json::json!([inner]));
        assert_eq!(twice("nested", || nested.clone()).unwrap(), nested);
        // More than JSON is read back to: refused, and not recorded.
        let nested = (0..1_000).fold(serde_json::json!(1), |inner, _| serde_json::json!([inner]));
        assert!(twice("too nested", || nested.clone()).is_err());
        let pairs: HashMap<(u8, u8), u8> = [((1, 2), 3)].into();
        let refused = Checkpoint::new("values::step").call("pairs", || Ok::<_, Rejected>(pairs.clone()));
        assert!(refused.unwrap_err().to_string().contains("cannot be recorded"));
    });
}

#[job("long:{id}", ttl = Duration::MAX, wait = Duration::MAX, lease = Duration::MAX)]
fn long(id: u32) -> Result<u32, Rejected> {
    let mut progress = Progress::<u32>::open("rows").interval(Duration::MAX).every(u32::MAX);
    progress.save_blocking(&1)?;
    progress.flush_blocking()?;
    Ok(id)
}

/// Several queues: a length of time that means "for ever" overflowed, and the job was due at once or never kept.
#[test]
fn endless_durations_do_not_overflow() {
    in_both(|_| {
        assert_eq!(long(7).unwrap(), 7);
        assert_eq!(long(7).unwrap(), 7, "recorded, and not expired");
        let step =
            Checkpoint::new("values::step").ttl(Duration::MAX).lease(Duration::MAX).wait(Duration::MAX);
        let done: Result<u32, Rejected> = step.call("a", || Ok(1));
        assert_eq!(done.unwrap(), 1);
        assert_eq!(step.call("a", || Ok::<u32, Rejected>(2)).unwrap(), 1);
        assert_eq!(checkpoints::blocking::cleanup(Duration::MAX).unwrap(), 0);
        assert_eq!(jobs::blocking::list(Filter::new().older_than(Duration::MAX)).unwrap().items.len(), 0);
        recover().every(Duration::MAX).blocking().unwrap();
        assert_eq!(jobs::blocking::get("long:7").unwrap().expect("a job").status, Status::Done);
    });
}
