//! Keys of any type: compared by an owned copy, borrowed while they are looked up.

use std::any::{Any, TypeId};
use std::borrow::Borrow;
use std::fmt;
use std::hash::{Hash, Hasher};

/// A key of a cache: a reference to what the result depends on, or a tuple of up to eight such references.
///
/// The key of a function is made of its arguments: `"a"` for one `&str`, `("a", &7)` for a `&str` and a number. The
/// types are those of the arguments, without their references: of an argument `id: u32` the key is `&7_u32`, and `&7`,
/// an `i32`, is another one. A reference to a tuple is not a tuple of references: `&("a".to_owned(), 7)` is the key
/// where `key = pair` names one argument that is a tuple.
///
/// # Examples
///
/// ```
/// use resilience::policy::Cache;
/// use std::time::Duration;
///
/// static PRICES: Cache = Cache::new("prices");
///
/// PRICES.put(("ACME", &7_u32), 100_u64);
/// assert_eq!(PRICES.get(("ACME", &7_u32), Duration::MAX), Some(100_u64));
/// assert_eq!(PRICES.get::<u64>(("ACME", &8_u32), Duration::MAX), None);
/// ```
pub trait CacheKey: Copy {
    /// The form of the key that a cache keeps.
    type Owned: Eq + Send + Sync + 'static;

    /// Adds the key to a hash.
    fn hash_key(&self, hasher: &mut dyn Hasher);

    /// Returns whether `owned` is this key.
    ///
    /// Distinguishes keys with equal hashes, outside of all locks.
    fn is_key(&self, owned: &Self::Owned) -> bool;

    /// Returns a copy that a cache can keep.
    ///
    /// It is called when no value was found, before the body runs, and by [`put`](super::Cache::put).
    fn to_key(&self) -> Self::Owned;
}

/// Is what a cache can have in its keys: anything with `Clone`, `Eq` and `Hash` that borrows nothing, and `str`,
/// slices, `Path`, .., of which an owned copy is kept.
///
/// A float is not `Eq`, a client is not `Hash`: write what distinguishes them, `key = client.host()`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be part of the key of a cache",
    label = "lacks `Eq`, `Hash` or `Clone`",
    note = "write what the result depends on in the attribute: `key = id`, or `key = (host, id)`"
)]
/// A part of the key of a cache.
///
/// `Eq` and `Hash` have to agree, also between the borrowed and the owned form. The owned copy is made once for each
/// key that is not found, not for each look-up.
///
/// # Examples
///
/// A type of your own needs three derives:
///
/// ```
/// use resilience::policy::Cache;
/// use std::time::Duration;
///
/// #[derive(Clone, PartialEq, Eq, Hash)]
/// enum Unit {
///     Metre,
///     Foot,
/// }
///
/// static HEIGHTS: Cache = Cache::new("heights");
///
/// HEIGHTS.put(("K2", &Unit::Metre), 8_611_u32);
/// assert_eq!(HEIGHTS.get(("K2", &Unit::Metre), Duration::MAX), Some(8_611_u32));
/// assert_eq!(HEIGHTS.get::<u32>(("K2", &Unit::Foot), Duration::MAX), None);
/// ```
pub trait KeyPart: Eq + Hash + ToOwned<Owned: Borrow<Self> + Eq + Send + Sync + 'static> {}

#[diagnostic::do_not_recommend]
impl<P: ?Sized + Eq + Hash + ToOwned<Owned: Eq + Send + Sync + 'static>> KeyPart for P {}

impl<P: KeyPart + ?Sized> CacheKey for &P {
    type Owned = P::Owned;

    fn hash_key(&self, mut hasher: &mut dyn Hasher) {
        (**self).hash(&mut hasher);
    }

    fn is_key(&self, owned: &P::Owned) -> bool {
        owned.borrow() == *self
    }

    fn to_key(&self) -> P::Owned {
        (**self).to_owned()
    }
}

/// The key of a function without arguments.
impl CacheKey for () {
    type Owned = ();

    fn hash_key(&self, _: &mut dyn Hasher) {}

    fn is_key(&self, (): &()) -> bool {
        true
    }

    fn to_key(&self) {}
}

macro_rules! tuples {
    ($(($($part:ident $at:tt),*))*) => {$(
        impl<$($part: CacheKey),*> CacheKey for ($($part,)*) {
            type Owned = ($($part::Owned,)*);

            fn hash_key(&self, hasher: &mut dyn Hasher) {
                $(self.$at.hash_key(hasher);)*
            }

            fn is_key(&self, owned: &Self::Owned) -> bool {
                true $(&& self.$at.is_key(&owned.$at))*
            }

            fn to_key(&self) -> Self::Owned {
                ($(self.$at.to_key(),)*)
            }
        }
    )*};
}

tuples! {
    (A 0)
    (A 0, B 1)
    (A 0, B 1, C 2)
    (A 0, B 1, C 2, D 3)
    (A 0, B 1, C 2, D 3, E 4)
    (A 0, B 1, C 2, D 3, E 4, F 5)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6)
    (A 0, B 1, C 2, D 3, E 4, F 5, G 6, H 7)
}

/// A reference to what a part of a key is; of a reference, what that refers to.
#[derive(Debug)]
#[doc(hidden)]
pub struct Part<'a, T: ?Sized>(pub &'a T);

impl<'a, T: ?Sized> Part<'_, &'a T> {
    /// Returns the target of the reference.
    pub fn __part(self) -> &'a T {
        self.0
    }
}

/// The other case of [`Part`]: found only if the inherent method does not apply.
#[doc(hidden)]
pub trait PartFallback<'a> {
    /// The part's type.
    type Part: ?Sized;

    /// Returns the part itself.
    fn __part(self) -> &'a Self::Part;
}

impl<'a, T: ?Sized> PartFallback<'a> for Part<'a, T> {
    type Part = T;

    fn __part(self) -> &'a T {
        self.0
    }
}

/// Returns a part of a key: an error about its type is reported where this is called.
#[doc(hidden)]
#[inline]
pub const fn key_part<P: KeyPart + ?Sized>(part: &P) -> &P {
    part
}

/// The types and constants that a generic function was called with: part of its keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[doc(hidden)]
pub struct GenericArgs {
    types: Option<TypeId>,
    /// The types of arguments whose type has no name.
    unnamed: Vec<TypeId>,
    constants: Vec<u128>,
}

impl GenericArgs {
    /// The types of a function that has neither.
    pub const NONE: Self = Self { types: None, unnamed: Vec::new(), constants: Vec::new() };

    /// Returns the types in `T`, without their lifetimes.
    pub fn of<T: ?Sized>() -> Self {
        Self { types: Some(typeid::of::<T>()), ..Self::NONE }
    }

    /// Adds the type of an argument.
    pub fn argument<T: ?Sized>(mut self, _: &T) -> Self {
        self.unnamed.push(typeid::of::<T>());
        self
    }

    /// Adds the value of a constant parameter.
    pub fn constant(mut self, value: u128) -> Self {
        self.constants.push(value);
        self
    }
}

/// The shape of a key's values: values of one type, of a function that was called with certain types.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct KeyShape {
    pub(super) ids: GenericArgs,
    pub(super) value: TypeId,
}

impl KeyShape {
    /// Returns the shape of values that were put directly, and of functions without type parameters.
    pub(super) const fn plain(value: TypeId) -> Self {
        Self { ids: GenericArgs::NONE, value }
    }

    pub(super) fn is_plain(&self) -> bool {
        self.ids == GenericArgs::NONE
    }
}

/// A key without its type: the code that looks it up exists once, and not once for each function.
pub(super) trait BorrowedKey {
    fn hash(&self, hasher: &mut dyn Hasher);
    fn is(&self, owned: &OwnedKey) -> bool;
    fn owned(&self, shape: &KeyShape) -> OwnedKey;
}

impl<K: CacheKey> BorrowedKey for K {
    fn hash(&self, hasher: &mut dyn Hasher) {
        self.hash_key(hasher);
    }

    fn is(&self, owned: &OwnedKey) -> bool {
        owned.key.downcast_ref().is_some_and(|owned| self.is_key(owned))
    }

    fn owned(&self, shape: &KeyShape) -> OwnedKey {
        OwnedKey { shape: shape.clone(), key: Box::new(self.to_key()), same: same::<K::Owned> }
    }
}

/// Returns whether both are of the type `T`, and equal.
fn same<T: Eq + 'static>(one: &dyn Any, other: &dyn Any) -> bool {
    match (one.downcast_ref::<T>(), other.downcast_ref()) {
        (Some(one), Some(other)) => one == other,
        _ => false,
    }
}

/// A key that a cache keeps.
pub(super) struct OwnedKey {
    pub(super) shape: KeyShape,
    key: Box<dyn Any + Send + Sync>,
    same: fn(&dyn Any, &dyn Any) -> bool,
}

impl PartialEq for OwnedKey {
    fn eq(&self, other: &Self) -> bool {
        self.shape == other.shape && self.is_key_of(other)
    }
}

impl OwnedKey {
    /// Returns whether it is the same key, of whatever shape.
    pub(super) fn is_key_of(&self, other: &Self) -> bool {
        (self.same)(&*self.key, &*other.key)
    }
}

impl fmt::Debug for OwnedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnedKey").finish_non_exhaustive()
    }
}
