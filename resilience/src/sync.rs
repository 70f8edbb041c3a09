//! The atomics of the policies: std's, or loom's in a model.

#[cfg(loom)]
pub(crate) use model::AtomicU64;
pub(crate) use std::sync::atomic::Ordering;

#[cfg(not(loom))]
pub(crate) use std::sync::atomic::AtomicU64;

#[cfg(loom)]
mod model {
    use loom::sync::atomic::AtomicU64 as Modelled;
    use std::sync::OnceLock;
    use std::sync::atomic::Ordering;

    /// Loom's atomic, made at its first use: loom's own cannot stand in a `static` or a `const fn`. A model
    /// uses each once before it starts threads, or loom takes the making for a data race.
    #[derive(Debug)]
    pub(crate) struct AtomicU64 {
        first: u64,
        modelled: OnceLock<Modelled>,
    }

    impl AtomicU64 {
        pub(crate) const fn new(first: u64) -> Self {
            Self { first, modelled: OnceLock::new() }
        }

        fn get(&self) -> &Modelled {
            self.modelled.get_or_init(|| Modelled::new(self.first))
        }

        pub(crate) fn load(&self, order: Ordering) -> u64 {
            self.get().load(order)
        }

        pub(crate) fn fetch_add(&self, value: u64, order: Ordering) -> u64 {
            self.get().fetch_add(value, order)
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
}
