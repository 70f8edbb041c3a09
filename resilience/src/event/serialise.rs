//! The serialisation of records of errors (feature `serde`).

use super::history::{ErrorPattern, ErrorRecord};
use crate::base::calendar;
use serde::ser::{Serialize, SerializeMap as _, SerializeStruct as _, Serializer};

/// `{point, category, severity, code, action, context, attempt, at}`: `code` is a text or null, `context`
/// a map in which the last of equal keys counts, `at` an RFC 3339 time in UTC with milliseconds.
impl Serialize for ErrorRecord {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut record = serializer.serialize_struct("ErrorRecord", 8)?;
        record.serialize_field("point", &*self.point)?;
        record.serialize_field("category", &self.category)?;
        record.serialize_field("severity", &self.severity)?;
        record.serialize_field("code", &self.code)?;
        record.serialize_field("action", self.action)?;
        record.serialize_field("context", &Pairs(&self.context))?;
        record.serialize_field("attempt", &self.attempt)?;
        record.serialize_field("at", &calendar::rfc_3339(self.at))?;
        record.end()
    }
}

/// `{point, category, count}`.
impl Serialize for ErrorPattern {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut pattern = serializer.serialize_struct("ErrorPattern", 3)?;
        pattern.serialize_field("point", &*self.point)?;
        pattern.serialize_field("category", &self.category)?;
        pattern.serialize_field("count", &self.count)?;
        pattern.end()
    }
}

struct Pairs<'a>(&'a [(String, String)]);

impl Serialize for Pairs<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let last = |n: usize, key: &str| self.0.iter().skip(n + 1).all(|(later, _)| later != key);
        let pairs: Vec<_> = self.0.iter().enumerate().filter(|(n, (key, _))| last(*n, key)).collect();
        let mut map = serializer.serialize_map(Some(pairs.len()))?;
        for (_, (key, value)) in pairs {
            map.serialize_entry(key, value)?;
        }
        map.end()
    }
}
