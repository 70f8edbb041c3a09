//! The inventory: every annotated function of the binary, before its first call and after.

use super::layer::{KeySnapshot, Layer};
use super::site::{POINTS_0_1, PointSite, table};
use crate::base::name::PointName;
use crate::base::setting::Effective;
use crate::base::site::Site;
use crate::policy::keyed::Keyed;
use crate::policy::{CircuitBreaker, CircuitBreakers, State};
use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::panic::Location;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

/// One annotated function, as written.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
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
    /// How often one call runs the body at most; `u64::MAX` while that is not known, for a retry that the
    /// program owns and has not used yet.
    pub max_calls: u64,
    /// How long one call takes at most, if a timeout bounds it.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "worst_case_s", serialize_with = "crate::base::serialise::seconds")
    )]
    pub worst_case: Option<Duration>,
    /// Whether another point has the same name, so that this one got, or gave away, a number.
    pub ambiguous: bool,
    /// Whether it is a breaker, or a set of them, that joined by hand.
    #[cfg_attr(feature = "serde", serde(skip))]
    joined: bool,
}

/// One policy of a point with its effective settings.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PolicyInfo {
    /// The policy's name, as in its attribute.
    pub kind: &'static str,
    /// Every setting with its effective value. They are serialised as a map of texts, as an attribute spells them.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::base::serialise::settings"))]
    pub settings: Vec<Effective>,
}

/// The live state of every point; see [`snapshot`].
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Snapshot {
    /// One entry a point, sorted by name.
    pub points: Vec<PointSnapshot>,
}

/// The live state of one point.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
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
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct PolicySnapshot {
    /// The policy's name, as in its attribute.
    pub kind: &'static str,
    /// The state in a word, for a policy that has one: `"closed"`.
    pub state: Option<&'static str>,
    /// What was counted since the program started, for all keys together.
    #[cfg_attr(feature = "serde", serde(serialize_with = "crate::base::serialise::map"))]
    pub counters: Vec<(&'static str, u64)>,
    /// The state for each key, sorted by key; empty on a policy without keys.
    pub keys: Vec<KeySnapshot>,
}

/// What joined the inventory by hand: breakers for as long as they live, and sets of breakers.
#[derive(Debug, Default)]
struct Joined {
    /// By their own name: what has it, each at the index of its number. The first is `name`, the second
    /// `name#2`, ..
    groups: HashMap<PointName, Vec<Member>>,
    /// How many members there are, dead ones included.
    members: usize,
    /// How many members are allowed before dead ones are removed.
    bound: usize,
}

#[derive(Clone, Debug)]
struct Member {
    handle: Handle,
    place: &'static Location<'static>,
    /// The name in the inventory.
    name: PointName,
}

#[derive(Clone, Debug)]
enum Handle {
    Breaker(Weak<CircuitBreaker>),
    Set(&'static CircuitBreakers),
}

impl Handle {
    fn is_alive(&self) -> bool {
        match self {
            Self::Breaker(breaker) => breaker.strong_count() > 0,
            Self::Set(_) => true,
        }
    }

    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Breaker(breaker), Self::Breaker(other)) => breaker.ptr_eq(other),
            (Self::Set(set), Self::Set(other)) => std::ptr::eq(*set, *other),
            _ => false,
        }
    }
}

impl Member {
    fn point(&self) -> Option<Point> {
        let kind = match &self.handle {
            Handle::Breaker(breaker) => Kind::Breaker(breaker.upgrade()?, self.place, self.name.clone()),
            Handle::Set(set) => Kind::Set(set, self.place, self.name.clone()),
        };
        Some(Point { kind })
    }
}

impl Joined {
    /// Adds `handle` under the next free name that its own name leads to, unless it is there.
    fn join(&mut self, own: &PointName, handle: Handle, place: &'static Location<'static>) {
        if self.members >= self.bound {
            self.sweep();
        }
        let group = self.groups.get(own).map_or(&[][..], |group| group);
        if group.iter().any(|member| member.handle.is(&handle)) {
            return;
        }
        let free =
            (1..).filter(|number| group.get(number - 1).is_none_or(|member| !member.handle.is_alive()));
        let mut names = free.map(|number| match number {
            1 => (number, own.clone()),
            _ => (number, PointName::from(format!("{own}#{number}"))),
        });
        let Some((number, name)) = names.find(|(_, name)| !self.is_taken(name)) else { return };
        let group = self.groups.entry(own.clone()).or_default();
        while group.len() < number {
            // A number that belongs to a function, or to another group, stays dead here.
            group.push(Member { handle: Handle::Breaker(Weak::new()), place, name: own.clone() });
            self.members += 1;
        }
        if let Some(slot) = group.get_mut(number - 1) {
            *slot = Member { handle, place, name };
        }
    }

    /// Whether a function, or something whose own name it is, has this name.
    fn is_taken(&self, name: &PointName) -> bool {
        let first = self.groups.get(name).and_then(|group| group.first());
        table().point(name).is_some() || first.is_some_and(|member| member.handle.is_alive())
    }

    /// What is called `name`: the first of its group, or the one with the number after the `#`.
    fn find(&self, name: &str) -> Option<&Member> {
        let numbered = || {
            let (own, number) = name.rsplit_once('#')?;
            self.groups.get(own)?.get(number.parse::<usize>().ok()?.checked_sub(1)?)
        };
        let first = self.groups.get(name).and_then(|group| group.first());
        let is_called = |member: &&Member| *member.name == *name && member.handle.is_alive();
        first.filter(is_called).or_else(|| numbered().filter(is_called))
    }

    /// Removes dead members, but for those in front of a living one.
    fn sweep(&mut self) {
        for group in self.groups.values_mut() {
            let living = group.iter().rposition(|member| member.handle.is_alive());
            group.truncate(living.map_or(0, |last| last + 1));
        }
        self.groups.retain(|_, group| !group.is_empty());
        self.members = self.groups.values().map(Vec::len).sum();
        self.bound = self.members * 2 + 64;
    }

    /// How many living members have this name of their own.
    fn sharing(&self, own: &str) -> usize {
        let group = self.groups.get(own).map_or(&[][..], |group| group);
        group.iter().filter(|member| member.handle.is_alive()).count()
    }
}

static JOINED: Site<Mutex<Option<Joined>>> = Site::new(Mutex::new(None), || Mutex::new(None));

fn with_joined<R>(work: impl FnOnce(&mut Joined) -> R) -> R {
    work(JOINED.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_default())
}

/// Every point there is now, and whether its name is shared: annotated functions, and what joined and lives.
fn all() -> Vec<(Point, bool)> {
    with_joined(|joined| {
        let function = |site: &'static PointSite| {
            let is_shared = site.is_ambiguous() || joined.sharing(&site.name()) > 0;
            (Point { kind: Kind::Function(site) }, is_shared)
        };
        let mut all: Vec<_> = POINTS_0_1.iter().map(function).collect();
        for (own, group) in &joined.groups {
            let living: Vec<_> = group.iter().filter_map(Member::point).collect();
            let is_shared = living.len() > 1 || table().point(own).is_some();
            all.extend(living.into_iter().map(|point| (point, is_shared)));
        }
        all
    })
}

fn sorted() -> Vec<(Point, bool)> {
    let mut points = all();
    points.sort_by_cached_key(|(point, _)| point.name().to_string());
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
    sorted().iter().map(|(point, is_shared)| point.info_if(*is_shared)).collect()
}

/// The live state and counters of every point, sorted by name.
pub fn snapshot() -> Snapshot {
    Snapshot { points: sorted().iter().map(|(point, _)| point.snapshot()).collect() }
}

/// The point called `name`, as [`points`] spells it.
pub fn point(name: &str) -> Option<Point> {
    let function = table().point(name).map(|site| Point { kind: Kind::Function(site) });
    function.or_else(|| with_joined(|joined| joined.find(name).and_then(Member::point)))
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
    Set(&'static CircuitBreakers, &'static Location<'static>, PointName),
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
        with_joined(|joined| joined.join(&own, Handle::Breaker(Arc::downgrade(breaker)), place));
    }

    /// Adds a set of breakers to the inventory, under its name, with a row for each key.
    ///
    /// Names that meet are told apart as [`register`](Self::register) does.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{CircuitBreakers, Point, point};
    ///
    /// static HOSTS: CircuitBreakers = CircuitBreakers::new().name("hosts");
    ///
    /// Point::register_set(&HOSTS);
    /// HOSTS.get("example.org").force_open();
    /// let keys = point("hosts").unwrap().keys();
    /// assert_eq!((keys[0].key(), keys[0].to_string()), ("example.org", "example.org: forced_open".to_owned()));
    /// ```
    #[track_caller]
    pub fn register_set(set: &'static CircuitBreakers) {
        let place = Location::caller();
        with_joined(|joined| joined.join(&PointName::new(set.own_name()), Handle::Set(set), place));
    }

    /// The name, unique in the inventory.
    pub fn name(&self) -> PointName {
        match &self.kind {
            Kind::Function(site) => site.name(),
            Kind::Breaker(_, _, name) | Kind::Set(_, _, name) => name.clone(),
        }
    }

    /// The point as written.
    pub fn info(&self) -> PointInfo {
        let sharing = |own: &str| with_joined(|joined| joined.sharing(own));
        let is_shared = |own: &str| table().point(own).is_some() || sharing(own) > 1;
        self.info_if(match &self.kind {
            Kind::Function(site) => site.is_ambiguous() || sharing(&site.name()) > 0,
            Kind::Breaker(breaker, ..) => is_shared(&breaker.snapshot().name),
            Kind::Set(set, ..) => is_shared(set.own_name()),
        })
    }

    /// The same, where it is known whether its name is shared.
    fn info_if(&self, is_shared: bool) -> PointInfo {
        let place = match &self.kind {
            Kind::Function(site) => return PointInfo { ambiguous: is_shared, ..PointInfo::of(site) },
            Kind::Breaker(_, place, _) | Kind::Set(_, place, _) => place,
        };
        PointInfo {
            name: self.name(),
            file: place.file(),
            line: place.line(),
            stack: self.layers().map(PolicyInfo::of).collect(),
            max_calls: 1,
            worst_case: None,
            ambiguous: is_shared,
            joined: true,
        }
    }

    /// The layers of the stack, outermost first.
    fn layers(&self) -> impl Iterator<Item = &dyn Layer> {
        let (many, one) = match &self.kind {
            Kind::Function(site) => (site.layers(), None),
            Kind::Breaker(breaker, ..) => (&[][..], Some(breaker.layer())),
            Kind::Set(set, ..) => (&[][..], Some(set.layer())),
        };
        many.iter().copied().chain(one)
    }

    /// The point's live state.
    pub fn snapshot(&self) -> PointSnapshot {
        let policies = self.layers().map(PolicySnapshot::of).collect();
        PointSnapshot { name: self.name(), calls: None, policies }
    }

    /// The breaker of the outermost `circuit_breaker` that has no key.
    pub fn breaker(&self) -> Option<BreakerHandle> {
        match &self.kind {
            Kind::Function(_) => self.policy().map(BreakerHandle::Function),
            Kind::Breaker(breaker, ..) => Some(BreakerHandle::Joined(breaker.clone())),
            Kind::Set(..) => None,
        }
    }

    /// Returns the keys for which the keyed breaker of this point, or its set of breakers, has state, sorted.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{State, circuit_breaker, point};
    /// use std::io;
    ///
    /// #[circuit_breaker(threshold = 1, key = host, name = "fetch")]
    /// fn fetch(host: &str) -> io::Result<()> {
    ///     if host == "down" { Err(io::ErrorKind::ConnectionRefused.into()) } else { Ok(()) }
    /// }
    ///
    /// let _ = (fetch("up"), fetch("down"));
    /// let open: Vec<_> = point("fetch").unwrap().keys().into_iter().filter(|key| key.state() == Some(State::Open)).collect();
    /// assert_eq!((open.len(), open[0].key()), (1, "down"));
    /// ```
    pub fn keys(&self) -> Vec<PointKey> {
        let keys = match &self.kind {
            Kind::Function(_) => self.policy::<Keyed<CircuitBreaker>>().map_or_else(Vec::new, Keyed::keys),
            Kind::Breaker(..) => Vec::new(),
            Kind::Set(set, ..) => set.keys(),
        };
        keys.into_iter().map(|key| self.key(key)).collect()
    }

    /// The state that the policies of this point keep for `key`, as the key reads.
    pub fn key(&self, key: impl Into<String>) -> PointKey {
        PointKey { point: self.clone(), key: key.into() }
    }

    /// The first policy of type `T` in the stack of a function, outermost first.
    pub(crate) fn policy<T: 'static>(&self) -> Option<&'static T> {
        match self.kind {
            Kind::Function(site) => site.layers().iter().find_map(|layer| layer.policy().downcast_ref()),
            Kind::Breaker(..) | Kind::Set(..) => None,
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
    pub(crate) const fn point(&self) -> &Point {
        &self.point
    }

    /// Returns the key, as text.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Returns the breaker of this key, if the point has a keyed breaker and the key has been used.
    pub fn breaker(&self) -> Option<Arc<CircuitBreaker>> {
        match &self.point.kind {
            Kind::Set(set, ..) => set.peek(&self.key),
            _ => self.point.policy::<Keyed<CircuitBreaker>>()?.peek(&self.key),
        }
    }

    /// Returns the state of this key's breaker, if it has one.
    pub fn state(&self) -> Option<State> {
        self.breaker().map(|breaker| breaker.state())
    }
}

impl fmt::Display for PointKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.state() {
            Some(state) => write!(f, "{}: {state}", self.key),
            None => f.write_str(&self.key),
        }
    }
}

/// The point as [`PointInfo`] reads.
impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.info().fmt(f)
    }
}

impl fmt::Display for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut points = self.points.iter();
        points.next().map_or(Ok(()), |first| first.fmt(f))?;
        points.try_for_each(|point| write!(f, "\n{point}"))
    }
}

impl fmt::Display for PointSnapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        self.policies.iter().try_for_each(|policy| write!(f, "\n    {policy}"))
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

#[cfg(feature = "serde")]
mod serialise {
    use super::{Point, PointKey};
    use serde::ser::{Serialize, SerializeStruct as _, Serializer};

    /// As its [`PointInfo`](super::PointInfo).
    impl Serialize for Point {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.info().serialize(serializer)
        }
    }

    /// `{point, key, state}`.
    impl Serialize for PointKey {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut key = serializer.serialize_struct("PointKey", 3)?;
            key.serialize_field("point", &self.point.name())?;
            key.serialize_field("key", &self.key)?;
            key.serialize_field("state", &self.state())?;
            key.end()
        }
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
            ambiguous: false,
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
        Self { kind: layer.kind(), state: layer.state(), counters: layer.counters(), keys: layer.keys() }
    }
}

impl fmt::Display for PointInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}:{}) ", self.name, self.file, self.line)?;
        match self.max_calls {
            1 => f.write_str("up to 1 call")?,
            u64::MAX => f.write_str("any number of calls")?,
            many => write!(f, "up to {many} calls")?,
        }
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
        let settings: Vec<_> = self.settings.iter().map(ToString::to_string).collect();
        write!(f, "{}({})", self.kind, settings.join(", "))
    }
}
