//! The encoding of values, and the equality of inputs.
//!
//! JSON, because a person can read it in a damaged store, and a field with a default can be added to a recorded type.
//! It loses some things (NaN, the order of a set, `Some(None)`), so nothing is trusted before it was read back:
//! [`read_back`] decodes the encoded value, encodes it again, and compares. A value whose second encoding has the same
//! elements in another order, such as that of a set, is equal.
//!
//! Inputs are compared by a hash of their JSON with the fields of every object in order, so that a map hashes the same
//! however it is walked. The hash is part of the format: it never changes. The order of elements counts, but for sets,
//! which each process writes in another one: the inputs of a step are put in order where the name of the type says
//! `HashSet`, and the arguments of a job are read and written again, which shows what has no order.
//!
//! `Serialize` and `Deserialize` are code of the program: a panic in them is an error of the value, since it would
//! otherwise end the recovery of all jobs, or run a body again whose effects have happened.

use crate::base::digest::hash;
use crate::base::finite;
use crate::base::guarded::discard;
use crate::durable::record::history::kept_panic;
use crate::failure::rejected::Rejected;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::any::type_name;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Encodes `value` as JSON.
///
/// # Errors
///
/// Why `value` cannot be encoded: its `Serialize` fails, a map has keys that JSON cannot
/// have, it nests too deep, or there is NaN, an infinity or `Some(None)` in it.
pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, String> {
    caught(|| {
        finite::check(value)?;
        serde_json::to_vec(value).map_err(|error| error.to_string())
    })
}

/// Calls `Serialize` or `Deserialize` of a type of the program.
fn caught<T>(code: impl FnOnce() -> Result<T, String>) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(code)).unwrap_or_else(|panic| {
        let text = kept_panic(&*panic);
        discard(panic);
        Err(format!("its code panicked: {text}"))
    })
}

/// Encodes like [`encode`], for a part of an encoded value.
pub(crate) fn to_value<T: Serialize + ?Sized>(value: &T) -> Result<Value, String> {
    caught(|| {
        finite::check(value)?;
        serde_json::to_value(value).map_err(|error| error.to_string())
    })
}

/// Encodes an input, which is only compared: NaN is `null` in it, and a set is in order.
pub(super) fn to_input<T: Serialize + ?Sized>(value: &T) -> Result<Value, String> {
    let mut input = caught(|| {
        finite::check_levels(value)?;
        serde_json::to_value(value).map_err(|error| error.to_string())
    })?;
    if is_named_set::<T>() {
        put_in_order(&mut input);
    }
    Ok(input)
}

/// Returns whether the name of a type says that it is, or contains, a set without an order.
pub(super) fn is_named_set<T: ?Sized>() -> bool {
    type_name::<T>().contains("HashSet<")
}

/// Puts the elements of every array into an order that does not depend on that in which they were written.
fn put_in_order(value: &mut Value) {
    match value {
        Value::Array(values) => {
            values.iter_mut().for_each(put_in_order);
            values.sort_by_cached_key(sorted_text);
        }
        Value::Object(fields) => fields.values_mut().for_each(put_in_order),
        _ => {}
    }
}

/// Returns whether a `T` writes its elements in no certain order: `encoded` is read and written until the order
/// differs.
pub(super) fn is_unordered<T: Serialize + DeserializeOwned>(encoded: &Value) -> bool {
    // Two elements of a set come in the same order every second time.
    const ROUNDS: u32 = 64;
    let again = || to_value(&from_value::<T>(encoded).ok()?).ok();
    (0..ROUNDS).map_while(|_| again()).any(|again| again != *encoded && is_equal(encoded, &again))
}

/// Reads a part of an encoded value.
pub(super) fn from_value<T: DeserializeOwned>(encoded: &Value) -> Result<T, String> {
    caught(|| T::deserialize(encoded).map_err(|error| error.to_string()))
}

/// Decodes a value from JSON.
///
/// # Errors
///
/// What `serde_json` says, with line and column: bytes behind the value are an error, too.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    caught(|| serde_json::from_slice(bytes).map_err(|error| error.to_string()))
}

impl Rejected {
    /// Returns the value of a body that succeeded, if this rejection says that the store could not record it.
    ///
    /// The effect has happened, and need not be repeated.
    ///
    /// `None` for every other rejection, and for a value that cannot be read as a `T`. The value is what was encoded,
    /// decoded again. It is there when the store is out of order after the body has run, or refuses the value as too
    /// large.
    ///
    /// # Examples
    ///
    /// A receipt that is larger than a record may be. The payment was made, so the value is used all the same:
    ///
    /// ```
    /// use resilience::{Checkpoint, Rejected};
    ///
    /// const CHARGE: Checkpoint = Checkpoint::new("shop::charge");
    ///
    /// # let _world = resilience::testing::isolate();
    /// let charged: Result<String, Rejected> = CHARGE.call("order:7", || Ok("x".repeat(2 << 20)));
    /// let receipt = match charged {
    ///     Ok(receipt) => receipt,
    ///     Err(rejected) => rejected.not_recorded().expect("the body has run"),
    /// };
    /// assert_eq!(receipt.len(), 2 << 20);
    /// ```
    #[cfg_attr(docsrs, doc(cfg(feature = "durable")))]
    pub fn not_recorded<T: DeserializeOwned>(&self) -> Option<T> {
        let value = match self {
            Self::Checkpoint(error) => error.not_recorded(),
            Self::Job(error) => error.not_recorded(),
            _ => None,
        };
        decode(value?).ok()
    }
}

/// Encodes `value` and reads it back; returns the bytes and the value that they are.
///
/// The usual value is written twice and compared byte by byte; only one whose bytes differ, as those of a set do, is
/// compared as a tree.
///
/// # Errors
///
/// Why the value cannot be encoded, why the bytes cannot be read, or that they are read as another value.
pub(crate) fn read_back<T: Serialize + DeserializeOwned>(value: &T) -> Result<(Vec<u8>, T), String> {
    let bytes = encode(value)?;
    let decoded =
        decode(&bytes).map_err(|error| format!("it is written, but cannot be read back: {error}"))?;
    let mut is_same = encode(&decoded).is_ok_and(|again| again == bytes);
    if !is_same {
        let again = encode(&decoded)?;
        is_same = is_equal(&decode(&bytes)?, &decode(&again)?);
    }
    if is_same { Ok((bytes, decoded)) } else { Err(CHANGED.to_owned()) }
}

/// The error about a value that does not survive encoding.
const CHANGED: &str = "it is read back as another value: what is recorded must be read as what was written";

/// Reads like [`read_back`], for a part of an encoded value, in which it is one level further inside.
pub(crate) fn part_read_back<T: Serialize + DeserializeOwned>(encoded: &Value) -> Result<T, String> {
    let unread = |error| format!("it is written, but cannot be read back: {error}");
    let [part]: [Value; 1] = decode(&encode(&[encoded])?).map_err(unread)?;
    let decoded = from_value(&part).map_err(unread)?;
    let is_same = to_value(&decoded).is_ok_and(|again| is_equal(encoded, &again));
    if is_same { Ok(decoded) } else { Err(CHANGED.to_owned()) }
}

/// The fields in which the objects `recorded` and `current` differ.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Difference {
    /// The fields of `current` that were recorded otherwise; a field that was not recorded is `null`.
    pub(crate) changed: Vec<String>,
    /// The fields that `current` does not have.
    pub(crate) removed: Vec<String>,
}

/// Returns the difference of two encoded objects; `None` if either is not an object. The order of elements does not
/// count in the fields `sets`.
pub(crate) fn difference(recorded: &[u8], current: &[u8], sets: &[String]) -> Option<Difference> {
    let read = |bytes| decode::<serde_json::Map<String, Value>>(bytes).ok();
    let (recorded, current) = (read(recorded)?, read(current)?);
    let differs = |(name, value): &(&String, &Value)| {
        let is_same = |before: &Value| before == *value || sets.contains(name) && is_equal(before, value);
        recorded.get(*name).map_or(!value.is_null(), |before| !is_same(before))
    };
    Some(Difference {
        changed: current.iter().filter(differs).map(|(name, _)| name.clone()).collect(),
        removed: recorded.keys().filter(|name| !current.contains_key(*name)).cloned().collect(),
    })
}

/// Returns whether two values are equal, whatever the order of their fields and elements.
fn is_equal(one: &Value, other: &Value) -> bool {
    one == other || sorted_text(one) == sorted_text(other)
}

/// Returns the elements as texts that do not depend on the order of anything in them, sorted.
fn in_order(values: &[Value]) -> Vec<String> {
    let mut texts: Vec<_> = values.iter().map(sorted_text).collect();
    texts.sort_unstable();
    texts
}

/// Returns a text that is equal for values that differ in the order of fields or elements only.
fn sorted_text(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut texts: Vec<_> = fields
                .iter()
                .map(|(name, value)| format!("{}:{}", Value::from(name.as_str()), sorted_text(value)))
                .collect();
            texts.sort_unstable();
            format!("{{{}}}", texts.join(","))
        }
        Value::Array(values) => format!("[{}]", in_order(values).join(",")),
        plain => plain.to_string(),
    }
}

/// Returns whether `bytes` are a value of this type.
pub(crate) fn reads<T: DeserializeOwned>(bytes: &[u8]) -> bool {
    decode::<T>(bytes).is_ok()
}

/// Returns the value of an `Option` that was not recorded; `None` for every other type.
pub(crate) fn absent<T: DeserializeOwned>() -> Option<T> {
    #[derive(serde::Deserialize)]
    struct Absent<T> {
        value: T,
    }
    decode::<Absent<T>>(b"{}").ok().map(|absent| absent.value)
}

/// Returns the hash of `value` as JSON with the fields of every object in order: a map hashes the same however
/// it is walked.
pub(crate) fn hash_of(value: &Value) -> u128 {
    let mut text = String::new();
    write_in_order(value, &mut text);
    hash(text.as_bytes())
}

/// Writes `value` for [`hash_of`]. Its form is part of the format of records: fields sorted by name, a comma behind
/// each element, numbers and texts as `serde_json` writes them.
fn write_in_order(value: &Value, out: &mut String) {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| name.as_str());
            out.push('{');
            for (name, value) in fields {
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                write_in_order(value, out);
                out.push(',');
            }
            out.push('}');
        }
        Value::Array(values) => {
            out.push('[');
            for value in values {
                write_in_order(value, out);
                out.push(',');
            }
            out.push(']');
        }
        plain => out.push_str(&plain.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::{Deserialize, Serializer};
    use std::collections::{BTreeMap, HashMap, HashSet};

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(untagged)]
    enum Untagged {
        Short { x: u32 },
        Long { x: u32, y: u32 },
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Silent {
        #[serde(skip_deserializing)]
        kept: u32,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Unwritten {
        #[serde(skip_serializing)]
        lost: u32,
    }

    #[expect(clippy::needless_pass_by_value, reason = "most callers make the value for this")]
    fn survives<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(value: T) {
        assert_eq!(read_back(&value).expect("it survives").1, value);
        if let Ok(encoded) = to_value(&value) {
            assert_eq!(part_read_back::<T>(&encoded).expect("it survives as a part"), value);
        }
    }

    #[expect(clippy::needless_pass_by_value, reason = "most callers make the value for this")]
    fn refused<T: Serialize + DeserializeOwned + std::fmt::Debug>(value: T, words: &str) {
        let error = read_back(&value).expect_err("it does not survive");
        assert!(error.contains(words), "{error}");
        let part = to_value(&value).and_then(|encoded| part_read_back::<T>(&encoded));
        assert!(part.is_err(), "{part:?}");
    }

    #[test]
    fn values_that_round_trip_are_accepted() {
        survives((u64::MAX, i64::MIN, -0.0_f64, f32::MIN_POSITIVE, 'ä', "\u{1f980}\0".to_owned()));
        survives(((), None::<u8>, Some(Some(7)), vec![Some(1), None]));
        survives(HashMap::from([(7_u32, vec![1]), (8, vec![])]));
        survives((0..100).map(|n| n.to_string()).collect::<HashSet<_>>());
        survives((0..50).map(|n| u128::MAX - n).collect::<HashSet<_>>());
        survives(vec![(0..50).collect::<HashSet<u8>>(), (60..70).collect()]);
        survives((0..50).map(|n| (n, (0..n).collect::<HashSet<u8>>())).collect::<HashMap<u8, _>>());
        survives(Untagged::Short { x: 1 });
        survives((i128::from(i64::MIN), u128::from(u64::MAX)));
        let (_, large) = read_back(&(u128::MAX, i128::MIN)).unwrap();
        assert_eq!(large, (u128::MAX, i128::MIN));
    }

    #[test]
    fn differences_name_the_fields_of_objects() {
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let (recorded, current) = (br#"{"a":1,"b":[1,2],"c":3}"#, br#"{"a":2,"b":[2,1],"d":null,"e":0}"#);
        let of = |sets: &[&str]| difference(recorded, current, &names(sets)).expect("objects");
        assert_eq!(of(&["b"]), Difference { changed: names(&["a", "e"]), removed: names(&["c"]) });
        assert_eq!(of(&[]), Difference { changed: names(&["a", "b", "e"]), removed: names(&["c"]) });
        assert_eq!((difference(b"", b"{}", &[]), difference(b"{}", b"[]", &[])), (None, None));
    }

    #[test]
    fn only_hash_collections_are_unordered() {
        fn is<T: Serialize + DeserializeOwned>(value: &T) -> bool {
            is_unordered::<T>(&to_value(value).expect("a value"))
        }
        assert!(
            is(&HashSet::from([1, 2])) && is(&vec![(7, HashSet::from(["a".to_owned(), "b".to_owned()]))])
        );
        assert!(!is(&vec![1, 2]) && !is(&(2, 1)) && !is(&BTreeMap::from([("a".to_owned(), [2, 1])])));
        assert!(!is(&HashSet::from([1])) && !is(&HashMap::from([(1, vec![2, 1]), (2, vec![])])));
    }

    #[test]
    fn only_an_option_may_be_absent() {
        assert_eq!(absent::<Option<u32>>(), Some(None));
        assert_eq!(absent::<Option<Vec<Option<()>>>>(), Some(None));
        assert_eq!(
            (absent::<u32>(), absent::<()>(), absent::<Vec<u8>>(), absent::<Value>()),
            (None, None, None, None)
        );
    }

    #[test]
    fn values_that_do_not_round_trip_are_rejected() {
        refused(f64::NAN, "not a number in JSON");
        refused(Some(f32::INFINITY), "not a number in JSON");
        refused(Some(None::<u8>), "read back as `None`");
        refused(BTreeMap::from([((1, 2), 3)]), "key must be a string");
        refused(Untagged::Long { x: 1, y: 2 }, "read back as another value");
        refused(vec![Untagged::Short { x: 1 }, Untagged::Long { x: 1, y: 2 }], "read back as another value");
        refused(Silent { kept: 7 }, "read back as another value");
        refused(Unwritten { lost: 7 }, "cannot be read back: missing field `lost`");
        assert!(to_value(&u128::MAX).is_err(), "a part of the arguments has 64 bits");
    }

    /// A value of this many levels that takes no memory.
    struct Levels(u32);

    impl Serialize for Levels {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_seq(self.0.checked_sub(1).map(Levels))
        }
    }

    #[test]
    fn a_value_that_nests_too_deep_is_not_written() {
        let deep = Levels(10_000_000);
        for refused in [encode(&deep).map(drop), to_value(&deep).map(drop)] {
            assert!(refused.unwrap_err().contains("more than 512 levels"));
        }
        assert!(to_input(&deep).is_err());
    }
}
