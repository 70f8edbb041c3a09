//! Breakers in the inventory: those of a point, and those that join by hand.

use super::{CircuitBreaker, CircuitBreakers, State};
use crate::base::name::PointName;
use crate::keyed::Keyed;
use crate::point::registry::{Handle, Point, PointKey, join};
use std::fmt;
use std::ops::Deref;
use std::panic::Location;
use std::sync::{Arc, Weak};

/// Refers to the breaker of a point: dereferences to a [`CircuitBreaker`].
///
/// [`Point::breaker`] returns it. A handle of a breaker that joined by [`Point::register`] keeps that breaker alive.
/// It may be cloned, kept and sent to other threads.
///
/// # Examples
///
/// A switch for operators that takes a function out of use and puts it back:
///
/// ```
/// use resilience::{Rejected, State, circuit_breaker, point};
///
/// #[circuit_breaker(name = "orders::place")]
/// fn place(id: u32) -> Result<u32, Rejected> {
///     Ok(id)
/// }
///
/// let breaker = point("orders::place").unwrap().breaker().unwrap();
/// breaker.force_open();
/// assert!(place(7).is_err());
/// breaker.reset();
/// assert_eq!(place(7).unwrap(), 7);
/// assert_eq!(breaker.state(), State::Closed);
/// ```
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
        let shared: Weak<CircuitBreaker> = Arc::downgrade(breaker);
        join(&breaker.owner, Handle::Shared(shared), Location::caller());
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
        join(&PointName::new(set.own_name()), Handle::Static(set), Location::caller());
    }

    /// Returns the breaker of the outermost `circuit_breaker` that has no key.
    ///
    /// `None` for a point without one, and for a keyed breaker: [`key`](Self::key) and [`keys`](Self::keys)
    /// lead to those.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{State, circuit_breaker, point};
    ///
    /// #[circuit_breaker(threshold = 3, name = "billing")]
    /// fn bill() -> std::io::Result<u32> {
    ///     Ok(7)
    /// }
    ///
    /// let breaker = point("billing").unwrap().breaker().unwrap();
    /// breaker.force_open();
    /// assert!(bill().is_err());
    /// breaker.reset();
    /// assert_eq!(bill().unwrap(), 7);
    /// ```
    pub fn breaker(&self) -> Option<BreakerHandle> {
        let joined = || self.shared().map(BreakerHandle::Joined);
        self.policy().map(BreakerHandle::Function).or_else(joined)
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
        let of_set = || self.policy().map(CircuitBreakers::keys);
        let keys = self.policy().map(Keyed::<CircuitBreaker>::keys).or_else(of_set);
        keys.unwrap_or_default().into_iter().map(|key| self.key(key)).collect()
    }
}

impl PointKey {
    /// Returns the breaker of this key, if the point has a keyed breaker and the key has been used.
    pub fn breaker(&self) -> Option<Arc<CircuitBreaker>> {
        match self.point().policy::<CircuitBreakers>() {
            Some(set) => set.peek(self.key()),
            None => self.point().policy::<Keyed<CircuitBreaker>>()?.peek(self.key()),
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
            Some(state) => write!(f, "{}: {state}", self.key()),
            None => f.write_str(self.key()),
        }
    }
}

#[cfg(feature = "serde")]
mod serialise {
    use super::PointKey;
    use serde::ser::{Serialize, SerializeStruct as _, Serializer};

    /// `{point, key, state}`.
    impl Serialize for PointKey {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let mut key = serializer.serialize_struct("PointKey", 3)?;
            key.serialize_field("point", &self.point().name())?;
            key.serialize_field("key", self.key())?;
            key.serialize_field("state", &self.state())?;
            key.end()
        }
    }
}
