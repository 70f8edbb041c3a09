//! Where other libraries compile without a word and then do nothing: the body runs once and its first
//! error comes back, or a breaker never refuses.

use crate::kit::{Came, Runs};
use resilience::{bulkhead, checkpoint, circuit_breaker, rate_limit, timeout, with_fallback, with_retry};
use std::fmt::Display;
use std::io;

macro_rules! question {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($policies)*
        $($later)* fn f(runs: &Runs) -> Result<u32, io::Error> {
            let run = runs.step()$($wait)*?;
            Ok(run)
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs)$($wait)*.into()
        }
    };
}

macro_rules! returns {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($policies)*
        $($later)* fn f(runs: &Runs) -> Result<u32, io::Error> {
            let outcome = runs.step()$($wait)*;
            if outcome.is_err() {
                return outcome;
            }
            outcome
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs)$($wait)*.into()
        }
    };
}

macro_rules! generic {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($policies)*
        $($later)* fn f<T: Display>(runs: &Runs, name: T) -> Result<u32, io::Error> {
            let run = runs.step()$($wait)*?;
            assert_eq!(name.to_string(), "abc");
            Ok(run)
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs, "abc")$($wait)*.into()
        }
    };
}

macro_rules! anyhow {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($policies)*
        $($later)* fn f(runs: &Runs) -> ::anyhow::Result<u32> {
            let run = runs.step()$($wait)*?;
            Ok(run)
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs)$($wait)*.into()
        }
    };
}

macro_rules! impl_trait {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($policies)*
        $($later)* fn f(runs: &Runs, name: impl Display) -> Result<u32, io::Error> {
            let run = runs.step()$($wait)*?;
            assert_eq!(name.to_string(), "abc");
            Ok(run)
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs, "abc")$($wait)*.into()
        }
    };
}

rows! { "Where other libraries silently do nothing":
    question "`?` in the body: ends the attempt" [sync later] (value = 0);
    returns "`return` in the body: ends the attempt" [sync later] (value = 0);
    generic "generic function with `?`" [sync later] (value = 0);
    anyhow "`anyhow::Result` with `?`" [sync later] (value = 0);
    impl_trait "`impl Trait` argument with `?`" [sync later] (value = 0);
}
