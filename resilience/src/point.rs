//! A point: one annotated function, its name, and the layers of its stack.

mod names;

pub(crate) use names::table;

use crate::base::setting::Effective;
use crate::classify::PointErrors;
use crate::site::Site;
use linkme::distributed_slice;
use std::any::Any;
use std::fmt;
use std::ops::Deref;
use std::panic::Location;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// Every point of the binary, filled in by the linker.
///
/// The name carries the version, so that two versions of the crate in one binary do not meet.
#[distributed_slice]
#[doc(hidden)]
pub static POINTS_0_1: [PointSite];

/// The name of a point or of a policy made by hand; cheap to clone, reads as a `str`.
#[derive(Clone)]
pub struct PointName(Kept);

#[derive(Clone)]
enum Kept {
    Static(&'static str),
    Shared(Arc<str>),
    /// Read only when it is asked for: until then it need not be known which points share a name.
    Point(&'static PointSite),
}

impl PointName {
    /// A name known when the program is compiled.
    pub const fn new(name: &'static str) -> Self {
        Self(Kept::Static(name))
    }

    /// The name of an annotated function, unique in the binary.
    #[inline]
    pub(crate) const fn of(point: &'static PointSite) -> Self {
        Self(Kept::Point(point))
    }

    /// What distinguishes the stack of this point from another one's: its address, or 0 for a policy made by hand.
    pub(crate) fn stack(&self) -> usize {
        match self.0 {
            Kept::Point(point) => point.stack(),
            Kept::Static(_) | Kept::Shared(_) => 0,
        }
    }
}

#[cfg(feature = "serde")]
impl serde::Serialize for PointName {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self)
    }
}

/// Two names that read the same are the same.
impl std::hash::Hash for PointName {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl std::borrow::Borrow<str> for PointName {
    fn borrow(&self) -> &str {
        self
    }
}

impl From<String> for PointName {
    fn from(name: String) -> Self {
        Self(Kept::Shared(name.into()))
    }
}

impl From<&'static str> for PointName {
    fn from(name: &'static str) -> Self {
        Self::new(name)
    }
}

impl Deref for PointName {
    type Target = str;

    fn deref(&self) -> &str {
        match &self.0 {
            Kept::Static(name) => name,
            Kept::Shared(name) => name,
            Kept::Point(point) => point.unique(),
        }
    }
}

impl PartialEq for PointName {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for PointName {}

impl fmt::Debug for PointName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl fmt::Display for PointName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}

/// What the inventory asks of one layer of a stack; policies do not know each other, only this.
#[doc(hidden)]
pub trait Layer: Sync + fmt::Debug {
    /// The policy's name, as in its attribute.
    fn kind(&self) -> &'static str;
    /// The effective settings, defaults included.
    fn settings(&self) -> Vec<Effective>;
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
}

/// The live state that a policy keeps for one key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct KeySnapshot {
    /// The key, as text.
    pub key: String,
    /// The state in a word: `"closed"`.
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
        write!(f, "{}: {}", self.key, self.state)?;
        if let Some(wait) = self.retry_after {
            write!(f, " for {wait:?}")?;
        }
        self.counters.iter().try_for_each(|(name, count)| write!(f, ", {name} {count}"))
    }
}

/// Made once for all points: the compiler's own time.
#[expect(clippy::declare_interior_mutable_const, reason = "every point gets a copy of its own")]
const NO_ERRORS: Site<PointErrors> = Site::new(PointErrors::new(), PointErrors::new);

/// The `static` of one annotated function.
#[doc(hidden)]
#[derive(Debug)]
pub struct PointSite {
    module: &'static str,
    function: &'static str,
    name: Option<&'static str>,
    place: &'static Location<'static>,
    layers: &'static [&'static dyn Layer],
    unique: OnceLock<&'static str>,
    errors: Site<PointErrors>,
}

impl PointSite {
    /// The point of `module::function` with its layers, outermost first; its location is where this is called.
    #[track_caller]
    pub const fn new(
        module: &'static str,
        function: &'static str,
        layers: &'static [&'static dyn Layer],
    ) -> Self {
        let place = Location::caller();
        Self { module, function, name: None, place, layers, unique: OnceLock::new(), errors: NO_ERRORS }
    }

    /// The failed attempts of this point.
    pub(crate) fn errors(&self) -> &PointErrors {
        &self.errors
    }

    /// Gives the point a name of its own in place of its path.
    pub const fn named(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    /// The name as written, not yet told apart from others that read the same.
    fn written(&self) -> String {
        match self.name {
            Some(name) => name.to_owned(),
            None => format!("{}::{}", self.module, self.function),
        }
    }

    /// What records call the function: its name if it was given one, else crate and function without the
    /// modules between, so that it can be moved.
    #[cfg(feature = "durable")]
    pub(crate) fn identity(&self) -> String {
        match self.name {
            Some(name) => name.to_owned(),
            None => format!("{}::{}", self.module.split("::").next().unwrap_or(self.module), self.function),
        }
    }

    /// Whether another point has the same name as written.
    pub(crate) fn is_ambiguous(&'static self) -> bool {
        table().is_ambiguous(self)
    }

    /// The name, unique in the binary: points that share one are `name`, `name#2`, .. in order of file and
    /// line, then of their place in the table.
    #[inline]
    pub const fn name(&'static self) -> PointName {
        PointName::of(self)
    }

    fn unique(&'static self) -> &'static str {
        self.unique.get_or_init(|| {
            // A static outside of the table is one of a test.
            table().name(self).unwrap_or_else(|| self.written().leak())
        })
    }

    pub(crate) fn place(&self) -> &'static Location<'static> {
        self.place
    }

    pub(crate) fn layers(&self) -> &'static [&'static dyn Layer] {
        self.layers
    }

    pub(crate) fn stack(&self) -> usize {
        std::ptr::from_ref(self).addr()
    }
}
