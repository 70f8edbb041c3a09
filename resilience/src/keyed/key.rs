//! The keys of a keyed policy.

use crate::base::template::Key as Template;
use std::fmt;
use std::sync::Arc;

/// A key of a keyed policy: text, an integer, `bool` or `char`.
///
/// References, `Box`, `Rc`, `Arc` and `Cow` of a key are keys, too. Integers of different types with one
/// value are one key; the text `"42"` and the number `42` are two. For other types make a text of what
/// distinguishes them (`key = self.id.to_string()`), or implement the trait by handing on the part that does,
/// which allocates nothing.
///
/// # Examples
///
/// ```
/// use resilience::policy::keyed::{Key, KeyRef};
///
/// struct Tenant(u64);
///
/// impl Key for Tenant {
///     fn read<R>(&self, reader: impl FnOnce(KeyRef<'_>) -> R) -> R {
///         self.0.read(reader)
///     }
/// }
///
/// assert!(Tenant(42).read(|key| key == KeyRef::Number(42)));
/// ```
///
/// A key of two parts:
///
/// ```
/// use resilience::policy::keyed::{Key, KeyRef};
///
/// struct Shard { region: &'static str, number: u8 }
///
/// impl Key for Shard {
///     fn read<R>(&self, reader: impl FnOnce(KeyRef<'_>) -> R) -> R {
///         format!("{}:{}", self.region, self.number).read(reader)
///     }
/// }
///
/// let shard = Shard { region: "eu", number: 3 };
/// assert_eq!(shard.read(|key| key.to_string()), "eu:3");
/// ```
///
/// # Implementing it
///
/// Equal values have to pass equal keys, always: a key that changes while a call runs splits its state. Pass a
/// borrowed part where there is one; a text that is made for it is dropped after the look-up.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be the key of a policy",
    label = "is not text, an integer other than `u128`, a `bool` or a `char`",
    note = "write an expression that distinguishes the calls, for instance `key = self.id.to_string()`, or implement `Key`"
)]
pub trait Key {
    /// Passes the key to `reader`, exactly once, and returns what that returns.
    ///
    /// The borrow ends with the call: no key is kept without a copy of it.
    fn read<R>(&self, reader: impl FnOnce(KeyRef<'_>) -> R) -> R;
}

/// A borrowed key, as a map of keys sees it.
///
/// # Examples
///
/// ```
/// use resilience::policy::keyed::KeyRef;
///
/// assert_eq!(KeyRef::Text("a.example").to_string(), "a.example");
/// assert_eq!(KeyRef::Number(-7).to_string(), "-7");
/// assert_ne!(KeyRef::Text("42"), KeyRef::Number(42));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyRef<'a> {
    /// A text, compared byte by byte; also what `bool` and `char` are.
    Text(&'a str),
    /// An integer of any type; `u128` has no key, as it does not fit.
    Number(i128),
}

impl fmt::Display for KeyRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Number(number) => write!(f, "{number}"),
        }
    }
}

impl Key for str {
    #[inline]
    fn read<R>(&self, reader: impl FnOnce(KeyRef<'_>) -> R) -> R {
        reader(KeyRef::Text(self))
    }
}

impl Key for String {
    #[inline]
    fn read<R>(&self, reader: impl FnOnce(KeyRef<'_>) -> R) -> R {
        reader(KeyRef::Text(self))
    }
}

impl Key for bool {
    #[inline]
    fn read<R>(&self, reader: impl FnOnce(KeyRef<'_>) -> R) -> R {
        reader(KeyRef::Text(if *self { "true" } else { "false" }))
    }
}

impl Key for char {
    #[inline]
    fn read<R>(&self, reader: impl FnOnce(KeyRef<'_>) -> R) -> R {
        reader(KeyRef::Text(self.encode_utf8(&mut [0; 4])))
    }
}

macro_rules! read_number {
    ($($int:ty)*) => {$(
        impl Key for $int {
            #[inline]
            fn read<R>(&self, reader: impl FnOnce(KeyRef<'_>) -> R) -> R {
                #[allow(clippy::cast_lossless, clippy::allow_attributes, reason = "`usize` has no `From`")]
                reader(KeyRef::Number(*self as i128))
            }
        }
    )*};
}

read_number!(u8 u16 u32 u64 usize i8 i16 i32 i64 i128 isize);

macro_rules! read_through {
    ($($pointer:ty),*) => {$(
        impl<K: Key + ?Sized> Key for $pointer {
            #[inline]
            fn read<R>(&self, reader: impl FnOnce(KeyRef<'_>) -> R) -> R {
                (**self).read(reader)
            }
        }
    )*};
}

read_through!(&K, &mut K, Box<K>, std::rc::Rc<K>, Arc<K>);

impl<K: Key + ToOwned + ?Sized> Key for std::borrow::Cow<'_, K> {
    #[inline]
    fn read<R>(&self, reader: impl FnOnce(KeyRef<'_>) -> R) -> R {
        (**self).read(reader)
    }
}

impl Key for KeyRef<'_> {
    #[inline]
    fn read<R>(&self, reader: impl FnOnce(KeyRef<'_>) -> R) -> R {
        reader(*self)
    }
}

/// A key with the value of the argument that a `failover` above varies: `acme/large`.
#[doc(hidden)]
#[derive(Debug)]
pub struct KeyAndValue<'a, K: ?Sized, V: ?Sized>(pub &'a K, pub &'a V);

/// The value is written so that it has no `/`: what differs in one of the two is another key.
impl<K: Key + ?Sized, V: Key + ?Sized> Key for KeyAndValue<'_, K, V> {
    fn read<R>(&self, reader: impl FnOnce(KeyRef<'_>) -> R) -> R {
        let start = self.0.read(|key| Template::new().text(&key.to_string()).text("/"));
        let whole = self.1.read(|value| start.value(&value)).finish();
        reader(KeyRef::Text(&whole))
    }
}

/// A key that is kept.
///
/// A key of an entry. It is compared as a [`KeyRef`], since a key that is looked up is only borrowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OwnedKey {
    Text(Box<str>),
    Number(i128),
}

impl OwnedKey {
    pub(crate) fn of(key: KeyRef<'_>) -> Self {
        match key {
            KeyRef::Text(text) => Self::Text(text.into()),
            KeyRef::Number(number) => Self::Number(number),
        }
    }

    #[inline]
    pub(crate) fn as_ref(&self) -> KeyRef<'_> {
        match self {
            Self::Text(text) => KeyRef::Text(text),
            Self::Number(number) => KeyRef::Number(*number),
        }
    }
}
