//! Values and inputs: what is recorded, and what is refused.

use super::*;

#[checkpoint("big:{n}")]
fn big(n: usize) -> Result<String, Error> {
    Ok("x".repeat(n))
}

#[checkpoint("strange:{n}")]
fn strange(n: f64) -> Result<f64, Error> {
    ran();
    Ok(n)
}

#[test]
fn unserializable_values_are_rejected_and_not_recorded() {
    let _world = isolate();
    let Error::Rejected(rejected) = big(1 << 20).unwrap_err() else { panic!("it is too large") };
    assert_eq!(rejected.not_recorded::<String>().map(|value| value.len()), Some(1 << 20));
    let text = rejected.to_string();
    assert!(text.contains("1048578 bytes") && text.contains("record a reference to it"), "{text}");
    assert!(matches!(Error::Rejected(rejected).checkpoint(), CheckpointError::TooLarge { .. }));
    assert_eq!(big(1_000).unwrap().len(), 1_000);
    assert!(matches!(strange(f64::NAN).unwrap_err().checkpoint(), CheckpointError::Encode { .. }));
    assert!(checkpoints::blocking::list("strange").unwrap().iter().all(|step| step.status != Status::Done));
    let long = page(&"x".repeat(600), 1).unwrap_err().checkpoint();
    assert!(matches!(long, CheckpointError::KeyTooLong { .. }), "{long}");
}

/// Read back, `Long` is a `Short`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Untagged {
    Short { x: u32 },
    Long { x: u32, y: u32 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Unwritten {
    #[serde(skip_serializing)]
    lost: u32,
}

#[checkpoint("lossy:{id}")]
fn lossy<T: Serialize + serde::de::DeserializeOwned>(id: u32, value: T) -> Result<T, Error> {
    Ok(value)
}

#[checkpoint("lossy-async:{id}")]
async fn lossy_async<T: Serialize + serde::de::DeserializeOwned>(id: u32, value: T) -> Result<T, Error> {
    Ok(value)
}

fn does_not_survive<T>(value: T, words: &str)
where
    T: Clone + std::fmt::Debug + Serialize + serde::de::DeserializeOwned,
{
    const STEP: Checkpoint = Checkpoint::new("lossy");
    let by_hand_async = STEP.call_async("c", async || Ok(value.clone()));
    let results: [Result<T, Error>; 4] = [
        lossy(1, value.clone()),
        futures::executor::block_on(lossy_async(1, value.clone())),
        STEP.call("b", || Ok(value.clone())),
        futures::executor::block_on(by_hand_async),
    ];
    for result in results {
        let error = result.unwrap_err().checkpoint();
        assert!(matches!(error, CheckpointError::Encode { .. }), "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    let mut progress = resilience::Progress::open("lossy");
    let Rejected::Checkpoint(error) = progress.save_blocking(&value).unwrap_err() else { panic!("another") };
    assert!(error.to_string().contains(words), "{error}");
    progress.finish_blocking().unwrap();
    let done = |step: &checkpoints::CheckpointInfo| step.status == Status::Done;
    assert!(!checkpoints::blocking::list("").unwrap().iter().any(done), "nothing is recorded");
}

#[test]
fn a_value_that_does_not_round_trip_is_rejected() {
    let _world = isolate();
    does_not_survive(f64::NAN, "not a number in JSON");
    does_not_survive(vec![Some(None::<u8>)], "read back as `None`");
    does_not_survive(std::collections::BTreeMap::from([((1, 2), 3)]), "key must be a string");
    does_not_survive(Untagged::Long { x: 1, y: 2 }, "read back as another value");
    does_not_survive(Unwritten { lost: 1 }, "missing field `lost`");
}

#[test]
fn values_with_unordered_collections_round_trip() {
    let _world = isolate();
    let set: std::collections::HashSet<u32> = (0..100).collect();
    let map: std::collections::HashMap<u32, _> = (0..100).map(|n| (n, set.clone())).collect();
    assert_eq!(lossy(1, map.clone()).unwrap(), map);
    assert_eq!(lossy(2, Untagged::Short { x: 1 }).unwrap(), Untagged::Short { x: 1 });
    assert_eq!(lossy(3, (u128::MAX, i128::MIN)).unwrap(), (u128::MAX, i128::MIN));
    let mut progress = resilience::Progress::open("set");
    progress.save_blocking(&set).unwrap();
    assert_eq!(progress.restore_blocking().unwrap(), Some(set));
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Reading {
    Missing,
    Plain(f64),
    Of(u8, Option<f64>),
    Named { value: f64, inner: Option<Option<u32>> },
}

#[checkpoint("reading:{n}")]
fn reading(n: usize, reading: Option<Reading>) -> Result<Option<Reading>, Error> {
    let _ = n;
    Ok(reading)
}

#[checkpoint("bits:{bits}")]
fn bits(bits: u64) -> Result<f64, Error> {
    Ok(f64::from_bits(bits))
}

#[test]
fn recorded_values_round_trip_exactly_or_fail() {
    let _world = isolate();
    let named = |value, inner| Reading::Named { value, inner };
    let fine = [
        None,
        Some(Reading::Missing),
        Some(Reading::Plain(-0.0)),
        Some(Reading::Of(1, None)),
        Some(Reading::Of(2, Some(0.1 + 0.2))),
        Some(named(f64::MAX, None)),
        Some(named(5e-324, Some(Some(7)))),
    ];
    for (n, value) in fine.into_iter().enumerate() {
        assert_eq!(reading(n, value.clone()).unwrap(), value);
        assert_eq!(reading(n, value.clone()).unwrap(), value, "the recorded one");
    }
    let lossy = [Reading::Plain(f64::NAN), Reading::Of(1, Some(f64::INFINITY)), named(1.0, Some(None))];
    for (n, value) in lossy.into_iter().enumerate() {
        let error = reading(100 + n, Some(value)).unwrap_err().checkpoint();
        assert!(matches!(error, CheckpointError::Encode { .. }), "{error}");
        assert!(error.to_string().contains("read back as"), "{error}");
    }
    let mut random = 88_172_645_463_325_252_u64;
    for _ in 0..2_000 {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        if f64::from_bits(random).is_finite() {
            assert_eq!(bits(random).unwrap().to_bits(), random);
        }
    }
}

#[checkpoint("kept:{id}", ttl = 1h)]
fn kept(id: u32) -> Option<u32> {
    ran();
    (id > 0).then_some(id)
}

#[test]
fn none_is_not_recorded_and_values_expire_after_their_ttl() {
    let world = isolate();
    assert_eq!((kept(0), kept(0), runs()), (None, None, 2));
    assert_eq!((kept(1), kept(1), runs()), (Some(1), Some(1), 1));
    world.advance(Duration::from_secs(3_599));
    assert_eq!((kept(1), runs()), (Some(1), 0));
    world.advance(Duration::from_secs(2));
    assert_eq!((kept(1), runs()), (Some(1), 1));
}
