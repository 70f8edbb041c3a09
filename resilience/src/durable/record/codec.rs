//! How values become bytes, and which inputs are the same.

use crate::durable::record::finite;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use siphasher::sip128::{Hasher128, SipHasher24};
use std::hash::Hasher;

pub(crate) fn encode<T: Serialize + ?Sized>(value: &T) -> Result<Vec<u8>, String> {
    let bytes = serde_json::to_vec(value).map_err(|error| error.to_string())?;
    // What is no number is written so, and so is nothing.
    if bytes.windows(4).any(|word| word == b"null") {
        finite::check(value)?;
    }
    Ok(bytes)
}

/// As [`encode`], for a part of what is encoded.
pub(crate) fn to_value<T: Serialize + ?Sized>(value: &T) -> Result<Value, String> {
    let encoded = serde_json::to_value(value).map_err(|error| error.to_string())?;
    finite::check(value)?;
    Ok(encoded)
}

pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    serde_json::from_slice(bytes).map_err(|error| error.to_string())
}

/// Whether `bytes` are a value of this type.
pub(crate) fn reads<T: DeserializeOwned>(bytes: &[u8]) -> bool {
    decode::<T>(bytes).is_ok()
}

/// A 128-bit hash (SipHash-2-4, fixed key), the same in every release and on every machine.
pub(crate) fn hash(bytes: &[u8]) -> u128 {
    let mut hasher = SipHasher24::new();
    hasher.write(bytes);
    hasher.finish128().as_u128()
}

/// The hash of `value` as JSON with the fields of every object in order: a map hashes the same however
/// it is walked.
pub(crate) fn hash_of(value: &Value) -> u128 {
    let mut text = String::new();
    write_in_order(value, &mut text);
    hash(text.as_bytes())
}

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
