//! Random histories against a slow and obvious model of ages.

use super::*;
use crate::classify::{Category, Classification, Classify};
use crate::testing::isolate;
use proptest::prelude::*;
use std::time::Duration;

/// The cache of one key, as the documentation describes it.
#[derive(Debug, Default)]
struct Model {
    /// The time, in seconds.
    now: u64,
    value: Option<(u32, u64)>,
    /// The time until which no call tries again, and whether a refresh has failed at all.
    failed_until: Option<u64>,
    calls: u32,
}

const TTL: u64 = 60;
const STALE: u64 = 120;
const HOLD: u64 = 5;

#[derive(Clone, Debug)]
struct Fails(Category, Option<u64>);

impl Classify for Fails {
    fn classify(&self) -> Classification {
        let class = Classification::new(self.0);
        self.1.map_or(class, |wait| class.retry_after(Duration::from_secs(wait)))
    }
}

impl Model {
    fn age(&self) -> Option<u64> {
        self.value.map(|(_, at)| self.now - at)
    }

    /// Returns the answer of a call whose body would return `body`.
    fn call(&mut self, body: &Result<u32, Fails>) -> Result<u32, Category> {
        let age = self.age();
        let value = self.value.map(|(value, _)| value).unwrap_or_default();
        if age.is_some_and(|age| age < TTL) {
            return Ok(value);
        }
        let is_stale = age.is_some_and(|age| age < TTL + STALE);
        if is_stale && self.failed_until.is_some_and(|until| self.now < until) {
            return Ok(value);
        }
        self.calls += 1;
        match body {
            Ok(new) => {
                self.put(*new);
                Ok(*new)
            }
            Err(Fails(category, wait)) => {
                let answers = !matches!(
                    category,
                    Category::NotFound
                        | Category::Auth
                        | Category::Invalid
                        | Category::Conflict
                        | Category::Permanent
                        | Category::Cancelled
                );
                if is_stale && answers {
                    self.failed_until = Some(self.now + wait.unwrap_or(HOLD));
                    return Ok(value);
                }
                if matches!(category, Category::NotFound | Category::Auth) {
                    self.value = None;
                }
                Err(*category)
            }
        }
    }

    fn put(&mut self, value: u32) {
        self.value = Some((value, self.now));
        self.failed_until = None;
    }
}

#[derive(Clone, Debug)]
enum Step {
    Advance(u64),
    Call(Result<u32, Fails>),
    Put(u32),
    Get(u64),
    Invalidate,
    Clear,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let category = prop::sample::select(Category::ALL.to_vec());
    let fails = (category, prop::option::of(0_u64..40)).prop_map(|(category, wait)| Fails(category, wait));
    let body = prop_oneof![any::<u32>().prop_map(Ok), fails.prop_map(Err)];
    let step = prop_oneof![
        4 => (0_u64..90).prop_map(Step::Advance),
        6 => body.prop_map(Step::Call),
        1 => any::<u32>().prop_map(Step::Put),
        2 => (0_u64..300).prop_map(Step::Get),
        1 => Just(Step::Invalidate),
        1 => Just(Step::Clear),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_histories_agree_with_the_model(steps in steps()) {
        let world = isolate();
        let cache = Cache::new("test").ttl(Duration::from_secs(TTL)).stale_if_error(Duration::from_secs(STALE));
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Advance(seconds) => {
                    world.advance(Duration::from_secs(seconds));
                    model.now += seconds;
                }
                Step::Call(body) => {
                    let expected = model.call(&body);
                    let answer = cache.call("key", || body).map_err(|error| error.0);
                    prop_assert_eq!(answer, expected);
                }
                Step::Put(value) => {
                    model.put(value);
                    cache.put("key", value);
                }
                Step::Get(max_age) => {
                    let expected = model.value.filter(|(_, at)| model.now - at <= max_age);
                    let got = cache.get::<u32>("key", Duration::from_secs(max_age));
                    prop_assert_eq!(got, expected.map(|(value, _)| value));
                }
                Step::Invalidate => {
                    model.value = None;
                    model.failed_until = None;
                    cache.invalidate("key");
                }
                Step::Clear => {
                    model.value = None;
                    model.failed_until = None;
                    cache.clear();
                }
            }
            prop_assert_eq!(cache.snapshot().misses, u64::from(model.calls));
        }
    }
}
