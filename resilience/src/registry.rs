//! The inventory: every annotated function of the binary, before its first call and after.

use crate::point::{Layer, POINTS_0_1, PointName, PointSite};
use crate::policy::CircuitBreaker;
use crate::policy::keyed::Keyed;
use crate::site::Site;
use std::fmt;
use std::ops::Deref;
use std::panic::Location;
use std::sync::{Arc, Mutex, PoisonError, Weak};
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
    /// Whether it is a breaker that joined by hand.
    joined: bool,
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

/// A breaker that joined the inventory by hand, for as long as somebody holds it.
#[derive(Clone, Debug)]
struct Joined {
    breaker: Weak<CircuitBreaker>,
    place: &'static Location<'static>,
    own: PointName,
    /// `own`, or the next free `name#2`, `name#3`, .. at the moment of joining.
    name: PointName,
}

impl Joined {
    fn point(&self) -> Option<Kind> {
        Some(Kind::Breaker(self.breaker.upgrade()?, self.place, self.name.clone()))
    }
}

/// `name` with the least number that makes it unique.
fn free(name: &PointName, joined: &[Joined]) -> PointName {
    let taken = |name: &PointName| {
        joined.iter().any(|other| other.name == *name) || POINTS_0_1.iter().any(|site| site.name() == *name)
    };
    let (mut free, mut number) = (name.clone(), 1_u32);
    while taken(&free) {
        number += 1;
        free = PointName::from(format!("{name}#{number}"));
    }
    free
}

static JOINED: Site<Mutex<Vec<Joined>>> = Site::new(Mutex::new(Vec::new()), || Mutex::new(Vec::new()));

/// Every point there is now: annotated functions, and breakers that joined and still live.
fn all() -> Vec<Point> {
    let mut joined = JOINED.lock().unwrap_or_else(PoisonError::into_inner);
    joined.retain(|joined| joined.breaker.strong_count() > 0);
    let joined = joined.iter().filter_map(Joined::point);
    POINTS_0_1.iter().map(Kind::Function).chain(joined).map(|kind| Point { kind }).collect()
}

/// How many breakers of this name of their own have joined and still live.
fn joined_as(name: &PointName) -> usize {
    let all = JOINED.lock().unwrap_or_else(PoisonError::into_inner);
    all.iter().filter(|joined| joined.breaker.strong_count() > 0 && joined.own == *name).count()
}

/// Whether the name of a breaker that joined is that of another point, too.
fn is_shared(name: &PointName) -> bool {
    joined_as(name) > 1 || POINTS_0_1.iter().any(|site| site.name() == *name)
}

fn sorted() -> Vec<Point> {
    let mut points = all();
    points.sort_by_cached_key(|point| point.name().to_string());
    points
}

/// Every annotated function of the binary, sorted by name, whether it was called yet or not; and the
/// breakers that joined by [`Point::register`].
///
/// # Examples
///
/// ```
/// for point in resilience::points() {
///     println!("{point}");
/// }
/// ```
pub fn points() -> Vec<PointInfo> {
    sorted().iter().map(Point::info).collect()
}

/// The live state and counters of every point, sorted by name.
pub fn snapshot() -> Snapshot {
    Snapshot { points: sorted().iter().map(Point::snapshot).collect() }
}

/// The point called `name`, as [`points`] spells it.
pub fn point(name: &str) -> Option<Point> {
    all().into_iter().find(|point| *point.name() == *name)
}

/// A handle on one annotated function, or on a breaker that joined the inventory, for looking and for
/// control by hand.
#[derive(Clone)]
pub struct Point {
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Function(&'static PointSite),
    Breaker(Arc<CircuitBreaker>, &'static Location<'static>, PointName),
}

/// The breaker of a point: reads as a [`CircuitBreaker`].
#[derive(Clone, Debug)]
pub enum BreakerHandle {
    /// That of an annotated function.
    #[doc(hidden)]
    Function(&'static CircuitBreaker),
    /// One that joined by hand.
    #[doc(hidden)]
    Joined(Arc<CircuitBreaker>),
}

impl Deref for BreakerHandle {
    type Target = CircuitBreaker;

    fn deref(&self) -> &CircuitBreaker {
        match self {
            Self::Function(breaker) => breaker,
            Self::Joined(breaker) => breaker,
        }
    }
}

impl Point {
    /// Adds a breaker of your own to the inventory, under its name, until the last `Arc` of it is dropped.
    ///
    /// While another point has that name it gets the next free number, `search backend#2`, which it keeps,
    /// and both are flagged as ambiguous; events and errors call it by its own name.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{CircuitBreaker, Point, point};
    /// use std::sync::Arc;
    ///
    /// let breaker = Arc::new(CircuitBreaker::new("search backend").threshold(3));
    /// Point::register(&breaker);
    /// assert!(point("search backend").is_some());
    /// drop(breaker);
    /// assert!(point("search backend").is_none());
    /// ```
    #[track_caller]
    pub fn register(breaker: &Arc<CircuitBreaker>) {
        let place = Location::caller();
        let own = breaker.snapshot().name;
        let breaker = Arc::downgrade(breaker);
        let mut all = JOINED.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|other| other.breaker.strong_count() > 0 && !other.breaker.ptr_eq(&breaker));
        let name = free(&own, &all);
        all.push(Joined { breaker, place, own, name });
    }

    /// The name, unique in the inventory.
    pub fn name(&self) -> PointName {
        match &self.kind {
            Kind::Function(site) => site.name(),
            Kind::Breaker(_, _, name) => name.clone(),
        }
    }

    /// The point as written.
    pub fn info(&self) -> PointInfo {
        match &self.kind {
            Kind::Function(site) => {
                let info = PointInfo::of(site);
                PointInfo { ambiguous: info.ambiguous || joined_as(&info.name) > 0, ..info }
            }
            Kind::Breaker(breaker, place, _) => PointInfo {
                name: self.name(),
                file: place.file(),
                line: place.line(),
                stack: vec![PolicyInfo::of(breaker.layer())],
                max_calls: 1,
                worst_case: None,
                ambiguous: is_shared(&breaker.snapshot().name),
                joined: true,
            },
        }
    }

    /// The point's live state.
    pub fn snapshot(&self) -> PointSnapshot {
        let policies = match &self.kind {
            Kind::Function(site) => site.layers().iter().map(|layer| PolicySnapshot::of(*layer)).collect(),
            Kind::Breaker(breaker, ..) => vec![PolicySnapshot::of(breaker.layer())],
        };
        PointSnapshot { name: self.name(), calls: None, policies }
    }

    /// The breaker of the outermost `circuit_breaker` that has no key.
    pub fn breaker(&self) -> Option<BreakerHandle> {
        match &self.kind {
            Kind::Function(_) => self.policy().map(BreakerHandle::Function),
            Kind::Breaker(breaker, ..) => Some(BreakerHandle::Joined(breaker.clone())),
        }
    }

    /// The state that the policies of this point keep for `key`, as the key reads.
    pub fn key(&self, key: impl Into<String>) -> PointKey {
        PointKey { point: self.clone(), key: key.into() }
    }

    /// The first policy of type `T` in the stack of a function, outermost first.
    pub(crate) fn policy<T: 'static>(&self) -> Option<&'static T> {
        match self.kind {
            Kind::Function(site) => site.layers().iter().find_map(|layer| layer.policy().downcast_ref()),
            Kind::Breaker(..) => None,
        }
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
    fn of(point: &'static PointSite) -> Self {
        let place = point.place();
        let layers = point.layers();
        Self {
            name: point.name(),
            file: place.file(),
            line: place.line(),
            stack: layers.iter().map(|layer| PolicyInfo::of(*layer)).collect(),
            max_calls: layers.iter().map(|layer| layer.calls()).fold(1, u64::saturating_mul),
            worst_case: layers.iter().rev().fold(None, |inner, layer| layer.worst(inner)),
            ambiguous: point.is_ambiguous(),
            joined: false,
        }
    }
}

impl PolicyInfo {
    fn of(layer: &dyn Layer) -> Self {
        Self { kind: layer.kind(), settings: layer.settings() }
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
        match (self.ambiguous, self.joined) {
            (false, _) => {}
            (true, true) => f.write_str("; shares its name: give the breaker another")?,
            (true, false) => {
                let function = self.name.rsplit("::").next().unwrap_or("");
                let function = function.split('#').next().unwrap_or(function);
                write!(f, "; shares its name: write `name = \"Type::{function}\"`")?;
            }
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
