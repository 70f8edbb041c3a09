//! The units of time.

const UNITS: [(&str, u64); 8] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60 * 1_000_000_000),
    ("h", 3_600 * 1_000_000_000),
    ("d", 24 * 3_600 * 1_000_000_000),
];

/// Returns how many nanoseconds the unit `word` has, if it is one.
pub(crate) fn nanos_in(word: &str) -> Option<u64> {
    UNITS.iter().find(|(unit, _)| *unit == word).map(|(_, nanos)| *nanos)
}

/// Returns whether `word` is a unit of time.
pub(crate) fn is_unit(word: &str) -> bool {
    nanos_in(word).is_some()
}
