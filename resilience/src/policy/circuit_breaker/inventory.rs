//! Breakers in the inventory: those of a point, and those that the program registers.

use super::{CircuitBreaker, CircuitBreakers, State};
use crate::base::name::PointName;
use crate::base::site::Site;
use crate::base::visible::Visible;
use crate::keyed::Keyed;
use crate::point::PolicyHandle;
use crate::point::registry::{Handle, Point, PointKey, Registrable, join};
use std::fmt;
use std::panic::Location;
use std::sync::Arc;

impl Registrable for CircuitBreaker {
    fn own_name(&self) -> &PointName {
        &self.owner.name
    }
}

impl Point {
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
        join(&PointName::new(set.name), Handle::Static(set), Location::caller());
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
    pub fn breaker(&self) -> Option<PolicyHandle<CircuitBreaker>> {
        PolicyHandle::of(self)
    }
}

impl PointKey {
    /// Returns the breaker of this key, if the point has a keyed breaker and the key has been used.
    ///
    /// Looking makes no breaker for the key, and delays no eviction. It works for a function with `key = ..` and for a
    /// set that [`Point::register_set`] has added.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{State, circuit_breaker, point};
    ///
    /// #[circuit_breaker(key = host, name = "fetch_host")]
    /// fn fetch(host: &str) -> std::io::Result<u32> {
    ///     let _ = host;
    ///     Ok(7)
    /// }
    ///
    /// fetch("a.example").unwrap();
    /// let host = point("fetch_host").unwrap().key("a.example");
    /// host.breaker().unwrap().force_open();
    /// assert_eq!(host.state(), Some(State::ForcedOpen));
    /// assert!(fetch("a.example").is_err() && fetch("b.example").is_ok());
    /// ```
    pub fn breaker(&self) -> Option<Arc<CircuitBreaker>> {
        match self.point().policy::<CircuitBreakers>() {
            Some(set) => set.peek(self.key()),
            None => self.point().policy::<Site<Keyed<CircuitBreaker>>>()?.peek(self.key()),
        }
    }

    /// Returns the state of this key's breaker, if it has one.
    pub fn state(&self) -> Option<State> {
        self.breaker().map(|breaker| breaker.state())
    }
}

impl fmt::Display for PointKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = Visible(self.key());
        match self.state() {
            Some(state) => write!(f, "{key}: {state}"),
            None => write!(f, "{key}"),
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
