//! The inventory: every annotated function of the binary, before its first call and after.
//!
//! It joins two lists. The functions of the binary are known from the start, by the linker, and never change. A policy
//! that is a plain value joins by [`Point::register`]: a `static` permanently, an `Arc` until its last clone is
//! dropped. Of the latter only weak references are kept, so that the inventory keeps no policy alive; dead ones are
//! removed when the list has about doubled.
//!
//! Two members with one name are `name` and `name#2`. A number stays with its member for as long as it lives, and a
//! free one is used again, so that a program that makes and drops policies does not count up for ever.

use super::info::{PointInfo, PointSnapshot, PolicySnapshot, Snapshot};
use super::layer::Layer;
#[cfg(feature = "config")]
use super::overrides::of_one_generation;
use super::site::{POINTS_0_1, PointSite, table};
use crate::base::name::PointName;
use crate::base::site::Site;
use crate::base::sync::locked;
use std::any::Any;
use std::collections::HashMap;
use std::fmt;
use std::ops::Deref;
use std::panic::Location;
use std::sync::{Arc, Mutex, Weak};

/// The policies that the program registered: for as long as they live, or permanently as `static`s.
#[derive(Debug, Default)]
struct RegisteredPolicies {
    /// By their own name: what has it, each at the index of its number. The first is `name`, the second
    /// `name#2`, ..
    groups: HashMap<PointName, Vec<RegisteredPolicy>>,
    /// The number of members, dead ones included.
    members: usize,
    /// The number of members above which dead ones are removed.
    bound: usize,
}

#[derive(Clone, Debug)]
struct RegisteredPolicy {
    /// `None` where a number of the group belongs to a point of another name.
    handle: Option<Handle>,
    label: PolicyLabel,
}

/// The name of a registered policy.
#[derive(Clone, Debug)]
struct PolicyLabel {
    /// Its own name, in events and errors.
    own: PointName,
    /// The name in the inventory.
    name: PointName,
    place: &'static Location<'static>,
}

/// A policy that the program registers.
#[derive(Clone, Debug)]
pub(crate) enum Handle {
    /// Until the last `Arc` of it is dropped.
    Shared(Weak<dyn Layer>),
    Static(&'static dyn Layer),
}

impl Handle {
    fn is_alive(&self) -> bool {
        match self {
            Self::Shared(layer) => layer.strong_count() > 0,
            Self::Static(_) => true,
        }
    }

    fn is(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Shared(layer), Self::Shared(other)) => layer.ptr_eq(other),
            (Self::Static(layer), Self::Static(other)) => std::ptr::addr_eq(*layer, *other),
            _ => false,
        }
    }
}

/// A policy that can be registered.
#[doc(hidden)]
pub trait Registrable: Layer + Sized {
    /// Returns the name that the program gave it.
    fn own_name(&self) -> &PointName;
}

/// A handle to a policy of a point, which dereferences to that policy.
///
/// [`Point::breaker`], [`Point::bulkhead`] and their like return it. That of a function is a reference to its `static`;
/// that of a policy that [`Point::register`] added keeps the policy alive. It may be cloned, kept and sent to other
/// threads.
///
/// # Examples
///
/// A switch for operators that takes a function out of use and puts it back:
///
/// ```
/// use resilience::point::PolicyHandle;
/// use resilience::{CircuitBreaker, Rejected, State, circuit_breaker, point};
///
/// #[circuit_breaker(name = "orders::place")]
/// fn place(id: u32) -> Result<u32, Rejected> {
///     Ok(id)
/// }
///
/// let breaker: PolicyHandle<CircuitBreaker> = point("orders::place").unwrap().breaker().unwrap();
/// breaker.force_open();
/// assert!(place(7).is_err());
/// breaker.reset();
/// assert_eq!(place(7).unwrap(), 7);
/// assert_eq!(breaker.state(), State::Closed);
/// ```
#[derive(Debug)]
pub enum PolicyHandle<T: 'static> {
    /// The policy of an annotated function.
    #[doc(hidden)]
    Function(&'static T),
    /// A policy that the program registered.
    #[doc(hidden)]
    Joined(Arc<T>),
}

impl<T> Clone for PolicyHandle<T> {
    fn clone(&self) -> Self {
        match self {
            Self::Function(policy) => Self::Function(policy),
            Self::Joined(policy) => Self::Joined(policy.clone()),
        }
    }
}

impl<T> Deref for PolicyHandle<T> {
    type Target = T;

    fn deref(&self) -> &T {
        match self {
            Self::Function(policy) => policy,
            Self::Joined(policy) => policy,
        }
    }
}

impl<T: Layer> PolicyHandle<T> {
    /// Returns the policies of this kind that `point` has, outermost first.
    pub(crate) fn of(point: &Point) -> Option<Self> {
        let joined = || point.shared().map(Self::Joined);
        point.policy().map(Self::Function).or_else(joined)
    }
}

impl RegisteredPolicy {
    fn point(&self) -> Option<Point> {
        let kind = match self.handle.as_ref()? {
            Handle::Shared(layer) => Kind::Shared(layer.upgrade()?, self.label.clone()),
            Handle::Static(layer) => Kind::Static(*layer, self.label.clone()),
        };
        Some(Point { kind })
    }

    fn is_alive(&self) -> bool {
        self.handle.as_ref().is_some_and(Handle::is_alive)
    }
}

impl RegisteredPolicies {
    /// Adds `handle` under the next free name that its own name leads to, unless it is there.
    fn join(&mut self, own: &PointName, handle: Handle, place: &'static Location<'static>) {
        if self.members >= self.bound {
            self.sweep();
        }
        let group = self.groups.get(own).map_or(&[][..], |group| group);
        if group.iter().any(|member| member.handle.as_ref().is_some_and(|member| member.is(&handle))) {
            return;
        }
        let free = (1..).filter(|number| group.get(number - 1).is_none_or(|member| !member.is_alive()));
        let mut names = free.map(|number| match number {
            1 => (number, own.clone()),
            _ => (number, PointName::from(format!("{own}#{number}"))),
        });
        let Some((number, name)) = names.find(|(_, name)| !self.is_taken(name)) else { return };
        let group = self.groups.entry(own.clone()).or_default();
        while group.len() < number {
            // A number that belongs to a function, or to another group, stays dead here.
            let label = PolicyLabel { own: own.clone(), name: own.clone(), place };
            group.push(RegisteredPolicy { handle: None, label });
            self.members += 1;
        }
        if let Some(slot) = group.get_mut(number - 1) {
            *slot = RegisteredPolicy {
                handle: Some(handle),
                label: PolicyLabel { own: own.clone(), name, place },
            };
        }
    }

    /// Returns whether a function, or a member under its own name, has this name.
    fn is_taken(&self, name: &PointName) -> bool {
        let first = self.groups.get(name).and_then(|group| group.first());
        table().point(name).is_some() || first.is_some_and(RegisteredPolicy::is_alive)
    }

    /// Returns the member called `name`: the first of its group, or the one with the number after the `#`.
    fn find(&self, name: &str) -> Option<&RegisteredPolicy> {
        let numbered = || {
            let (own, number) = name.rsplit_once('#')?;
            self.groups.get(own)?.get(number.parse::<usize>().ok()?.checked_sub(1)?)
        };
        let first = self.groups.get(name).and_then(|group| group.first());
        let is_called = |member: &&RegisteredPolicy| *member.label.name == *name && member.is_alive();
        first.filter(is_called).or_else(|| numbered().filter(is_called))
    }

    /// Removes dead members, but for those in front of a living one.
    fn sweep(&mut self) {
        for group in self.groups.values_mut() {
            let living = group.iter().rposition(RegisteredPolicy::is_alive);
            group.truncate(living.map_or(0, |last| last + 1));
        }
        self.groups.retain(|_, group| !group.is_empty());
        self.members = self.groups.values().map(Vec::len).sum();
        self.bound = self.members * 2 + 64;
    }

    /// Returns how many living members have this name of their own.
    fn sharing(&self, own: &str) -> usize {
        let group = self.groups.get(own).map_or(&[][..], |group| group);
        group.iter().filter(|member| member.is_alive()).count()
    }
}

static JOINED: Site<Mutex<Option<RegisteredPolicies>>> = Site::new(Mutex::new(None), || Mutex::new(None));

/// Adds a policy that is called `own`.
pub(crate) fn join(own: &PointName, handle: Handle, place: &'static Location<'static>) {
    with_joined(|joined| joined.join(own, handle, place));
}

fn with_joined<R>(work: impl FnOnce(&mut RegisteredPolicies) -> R) -> R {
    work(locked(&JOINED).get_or_insert_default())
}

/// Returns every point, and whether its name is shared: annotated functions, and living members.
fn all() -> Vec<(Point, bool)> {
    with_joined(|joined| {
        let function = |site: &'static PointSite| {
            let is_shared = site.is_ambiguous() || joined.sharing(&site.name()) > 0;
            (Point { kind: Kind::Function(site) }, is_shared)
        };
        let mut all: Vec<_> = POINTS_0_1.iter().map(function).collect();
        for (own, group) in &joined.groups {
            let living: Vec<_> = group.iter().filter_map(RegisteredPolicy::point).collect();
            let is_shared = living.len() > 1 || table().point(own).is_some();
            all.extend(living.into_iter().map(|point| (point, is_shared)));
        }
        all
    })
}

fn sorted() -> Vec<(Point, bool)> {
    let mut points = all();
    points.sort_by_cached_key(|(point, _)| point.name());
    points
}

/// Returns every annotated function of the binary, sorted by name, whether it was called yet or not.
///
/// Policies that were added by [`Point::register`] are among them. The list is complete before `main`, because
/// the linker makes it; systems that it does not support (see [the limits](crate::guide::limits)) have none.
///
/// # Examples
///
/// ```
/// for point in resilience::points() {
///     println!("{point}");
/// }
/// ```
///
/// A test that no function of a module can run for longer than a request may take:
///
/// ```
/// use std::time::Duration;
///
/// for point in resilience::points().iter().filter(|point| point.name.starts_with("shop::api::")) {
///     let worst = point.worst_case.unwrap_or(Duration::MAX);
///     assert!(worst <= Duration::from_secs(30), "{point}");
/// }
/// ```
pub fn points() -> Vec<PointInfo> {
    of_one_generation(|| sorted().iter().map(|(point, is_shared)| point.info_if(*is_shared)).collect())
}

/// Returns what `read` returns: without configurations the settings are those in the code.
#[cfg(not(feature = "config"))]
fn of_one_generation<T>(read: impl Fn() -> T) -> T {
    read()
}

/// Returns the live state and counters of every point, sorted by name.
///
/// It reads atomics and takes short locks, so that it can be called at any time. Its cost grows with the
/// number of points and keys: for a page or an exporter, call it at most once a second.
///
/// # Examples
///
/// ```
/// use resilience::{circuit_breaker, snapshot};
///
/// #[circuit_breaker(threshold = 1, name = "geocode")]
/// fn geocode() -> std::io::Result<u32> {
///     Err(std::io::ErrorKind::ConnectionRefused.into())
/// }
///
/// geocode().unwrap_err();
/// let open: Vec<_> = snapshot()
///     .points
///     .into_iter()
///     .filter(|point| point.policies.iter().any(|policy| policy.state == Some("open")))
///     .map(|point| point.name.to_string())
///     .collect();
/// assert_eq!(open, ["geocode"]);
/// ```
pub fn snapshot() -> Snapshot {
    let points = sorted().iter().map(|(point, _)| point.snapshot()).collect();
    Snapshot { points, notes: super::notes::all() }
}

/// Finds the point called `name`, as [`points`] spells it.
///
/// # Examples
///
/// ```
/// use resilience::{circuit_breaker, point};
///
/// #[circuit_breaker(threshold = 3, name = "translate")]
/// fn translate() -> std::io::Result<u32> {
///     Ok(7)
/// }
///
/// # let _ = translate;
/// assert!(point("translate").is_some(), "before the first call");
/// assert!(point("translates").is_none());
/// ```
pub fn point(name: &str) -> Option<Point> {
    let function = table().point(name).map(|site| Point { kind: Kind::Function(site) });
    function.or_else(|| with_joined(|joined| joined.find(name).and_then(RegisteredPolicy::point)))
}

/// An annotated function, or a registered policy, to look at and to control.
///
/// It is cheap to clone. [`point`] finds one by name.
///
/// # Examples
///
/// Reading and resetting a breaker:
///
/// ```
/// use resilience::{State, circuit_breaker, point};
///
/// #[circuit_breaker(threshold = 1, recovery = 60s, name = "currency")]
/// fn currency() -> std::io::Result<u32> {
///     Err(std::io::ErrorKind::ConnectionRefused.into())
/// }
///
/// currency().unwrap_err();
/// let point = point("currency").unwrap();
/// let breaker = point.breaker().unwrap();
/// assert_eq!(breaker.state(), State::Open);
/// assert_eq!(breaker.snapshot().failures, 1);
///
/// breaker.reset();
/// assert_eq!(breaker.state(), State::Closed);
/// println!("{point}");
/// ```
#[derive(Clone)]
pub struct Point {
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Function(&'static PointSite),
    Shared(Arc<dyn Layer>, PolicyLabel),
    Static(&'static dyn Layer, PolicyLabel),
}

impl Point {
    /// Returns the name, unique in the inventory.
    pub fn name(&self) -> PointName {
        match &self.kind {
            Kind::Function(site) => site.name(),
            Kind::Shared(_, label) | Kind::Static(_, label) => label.name.clone(),
        }
    }

    /// Returns the point as written: its place, its policies and their settings.
    pub fn info(&self) -> PointInfo {
        let sharing = |own: &str| with_joined(|joined| joined.sharing(own));
        let is_shared = match &self.kind {
            Kind::Function(site) => site.is_ambiguous() || sharing(&site.name()) > 0,
            Kind::Shared(_, PolicyLabel { own, .. }) | Kind::Static(_, PolicyLabel { own, .. }) => {
                table().point(own).is_some() || sharing(own) > 1
            }
        };
        of_one_generation(|| self.info_if(is_shared))
    }

    /// Describes the point, where it is known whether its name is shared.
    fn info_if(&self, is_shared: bool) -> PointInfo {
        let mut info = match &self.kind {
            Kind::Function(site) => PointInfo::of(site),
            Kind::Shared(_, label) | Kind::Static(_, label) => {
                PointInfo::joined(self.name(), label.place, self.layers())
            }
        };
        info.ambiguous = is_shared;
        info
    }

    /// Returns the layers of the stack, outermost first.
    fn layers(&self) -> impl Iterator<Item = &dyn Layer> {
        let (many, one) = match &self.kind {
            Kind::Function(site) => (site.layers(), None),
            Kind::Shared(layer, _) => (&[][..], Some(&**layer)),
            Kind::Static(layer, _) => (&[][..], Some(*layer)),
        };
        many.iter().copied().chain(one)
    }

    /// Adds a policy of your own to the inventory, under its name, until the last `Arc` of it is dropped.
    ///
    /// While another point has that name it gets the next free number, `search backend#2`, which it keeps,
    /// and both are flagged as ambiguous; events and errors call it by its own name.
    ///
    /// Registering it twice adds it once. Only a weak reference is kept.
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
    pub fn register<P: Registrable>(policy: &Arc<P>) {
        let shared: Weak<P> = Arc::downgrade(policy);
        join(policy.own_name(), Handle::Shared(shared), Location::caller());
    }

    /// Returns the keys for which a policy of this point has state, sorted.
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
        let mut keys: Vec<_> = self.layers().flat_map(Layer::keys).map(|row| row.key).collect();
        keys.sort_unstable();
        keys.dedup();
        keys.into_iter().map(|key| self.key(key)).collect()
    }

    /// Returns the point's live state and counters.
    pub fn snapshot(&self) -> PointSnapshot {
        let policies = self.layers().map(PolicySnapshot::of).collect();
        #[cfg(feature = "ops")]
        let (calls, degraded) = match &self.kind {
            Kind::Function(site) => (Some(site.calls().read()), site.calls().is_degraded()),
            Kind::Shared(..) | Kind::Static(..) => (None, false),
        };
        #[cfg(not(feature = "ops"))]
        let (calls, degraded) = (None, false);
        PointSnapshot { name: self.name(), calls, degraded, policies }
    }

    /// Returns a handle to the state that the policies of this point keep for `key`, written as text.
    ///
    /// The key need not have been used yet.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{State, circuit_breaker, point};
    ///
    /// #[circuit_breaker(threshold = 1, key = host, name = "probe_host")]
    /// fn probe_host(host: &str) -> std::io::Result<()> {
    ///     Err(std::io::ErrorKind::ConnectionRefused.into())
    /// }
    ///
    /// let key = point("probe_host").unwrap().key("a.example");
    /// assert_eq!(key.state(), None, "not used yet");
    /// probe_host("a.example").unwrap_err();
    /// assert_eq!(key.state(), Some(State::Open));
    /// key.breaker().unwrap().reset();
    /// assert_eq!(key.to_string(), "a.example: closed");
    /// ```
    pub fn key(&self, key: impl Into<String>) -> PointKey {
        PointKey { point: self.clone(), key: key.into() }
    }

    /// Returns the first policy of type `T` in the stack of a function, outermost first, or the `static` that joined.
    pub(crate) fn policy<T: Layer>(&self) -> Option<&'static T> {
        match self.kind {
            Kind::Function(site) => site.layers().iter().find_map(|layer| layer.policy()),
            Kind::Static(layer, _) => layer.policy(),
            Kind::Shared(..) => None,
        }
    }

    /// Returns the policy of type `T` that joined until its last `Arc` is dropped.
    pub(crate) fn shared<T: Layer>(&self) -> Option<Arc<T>> {
        let Kind::Shared(layer, _) = &self.kind else { return None };
        let policy: Arc<dyn Any + Send + Sync> = layer.clone();
        policy.downcast().ok()
    }
}

/// One key of an annotated function, or of a registered set; see [`Point::key`].
///
/// It is a name, not a state: it may be kept although the key is evicted, and finds the present state when it is used.
/// [`breaker`](Self::breaker) and [`budget`](Self::budget) return that, and `None` after an eviction until the key is
/// used again.
///
/// # Examples
///
/// ```
/// use resilience::{State, circuit_breaker, point};
///
/// #[circuit_breaker(key = host, name = "mirror::fetch")]
/// fn fetch(host: &str) -> std::io::Result<usize> {
///     Ok(host.len())
/// }
///
/// # let _world = resilience::testing::isolate();
/// let key = point("mirror::fetch").unwrap().key("a.example");
/// assert!(key.breaker().is_none(), "not used yet");
/// fetch("a.example").unwrap();
/// assert_eq!(key.breaker().unwrap().state(), State::Closed);
/// assert_eq!(key.key(), "a.example");
/// ```
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
}

/// The point as [`PointInfo`] reads.
impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.info().fmt(f)
    }
}

#[cfg(feature = "serde")]
mod serialise {
    use super::Point;
    use serde::ser::{Serialize, Serializer};

    /// Serialises like its [`PointInfo`](crate::PointInfo).
    impl Serialize for Point {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            self.info().serialize(serializer)
        }
    }
}

impl fmt::Debug for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Point").field(&self.name()).finish()
    }
}
