//! Tables that the linker fills: every annotated function of a program adds its `static` to one.
//!
//! On a system that `linkme` does not support, under Miri, or with `--cfg unlinked`, the tables are empty: annotated
//! functions work, and what lists or finds them (the inventory, a configuration, recovery, health checks, classifiers of
//! erased errors) knows none.

/// Keeps the first items where the linker fills tables, the other items elsewhere.
macro_rules! where_linked {
    ($linked:tt else $unlinked:tt) => {
        $crate::base::linked::where_true! {
            all(
                not(any(miri, unlinked)),
                any(
                    target_os = "android",
                    target_os = "freebsd",
                    target_os = "fuchsia",
                    target_os = "illumos",
                    target_os = "ios",
                    target_os = "linux",
                    target_os = "macos",
                    target_os = "openbsd",
                    target_os = "tvos",
                    windows,
                )
            );
            $linked else $unlinked
        }
    };
}

/// Keeps the first items where the condition is true, the other items elsewhere.
macro_rules! where_true {
    ($condition:meta; { $($linked:item)* } else { $($unlinked:item)* }) => {
        $(#[cfg($condition)] $linked)*
        $(#[cfg(not($condition))] $unlinked)*
    };
}

/// Declares a table of entries.
macro_rules! linked {
    ($(#[$meta:meta])* pub static $name:ident: [$entry:ty];) => {
        $crate::base::linked::where_linked! {
            {
                $(#[$meta])*
                #[linkme::distributed_slice]
                #[doc(hidden)]
                pub static $name: [$entry];
            } else {
                $(#[$meta])*
                #[doc(hidden)]
                pub static $name: &[$entry] = &[];
            }
        }
    };
}

pub(crate) use {linked, where_linked, where_true};

where_linked! {
    {
        #[doc(hidden)]
        pub use linkme;
    } else {
        #[doc(hidden)]
        pub mod linkme {
            #[cfg(feature = "macros")]
            pub use resilience_macros::__unlisted as distributed_slice;
        }
    }
}
