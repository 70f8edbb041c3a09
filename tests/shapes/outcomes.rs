//! What functions return.

use crate::kit::{Came, Runs, here};
use resilience::{
    Classify, Rejected, bulkhead, checkpoint, circuit_breaker, rate_limit, timeout, with_fallback, with_retry,
};
use std::error::Error;
use std::fmt;
use std::io;

macro_rules! option {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($policies)*
        $($later)* fn f(runs: &Runs) -> Option<u32> {
            let run = runs.step()$($wait)*.ok()?;
            Some(run)
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs)$($wait)*.into()
        }
    };
}

type Fallible<T> = Result<T, io::Error>;

macro_rules! alias {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($policies)*
        $($later)* fn f(runs: &Runs) -> Fallible<u32> {
            Ok(runs.step()$($wait)*?)
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs)$($wait)*.into()
        }
    };
}

type Settled = Option<u32>;

macro_rules! hidden_alias {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($policies)*
        $($later)* fn f(runs: &Runs) -> Settled {
            runs.step()$($wait)*.ok()
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs)$($wait)*.into()
        }
    };
}

macro_rules! anyhow {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($policies)*
        $($later)* fn f(runs: &Runs) -> ::anyhow::Result<u32> {
            let run = runs.step()$($wait)*?;
            ::anyhow::ensure!(run > 0, "never");
            Ok(run)
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs)$($wait)*.into()
        }
    };
}

macro_rules! boxed_error {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($policies)*
        $($later)* fn f<'a>(runs: &Runs, text: &'a String) -> Result<&'a str, Box<dyn Error>> {
            let _ = runs.step()$($wait)*?;
            Ok(text)
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            let text = String::from("abc");
            let found = f(runs, &text)$($wait)*.map(|text| if text.is_empty() { 0 } else { runs.value() });
            found.into()
        }
    };
}

macro_rules! boxed_both {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($policies)*
        $($later)* fn f(runs: &Runs) -> Result<Box<dyn Fn() -> u32>, Box<dyn Error + Send + Sync>> {
            let run = runs.step()$($wait)*?;
            Ok(Box::new(move || run))
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs)$($wait)*.map(|run| run()).into()
        }
    };
}

macro_rules! impl_iterator {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($policies)*
        $($later)* fn f(runs: &Runs) -> Result<impl Iterator<Item = u32> + use<>, io::Error> {
            let run = runs.step()$($wait)*?;
            Ok(vec![run].into_iter())
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs)$($wait)*.map(|all| all.sum::<u32>()).into()
        }
    };
}

#[derive(Debug, thiserror::Error, Classify)]
enum Failure {
    #[error("the line: {0}")]
    #[classify(transparent)]
    Line(#[from] io::Error),
    #[error("{0}")]
    #[classify(transparent)]
    Rejected(#[from] Rejected),
}

macro_rules! own_error {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($policies)*
        $($later)* fn f(runs: &Runs) -> Result<u32, Failure> {
            let run = runs.step()$($wait)*?;
            Ok(run)
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs)$($wait)*.into()
        }
    };
}

#[derive(Debug)]
struct Opaque(String);

impl fmt::Display for Opaque {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! opaque_error {
    ([#[$first:ident ($($settings:tt)*)] $($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        #[$first($($settings)*, rejected = |rejected| Opaque(rejected.to_string()))]
        $($policies)*
        $($later)* fn f(runs: &Runs) -> Result<u32, Opaque> {
            runs.step()$($wait)*.map_err(|error| Opaque(error.to_string()))
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs)$($wait)*.into()
        }
    };
}

macro_rules! value_as_failure {
    ([#[$first:ident ($($settings:tt)*)] $($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        #[$first($($settings)*, when_ok = |found: &Vec<u32>| found.is_empty())]
        $($policies)*
        $($later)* fn f(runs: &Runs) -> io::Result<Vec<u32>> {
            Ok(runs.step()$($wait)*.into_iter().collect())
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs)$($wait)*.map_or_else(|error| Came::Error(error.to_string()), |found| match found[..] {
                [] => Came::Nothing,
                [run, ..] => Came::Value(run),
            })
        }
    };
}

macro_rules! tuple {
    ([$($policies:tt)*] [$($later:tt)*] [$($wait:tt)*] $($_:tt)*) => {
        $($policies)*
        $($later)* fn f(runs: &Runs) -> Result<(u32, Option<Vec<Result<u8, ()>>>), io::Error> {
            Ok((runs.step()$($wait)*?, Some(vec![Ok(1), Err(())])))
        }
        pub $($later)* fn call(runs: &Runs) -> Came {
            f(runs)$($wait)*.map(|(run, _)| run).into()
        }
    };
}

rows! { "Outcomes":
    option "`Option<T>`" [sync later] (value = 0);
    alias "an alias of `Result`" [sync later] (value = 0);
    hidden_alias "an alias that hides the `Option`" [sync later] (value = 0);
    anyhow "`anyhow::Result<T>`" [sync later] (value = 0);
    boxed_error "`Result<&str, Box<dyn Error>>` of a `&String`" [sync later] [value = ""];
    boxed_both "`Result<Box<dyn Fn>, Box<dyn Error + Send + Sync>>`" [sync later] [value = Box::new(|| 0)];
    impl_iterator "`Result<impl Iterator, E>`" [sync later] [value = vec![0].into_iter()];
    own_error "an error that derives `Classify`" [sync later] (value = 0);
    opaque_error "an error of no known kind, `rejected = ..`" [sync later] (value = 0);
    value_as_failure "a value that counts as failure, `when_ok = ..`" [sync later] (value = vec![0]);
    tuple "nested generics" [sync later] (value = (0, None));
}
