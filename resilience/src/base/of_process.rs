//! Statics that start empty in a fork's child: what another thread had locked at the fork stays locked in the child for
//! ever, and the threads that would answer are not there.
//!
//! Nothing announces a fork to a library without `unsafe` code, so each access compares the id of the process with the
//! process that used the value first: a relaxed load and a system call. The parent's value is never dropped in the
//! child, because dropping it could wait for a lock that no thread will release.

use std::ops::Deref;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};

/// A value of which each process has its own.
#[derive(Debug)]
pub(crate) struct OfProcess<T> {
    /// The process that has used it first; 0 before that.
    process: AtomicU32,
    value: T,
    /// Makes the value of a fork's child from that of its parent, of which no lock may be waited for.
    fresh: fn(&T) -> T,
    of_child: OnceLock<Box<Self>>,
}

impl<T> OfProcess<T> {
    /// Creates a cell with `value`, until a fork's child has its own.
    ///
    /// `fresh` runs in the child only, at its first access.
    pub(crate) const fn new(value: T, fresh: fn(&T) -> T) -> Self {
        Self { process: AtomicU32::new(0), value, fresh, of_child: OnceLock::new() }
    }
}

impl<T: Default> OfProcess<Mutex<T>> {
    /// Creates a cell whose lock has `value`; in a fork's child it is a new lock with the default.
    pub(crate) const fn locked(value: T) -> Self {
        Self::new(Mutex::new(value), |_| Mutex::default())
    }
}

impl<T> Deref for OfProcess<T> {
    type Target = T;

    /// Returns the value of this process. A fork of a fork walks the chain from the first process on; nearly every
    /// program has a chain of one.
    fn deref(&self) -> &T {
        let own = std::process::id();
        let mut at = self;
        loop {
            let first = at.process.load(Ordering::Relaxed);
            let taken = |first| at.process.compare_exchange(first, own, Ordering::Relaxed, Ordering::Relaxed);
            // Another thread of this process may be the first.
            let of = if first == 0 { taken(0).map_or_else(|of| of, |_| own) } else { first };
            if of == own {
                return &at.value;
            }
            at = at.of_child.get_or_init(|| Box::new(Self::new((at.fresh)(&at.value), at.fresh)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forked_child_gets_its_own_value_despite_held_locks() {
        let value: OfProcess<Mutex<u32>> = OfProcess::new(Mutex::new(1), |_| Mutex::new(2));
        let of_parent = value.lock();
        // The state after a fork.
        value.process.store(std::process::id() + 1, Ordering::Relaxed);
        let of_child = value.try_lock().map(|value| *value);
        assert_eq!((of_parent.map(|value| *value).ok(), of_child.ok()), (Some(1), Some(2)));
        assert_eq!(value.try_lock().map(|value| *value).ok(), Some(2), "the same again");
    }
}
