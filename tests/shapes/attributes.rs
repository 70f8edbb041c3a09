//! Other attributes beside ours, and other ways to name ours.

use crate::kit::{Came, Runs, here};
use resilience::{bulkhead, checkpoint, circuit_breaker, rate_limit, timeout, with_fallback, with_retry};
use std::io;

macro_rules! instrumented {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($policies)*
        #[tracing::instrument(skip(runs))]
        $($later)* fn f(runs: &Runs, name: &str, mut count: u32) -> io::Result<u32> {
            count += 1;
            assert_eq!(count, 8);
            let run = runs.step()$($wait)*?;
            Ok(run)
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs, "abc", 7)$($wait)*.into()
        }
    };
}

macro_rules! instrumented_method {
    ([#[$first:ident ($($settings:tt)*)] $($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] [$($clone:ident)?]) => {
        struct Own(Runs);
        impl Own {
            #[$first($($settings)* $(, $clone(name))?)]
            $($policies)*
            #[tracing::instrument(skip_all, fields(name = %name), err)]
            $($later)* fn f(&self, name: String) -> io::Result<u32> {
                drop(name);
                self.0.step()$($wait)*
            }
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            Own(runs.clone()).f("abc".to_owned())$($wait)*.into()
        }
    };
}

macro_rules! kept {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        mod kept {
            #![deny(warnings, missing_docs, clippy::pedantic)]
            //! What stands on the function stands there still.
            use super::*;
            /// Documented.
            ///
            /// # Errors
            ///
            /// As scripted.
            $($policies)*
            #[must_use = "it may have failed"]
            #[inline]
            #[allow(clippy::double_must_use)]
            #[doc(alias = "documented")]
            pub $($later)* fn f(runs: &Runs) -> io::Result<u32> {
                runs.step()$($wait)*
            }
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            kept::f(runs)$($wait)*.into()
        }
    };
}

macro_rules! cold {
    ([$($policies:tt)*] $($_:tt)*) => {
        $($policies)*
        #[cold]
        #[inline(never)]
        fn f(runs: &Runs) -> io::Result<u32> {
            runs.step()
        }
        pub fn call(runs: &Runs) -> Came {
            f(runs).into()
        }
    };
}

macro_rules! between {
    ([$(#[$policy:ident $arguments:tt])*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $(
            #[$policy $arguments]
            /// Words between them.
            #[allow(clippy::needless_pass_by_value)]
        )*
        $($later)* fn f(runs: &Runs) -> io::Result<u32> {
            runs.step()$($wait)*
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs)$($wait)*.into()
        }
    };
}

macro_rules! under_cfg_attr {
    ([$(#[$policy:meta])*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $(#[cfg_attr(all(), $policy)])*
        #[cfg_attr(any(), with_retry(max = nonsense))]
        $($later)* fn f(runs: &Runs) -> io::Result<u32> {
            runs.step()$($wait)*
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs)$($wait)*.into()
        }
    };
}

macro_rules! by_path {
    ([$(#[$policy:ident $arguments:tt])*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $(#[::resilience::$policy $arguments])*
        $($later)* fn f(runs: &Runs) -> io::Result<u32> {
            runs.step()$($wait)*
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs)$($wait)*.into()
        }
    };
}

/// A crate that gives `resilience` on.
pub mod facade {
    pub use resilience as inside;
}

macro_rules! re_exported {
    ([#[$first:ident ($($settings:tt)*)] $(#[$policy:ident $arguments:tt])*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        #[crate::attributes::facade::inside::$first($($settings)*, crate = crate::attributes::facade::inside)]
        $(#[crate::attributes::facade::inside::$policy $arguments])*
        $($later)* fn f(runs: &Runs) -> io::Result<u32> {
            runs.step()$($wait)*
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs)$($wait)*.into()
        }
    };
}

macro_rules! forwards {
    ($(#[$attribute:meta])* $visible:vis async fn $name:ident($($argument:ident: $kind:ty),*) -> $out:ty $body:block) => {
        $(#[$attribute])* $visible async fn $name($($argument: $kind),*) -> $out $body
    };
    ($(#[$attribute:meta])* $visible:vis fn $name:ident($($argument:ident: $kind:ty),*) -> $out:ty $body:block) => {
        $(#[$attribute])* $visible fn $name($($argument: $kind),*) -> $out $body
    };
}

macro_rules! by_fragments {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        forwards! {
            $($policies)*
            pub $($later)* fn f(runs: &Runs, name: &str) -> io::Result<u32> {
                assert_eq!(name, "abc");
                let run = runs.step()$($wait)*?;
                Ok(run)
            }
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs, "abc")$($wait)*.into()
        }
    };
}

macro_rules! item_fragment {
    ($item:item) => {
        $item
    };
}

macro_rules! as_an_item {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        item_fragment! {
            $($policies)*
            $($later)* fn f(runs: &Runs) -> io::Result<u32> {
                runs.step()$($wait)*
            }
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs)$($wait)*.into()
        }
    };
}

macro_rules! set {
    (@sync $retry:expr, $threshold:literal, $short:literal, $base:expr, $value:expr, [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        pub mod retry { use super::*;
            #[with_retry(max = $retry, base = $base)]
            pub $($later)* fn f(runs: &Runs) -> io::Result<u32> { runs.step()$($wait)* } }
        pub mod breaker { use super::*;
            #[circuit_breaker(threshold = $threshold)]
            pub $($later)* fn f(runs: &Runs) -> io::Result<u32> { runs.step()$($wait)* } }
        pub mod fallback { use super::*;
            #[with_fallback(value = $value)]
            pub $($later)* fn f(runs: &Runs) -> io::Result<u32> { runs.step()$($wait)* } }
        pub mod all { use super::*;
            #[with_fallback(value = $value)]
            #[with_retry(max = $retry, base = $base)]
            #[circuit_breaker(threshold = 3 * $threshold)]
            pub $($later)* fn f(runs: &Runs) -> io::Result<u32> { runs.step()$($wait)* } }
    };
    (@later $retry:expr, $threshold:literal, $short:literal, $base:expr, $value:expr) => {
        set!(@sync $retry, $threshold, $short, $base, $value, [async] [.await]);
        pub mod limit { use super::*;
            #[timeout($short)]
            pub async fn f(runs: &Runs) -> io::Result<u32> { runs.step().await } }
        pub mod stack { use super::*;
            #[with_fallback(value = $value)]
            #[timeout(10s)]
            #[with_retry(max = $retry, base = $base)]
            #[circuit_breaker(threshold = 3 * $threshold)]
            #[timeout($short)]
            pub async fn f(runs: &Runs) -> io::Result<u32> { runs.step().await } }
    };
}

const BASE: std::time::Duration = std::time::Duration::from_millis(20);

mod values_now {
    use super::*;
    use crate::kit::now::*;
    set!(@sync 2 + 1, 2, 50ms, BASE, u32::MIN, [] []);
}

mod values_later {
    use super::*;
    use crate::kit::later::*;
    set!(@later 2 + 1, 2, 50ms, 30ms, 5 - 5);
}

fn through_fragments() -> [crate::kit::Row; 2] {
    use crate::kit::{Row, answered, broken_off, retried, stacked, timed, wait};
    let row = |kind, cells| Row {
        group: "Attributes and macros",
        shape: "values through `$e:expr` and `$t:literal`",
        kind,
        cells,
    };
    let now = [
        Some(retried(|runs| values_now::retry::f(runs).into())),
        Some(broken_off(|runs| values_now::breaker::f(runs).into())),
        None,
        Some(answered(|runs| values_now::fallback::f(runs).into())),
        None,
        None,
        Some(stacked("xx.", |runs| values_now::all::f(runs).into())),
    ];
    let later = [
        Some(retried(|runs| wait(values_later::retry::f(runs)).into())),
        Some(broken_off(|runs| wait(values_later::breaker::f(runs)).into())),
        Some(timed(|runs| wait(values_later::limit::f(runs)).into())),
        Some(answered(|runs| wait(values_later::fallback::f(runs)).into())),
        None,
        None,
        Some(stacked("x-.", |runs| wait(values_later::stack::f(runs)).into())),
    ];
    [row("sync", now), row("async", later)]
}

mod stamped {
    use super::*;

    rows! { "Attributes and macros":
        instrumented "`#[tracing::instrument]` below ours" [sync later] (value = 0);
        instrumented_method "the same on a method with a moved argument, `clone(name)`" [sync later] (value = 0);
        kept "docs, `must_use`, `inline` under `deny(warnings)`" [sync later] (value = 0);
        cold "`cold`, `inline(never)`" [sync] (value = 0);
        between "docs and `allow` between ours" [sync later] (value = 0);
        under_cfg_attr "each of ours under `cfg_attr`" [sync later] (value = 0);
        by_path "named by path, `#[::resilience::with_retry]`" [sync later] (value = 0);
        re_exported "through a re-export, `crate = ..`" [sync later] (value = 0);
        by_fragments "`macro_rules!` with `$m:meta`, `$t:ty`, `$b:block`" [sync later] (value = 0);
        as_an_item "`macro_rules!` with `$i:item`" [sync later] (value = 0);
    }
}

pub fn rows() -> Vec<crate::kit::Row> {
    let mut rows = stamped::rows();
    rows.extend(through_fragments());
    rows
}
