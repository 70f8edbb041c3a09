//! State in a `static`, replaced by a fresh copy on threads inside a test world.

use std::fmt::Debug;
use std::ops::Deref;

/// A `static`'s state; without a test world it is the static itself, at no cost.
#[derive(Debug)]
pub struct Site<T> {
    real: T,
    #[cfg(feature = "testing")]
    fresh: fn() -> T,
}

impl<T> Site<T> {
    /// A site holding `real`; `fresh` makes the copy of a test world.
    pub const fn new(real: T, fresh: fn() -> T) -> Self {
        #[cfg(not(feature = "testing"))]
        let _ = fresh;
        Self {
            real,
            #[cfg(feature = "testing")]
            fresh,
        }
    }
}

impl<T: Debug + Send + Sync + 'static> Deref for Site<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        #[cfg(feature = "testing")]
        if let Some(world) = crate::testing::current() {
            let address = std::ptr::from_ref(self).addr();
            return world.fresh(address, self.fresh).unwrap_or(&self.real);
        }
        &self.real
    }
}
