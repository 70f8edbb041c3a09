//! What the inventory asks of a policy.
//!
//! A policy of a stack implements [`Layer`] for its `static`; the point has a list of them, outermost first. It is the
//! only thing that the stack knows of its policies at run time, and it is asked only by the inventory: no call of an
//! annotated function goes through it. Handles to one policy (`Point::breaker`) downcast [`Layer::policy`].

#[cfg(feature = "config")]
use super::changed::Override;
#[cfg(feature = "config")]
use crate::base::change::{Change, Mistake};
use crate::base::setting::Effective;
#[cfg(feature = "config")]
use crate::base::setting::Setting;
use crate::base::text::About;
use crate::base::visible::Visible;
use std::any::Any;
use std::fmt;
use std::time::Duration;

/// What the inventory asks of one layer of a stack; policies do not know each other, only this.
///
/// Its answers are read one after the other while calls go on: two of them may be of different moments.
#[doc(hidden)]
pub trait Layer: Any + Send + Sync + fmt::Debug {
    /// The policy's name, as in its attribute.
    fn kind(&self) -> &'static str;
    /// The effective settings, defaults included.
    ///
    /// For a policy whose value the program owns they are known once that was used.
    fn settings(&self) -> Vec<Effective>;
    /// What is worth a look in the settings, or in the place above the layers `below`.
    fn notes(&self, below: &[&dyn Layer]) -> Vec<&'static str> {
        let _ = below;
        Vec::new()
    }
    /// The state in a word, for a policy that has one.
    fn state(&self) -> Option<&'static str> {
        None
    }
    /// What was counted so far.
    fn counters(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
    /// What is kept for each key, sorted by key; empty on a policy without keys.
    fn keys(&self) -> Vec<KeySnapshot> {
        Vec::new()
    }
    /// The keys that metrics show, in the order in which they became known; `None` if they are not to show any.
    #[cfg(feature = "ops")]
    fn labelled(&self) -> Option<Vec<String>> {
        None
    }
    /// What metrics show of it, beside its state and counters.
    #[cfg(feature = "ops")]
    fn readings(&self) -> Vec<Reading> {
        Vec::new()
    }
    /// How often this layer calls what is below it, at most.
    fn calls(&self) -> u64 {
        1
    }
    /// How long a call can take through this layer, if what is below takes at most `inner`.
    fn worst(&self, inner: Option<Duration>) -> Option<Duration> {
        inner
    }
    /// The policy itself, for handles.
    fn policy(&self) -> &dyn Any;
    /// The rows of its settings that a configuration may name; none where the program owns the policy.
    #[cfg(feature = "config")]
    fn table(&self) -> &'static [Setting] {
        &[]
    }
    /// Why a setting of the table cannot change while the program runs, if it cannot.
    #[cfg(feature = "config")]
    fn fixed(&self, setting: &str) -> Option<&'static str> {
        let _ = setting;
        None
    }
    /// What the other policies of the stack have to know of its numbers, with `changed` ones where there are some.
    #[cfg(feature = "config")]
    fn facts(&self, changed: Option<&Override>) -> Facts {
        let _ = changed;
        Facts::default()
    }
    /// What is wrong with its numbers below a timeout of the whole call.
    #[cfg(feature = "config")]
    fn complaint_within(&self, changed: Option<&Override>, total: Duration) -> Option<String> {
        let _ = (changed, total);
        None
    }
    /// Its settings in the code with these changes, of the type that it asks for when a call comes, or all that is wrong
    /// with them.
    #[cfg(feature = "config")]
    fn changed(&self, changes: &[Change]) -> Result<Box<dyn Any + Send + Sync>, Vec<Mistake>> {
        let fixed = "nothing of this policy can change while the program runs";
        let refuse = |change: &Change| Mistake {
            source: change.source.clone(),
            reason: fixed.to_owned(),
            is_alone: false,
        };
        Err(changes.iter().map(refuse).collect())
    }
    /// Other settings than before may be in force: acts on what waits for that.
    #[cfg(feature = "config")]
    fn settings_changed(&self) {}
    /// Why it cannot be switched off, if it cannot.
    #[cfg(feature = "config")]
    fn stays_on(&self) -> Option<&'static str> {
        Some("the function would no longer do what its callers rely on")
    }
    /// Whether it keeps state for each key, so that a key may have settings of its own.
    #[cfg(feature = "config")]
    fn has_keys(&self) -> bool {
        false
    }
}

/// One number that a policy has for metrics.
#[cfg(feature = "ops")]
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct Reading {
    /// The metric, without its prefix.
    pub metric: &'static str,
    /// The labels beside the name of the point.
    pub labels: Vec<(&'static str, &'static str)>,
    pub value: f64,
}

#[cfg(feature = "ops")]
impl Reading {
    pub(crate) const fn new(metric: &'static str, value: f64) -> Self {
        Self { metric, labels: Vec::new(), value }
    }
}

/// What policies of one stack have to know of each other's numbers, so that they can be held against each other.
#[cfg(feature = "config")]
#[doc(hidden)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts {
    /// It runs what is below more than once.
    pub loops: bool,
    /// How long what is below may take.
    pub limit: Option<Duration>,
    /// The time within which failures count.
    pub window: Option<Duration>,
    /// How long what is below may take before it counts as slow.
    pub slow: Option<Duration>,
    /// When an extra call follows.
    pub after: Option<Duration>,
}

/// Holds the live state that a policy keeps for one key.
///
/// A policy keeps state for a bounded number of keys: one that was not used for long may be missing.
///
/// # Examples
///
/// ```
/// use resilience::{circuit_breaker, point};
///
/// #[circuit_breaker(threshold = 1, key = host, name = "crawl")]
/// fn crawl(host: &str) -> std::io::Result<()> {
///     if host == "down" { Err(std::io::ErrorKind::ConnectionRefused.into()) } else { Ok(()) }
/// }
///
/// let _ = (crawl("up"), crawl("down"));
/// let keys = &point("crawl").unwrap().snapshot().policies[0].keys;
/// assert_eq!((&*keys[0].key, keys[0].state), ("down", "open"));
/// assert!(keys[0].retry_after.is_some());
/// assert_eq!((&*keys[1].key, keys[1].state), ("up", "closed"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct KeySnapshot {
    /// The key, as text.
    pub key: String,
    /// The state in a word: `"closed"`, `"open"`, `"half_open"`, ..
    pub state: &'static str,
    /// How long calls are rejected; `None` if they are not, or if it is not known.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "retry_after_s", serialize_with = "crate::base::serialise::seconds")
    )]
    pub retry_after: Option<Duration>,
    /// What was counted for this key since it was first used, or used again after its eviction.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::base::serialise::map"))]
    pub counters: Vec<(&'static str, u64)>,
}

impl fmt::Display for KeySnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", Visible(&self.key), self.state)?;
        if let Some(wait) = self.retry_after {
            write!(f, " for {}", About(wait))?;
        }
        self.counters.iter().try_for_each(|(name, count)| write!(f, ", {name} {count}"))
    }
}
