//! Looking at jobs and steps, and deciding what happens to them.
//!
//! Everything is a function for the default store, a method of a handle for any store, and both once more for sync
//! code; `twins!` writes the three that are not the method. Operators and the library read the same records by the
//! same operations: there is no other way into a store.
//!
//! Looking changes nothing and takes no lease, so that it can be done at any time, also from another process and with
//! a store opened by `SqliteStore::inspect`. A change of a job is a compare-and-swap on its revision, tried again
//! when the job has changed in between; operations that are not allowed on a running one are refused in the same
//! transaction.

/// Writes the functions of a handle for the default store, and all of it once more for sync code.
macro_rules! twins {
    ($handle:ident of $default:ident: $(
        $(#[$doc:meta])*
        fn $name:ident $(<$generic:ident: $bound:ident>)? ($($argument:ident: $ty:ty),*) -> $out:ty;
    )*) => {
        $(
            $(#[$doc])*
            ///
            #[doc = concat!("See [`", stringify!($handle), "::", stringify!($name), "`], which has the details.")]
            ///
            /// # Errors
            ///
            #[doc = concat!("As [`", stringify!($handle), "::", stringify!($name), "`]; and if the default store \
                             cannot be opened.")]
            pub async fn $name $(<$generic: $bound>)? ($($argument: $ty),*) -> Result<$out, Rejected> {
                $default()?.$name($($argument),*).await
            }
        )*

        /// The functions for sync code: each blocks its thread until the store has answered.
        pub mod blocking {
            #[allow(clippy::wildcard_imports, reason = "the arguments and results of the functions above")]
            use super::*;
            use crate::base::block_on::block_on;

            $(
                $(#[$doc])*
                ///
                #[doc = concat!("See [`", stringify!($handle), "::", stringify!($name),
                                "`](super::", stringify!($handle), "::", stringify!($name), ").")]
                ///
                /// # Errors
                ///
                #[doc = concat!("As [`", stringify!($name), "`](super::", stringify!($name), ").")]
                pub fn $name $(<$generic: $bound>)? ($($argument: $ty),*) -> Result<$out, Rejected> {
                    block_on(super::$name($($argument),*))
                }
            )*

            #[doc = concat!("[`", stringify!($handle), "`](super::", stringify!($handle), ") for sync code.")]
            #[derive(Clone, Debug)]
            pub struct $handle(pub(super) super::$handle);

            /// Returns the handle of `store`.
            pub fn of(store: Arc<dyn Store>) -> $handle {
                $handle(super::of(store))
            }

            impl $handle {
                $(
                    $(#[$doc])*
                    ///
                    /// # Errors
                    ///
                    #[doc = concat!("As [`", stringify!($handle), "::", stringify!($name),
                                    "`](super::", stringify!($handle), "::", stringify!($name), ").")]
                    pub fn $name $(<$generic: $bound>)? (&self, $($argument: $ty),*) -> Result<$out, Rejected> {
                        block_on(self.0.$name($($argument),*))
                    }
                )*
            }
        }
    };
}

pub mod jobs;
mod listing;
pub mod steps;
