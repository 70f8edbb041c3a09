//! A breaker for each of many keys.

use super::{Row, sync};
use crate::op::{CallError, Failed, call};
use resilience::circuit_breaker;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

const KEYS: u64 = 10_000;

/// Rows that pick one of 10,000 keys in no order.
pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("picking a key, no breaker").sync(sync!(let keys = keys(); |x| picked(pick(&keys, x), x))),
        Row::new("`RwLock<HashMap<String, Arc<AtomicU32>>>` by hand")
            .sync(sync!(let keys = keys(); let map = map(&keys); |x| by_hand(&map, pick(&keys, x), x))),
        Row::new("`#[circuit_breaker(key = key)]`")
            .sync(sync!(
                let keys = keys();
                // Often enough for a key of its own in metrics, with the feature `ops`.
                let () = keys.iter().for_each(|key| (0..20).for_each(|x| _ = keyed(key, x)));
                |x| keyed(pick(&keys, x), x)
            ))
            .at_most(Some(250), None),
    ]
}

pub(crate) fn keys() -> Vec<String> {
    (0..KEYS).map(|key| format!("customer-{key:07}")).collect()
}

pub(crate) fn pick(keys: &[String], x: u64) -> &str {
    let at = (x.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32) % KEYS;
    &keys[at as usize]
}

fn picked(key: &str, x: u64) -> Result<u64, CallError> {
    std::hint::black_box(key);
    call(x)
}

#[circuit_breaker(threshold = 5, key = key, max_keys = 10_000)]
fn keyed(key: &str, x: u64) -> Result<u64, CallError> {
    call(x)
}

pub(crate) type Map = RwLock<HashMap<String, Arc<AtomicU32>>>;

pub(crate) fn map(keys: &[String]) -> Map {
    RwLock::new(keys.iter().map(|key| (key.clone(), Arc::default())).collect())
}

pub(crate) fn by_hand(map: &Map, key: &str, x: u64) -> Result<u64, CallError> {
    let failures =
        map.read().unwrap_or_else(PoisonError::into_inner).get(key).map(Arc::clone).unwrap_or_default();
    if failures.load(Ordering::Relaxed) >= 5 {
        return Err(Failed(0).into());
    }
    let outcome = call(x);
    if outcome.is_err() {
        failures.fetch_add(1, Ordering::Relaxed);
    } else if failures.load(Ordering::Relaxed) > 0 {
        failures.store(0, Ordering::Relaxed);
    }
    outcome
}
