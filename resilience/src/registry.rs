//! The inventory: every annotated function of the binary, before its first call and after.

use crate::point::{Layer, POINTS_0_1, PointName, PointSite};
use crate::policy::CircuitBreaker;
use crate::policy::keyed::Keyed;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// One annotated function, as written.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PointInfo {
    /// The name, unique in the binary.
    pub name: PointName,
    /// The source file.
    pub file: &'static str,
    /// The line of the topmost attribute.
    pub line: u32,
    /// The policies, outermost first.
    pub stack: Vec<PolicyInfo>,
    /// How often one call runs the body at most.
    pub max_calls: u64,
    /// How long one call takes at most, if a timeout bounds it.
    pub worst_case: Option<Duration>,
    /// Whether another point has the same name, so that this one got, or gave away, a number.
    pub ambiguous: bool,
}

/// One policy of a point with its effective settings.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PolicyInfo {
    /// The policy's name, as in its attribute.
    pub kind: &'static str,
    /// Every setting with its effective value, as an attribute spells it.
    pub settings: Vec<(&'static str, String)>,
}

/// The live state of every point; see [`snapshot`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Snapshot {
    /// One entry a point, sorted by name.
    pub points: Vec<PointSnapshot>,
}

/// The live state of one point.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PointSnapshot {
    /// The name, unique in the binary.
    pub name: PointName,
    /// How many calls were made; `None` because this build counts only what goes wrong.
    pub calls: Option<u64>,
    /// The policies, outermost first.
    pub policies: Vec<PolicySnapshot>,
}

/// The live state of one policy.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PolicySnapshot {
    /// The policy's name, as in its attribute.
    pub kind: &'static str,
    /// The state in a word, for a policy that has one: `"closed"`.
    pub state: Option<&'static str>,
    /// What was counted since the program started.
    pub counters: Vec<(&'static str, u64)>,
}

fn sorted() -> Vec<&'static PointSite> {
    let mut points: Vec<_> = POINTS_0_1.iter().collect();
    points.sort_by_cached_key(|point| point.name().to_string());
    points
}

/// Every annotated function of the binary, sorted by name, whether it was called yet or not.
///
/// # Examples
///
/// ```
/// for point in resilience::points() {
///     println!("{point}");
/// }
/// ```
pub fn points() -> Vec<PointInfo> {
    let points = sorted();
    let written: Vec<_> = points.iter().map(|point| point.written()).collect();
    let ambiguous = |name: &String| written.iter().filter(|other| *other == name).count() > 1;
    points.iter().zip(&written).map(|(point, name)| PointInfo::of(point, ambiguous(name))).collect()
}

/// The live state and counters of every point, sorted by name.
pub fn snapshot() -> Snapshot {
    Snapshot { points: sorted().into_iter().map(PointSnapshot::of).collect() }
}

/// The point called `name`, as [`points`] spells it.
pub fn point(name: &str) -> Option<Point> {
    POINTS_0_1.iter().find(|point| *point.name() == *name).map(|site| Point { site })
}

/// A handle on one annotated function, for looking and for control by hand.
#[derive(Clone, Copy)]
pub struct Point {
    site: &'static PointSite,
}

impl Point {
    /// The name, unique in the binary.
    pub fn name(&self) -> PointName {
        self.site.name()
    }

    /// The point as written.
    pub fn info(&self) -> PointInfo {
        let written = self.site.written();
        PointInfo::of(self.site, POINTS_0_1.iter().filter(|other| other.written() == written).count() > 1)
    }

    /// The point's live state.
    pub fn snapshot(&self) -> PointSnapshot {
        PointSnapshot::of(self.site)
    }

    /// The breaker of the outermost `circuit_breaker` that has no key.
    pub fn breaker(&self) -> Option<&'static CircuitBreaker> {
        self.policy()
    }

    /// The state that the policies of this point keep for `key`, as the key reads.
    pub fn key(&self, key: impl Into<String>) -> PointKey {
        PointKey { point: *self, key: key.into() }
    }

    /// The first policy of type `T` in the stack, outermost first.
    pub(crate) fn policy<T: 'static>(&self) -> Option<&'static T> {
        self.site.layers().iter().find_map(|layer| layer.policy().downcast_ref())
    }
}

/// A handle on one key of an annotated function; see [`Point::key`].
#[derive(Clone, Debug)]
pub struct PointKey {
    point: Point,
    key: String,
}

impl PointKey {
    /// The breaker of this key, if the point has a keyed breaker and the key was used.
    pub fn breaker(&self) -> Option<Arc<CircuitBreaker>> {
        self.point.policy::<Keyed<CircuitBreaker>>()?.peek(&self.key)
    }
}

impl fmt::Debug for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Point").field(&self.name()).finish()
    }
}

impl PointInfo {
    fn of(point: &'static PointSite, ambiguous: bool) -> Self {
        let (file, line, _) = point.place();
        let layers = point.layers();
        Self {
            name: point.name(),
            file,
            line,
            stack: layers.iter().map(|layer| PolicyInfo::of(*layer)).collect(),
            max_calls: layers.iter().map(|layer| layer.calls()).fold(1, u64::saturating_mul),
            worst_case: layers.iter().rev().fold(None, |inner, layer| layer.worst(inner)),
            ambiguous,
        }
    }
}

impl PolicyInfo {
    fn of(layer: &dyn Layer) -> Self {
        Self { kind: layer.kind(), settings: layer.settings() }
    }
}

impl PointSnapshot {
    fn of(point: &'static PointSite) -> Self {
        let policies = point.layers().iter().map(|layer| PolicySnapshot::of(*layer)).collect();
        Self { name: point.name(), calls: None, policies }
    }
}

impl PolicySnapshot {
    fn of(layer: &dyn Layer) -> Self {
        Self { kind: layer.kind(), state: layer.state(), counters: layer.counters() }
    }
}

impl fmt::Display for PointInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let calls = if self.max_calls == 1 { "call" } else { "calls" };
        write!(f, "{} ({}:{}) up to {} {calls}", self.name, self.file, self.line, self.max_calls)?;
        if let Some(worst) = self.worst_case {
            write!(f, ", at most {worst:?}")?;
        }
        if self.ambiguous {
            write!(
                f,
                "; shares its name: write `name = \"Type::{}\"`",
                self.name.rsplit("::").next().unwrap_or("")
            )?;
        }
        self.stack.iter().try_for_each(|policy| write!(f, "\n    {policy}"))
    }
}

impl fmt::Display for PolicyInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let settings: Vec<_> = self.settings.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        write!(f, "{}({})", self.kind, settings.join(", "))
    }
}
