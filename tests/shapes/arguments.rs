//! Free functions and what they take.

use crate::kit::{Came, Runs, here};
use resilience::{bulkhead, checkpoint, circuit_breaker, rate_limit, timeout, with_fallback, with_retry};
use std::io;
use std::io::Write;

macro_rules! none {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($policies)*
        $($later)* fn f() -> io::Result<u32> {
            here().step()$($wait)*
        }
        pub $($later)* fn call(_: &Runs) -> Came {
            f()$($wait)*.into()
        }
    };
}

macro_rules! borrowed {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($policies)*
        $($later)* fn f(runs: &Runs, name: &str) -> io::Result<u32> {
            let run = runs.step()$($wait)*?;
            assert_eq!(name, "abc");
            Ok(run)
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs, "abc")$($wait)*.into()
        }
    };
}

macro_rules! owned {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($policies)*
        $($later)* fn f(runs: Runs, name: String) -> io::Result<u32> {
            let run = runs.step()$($wait)*?;
            assert_eq!(name, "abc");
            Ok(run)
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs.clone(), "abc".to_owned())$($wait)*.into()
        }
    };
}

macro_rules! moved {
    ([#[$first:ident ($($settings:tt)*)] $($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] [$($clone:ident)?]) => {
        #[$first($($settings)* $(, $clone(names, runs))?)]
        $($policies)*
        $($later)* fn f(runs: Runs, names: Vec<String>) -> io::Result<u32> {
            let moved = runs;
            let run = moved.step()$($wait)*;
            let mut names = names.into_iter();
            assert_eq!(names.next(), Some("abc".to_owned()));
            drop(moved);
            run
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs.clone(), vec!["abc".to_owned()])$($wait)*.into()
        }
    };
}

macro_rules! mutable {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($policies)*
        $($later)* fn f(runs: &Runs, mut count: u32) -> io::Result<u32> {
            count += 1;
            assert_eq!(count, 8, "it starts afresh");
            runs.step()$($wait)*
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs, 7)$($wait)*.into()
        }
    };
}

macro_rules! mutable_owned {
    ([#[$first:ident ($($settings:tt)*)] $($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] [$($clone:ident)?]) => {
        #[$first($($settings)* $(, $clone(name))?)]
        $($policies)*
        $($later)* fn f(runs: &Runs, mut name: String) -> io::Result<u32> {
            name.push('!');
            assert_eq!(name, "abc!", "it starts afresh");
            runs.step()$($wait)*
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs, "abc".to_owned())$($wait)*.into()
        }
    };
}

macro_rules! shared_mutably {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($later)* fn add(to: &mut Vec<u32>) {
            to.push(1);
        }
        $($policies)*
        $($later)* fn f(runs: &Runs, seen: &mut Vec<u32>) -> io::Result<u32> {
            add(seen)$($wait)*;
            runs.step()$($wait)*
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            let (before, mut seen) = (runs.count() as usize, Vec::new());
            let came: Came = f(runs, &mut seen)$($wait)*.into();
            assert_eq!(seen.len(), runs.count() as usize - before, "it is shared by the attempts");
            came
        }
    };
}

macro_rules! into_generic {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        fn write(mut to: impl Write) -> io::Result<()> {
            to.write_all(b"x")
        }
        $($policies)*
        $($later)* fn f(runs: &Runs, out: &mut Vec<u8>) -> io::Result<u32> {
            write(&mut *out)?;
            runs.step()$($wait)*
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs, &mut Vec::new())$($wait)*.into()
        }
    };
}

macro_rules! mutable_reference {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($policies)*
        $($later)* fn f(runs: &Runs, mut rest: &mut [u32]) -> io::Result<u32> {
            while let [first, others @ ..] = rest {
                *first += 1;
                rest = others;
            }
            runs.step()$($wait)*
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            let mut numbers = [0; 2];
            let came = f(runs, &mut numbers)$($wait)*.into();
            assert_eq!(numbers[0], numbers[1]);
            came
        }
    };
}

macro_rules! patterns {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        struct Pair { left: u32, right: u32 }
        $($policies)*
        $($later)* fn f(
            runs: &Runs,
            (a, mut b): (u32, u32),
            [x, ..]: [u32; 3],
            Pair { left, right: mut far }: Pair,
            &same: &u32,
            _: String,
        ) -> io::Result<u32> {
            b += 1;
            far += 1;
            assert_eq!((a, b, x, left, far, same), (1, 3, 3, 6, 8, 9));
            runs.step()$($wait)*
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs, (1, 2), [3, 4, 5], Pair { left: 6, right: 7 }, &9, String::new())$($wait)*.into()
        }
    };
}

macro_rules! impl_trait {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($policies)*
        $($later)* fn f(runs: &Runs, name: impl AsRef<str>, all: impl IntoIterator<Item = u32> + Clone) -> io::Result<u32> {
            assert_eq!(name.as_ref(), "abc");
            assert_eq!(all.clone().into_iter().sum::<u32>(), 3);
            runs.step()$($wait)*
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs, "abc".to_owned(), vec![1, 2])$($wait)*.into()
        }
    };
}

macro_rules! impl_fn {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($policies)*
        $($later)* fn f(runs: &Runs, double: impl Fn(u32) -> u32, mut each: impl FnMut(u32) + Copy) -> io::Result<u32> {
            let run = runs.step()$($wait)*?;
            each(run);
            Ok(double(run) / 2)
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs, |n| n * 2, |n| assert!(n > 0))$($wait)*.into()
        }
    };
}

macro_rules! dyn_fn {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($policies)*
        $($later)* fn f(runs: &Runs, double: &dyn Fn(u32) -> u32, each: &mut dyn FnMut(u32)) -> io::Result<u32> {
            let run = runs.step()$($wait)*?;
            each(run);
            Ok(double(run) / 2)
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs, &|n| n * 2, &mut |n| assert!(n > 0))$($wait)*.into()
        }
    };
}

macro_rules! under_cfg {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($policies)*
        $($later)* fn f(runs: &Runs, #[cfg(any())] absent: Absent, #[cfg(all())] present: u32) -> io::Result<u32> {
            assert_eq!(present, 4);
            runs.step()$($wait)*
        }
        $($later)* fn instead(_: &Runs, #[cfg(any())] absent: Absent, _: u32) -> Option<u32> {
            Some(0)
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs, 4)$($wait)*.into()
        }
    };
}

macro_rules! cloned_under_cfg {
    ([#[$first:ident ($($settings:tt)*)] $($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] [$($clone:ident)?]) => {
        #[$first($($settings)* $(, $clone(name, absent))?)]
        $($policies)*
        $($later)* fn f(
            runs: &Runs,
            #[cfg(all())] mut name: String,
            #[cfg(any())] mut name: Absent,
            #[cfg(any())] mut absent: Absent,
            #[cfg(any())] mut rest: &mut Absent,
            #[cfg(all())] mut count: u32,
        ) -> io::Result<u32> {
            name.push('d');
            count += 1;
            assert_eq!((&*name, count), ("abcd", 8));
            drop(name);
            runs.step()$($wait)*
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs, "abc".to_owned(), 7)$($wait)*.into()
        }
    };
}

macro_rules! for_the_fallback {
    ([#[$first:ident ($($settings:tt)*)] $($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] [$($clone:ident)?]) => {
        #[$first($($settings)* $(, $clone(name))?)]
        $($policies)*
        $($later)* fn f(runs: &Runs, name: String, mut count: u32) -> io::Result<u32> {
            count += 1;
            assert_eq!(count, 8);
            drop(name);
            runs.step()$($wait)*
        }
        $($later)* fn instead(_: &Runs, name: String, count: u32) -> io::Result<u32> {
            assert_eq!((&*name, count), ("abc", 7));
            Ok(0)
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs, "abc".to_owned(), 7)$($wait)*.into()
        }
    };
}

rows! { "Arguments":
    none "no argument" [sync later] (value = 0);
    borrowed "borrowed" [sync later] (value = 0);
    owned "owned, only read" [sync later] (value = 0);
    moved "owned and moved, `clone(names, runs)`" [sync later] (value = 0);
    mutable "`mut count: u32`" [sync later] (value = 0);
    mutable_owned "`mut name: String`, `clone(name)`" [sync later] (value = 0);
    shared_mutably "`&mut Vec<u32>`, lent on" [sync later] (value = 0);
    into_generic "`&mut Vec<u8>`, lent to a generic function" [sync later] (value = 0);
    mutable_reference "`mut rest: &mut [u32]`" [sync later] (value = 0);
    patterns "patterns: tuple, slice, struct, reference, `_`" [sync later] (value = 0);
    impl_trait "`impl Trait` by value" [sync later] (value = 0);
    impl_fn "`impl Fn` and `mut impl FnMut` by value" [sync later] (value = 0);
    dyn_fn "`&dyn Fn`, `&mut dyn FnMut`" [sync later] (value = 0);
    under_cfg "arguments under `#[cfg]`" [sync later] (instead);
    cloned_under_cfg "`mut` and moved arguments under `#[cfg]`, `clone(name, absent)`" [sync later] (value = 0);
    for_the_fallback "moved and `mut`, handed to the fallback" [sync later] (instead);
}
