//! The data of the inventory about points and their policies.

use super::counts::CallCounts;
#[cfg(feature = "ops")]
use super::layer::MetricReading;
use super::layer::{KeySnapshot, Layer};
use super::site::PointSite;
use crate::base::name::PointName;
use crate::base::setting::Effective;
use crate::base::visible::Visible;
use std::fmt;
use std::panic::Location;
use std::time::Duration;

/// One annotated function as written, before any call.
///
/// `Display` writes the name, the place, the most calls, the longest time and the function's own settings, then a line
/// for each policy.
///
/// With the feature `serde` it serialises as a map, with settings as the texts that an attribute has.
///
/// # Examples
///
/// ```
/// use resilience::{points, timeout, with_retry};
/// use std::time::Duration;
///
/// #[timeout(10s)]
/// #[with_retry(max = 3, base = 50ms)]
/// async fn download() -> std::io::Result<u32> {
///     Ok(7)
/// }
///
/// # let _ = download;
/// let points = points();
/// let info = points.iter().find(|info| info.name.ends_with("download")).unwrap();
/// assert_eq!((info.max_calls, info.worst_case), (4, Some(Duration::from_secs(10))));
/// let max = &info.stack[1].settings[0];
/// assert_eq!((max.to_string(), max.is_default), ("max = 3".to_owned(), true));
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PointInfo {
    /// The name, unique in the binary.
    pub name: PointName,
    /// The source file.
    pub file: &'static str,
    /// The line of the topmost attribute, counted from 1.
    pub line: u32,
    /// The settings of the function itself that an attribute or a configuration has set: `timed`, with the feature
    /// `ops`.
    ///
    /// They are serialised as those of a [policy](PolicyInfo::settings), and left out where there are none.
    #[cfg_attr(
        feature = "serde",
        serde(
            flatten,
            skip_serializing_if = "Vec::is_empty",
            serialize_with = "crate::base::serialise::settings"
        )
    )]
    pub settings: Vec<Effective>,
    /// The policies, outermost first.
    pub stack: Vec<PolicyInfo>,
    /// The most times that one call runs the body.
    ///
    /// It is `u64::MAX` while that is not known, for a retry that the program owns and has not used yet.
    pub max_calls: u64,
    /// The longest time that one call takes; `None` if no timeout bounds it.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "worst_case_s", serialize_with = "crate::base::serialise::seconds")
    )]
    pub worst_case: Option<Duration>,
    /// Whether another point has the same name as written, so that the names carry numbers.
    pub ambiguous: bool,
    /// Whether it is a policy that the program registered.
    #[cfg_attr(feature = "serde", serde(skip))]
    joined: bool,
}

/// One policy of a point, with its effective settings.
///
/// `Display` writes it as an attribute: `circuit_breaker(threshold = 5, recovery = 60s, ..)`.
///
/// # Examples
///
/// A test that every breaker of the program has a key or a name of its own:
///
/// ```
/// use resilience::{circuit_breaker, points};
///
/// #[circuit_breaker(threshold = 3)]
/// fn search(text: &str) -> std::io::Result<usize> {
///     Ok(text.len())
/// }
///
/// # let _ = search;
/// let points = points();
/// let search = points.iter().find(|point| point.name.ends_with("search")).unwrap();
/// let breaker = search.stack.iter().find(|policy| policy.kind == "circuit_breaker").unwrap();
/// let threshold = breaker.settings.iter().find(|setting| setting.name == "threshold").unwrap();
/// assert_eq!((threshold.value.to_string(), threshold.is_default), ("3".to_owned(), false));
/// assert!(breaker.to_string().starts_with("circuit_breaker(threshold = 3, recovery = 60s"));
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PolicyInfo {
    /// The policy's name, as in its attribute.
    pub kind: &'static str,
    /// Every setting with its effective value, defaults included.
    ///
    /// They are serialised as a map of texts, as an attribute spells them, and a map `sources` that has the file and
    /// line or the variable of each setting that a configuration changes.
    #[cfg_attr(feature = "serde", serde(flatten, serialize_with = "crate::base::serialise::settings"))]
    pub settings: Vec<Effective>,
    /// Notes about settings that may not do what was intended, a sentence each.
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Vec::is_empty"))]
    pub notes: Vec<&'static str>,
}

/// The live state of every point at one moment; see [`snapshot`](crate::snapshot()).
///
/// The points are read one after another, so that a call can move between two of them. `Display` writes one
/// block a point, for a log or a debug page; with the feature `serde` it serialises for a dashboard.
///
/// # Examples
///
/// A health check that names what is down:
///
/// ```
/// use resilience::{circuit_breaker, point, snapshot};
///
/// #[circuit_breaker(name = "stock::count")]
/// fn count(id: u32) -> std::io::Result<u32> {
///     Ok(id)
/// }
///
/// fn down() -> Vec<String> {
///     let points = snapshot().points.into_iter();
///     let open = points.filter(|point| point.policies.iter().any(|policy| policy.state == Some("forced_open")));
///     open.map(|point| point.name.to_string()).collect()
/// }
///
/// # let _world = resilience::testing::isolate();
/// # let _ = count;
/// assert!(down().is_empty());
/// point("stock::count").unwrap().breaker().unwrap().force_open();
/// assert_eq!(down(), ["stock::count"]);
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Snapshot {
    /// One entry for each point, sorted by name.
    pub points: Vec<PointSnapshot>,
    /// The warnings about the configuration in force (feature `config`), a sentence each with its line or variable:
    /// functions that the program does not have, settings that some functions cannot take. And that jobs and steps are
    /// recorded in memory, where the program has the feature `durable` without `sqlite` and chose no store.
    pub notes: Vec<String>,
}

/// The live state of one point; [`Point::snapshot`](crate::Point::snapshot) reads it.
///
/// # Examples
///
/// ```
/// use resilience::{circuit_breaker, point};
///
/// #[circuit_breaker(name = "prices::load", threshold = 2)]
/// fn load() -> std::io::Result<u32> {
///     Err(std::io::ErrorKind::TimedOut.into())
/// }
///
/// # let _world = resilience::testing::isolate();
/// (0..2).for_each(|_| drop(load()));
/// let snapshot = point("prices::load").unwrap().snapshot();
/// assert_eq!(snapshot.policies[0].state, Some("open"));
/// assert!(snapshot.to_string().starts_with("prices::load\n    circuit_breaker open: opened 1"));
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PointSnapshot {
    /// The name, unique in the binary.
    pub name: PointName,
    /// The counts of its calls; `None` without the feature `ops`, which counts only what goes wrong, and for a policy
    /// that the program registered.
    pub calls: Option<CallCounts>,
    /// Whether in the last 60 s a call was answered by a fallback, a stale value, a simpler call or another value of a
    /// failover; never without the feature `ops`.
    pub degraded: bool,
    /// The policies, outermost first.
    pub policies: Vec<PolicySnapshot>,
}

/// The live state of one policy.
///
/// | policy | counters |
/// |---|---|
/// | `with_retry` | `retries`, `recovered` (calls that succeeded after retries), `not_retryable`, `gave_up` (the sum of `exhausted`, `out_of_time`, `server_wait` and `denied`, by the budget), `nested` (retries inside a repeated attempt of another retry) |
/// | `circuit_breaker` | `opened`, `rejected`, `failures`, `cancelled`, `panicked`, `slow` (slow successes), `ignored` (calls that count as nothing) |
/// | `bulkhead` | `in_use`, `waiting` (now), `rejected`, `waited`; with `key` also `overflowed` (keys that had to share an entry) |
/// | `rate_limit` | `available`, `waiting` (now), `rejected`, `waited`; with `key` also `overflowed`, and `available` for each key |
/// | `hedge` | `hedged` (extra calls), `won_by_extra` (calls that one of them answered), `denied` (extra calls that were not made) |
/// | `timeout` | `timed_out`; with `thread` also `abandoned` (bodies that still run) |
/// | `with_fallback` | `answered`, `failed` |
/// | `failover` | `failed_over` (calls that went on with another value), `answered` (calls that another value answered), also for each value |
/// | `degrade` | `simplified` (simpler calls that ran), `answered` (calls that one of them answered) |
/// | `chaos` | of its kinds of faults `error`, `lost_answer`, `latency`, `panic`: how many were injected |
/// | `cached` | `entries` (values that it holds), `misses` (bodies that ran), `joined` (calls answered by another one), `stale` |
/// | `with_lock` | `locked`, `waited` and `rejected` (calls), `lost` (calls whose lock file was removed meanwhile), `wait_max_ms` (the longest wait) |
/// | `checkpoint` | `begun`, `reused` |
///
/// Counters start at zero with the process and only grow, except `abandoned`, `in_use`, `available`, `waiting` and
/// `entries`.
///
/// # Examples
///
/// ```
/// use resilience::{point, with_retry};
///
/// #[with_retry(max = 2, base = 0s, name = "weather")]
/// fn weather() -> std::io::Result<u32> {
///     Err(std::io::ErrorKind::ConnectionReset.into())
/// }
///
/// weather().unwrap_err();
/// let policy = &point("weather").unwrap().snapshot().policies[0];
/// assert!(policy.counters.contains(&("retries", 2)));
/// assert!(policy.counters.contains(&("gave_up", 1)));
/// ```
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PolicySnapshot {
    /// The policy's name, as in its attribute.
    pub kind: &'static str,
    /// The state in a word, for a policy that has one: `"closed"`.
    pub state: Option<&'static str>,
    /// The counts since the program started, for all keys together.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::base::serialise::map"))]
    pub counters: Vec<(&'static str, u64)>,
    /// The state for each key, sorted by key; empty on a policy without keys.
    pub keys: Vec<KeySnapshot>,
    /// The state that only metrics show.
    #[cfg(feature = "ops")]
    #[cfg_attr(feature = "serde", serde(skip))]
    pub(crate) shown: MetricsOnly,
}

/// The state of a policy that only metrics show.
#[cfg(feature = "ops")]
#[derive(Clone, Debug, Default)]
pub(crate) struct MetricsOnly {
    /// See [`Layer::labelled`].
    pub(crate) labelled: Option<Vec<String>>,
    pub(crate) readings: Vec<MetricReading>,
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut points = self.points.iter();
        points.next().map_or(Ok(()), |first| first.fmt(f))?;
        points.try_for_each(|point| write!(f, "\n{point}"))?;
        self.notes.iter().try_for_each(|note| write!(f, "\n{}", Visible(note)))
    }
}

impl fmt::Display for PointSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Visible(&self.name))?;
        self.policies.iter().try_for_each(|policy| write!(f, "\n    {policy}"))?;
        self.calls
            .as_ref()
            .filter(|calls| calls.total > 0)
            .map_or(Ok(()), |calls| write!(f, "\n    {calls}"))?;
        if self.degraded { f.write_str("\n    degraded") } else { Ok(()) }
    }
}

impl fmt::Display for PolicySnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind)?;
        self.state.map_or(Ok(()), |state| write!(f, " {state}"))?;
        let mut separator = ": ";
        for (name, count) in &self.counters {
            write!(f, "{separator}{name} {count}")?;
            separator = ", ";
        }
        self.keys.iter().try_for_each(|key| write!(f, "\n        {key}"))
    }
}

impl PointInfo {
    pub(super) fn of(point: &'static PointSite) -> Self {
        let place = point.place();
        let layers = point.layers();
        let (max_calls, worst_case) = bounds(layers.iter());
        let info = Self {
            name: point.name(),
            file: place.file(),
            line: place.line(),
            #[cfg(feature = "ops")]
            settings: point.is_timed().then(|| Effective::switch("timed", true)).into_iter().collect(),
            #[cfg(not(feature = "ops"))]
            settings: Vec::new(),
            stack: (0..layers.len()).filter_map(|at| PolicyInfo::of(layers.get(at..)?)).collect(),
            max_calls,
            worst_case,
            ambiguous: false,
            joined: false,
        };
        #[cfg(feature = "config")]
        let info = {
            let mut info = info;
            info.note_changes(point);
            info
        };
        info
    }
}

/// Returns the most times that one call runs the body, and its longest time, with these layers, outermost first.
fn bounds<'a>(
    layers: impl DoubleEndedIterator<Item = &'a &'static dyn Layer> + Clone,
) -> (u64, Option<Duration>) {
    let calls = layers.clone().map(|layer| layer.calls()).fold(1, u64::saturating_mul);
    (calls, layers.rev().fold(None, |inner, layer| layer.worst(inner)))
}

#[cfg(feature = "config")]
impl PointInfo {
    /// Notes what a configuration changes of the settings in the code.
    fn note_changes(&mut self, point: &'static PointSite) {
        let Some(overrides) = point.pinned().point() else { return };
        if let Some((is_timed, source)) = &overrides.timed {
            let timed = Effective { source: Some(source.clone()), ..Effective::switch("timed", *is_timed) };
            self.settings = vec![timed];
        }
        let changed = |layer: &&dyn Layer| overrides.at(super::changed::address(*layer));
        let is_on = |layer: &&&dyn Layer| !changed(layer).is_some_and(|changed| changed.whole.is_off);
        (self.max_calls, self.worst_case) = bounds(point.layers().iter().filter(is_on));
        for (policy, layer) in self.stack.iter_mut().zip(point.layers()) {
            let Some(changed) = changed(layer) else { continue };
            if changed.whole.is_off {
                policy.settings.push(Effective::text("enabled", "false"));
            }
            for setting in &mut policy.settings {
                let source = changed.sources.iter().find(|(name, _)| name == setting.name);
                setting.source = source.map(|(_, source)| source.clone());
            }
        }
    }
}

impl PointInfo {
    /// Describes a policy that the program registered at `place`.
    pub(super) fn joined<'a>(
        name: PointName,
        place: &Location<'static>,
        layers: impl Iterator<Item = &'a dyn Layer>,
    ) -> Self {
        Self {
            name,
            file: place.file(),
            line: place.line(),
            settings: Vec::new(),
            stack: layers.filter_map(|layer| PolicyInfo::of(&[layer])).collect(),
            max_calls: 1,
            worst_case: None,
            ambiguous: false,
            joined: true,
        }
    }
}

impl PolicyInfo {
    /// Describes the first of `layers`, above the others.
    fn of(layers: &[&dyn Layer]) -> Option<Self> {
        let (layer, below) = layers.split_first()?;
        Some(Self { kind: layer.kind(), settings: layer.settings(), notes: layer.notes(below) })
    }
}

impl PolicySnapshot {
    pub(super) fn of(layer: &dyn Layer) -> Self {
        Self {
            kind: layer.kind(),
            state: layer.state(),
            counters: layer.counters(),
            keys: layer.keys(),
            #[cfg(feature = "ops")]
            shown: MetricsOnly { labelled: layer.labelled(), readings: layer.readings() },
        }
    }
}

impl fmt::Display for PointInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}:{}) ", Visible(&self.name), self.file, self.line)?;
        match self.max_calls {
            1 => f.write_str("up to 1 call")?,
            u64::MAX => f.write_str("any number of calls")?,
            many => write!(f, "up to {many} calls")?,
        }
        if let Some(worst) = self.worst_case {
            write!(f, ", at most {worst:?}")?;
        }
        self.settings.iter().try_for_each(|setting| write!(f, ", {}", Visible(&setting.to_string())))?;
        match (self.ambiguous, self.joined) {
            (false, _) => {}
            (true, true) => f.write_str("; shares its name: register it under another name")?,
            (true, false) => {
                let function = self.name.rsplit("::").next().unwrap_or("");
                let function = function.split('#').next().unwrap_or(function);
                write!(f, "; shares its name: write `name = \"Type::{}\"`", Visible(function))?;
            }
        }
        for policy in &self.stack {
            write!(f, "\n    {policy}")?;
            policy.notes.iter().try_for_each(|note| write!(f, "\n        note: {}", Visible(note)))?;
        }
        Ok(())
    }
}

impl fmt::Display for PolicyInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings: Vec<_> = self.settings.iter().map(ToString::to_string).collect();
        write!(f, "{}({})", self.kind, Visible(&settings.join(", ")))
    }
}
