//! A point: one annotated function, its name, and the layers of its stack.
//!
//! # How points are found
//!
//! An expansion declares its `PointSite` as an element of a distributed slice: the linker (`linkme`) puts those of
//! all crates next to each other. So the inventory has every function before its first call, and a call pays nothing
//! for it. The table of names is made at the first question for a name.
//!
//! # Names
//!
//! A point is called what its attribute says (`name = ".."`), else by the path of its function. Two functions can
//! have one path: two blocks, two `impl`s, two instances of a macro. They get `#2`, `#3`, .. in the order of file,
//! line and column, which is the same in every build of the same source; a note in the inventory asks for a name,
//! since an edit can change that order.
//!
//! Durable records use [`PointSite::identity`] instead: crate and function without the modules, so that
//! moving a function into another module keeps its records.

#[cfg(feature = "ops")]
use super::calls::{PointCalls, RunningCall};
#[cfg(feature = "ops")]
use super::durations::Durations;
use super::layer::Layer;
use super::names::unique;
use crate::base::linked::linked;
use crate::base::name::{Named, PointName};
use crate::base::repeats::Repeats;
use crate::base::scope::Stack;
use crate::base::site::Site;
use crate::failure::errors::PointErrors;
use std::collections::HashMap;
use std::panic::Location;
use std::sync::OnceLock;

linked! {
    /// Every point of the binary, filled in by the linker.
    ///
    /// The name carries the version, so that two versions of the crate in one binary do not meet.
    pub static POINTS_0_1: [PointSite];
}

/// Made once for all points: the compiler's own time.
#[expect(clippy::declare_interior_mutable_const, reason = "every point gets a copy of its own")]
const NO_ERRORS: Site<PointErrors> = Site::new(PointErrors::new(), PointErrors::new);

#[cfg(feature = "ops")]
#[expect(clippy::declare_interior_mutable_const, reason = "every point gets a copy of its own")]
const NO_CALLS: Site<PointCalls> = Site::new(PointCalls::new(), PointCalls::new);

/// The `static` of one annotated function.
///
/// Its address identifies the point. The name is found once, at its first use.
#[doc(hidden)]
#[derive(Debug)]
pub struct PointSite {
    module: &'static str,
    function: &'static str,
    name: Option<&'static str>,
    place: &'static Location<'static>,
    layers: &'static [&'static dyn Layer],
    /// Whether its attributes have `timed`.
    #[cfg(feature = "ops")]
    is_timed: bool,
    unique: OnceLock<&'static str>,
    errors: Site<PointErrors>,
    #[cfg(feature = "ops")]
    calls: Site<PointCalls>,
}

impl PointSite {
    /// Creates the point of `module::function` with its layers, outermost first; its location is that of the call.
    #[track_caller]
    pub const fn new(
        module: &'static str,
        function: &'static str,
        layers: &'static [&'static dyn Layer],
    ) -> Self {
        let place = Location::caller();
        Self {
            module,
            function,
            name: None,
            place,
            layers,
            #[cfg(feature = "ops")]
            is_timed: false,
            unique: OnceLock::new(),
            errors: NO_ERRORS,
            #[cfg(feature = "ops")]
            calls: NO_CALLS,
        }
    }

    /// Returns the calls of this point.
    #[cfg(feature = "ops")]
    #[inline]
    pub(crate) fn calls(&'static self) -> &'static PointCalls {
        &self.calls
    }

    /// Returns the failed attempts of this point.
    pub(crate) fn errors(&self) -> &PointErrors {
        &self.errors
    }

    /// Begins a call.
    #[cfg(feature = "ops")]
    #[inline]
    pub fn call(&'static self) -> RunningCall {
        RunningCall::begin(&self.calls, false)
    }

    /// Begins a call whose duration is measured, unless a configuration says otherwise.
    #[cfg(feature = "ops")]
    pub fn timed_call(&'static self) -> RunningCall {
        RunningCall::begin(&self.calls, true)
    }

    /// Returns where the durations of a running call are counted; `None` while calls are not timed.
    #[cfg(feature = "ops")]
    pub(crate) fn durations(&'static self) -> Option<&'static Durations> {
        self.calls().durations(self.is_timed)
    }

    /// Sets a name in place of the path.
    pub const fn named(mut self, name: &'static str) -> Self {
        self.name = Some(name);
        self
    }

    /// Sets that its attributes have `timed`: the expansion calls [`timed_call`](Self::timed_call).
    #[cfg(feature = "ops")]
    pub const fn timed(mut self) -> Self {
        self.is_timed = true;
        self
    }

    /// Returns whether its attributes have `timed`.
    #[cfg(feature = "ops")]
    pub(crate) const fn is_timed(&self) -> bool {
        self.is_timed
    }

    /// Returns the name that it was given in place of its path.
    #[cfg(feature = "durable")]
    pub(crate) const fn own_name(&self) -> Option<&'static str> {
        self.name
    }

    /// Returns the name as written, which other points may have, too.
    pub(crate) fn written(&self) -> String {
        match self.name {
            Some(name) => name.to_owned(),
            None => format!("{}::{}", self.module, self.function),
        }
    }

    /// Returns the name of the function in records: the name that it was given, else crate and function without the
    /// modules between, so that it can be moved.
    #[cfg(feature = "durable")]
    pub(crate) fn identity(&self) -> String {
        match self.name {
            Some(name) => name.to_owned(),
            None => format!("{}::{}", self.module.split("::").next().unwrap_or(self.module), self.function),
        }
    }

    /// Returns whether another point has the same name as written.
    ///
    /// Then its number depends on the order in the source, and the inventory has a note.
    pub(crate) fn is_ambiguous(&'static self) -> bool {
        table().is_ambiguous(self)
    }

    /// Returns the name, unique in the binary: points that share one are `name`, `name#2`, .. in order of file and
    /// line, then of their place in the table.
    #[inline]
    pub const fn name(&'static self) -> PointName {
        PointName::of(self)
    }

    pub(crate) fn place(&self) -> &'static Location<'static> {
        self.place
    }

    pub(crate) fn layers(&self) -> &'static [&'static dyn Layer] {
        self.layers
    }

    pub(crate) fn stack(&'static self) -> Stack {
        Stack::of(self)
    }
}

impl Repeats for &'static PointSite {
    fn point(&self) -> PointName {
        self.name()
    }
}

impl Named for PointSite {
    fn unique(&'static self) -> &'static str {
        self.unique.get_or_init(|| {
            // A static outside of the table is one of a test.
            table().name(self).unwrap_or_else(|| self.written().leak())
        })
    }

    #[cfg(feature = "ops")]
    fn acts_above(&self, kind: &str) -> bool {
        let mut above = self.layers.iter().map(|layer| layer.kind()).take_while(|above| *above != kind);
        above.any(|above| !PASSIVE.contains(&above))
    }
}

/// The policies that raise no event after one of a policy below them, except that a time is over.
#[cfg(feature = "ops")]
const PASSIVE: [&str; 4] = ["bulkhead", "rate_limit", "timeout", "with_lock"];

/// Returns the place in the table of the point whose `static` is at this address.
pub(super) fn index_of(address: usize) -> Option<usize> {
    Some(address.checked_sub(POINTS_0_1.as_ptr().addr())? / size_of::<PointSite>())
}

/// The name of each point, and the point of each name.
///
/// A point is found by its place among the `static`s of the section, without a search.
#[derive(Debug)]
pub(crate) struct Names {
    /// In the order of the points.
    names: Vec<Name>,
    points: HashMap<&'static str, usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Name {
    text: &'static str,
    is_ambiguous: bool,
}

/// Returns the table of the points of this binary.
pub(crate) fn table() -> &'static Names {
    static TABLE: OnceLock<Names> = OnceLock::new();
    TABLE.get_or_init(|| {
        let written = POINTS_0_1.iter().map(|site| {
            let place = site.place();
            (site.written(), (place.file(), place.line(), place.column()))
        });
        // Leaked once: they live as long as the points do.
        let leak = |(text, is_ambiguous): (String, bool)| Name { text: text.leak(), is_ambiguous };
        let names: Vec<_> = unique(&written.collect::<Vec<_>>()).into_iter().map(leak).collect();
        let points = names.iter().enumerate().map(|(n, name)| (name.text, n)).collect();
        Names { names, points }
    })
}

/// Notes that a call of the function called `point` was answered with less than its own result; nothing of a policy
/// that is used as a value.
#[cfg(feature = "ops")]
pub(crate) fn note_degraded(point: &PointName) {
    if let Some(site) = table().point(point) {
        site.calls().note_degraded();
    }
}

impl Names {
    pub(crate) fn name(&self, site: &'static PointSite) -> Option<&'static str> {
        self.of(site).map(|name| name.text)
    }

    pub(crate) fn is_ambiguous(&self, site: &'static PointSite) -> bool {
        self.of(site).is_some_and(|name| name.is_ambiguous)
    }

    /// Returns the point called `name`.
    pub(crate) fn point(&self, name: &str) -> Option<&'static PointSite> {
        self.points.get(name).and_then(|n| POINTS_0_1.get(*n))
    }

    fn of(&self, site: &'static PointSite) -> Option<&Name> {
        self.names.get(index_of(std::ptr::from_ref(site).addr())?)
    }
}
