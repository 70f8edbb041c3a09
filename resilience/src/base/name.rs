//! Names of points and policies.
//!
//! The name of an annotated function is `crate::module::function`, and two points can render the same one: functions
//! of a macro, or in two bodies. They get a suffix, which can be known only when all points are listed. So a point's
//! name is worked out when it is first read, and an event or an error carries a reference to the point, which costs
//! nothing until it is printed.

use super::scope::Stack;
use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// The name of a point or a policy; cheap to clone, reads as a `str`.
///
/// Two names that read the same are equal, and a map with names as keys can be asked with a `&str`.
///
/// # Examples
///
/// ```
/// use resilience::point::PointName;
/// use std::collections::HashMap;
///
/// const NAME: PointName = PointName::new("quote");
///
/// let counts = HashMap::from([(PointName::from("quote".to_owned()), 3)]);
/// assert_eq!(counts.get(&*NAME), Some(&3));
/// assert!(NAME.starts_with("quo"));
/// ```
#[derive(Clone)]
pub struct PointName(NameSource);

/// An item whose name is computed on first use: until then the other items with that name need not be known.
pub(crate) trait Named: Sync {
    /// Returns the name, which no other item has.
    fn unique(&'static self) -> &'static str;

    /// Returns whether a policy above that of this kind acts on the outcome of a call.
    #[cfg(feature = "ops")]
    fn acts_above(&self, kind: &str) -> bool;
}

/// The source of a name. Only [`Shared`](Self::Shared) owns memory, which all clones share.
#[derive(Clone)]
enum NameSource {
    /// A policy value that was named in the source.
    Static(&'static str),
    /// A name that was made at run time.
    Shared(Arc<str>),
    /// An annotated function.
    Named(&'static dyn Named),
}

impl PointName {
    /// Creates a name that is known at compile time; [`From`] takes one that is made at run time.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::point::PointName;
    ///
    /// const QUOTE: PointName = PointName::new("quote");
    /// assert_eq!(QUOTE.to_string(), "quote");
    /// ```
    pub const fn new(name: &'static str) -> Self {
        Self(NameSource::Static(name))
    }

    /// Creates the name of an annotated function, unique in the binary.
    #[inline]
    pub(crate) const fn of(point: &'static dyn Named) -> Self {
        Self(NameSource::Named(point))
    }

    /// Returns the address of the point's `static`; `None` for a policy that belongs to no annotated function.
    #[cfg(feature = "config")]
    #[inline]
    pub(crate) fn address(&self) -> Option<usize> {
        match self.0 {
            NameSource::Named(point) => Some(std::ptr::from_ref(point).addr()),
            NameSource::Static(_) | NameSource::Shared(_) => None,
        }
    }

    /// Returns whether the name is that of an annotated function with a policy above that of this kind which acts on
    /// the outcome of a call: calls again, answers in place of a failure, or reports the end.
    #[cfg(feature = "ops")]
    pub(crate) fn acts_above(&self, kind: &str) -> bool {
        matches!(self.0, NameSource::Named(point) if point.acts_above(kind))
    }

    /// Returns `stack`, or that of the point for a policy that is used as a value.
    #[inline]
    pub(crate) fn stack_or(&self, stack: Option<Stack>) -> Stack {
        stack.unwrap_or_else(|| self.stack())
    }

    /// Returns the stack of this point, which distinguishes it from others.
    #[inline]
    pub(crate) fn stack(&self) -> Stack {
        match self.0 {
            NameSource::Named(point) => Stack::of(point),
            NameSource::Static(_) | NameSource::Shared(_) => Stack::DIRECT,
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
        Self(NameSource::Shared(name.into()))
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
            NameSource::Static(name) => name,
            NameSource::Shared(name) => name,
            NameSource::Named(point) => point.unique(),
        }
    }
}

impl PartialEq for PointName {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for PointName {}

impl PartialOrd for PointName {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Orders names by their texts.
impl Ord for PointName {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (**self).cmp(&**other)
    }
}

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
