//! The trait through which the inventory reads a policy.
//!
//! A policy of a stack implements [`Layer`] for its `static`; the point has a list of them, outermost first. It is the
//! only thing that the stack knows of its policies at run time, and it is asked only by the inventory: no call of an
//! annotated function goes through it. Handles to one policy (`Point::breaker`) are references to it by its own type.

#[cfg(feature = "config")]
use super::changed::Override;
#[cfg(feature = "config")]
use crate::base::change::{Cause, Change, Changed, Mistake};
use crate::base::setting::Effective;
#[cfg(feature = "config")]
use crate::base::setting::Setting;
use crate::base::text::About;
use crate::base::visible::Visible;
use std::any::Any;
use std::fmt;
use std::time::Duration;

/// One layer of a stack, as the inventory sees it; policies do not know each other, only this.
///
/// The methods are called one after the other while calls go on: two results may be of different moments.
#[doc(hidden)]
pub trait Layer: Any + Send + Sync + fmt::Debug {
    /// Returns the policy's name, as in its attribute.
    fn kind(&self) -> &'static str;
    /// Returns the effective settings, defaults included.
    ///
    /// For a policy whose value the program owns they are known once that was used.
    fn settings(&self) -> Vec<Effective>;
    /// Returns the notes about the settings, or about the place above the layers `below`.
    fn notes(&self, below: &[&dyn Layer]) -> Vec<&'static str> {
        let _ = below;
        Vec::new()
    }
    /// Returns the state in a word, for a policy that has one.
    fn state(&self) -> Option<&'static str> {
        None
    }
    /// Returns the counts so far.
    fn counters(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
    /// Returns the state that is kept for each key, sorted by key; empty for a policy without keys.
    fn keys(&self) -> Vec<KeySnapshot> {
        Vec::new()
    }
    /// Returns the keys that metrics show, in the order in which they became known; `None` if metrics show none.
    #[cfg(feature = "ops")]
    fn labelled(&self) -> Option<Vec<String>> {
        None
    }
    /// Returns the values that metrics show besides state and counters.
    #[cfg(feature = "ops")]
    fn readings(&self) -> Vec<MetricReading> {
        Vec::new()
    }
    /// Returns the most times that this layer calls the layers below it.
    fn calls(&self) -> u64 {
        1
    }
    /// Returns the longest time that a call takes through this layer, if the layers below take at most `inner`.
    fn worst(&self, inner: Option<Duration>) -> Option<Duration> {
        inner
    }
    /// Returns the rows of its settings that a configuration may name; none if the program owns the policy.
    #[cfg(feature = "config")]
    fn table(&self) -> &'static [Setting] {
        &[]
    }
    /// Returns why a setting of the table cannot change while the program runs, if it cannot.
    #[cfg(feature = "config")]
    fn fixed(&self, setting: &str) -> Option<&'static str> {
        let _ = setting;
        None
    }
    /// Returns the numbers that the other policies of the stack have to know, with `changed` ones where there are some.
    #[cfg(feature = "config")]
    fn facts(&self, changed: Option<&Override>) -> Facts {
        let _ = changed;
        Facts::default()
    }
    /// Returns what is wrong with its numbers below a timeout of the whole call.
    #[cfg(feature = "config")]
    fn complaint_within(&self, changed: Option<&Override>, total: Duration) -> Option<String> {
        let _ = (changed, total);
        None
    }
    /// Returns its settings in the code with these changes, in the type that it uses for a call, or all that is wrong
    /// with them.
    #[cfg(feature = "config")]
    fn changed(&self, changes: &[Change]) -> Changed {
        let fixed = "nothing of this policy can change while the program runs";
        let refuse = |change: &Change| Mistake {
            source: change.source.clone(),
            reason: fixed.to_owned(),
            cause: Cause::Code,
        };
        Err(changes.iter().map(refuse).collect())
    }
    /// Handles a change of the settings in force, for instance wakes calls that wait.
    #[cfg(feature = "config")]
    fn settings_changed(&self) {}
    /// Returns why it cannot be switched off, if it cannot.
    #[cfg(feature = "config")]
    fn stays_on(&self) -> Option<&'static str> {
        Some("the function would no longer do what its callers rely on")
    }
    /// Returns whether it keeps state for each key, so that a key may have its own settings.
    #[cfg(feature = "config")]
    fn has_keys(&self) -> bool {
        false
    }
}

impl dyn Layer {
    /// Returns the policy itself, if it is a `T`.
    pub(crate) fn policy<T: Layer>(&self) -> Option<&T> {
        let policy: &dyn Any = self;
        policy.downcast_ref()
    }
}

/// One number that a policy has for metrics.
#[cfg(feature = "ops")]
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct MetricReading {
    /// The metric, without its prefix.
    pub metric: &'static str,
    /// The labels beside the name of the point.
    pub labels: Vec<(&'static str, &'static str)>,
    pub value: f64,
}

#[cfg(feature = "ops")]
impl MetricReading {
    pub(crate) const fn new(metric: &'static str, value: f64) -> Self {
        Self { metric, labels: Vec::new(), value }
    }
}

/// The numbers that policies of one stack have to know of each other, so that they can be compared.
#[cfg(feature = "config")]
#[doc(hidden)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Facts {
    /// Whether the policy runs the layers below more than once.
    pub loops: bool,
    /// The longest time of the layers below.
    pub limit: Option<Duration>,
    /// The time within which failures count.
    pub window: Option<Duration>,
    /// The time from which the layers below count as slow.
    pub slow: Option<Duration>,
    /// The time after which an extra call follows.
    pub after: Option<Duration>,
}

/// The live state that a policy keeps for one key.
///
/// A policy keeps state for a bounded number of keys: a key that was not used for long may be missing.
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
    /// The time for which calls are rejected; `None` if they are not, or if it is not known.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "retry_after_s", serialize_with = "crate::base::serialise::seconds")
    )]
    pub retry_after: Option<Duration>,
    /// The counts of this key since it was first used, or used again after its eviction.
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
