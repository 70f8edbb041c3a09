//! The log line that nothing classifies a type of error: once for each point and type.
//!
//! An error of an unknown type is `Unknown`, which is retried: convenient on the first day, and wrong for an error that
//! would come again. At DEBUG the log has a line for it, with what to write.

use super::site::PointSite;
use crate::base::site::Site;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

/// The most pairs of a point and a type that are remembered; further ones are not logged.
const SLOTS: usize = 1024;
/// The number of slots that are tried for one pair.
const REACH: usize = 8;

static SAID: Site<LoggedPairs> = Site::new(LoggedPairs::new(), LoggedPairs::new);

/// The hashes of the logged pairs, without a lock: calls of different functions fail at the same time.
///
/// Pairs are placed by hash; a pair whose eight slots are taken is treated as known, so that a program with
/// thousands of types of errors logs a bounded number of lines.
#[derive(Debug)]
struct LoggedPairs([AtomicU64; SLOTS]);

impl LoggedPairs {
    const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; SLOTS])
    }

    /// Returns whether this pair is seen for the first time.
    fn is_first(&self, point: &PointSite, name: &str) -> bool {
        let mut hasher = DefaultHasher::new();
        (std::ptr::from_ref(point).addr(), name).hash(&mut hasher);
        // 0 is a free slot.
        let pair = hasher.finish().max(1);
        let start = pair as usize % SLOTS;
        for slot in self.0.iter().cycle().skip(start).take(REACH) {
            match slot.compare_exchange(0, pair, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return true,
                Err(found) if found == pair => return false,
                Err(_) => {}
            }
        }
        false
    }
}

/// Logs that nothing classifies the type called `name`, of which an error came out of `point`.
#[cold]
pub(super) fn unclassified(point: &'static PointSite, name: &'static str) {
    #[cfg(feature = "tracing")]
    crate::base::guarded::guarded(|| {
        if tracing::enabled!(target: "resilience::classify", tracing::Level::DEBUG)
            && SAID.is_first(point, name)
        {
            tracing::debug!(
                target: "resilience::classify",
                point = &*point.name(),
                error_type = name,
                "nothing classifies `{name}`, so its errors are `Unknown` and retried: {}",
                advice(name)
            );
        }
    });
    #[cfg(not(feature = "tracing"))]
    let _ = (point, name, advice, &SAID, LoggedPairs::is_first);
}

/// A feature that classifies a type of another crate.
struct Feature {
    /// The crate in the name of the type.
    of: &'static str,
    name: &'static str,
    version: &'static str,
    enabled: bool,
}

macro_rules! features {
    ($($of:literal $name:literal $version:literal),+ $(,)?) => {
        &[$(Feature { of: $of, name: $name, version: $version, enabled: cfg!(feature = $name) }),+]
    };
}

const FEATURES: &[Feature] = features![
    "anyhow" "anyhow" "anyhow 1",
    "http" "http" "http 1",
    "redis" "redis" "redis 1",
    "reqwest" "reqwest" "reqwest 0.13",
    "reqwest" "reqwest_012" "reqwest 0.12",
    "reqwest_middleware" "reqwest-middleware" "reqwest-middleware 0.5",
    "serde_json" "serde_json" "serde_json 1",
    "sqlx_core" "sqlx" "sqlx 0.9",
    "sqlx_core" "sqlx_08" "sqlx 0.8",
    "tonic" "tonic" "tonic 0.14",
    "ureq" "ureq" "ureq 3",
];

/// Returns the advice how to classify a type.
fn advice(name: &str) -> String {
    let fits = |feature: &&Feature| !feature.enabled && names(name, feature.of);
    let features: Vec<_> = FEATURES
        .iter()
        .filter(fits)
        .map(|feature| format!("`{}` ({})", feature.name, feature.version))
        .collect();
    if features.is_empty() {
        return "derive `resilience::Classify` for it, or write `classify = ..` in an attribute".to_owned();
    }
    format!(
        "enable the feature {} of `resilience`, or write `classify = ..` in an attribute",
        features.join(" or ")
    )
}

/// Returns whether the name of a type begins with, or contains, the path of a crate.
fn names(name: &str, of: &str) -> bool {
    name.match_indices(of).any(|(at, _)| {
        let (before, after) = (name.get(..at).unwrap_or(""), name.get(at + of.len()..).unwrap_or(""));
        after.starts_with("::") && !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_names_the_feature_that_classifies_the_type() {
        assert!(names("reqwest::error::Error", "reqwest"));
        assert!(names("alloc::sync::Arc<reqwest::error::Error>", "reqwest"));
        assert!(!names("my_reqwest::Error", "reqwest"));
        assert!(!names("app::reqwest::Error", "reqwest"));
        assert!(!names("reqwest_retry::Error", "reqwest"));
        let own = advice("app::Error");
        assert_eq!(own, "derive `resilience::Classify` for it, or write `classify = ..` in an attribute");
        for feature in FEATURES {
            let said = advice(&format!("{}::Error", feature.of));
            assert_eq!(said.contains(&format!("`{}` ({})", feature.name, feature.version)), !feature.enabled);
        }
    }

    #[test]
    fn the_memory_for_notices_is_bounded() {
        static POINT: PointSite = PointSite::new("m", "f", &[]);
        let said = LoggedPairs::new();
        let names: Vec<_> = (0..SLOTS * 2).map(|n| format!("Type{n}")).collect();
        let first = names.iter().filter(|name| said.is_first(&POINT, name)).count();
        assert!(first <= SLOTS && first > SLOTS / 2, "{first}");
        assert!(!said.is_first(&POINT, "Type0"));
    }
}
