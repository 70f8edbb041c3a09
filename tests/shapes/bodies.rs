//! What stands in a body, and in the function's name.

use crate::kit::{Came, Runs, here};
use resilience::{bulkhead, checkpoint, circuit_breaker, rate_limit, timeout, with_fallback, with_retry};
use std::io;

macro_rules! question {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($policies)*
        $($later)* fn f(runs: &Runs) -> io::Result<u32> {
            let run = runs.step()$($wait)*?;
            let parsed: u32 = "7".parse().map_err(io::Error::other)?;
            Ok(run + parsed - 7)
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs)$($wait)*.into()
        }
    };
}

macro_rules! early_return {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($policies)*
        $($later)* fn f(runs: &Runs) -> io::Result<u32> {
            match runs.step()$($wait)* {
                Ok(run) => return Ok(run),
                Err(error) => return Err(error),
            }
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs)$($wait)*.into()
        }
    };
}

macro_rules! labels {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($policies)*
        $($later)* fn f(runs: &Runs) -> io::Result<u32> {
            let found = 'outer: loop {
                for _ in 0.. {
                    let run = runs.step()$($wait)*?;
                    if run == 0 {
                        continue 'outer;
                    }
                    break 'outer run;
                }
            };
            let block = 'block: {
                if found > 0 {
                    break 'block found;
                }
                0
            };
            Ok(block)
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs)$($wait)*.into()
        }
    };
}

macro_rules! nested {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($policies)*
        $($later)* fn f(runs: &Runs) -> io::Result<u32> {
            use std::collections::BTreeMap as Map;
            const NONE: u32 = 0;
            static SEEN: std::sync::Mutex<u32> = std::sync::Mutex::new(0);
            struct Found(u32);
            impl Found {
                fn get(&self) -> Result<u32, ()> {
                    Ok(self.0)?;
                    return Ok(self.0);
                }
            }
            macro_rules! sum { ($left:expr, $right:expr) => { $left + $right } }
            let run = runs.step()$($wait)*?;
            let add = |more: u32| -> Option<u32> { Some(run)?.checked_add(more) };
            let found = Found(add(NONE).unwrap_or(9));
            *SEEN.lock().expect("no panic") += 1;
            let map = Map::from([(1, found.get().unwrap_or(9))]);
            Ok(sum!(map[&1], 0))
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs)$($wait)*.into()
        }
    };
}

macro_rules! inner_attribute {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($policies)*
        $($later)* fn f(runs: &Runs) -> io::Result<u32> {
            #![allow(unused_variables)]
            let unused = 1;
            runs.step()$($wait)*
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs)$($wait)*.into()
        }
    };
}

macro_rules! diverging {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($policies)*
        $($later)* fn f(runs: &Runs) -> io::Result<u32> {
            loop {
                if let Ok(run) = runs.step()$($wait)* {
                    return Ok(run);
                }
                break Err(io::ErrorKind::ConnectionReset.into());
            }
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs)$($wait)*.into()
        }
    };
}

macro_rules! no_value_at_the_end {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($policies)*
        $($later)* fn f(runs: &Runs) -> io::Result<u32> {
            let Ok(run) = runs.step()$($wait)* else {
                return Err(io::ErrorKind::ConnectionReset.into());
            };
            if run > 0 {
                return Ok(run);
            }
            unreachable!("runs are counted from 1")
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs)$($wait)*.into()
        }
    };
}

macro_rules! recursive {
    ([$($policies:tt)*] $($_:tt)*) => {
        $($policies)*
        fn f(runs: &Runs, done: u32) -> io::Result<u32> {
            if done > 0 {
                return Ok(done);
            }
            let run = runs.step()?;
            f(runs, run)
        }
        pub fn call(runs: &Runs) -> Came {
            f(runs, 0).into()
        }
    };
}

macro_rules! raw {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($policies)*
        $($later)* fn r#match(r#type: &Runs, r#struct: u32, mut r#let: u32) -> io::Result<u32> {
            r#let += 1;
            assert_eq!((r#struct, r#let), (1, 3));
            r#type.step()$($wait)*
        }
        $($later)* fn r#else(_: &Runs, r#struct: u32, r#let: u32) -> Option<u32> {
            assert_eq!((r#struct, r#let), (1, 2));
            Some(0)
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            r#match(runs, 1, 2)$($wait)*.into()
        }
    };
}

macro_rules! our_own_names {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($policies)*
        $($later)* fn f(r: &Runs, verdict: u32, class: u32, wait: u32, error: u32, future: u32) -> io::Result<u32> {
            let (e, retry, rejected, permit, point, site) = (1, 2, 3, 4, 5, 6);
            assert_eq!(verdict + class + wait + error + future + e + retry + rejected + permit + point + site, 36);
            r.step()$($wait)*
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs, 1, 2, 3, 4, 5)$($wait)*.into()
        }
    };
}

macro_rules! inside_a_function {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        pub $($later)* fn call(runs: &Runs) -> Came {
            $($policies)*
            $($later)* fn f(runs: &Runs) -> io::Result<u32> {
                runs.step()$($wait)*
            }
            f(runs)$($wait)*.into()
        }
    };
}

macro_rules! calls_another {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        #[with_retry(max = 0)]
        $($later)* fn below(runs: &Runs) -> io::Result<u32> {
            runs.step()$($wait)*
        }
        $($policies)*
        $($later)* fn f(runs: &Runs) -> io::Result<u32> {
            let run = below(runs)$($wait)*?;
            Ok(run)
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs)$($wait)*.into()
        }
    };
}

rows! { "Bodies and names":
    question "`?`" [sync later] (value = 0);
    early_return "`return`, no value at the end" [sync later] (value = 0);
    labels "labelled loops and blocks" [sync later] (value = 0);
    nested "items, closures and macros in the body" [sync later] (value = 0);
    inner_attribute "inner attribute `#![allow(..)]`" [sync later] (value = 0);
    diverging "`loop` that breaks with the outcome" [sync later] (value = 0);
    no_value_at_the_end "`let else`, `unreachable!` at the end" [sync later] (value = 0);
    recursive "recursion" [sync] [value = 0];
    raw "raw names of function, arguments, fallback" [sync later] (r#else);
    our_own_names "names that an expansion uses itself" [sync later] (value = 0);
    inside_a_function "a function inside a function" [sync later] (value = 0);
    calls_another "calls another annotated function" [sync later] (value = 0);
}
