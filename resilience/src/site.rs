//! State in a `static`, replaced by a fresh copy on threads inside a test world.

use std::fmt::Debug;
use std::ops::Deref;
#[cfg(feature = "testing")]
use std::sync::atomic::{AtomicUsize, Ordering};

/// A `static`'s state; without a test world it is the static itself, at no cost.
#[derive(Debug)]
pub struct Site<T> {
    real: T,
    #[cfg(feature = "testing")]
    fresh: fn() -> T,
    /// Which site it is, from 1; 0 until a test world asks. An address would not do: another value may
    /// live there later.
    #[cfg(feature = "testing")]
    number: AtomicUsize,
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
            #[cfg(feature = "testing")]
            number: AtomicUsize::new(0),
        }
    }
}

#[cfg(feature = "testing")]
impl<T> Site<T> {
    fn number(&self) -> usize {
        static LAST: AtomicUsize = AtomicUsize::new(0);
        match self.number.load(Ordering::Relaxed) {
            0 => {
                let next = LAST.fetch_add(1, Ordering::Relaxed) + 1;
                let taken = self.number.compare_exchange(0, next, Ordering::Relaxed, Ordering::Relaxed);
                taken.map_or_else(|earlier| earlier, |_| next)
            }
            number => number,
        }
    }
}

impl<T: Debug + Send + Sync + 'static> Deref for Site<T> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        #[cfg(feature = "testing")]
        if let Some(world) = crate::testing::current() {
            return world.fresh(self.number(), self.fresh).unwrap_or(&self.real);
        }
        &self.real
    }
}
