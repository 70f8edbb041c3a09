//! The atomics and the lock of the policies: std's, or loom's in a model.
//!
//! The state of several policies is changed by many threads with orderings weaker than `SeqCst`. The models in their
//! `loom.rs`, in `keyed.rs`, in `policy/failover/sticky.rs` and in `policy/budget.rs` run the same code under loom,
//! which tries every interleaving; `RUSTFLAGS="--cfg loom"` selects them. Other modules use std directly.

#[cfg(loom)]
pub(crate) use ::loom::sync::atomic::fence;
#[cfg(loom)]
pub(crate) use model::{AtomicBool, AtomicU64, Mutex, RwLock, RwLockReadGuard, RwLockWriteGuard};
pub(crate) use std::sync::atomic::Ordering;
#[cfg(not(loom))]
pub(crate) use std::sync::atomic::fence;

#[cfg(not(loom))]
pub(crate) use std::sync::atomic::AtomicU64;

#[cfg(not(loom))]
pub(crate) use plain::Mutex;
#[cfg(not(loom))]
pub(crate) use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// Locks a lock of std's; what a thread that panicked left behind it is used all the same.
///
/// Everything that this crate guards is whole after each statement, so that a poisoned lock means nothing.
pub(crate) fn locked<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

#[cfg(not(loom))]
mod plain {
    use std::sync::{MutexGuard, PoisonError};

    /// A lock that a panic does not poison: what it guards is whole after every statement.
    ///
    /// The same methods as the one of a model, and nothing else.
    #[derive(Debug)]
    pub(crate) struct Mutex<T>(std::sync::Mutex<T>);

    impl<T> Mutex<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self(std::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            self.0.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }
}

/// Creates a word that a thread makes while a model runs, for others that find it later.
#[cfg(not(loom))]
#[inline]
pub(crate) const fn made(value: u64) -> AtomicU64 {
    AtomicU64::new(value)
}

#[cfg(loom)]
pub(crate) fn made(value: u64) -> AtomicU64 {
    let word = AtomicU64::new(value);
    word.load(Ordering::Relaxed);
    word
}

#[cfg(loom)]
mod model {
    use loom::sync::MutexGuard;
    use loom::sync::atomic::AtomicU64 as Modelled;
    pub(crate) use loom::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};
    use std::sync::atomic::Ordering;
    use std::sync::{OnceLock, PoisonError};

    /// Loom's atomic, made at its first use: loom's own cannot stand in a `static` or a `const fn`. A model
    /// uses each once before it starts threads, or loom treats the creation as a data race.
    #[derive(Debug)]
    pub(crate) struct AtomicU64 {
        first: u64,
        modelled: OnceLock<Modelled>,
    }

    impl AtomicU64 {
        /// Keeps the first value: loom's own atomic is made at the first use.
        pub(crate) const fn new(first: u64) -> Self {
            Self { first, modelled: OnceLock::new() }
        }

        /// Returns the value. The first call must come before threads start: the construction is not part of the model.
        fn get(&self) -> &Modelled {
            self.modelled.get_or_init(|| Modelled::new(self.first))
        }

        pub(crate) fn load(&self, order: Ordering) -> u64 {
            self.get().load(order)
        }

        pub(crate) fn store(&self, value: u64, order: Ordering) {
            self.get().store(value, order);
        }

        pub(crate) fn swap(&self, value: u64, order: Ordering) -> u64 {
            self.get().swap(value, order)
        }

        pub(crate) fn fetch_add(&self, value: u64, order: Ordering) -> u64 {
            self.get().fetch_add(value, order)
        }

        pub(crate) fn fetch_sub(&self, value: u64, order: Ordering) -> u64 {
            self.get().fetch_sub(value, order)
        }

        pub(crate) fn fetch_update(
            &self,
            set: Ordering,
            fetch: Ordering,
            update: impl FnMut(u64) -> Option<u64>,
        ) -> Result<u64, u64> {
            self.get().fetch_update(set, fetch, update)
        }

        pub(crate) fn compare_exchange(
            &self,
            current: u64,
            new: u64,
            success: Ordering,
            failure: Ordering,
        ) -> Result<u64, u64> {
            self.get().compare_exchange(current, new, success, failure)
        }

        pub(crate) fn compare_exchange_weak(
            &self,
            current: u64,
            new: u64,
            success: Ordering,
            failure: Ordering,
        ) -> Result<u64, u64> {
            self.get().compare_exchange_weak(current, new, success, failure)
        }
    }

    /// A flag in a word, of which a model has one kind only.
    #[derive(Debug)]
    pub(crate) struct AtomicBool(AtomicU64);

    impl AtomicBool {
        pub(crate) const fn new(first: bool) -> Self {
            Self(AtomicU64::new(first as u64))
        }

        pub(crate) fn load(&self, order: Ordering) -> bool {
            self.0.load(order) > 0
        }

        pub(crate) fn store(&self, value: bool, order: Ordering) {
            self.0.store(value.into(), order);
        }
    }

    /// Loom's lock, made at its first use, too.
    #[derive(Debug)]
    pub(crate) struct Mutex<T> {
        first: std::sync::Mutex<Option<T>>,
        modelled: OnceLock<loom::sync::Mutex<T>>,
    }

    impl<T: Default> Mutex<T> {
        pub(crate) const fn new(value: T) -> Self {
            Self { first: std::sync::Mutex::new(Some(value)), modelled: OnceLock::new() }
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            let modelled = self.modelled.get_or_init(|| {
                let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
                loom::sync::Mutex::new(first.unwrap_or_default())
            });
            modelled.lock().unwrap_or_else(PoisonError::into_inner)
        }
    }
}
