//! Type, const and lifetime parameters.

use crate::kit::{Came, Runs, here};
use resilience::{bulkhead, checkpoint, circuit_breaker, rate_limit, timeout, with_fallback, with_retry};
use std::fmt::Display;
use std::io;

macro_rules! types {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($policies)*
        $($later)* fn f<T, U: Into<u32> + Copy>(runs: &Runs, text: &T, more: U) -> io::Result<u32>
        where
            T: Display + ?Sized,
        {
            let run = runs.step()$($wait)*?;
            assert_eq!((text.to_string().as_str(), more.into()), ("abc", 2));
            Ok(run)
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f::<str, u8>(runs, "abc", 2)$($wait)*.into()
        }
    };
}

macro_rules! consts {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($policies)*
        $($later)* fn f<const N: usize>(runs: &Runs) -> io::Result<[u32; N]> {
            let run = runs.step()$($wait)*?;
            Ok([run; N])
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f::<2>(runs)$($wait)*.map(|[a, b]| { assert_eq!(a, b); a }).into()
        }
    };
}

macro_rules! lifetimes {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($policies)*
        $($later)* fn f<'a, 'b: 'a>(runs: &'b Runs, text: &'a str, _: &'b str) -> Result<&'a str, io::Error> {
            let run = runs.step()$($wait)*?;
            Ok(&text[..run as usize])
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs, "abcdef", "")$($wait)*.map(|text| text.len() as u32).into()
        }
    };
}

macro_rules! elided {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        struct Text(String);
        impl Text {
            $($policies)*
            $($later)* fn f(&self) -> io::Result<&str> {
                let run = here().step()$($wait)*?;
                Ok(&self.0[..run as usize])
            }
        }
        pub $($later)* fn call(_: &Runs) -> Came {
            Text("abcdef".to_owned()).f()$($wait)*.map(|text| text.len() as u32).into()
        }
    };
}

macro_rules! generic_impl {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        struct Of<T, const N: usize>(T, Runs);
        impl<T: Clone + Default + serde::Serialize + serde::de::DeserializeOwned, const N: usize> Of<T, N> {
            $($policies)*
            $($later)* fn f<U>(&self, other: &U) -> io::Result<(T, u32)>
            where
                U: ?Sized + AsRef<[u8]>,
            {
                let run = self.1.step()$($wait)*?;
                assert_eq!(other.as_ref().len(), N);
                Ok((self.0.clone(), run))
            }
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            Of::<_, 2>("a".to_owned(), runs.clone()).f("ab")$($wait)*.map(|(_, run)| run).into()
        }
    };
}

macro_rules! generic_error {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($policies)*
        $($later)* fn f<E>(runs: &Runs) -> Result<u32, E>
        where
            E: resilience::Classify + From<resilience::Rejected> + From<io::Error>,
        {
            Ok(runs.step()$($wait)*?)
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f::<io::Error>(runs)$($wait)*.into()
        }
    };
}

macro_rules! higher_ranked {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($policies)*
        $($later)* fn f<F>(runs: &Runs, pick: F) -> io::Result<u32>
        where
            F: for<'x> Fn(&'x [u32]) -> &'x u32,
        {
            let run = runs.step()$($wait)*?;
            Ok(*pick(&[run]))
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs, |all| &all[0])$($wait)*.into()
        }
    };
}

macro_rules! method_of_lifetime {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        struct View<'a> { runs: &'a Runs, text: &'a str }
        impl<'a> View<'a> {
            $($policies)*
            $($later)* fn f(&self) -> io::Result<&'a str> {
                let run = self.runs.step()$($wait)*?;
                Ok(&self.text[..run as usize])
            }
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            View { runs, text: "abcdef" }.f()$($wait)*.map(|text| text.len() as u32).into()
        }
    };
}

rows! { "Generics and lifetimes":
    types "type parameters, `where`, `?Sized`" [sync later] (value = 0);
    consts "const parameter" [sync later] [value = [0; N]];
    lifetimes "named lifetimes, lends an argument" [sync later] [value = ""];
    elided "elided lifetime, lends from `&self`" [sync later] [value = ""];
    generic_impl "method of a generic type" [sync later] (value = (T::default(), 0));
    method_of_lifetime "method of a type with a lifetime" [sync later] [value = ""];
    generic_error "generic error: `E: Classify`" [sync later] (value = 0);
    higher_ranked "`for<'x>` bound" [sync later] (value = 0);
}
