//! The serialisation of values without a natural form in JSON: durations as seconds, moments as RFC 3339 times, and
//! pairs as maps.
//!
//! These forms are part of the public interface (dashboards read them): `tests/serialise.rs` holds them. An [`Instant`]
//! means nothing outside of its process, so it is converted by way of the time of day at the moment of serialising.

use super::setting::Effective;
use super::{calendar, clock};
use serde::ser::{Serialize, SerializeMap as _, Serializer};
#[cfg(feature = "fs")]
use std::path::Path;
use std::time::{Duration, Instant};

/// Serialises a length of time as seconds.
pub(crate) fn seconds<S: Serializer>(
    wait: &(impl Into<Option<Duration>> + Copy),
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let wait: Option<Duration> = (*wait).into();
    wait.map(|wait| wait.as_secs_f64()).serialize(serializer)
}

/// Serialises a path as text: bytes that are not UTF-8, which serde refuses, become U+FFFD.
#[cfg(feature = "fs")]
pub(crate) fn path<S: Serializer>(path: &Path, serializer: S) -> Result<S::Ok, S::Error> {
    path.to_string_lossy().serialize(serializer)
}

/// Serialises pairs as a map; values of equal keys are joined by `, `.
pub(crate) fn map<T: Value, S: Serializer>(
    pairs: &[(&'static str, T)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    let mut map = serializer.serialize_map(None)?;
    for (n, (key, first)) in pairs.iter().enumerate() {
        if pairs.iter().take(n).any(|(earlier, _)| earlier == key) {
            continue;
        }
        let rest = pairs.iter().skip(n + 1).filter(|(later, _)| later == key).map(|(_, value)| value);
        map.serialize_entry(key, &rest.fold(first.clone(), T::join))?;
    }
    map.end()
}

/// Serialises settings as two fields: `settings`, a map of texts, and `sources`, a map with the places of those that
/// are not from the code. Without any of them the second is left out.
pub(crate) fn settings<S: Serializer>(settings: &[Effective], serializer: S) -> Result<S::Ok, S::Error> {
    let values: Vec<_> = settings.iter().map(|setting| (setting.name, setting.value.to_string())).collect();
    let mut fields = serializer.serialize_map(None)?;
    fields.serialize_entry("settings", &Texts(values))?;
    #[cfg(feature = "config")]
    {
        let source = |setting: &Effective| Some((setting.name, setting.source.as_ref()?.to_string()));
        let sources: Vec<_> = settings.iter().filter_map(source).collect();
        if !sources.is_empty() {
            fields.serialize_entry("sources", &Texts(sources))?;
        }
    }
    fields.end()
}

/// Names with their texts, as a [`map`].
struct Texts(Vec<(&'static str, String)>);

impl Serialize for Texts {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        map(&self.0, serializer)
    }
}

/// The values of a [`map`].
pub(crate) trait Value: Serialize + Clone {
    /// Returns one value for two of the same key: texts in a row, numbers as a sum.
    fn join(self, other: &Self) -> Self;
}

impl Value for String {
    fn join(self, other: &Self) -> Self {
        self + ", " + other
    }
}

impl Value for u64 {
    fn join(self, other: &Self) -> Self {
        self + other
    }
}

/// Serialises a moment as an RFC 3339 time in UTC.
#[expect(clippy::ref_option, reason = "serde hands over a reference to the field")]
pub(crate) fn moment<S: Serializer>(moment: &Option<Instant>, serializer: S) -> Result<S::Ok, S::Error> {
    let at = moment.and_then(|moment| {
        let ago = clock::now().saturating_duration_since(moment);
        clock::time_of_day().checked_sub(ago).and_then(calendar::rfc_3339)
    });
    at.serialize(serializer)
}
