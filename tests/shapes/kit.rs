//! One shape under every policy: how often the body ran, and what came back.

use resilience::durable::MemoryStore;
use std::cell::RefCell;
use std::fmt::Display;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The runs of one body, which follow a script: `x` fails, `-` never ends, `.` succeeds; its last word
/// stands for all runs after it.
#[derive(Clone, Debug)]
pub struct Runs(Arc<(&'static str, AtomicU32)>);

thread_local! {
    static HERE: RefCell<Option<Runs>> = const { RefCell::new(None) };
    static STORE: RefCell<Arc<MemoryStore>> = RefCell::default();
}

impl Runs {
    fn of(script: &'static str) -> Self {
        let runs = Self(Arc::new((script, AtomicU32::new(0))));
        HERE.with(|here| here.replace(Some(runs.clone())));
        runs
    }

    pub fn count(&self) -> u32 {
        self.0.1.load(Ordering::Relaxed)
    }

    /// What a function without a value of its own stands for: the number of the last run if it did well,
    /// else 0.
    pub fn value(&self) -> u32 {
        let script = self.0.0.as_bytes();
        let last = (self.count() as usize).clamp(1, script.len()) - 1;
        if script[last] == b'.' { self.count() } else { 0 }
    }

    /// One more run: its number from 1, and what it is to do.
    fn next(&self) -> (u32, u8) {
        let run = self.0.1.fetch_add(1, Ordering::Relaxed);
        let script = self.0.0.as_bytes();
        (run + 1, script[(run as usize).min(script.len() - 1)])
    }
}

/// The runs of the call under way, for shapes that cannot take them as an argument; outside of one a run does well.
pub fn here() -> Runs {
    HERE.with(|here| here.borrow().clone()).unwrap_or_else(|| Runs::of("."))
}

/// Where the call under way is recorded: functions that are tests themselves run outside of a world, and the
/// store there is the one of the program.
pub fn store() -> Arc<MemoryStore> {
    STORE.with(|store| store.borrow().clone())
}

fn broken() -> io::Error {
    io::ErrorKind::ConnectionReset.into()
}

/// What a sync body does.
pub mod now {
    use super::{Runs, broken};
    use std::io;

    pub trait Step {
        /// The number of this run, or this run's failure.
        fn step(&self) -> io::Result<u32>;
    }

    impl Step for Runs {
        fn step(&self) -> io::Result<u32> {
            match self.next() {
                (run, b'.') => Ok(run),
                _ => Err(broken()),
            }
        }
    }
}

/// What an async body does.
pub mod later {
    use super::{Future, Runs, broken};
    use std::io;

    pub trait Step {
        /// The number of this run, or this run's failure.
        fn step(&self) -> impl Future<Output = io::Result<u32>> + Send;
    }

    impl Step for Runs {
        async fn step(&self) -> io::Result<u32> {
            let next = self.next();
            tokio::task::yield_now().await;
            match next {
                (run, b'.') => Ok(run),
                (_, b'-') => std::future::pending().await,
                _ => Err(broken()),
            }
        }
    }
}

/// What came back to the caller. A fallback gives 0, a body the number of its run.
#[derive(Clone, Debug, PartialEq)]
pub enum Came {
    Value(u32),
    Error(String),
    Nothing,
}

impl<E: Display> From<Result<u32, E>> for Came {
    fn from(outcome: Result<u32, E>) -> Self {
        outcome.map_or_else(|error| Self::Error(error.to_string()), Self::Value)
    }
}

impl From<Option<u32>> for Came {
    fn from(outcome: Option<u32>) -> Self {
        outcome.map_or(Self::Nothing, Self::Value)
    }
}

impl Came {
    /// Whether it is an error whose text has `words` in it, or the `None` of a function that has no errors.
    fn says(&self, words: &str) -> bool {
        match self {
            Self::Value(_) => false,
            Self::Error(text) => text.contains(words),
            Self::Nothing => true,
        }
    }
}

/// A cell of the table: what was seen, or what was not as it should be.
pub type Cell = Result<String, String>;

fn cell(holds: bool, seen: String) -> Cell {
    if holds { Ok(seen) } else { Err(seen) }
}

/// One row of the table.
#[derive(Debug)]
pub struct Row {
    pub group: &'static str,
    pub shape: &'static str,
    pub kind: &'static str,
    /// `with_retry`, `circuit_breaker`, `timeout`, `with_fallback`, load, `checkpoint`, all four; without an entry where
    /// the policy cannot be.
    pub cells: [Option<Cell>; 7],
}

/// Runs async calls one after the other, on a paused clock.
pub fn wait<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    tokio::task::LocalSet::new().block_on(&runtime.expect("a runtime"), future)
}

/// `max = 3`: two failures are answered, a fourth is the caller's.
pub fn retried(call: impl Fn(&Runs) -> Came) -> Cell {
    let _world = resilience::testing::isolate();
    let (some, all) = (Runs::of("xx."), Runs::of("x"));
    HERE.with(|here| here.replace(Some(some.clone())));
    let answered = call(&some);
    HERE.with(|here| here.replace(Some(all.clone())));
    let failed = call(&all);
    let holds = answered == Came::Value(3) && some.count() == 3 && failed.says("reset") && all.count() == 4;
    cell(
        holds,
        match holds {
            true => "3: value; 4: error".to_owned(),
            false => format!("{} runs, {answered:?}; {} runs, {failed:?}", some.count(), all.count()),
        },
    )
}

/// `threshold = 2`: the third call is refused before the body.
pub fn broken_off(call: impl Fn(&Runs) -> Came) -> Cell {
    let _world = resilience::testing::isolate();
    let runs = Runs::of("x");
    let came = [call(&runs), call(&runs), call(&runs)];
    let holds = runs.count() == 2 && came[1].says("reset") && came[2].says("circuit breaker");
    cell(
        holds,
        match holds {
            true => "2: refused".to_owned(),
            false => format!("{} runs of 3 calls, {came:?}", runs.count()),
        },
    )
}

/// `50ms`: a body that hangs is ended, one that does not is left alone.
pub fn timed(call: impl Fn(&Runs) -> Came) -> Cell {
    let _world = resilience::testing::isolate();
    let runs = Runs::of("-.");
    let came = [call(&runs), call(&runs)];
    let holds = runs.count() == 2 && came[0].says("timed out") && came[1] == Came::Value(2);
    cell(
        holds,
        match holds {
            true => "1: timed out; 1: value".to_owned(),
            false => format!("{} runs of 2 calls, {came:?}", runs.count()),
        },
    )
}

/// A failure is answered, a success is left alone.
pub fn answered(call: impl Fn(&Runs) -> Came) -> Cell {
    let _world = resilience::testing::isolate();
    let runs = Runs::of("x.");
    let came = [call(&runs), call(&runs)];
    let holds = runs.count() == 2 && came == [Came::Value(0), Came::Value(2)];
    cell(
        holds,
        match holds {
            true => "1: fallback; 1: value".to_owned(),
            false => format!("{} runs of 2 calls, {came:?}", runs.count()),
        },
    )
}

/// Three calls an hour: the fourth is refused before the body, whatever the others returned. A recursive function needs
/// two for one.
pub fn admitted(call: impl Fn(&Runs) -> Came) -> Cell {
    let _world = resilience::testing::isolate();
    let runs = Runs::of("x.");
    let came = [call(&runs), call(&runs), call(&runs), call(&runs)];
    let holds = (2..=3).contains(&runs.count())
        && came[0].says("reset")
        && came[1] == Came::Value(2)
        && came[3].says("rate limit");
    cell(
        holds,
        match holds {
            true => "1: error; 1: value; at last 0: refused".to_owned(),
            false => format!("{} runs of 4 calls, {came:?}", runs.count()),
        },
    )
}

/// A failure is not recorded, a success is: the third call is given it.
pub fn recorded(call: impl Fn(&Runs) -> Came) -> Cell {
    let _world = resilience::testing::isolate();
    STORE.with(RefCell::take);
    let runs = Runs::of("x.");
    let came = [call(&runs), call(&runs), call(&runs)];
    let holds = runs.count() == 2 && came[0].says("reset") && came[1..] == [Came::Value(2), Came::Value(2)];
    cell(
        holds,
        match holds {
            true => "1: error; 1: value; 0: value".to_owned(),
            false => format!("{} runs of 3 calls, {came:?}", runs.count()),
        },
    )
}

/// Fallback, total timeout, retry, breaker, attempt timeout: `script` needs three attempts, and a
/// function that always fails ends in the fallback.
pub fn stacked(script: &'static str, call: impl Fn(&Runs) -> Came) -> Cell {
    let _world = resilience::testing::isolate();
    let (some, all) = (Runs::of(script), Runs::of("x"));
    HERE.with(|here| here.replace(Some(some.clone())));
    let answered = call(&some);
    HERE.with(|here| here.replace(Some(all.clone())));
    let failed = call(&all);
    let holds =
        answered == Came::Value(3) && some.count() == 3 && failed == Came::Value(0) && all.count() == 4;
    cell(
        holds,
        match holds {
            true => "3: value; 4: fallback".to_owned(),
            false => format!("{} runs, {answered:?}; {} runs, {failed:?}", some.count(), all.count()),
        },
    )
}

/// The modules of one shape, one a policy, and its row.
///
/// A shape is a macro of `[policies] [async] [.await] [clone]` that makes the function and a `call`; the
/// last is empty where nothing uses an argument twice.
macro_rules! row {
    (@now $shape:ident, ($($fallback:tt)*), $kept:expr) => {
        mod with_retry { use super::*; $shape!([#[with_retry(max = 3)]] [] [] [clone]); }
        mod circuit_breaker { use super::*; $shape!([#[circuit_breaker(threshold = 2)]] [] [] []); }
        mod with_fallback { use super::*; $shape!([#[with_fallback($($fallback)*)]] [] [] [clone]); }
        mod load { use super::*; $shape!([#[bulkhead(4, wait = 1s)] #[rate_limit(3, per = 1h)]] [] [] []); }
        mod all {
            use super::*;
            $shape!([
                #[with_fallback($($fallback)*)]
                #[with_retry(max = 3)]
                #[circuit_breaker(threshold = 9)]
            ] [] [] [clone]);
        }
        pub fn cells() -> [Option<crate::kit::Cell>; 7] {
            [
                Some(crate::kit::retried(with_retry::call)),
                Some(crate::kit::broken_off(circuit_breaker::call)),
                None,
                Some(crate::kit::answered(with_fallback::call)),
                Some(crate::kit::admitted(load::call)),
                $kept,
                Some(crate::kit::stacked("xx.", all::call)),
            ]
        }
    };
    (@later $shape:ident, ($($fallback:tt)*), $kept:expr) => {
        mod with_retry { use super::*; $shape!([#[with_retry(max = 3)]] [async] [.await] [clone]); }
        mod circuit_breaker { use super::*; $shape!([#[circuit_breaker(threshold = 2)]] [async] [.await] []); }
        mod timeout { use super::*; $shape!([#[timeout(50ms)]] [async] [.await] []); }
        mod with_fallback { use super::*; $shape!([#[with_fallback($($fallback)*)]] [async] [.await] [clone]); }
        mod load { use super::*; $shape!([#[bulkhead(4, wait = 1s)] #[rate_limit(3, per = 1h)]] [async] [.await] []); }
        mod all {
            use super::*;
            $shape!([
                #[with_fallback($($fallback)*)]
                #[timeout(10s)]
                #[with_retry(max = 3)]
                #[circuit_breaker(threshold = 9)]
                #[timeout(2s)]
            ] [async] [.await] [clone]);
        }
        pub fn cells() -> [Option<crate::kit::Cell>; 7] {
            use crate::kit::wait;
            [
                Some(crate::kit::retried(|runs| wait(with_retry::call(runs)))),
                Some(crate::kit::broken_off(|runs| wait(circuit_breaker::call(runs)))),
                Some(crate::kit::timed(|runs| wait(timeout::call(runs)))),
                Some(crate::kit::answered(|runs| wait(with_fallback::call(runs)))),
                Some(crate::kit::admitted(|runs| wait(load::call(runs)))),
                $kept,
                Some(crate::kit::stacked("x-.", |runs| wait(all::call(runs)))),
            ]
        }
    };
    // Without a policy that calls the body more than once.
    (@straight_now $shape:ident, ($($fallback:tt)*), $kept:expr) => {
        mod circuit_breaker { use super::*; $shape!([#[circuit_breaker(threshold = 2)]] [] [] []); }
        mod with_fallback { use super::*; $shape!([#[with_fallback($($fallback)*)]] [] [] [clone]); }
        mod load { use super::*; $shape!([#[bulkhead(4, wait = 1s)] #[rate_limit(3, per = 1h)]] [] [] []); }
        pub fn cells() -> [Option<crate::kit::Cell>; 7] {
            [
                None,
                Some(crate::kit::broken_off(circuit_breaker::call)),
                None,
                Some(crate::kit::answered(with_fallback::call)),
                Some(crate::kit::admitted(load::call)),
                $kept,
                None,
            ]
        }
    };
    (@straight_later $shape:ident, ($($fallback:tt)*), $kept:expr) => {
        mod circuit_breaker { use super::*; $shape!([#[circuit_breaker(threshold = 2)]] [async] [.await] []); }
        mod timeout { use super::*; $shape!([#[timeout(50ms)]] [async] [.await] []); }
        mod with_fallback { use super::*; $shape!([#[with_fallback($($fallback)*)]] [async] [.await] [clone]); }
        mod load { use super::*; $shape!([#[bulkhead(4, wait = 1s)] #[rate_limit(3, per = 1h)]] [async] [.await] []); }
        pub fn cells() -> [Option<crate::kit::Cell>; 7] {
            use crate::kit::wait;
            [
                None,
                Some(crate::kit::broken_off(|runs| wait(circuit_breaker::call(runs)))),
                Some(crate::kit::timed(|runs| wait(timeout::call(runs)))),
                Some(crate::kit::answered(|runs| wait(with_fallback::call(runs)))),
                Some(crate::kit::admitted(|runs| wait(load::call(runs)))),
                $kept,
                None,
            ]
        }
    };
    (sync $shape:ident $fallback:tt) => {
        pub mod sync { use super::*; use crate::kit::now::*; row!(@kept now $shape $fallback); }
    };
    (later $shape:ident $fallback:tt) => {
        pub mod later { use super::*; use crate::kit::later::*; row!(@kept later $shape $fallback); }
    };
    (straight_sync $shape:ident $fallback:tt) => {
        pub mod straight_sync { use super::*; use crate::kit::now::*; row!(@kept straight_now $shape $fallback); }
    };
    (straight_later $shape:ident $fallback:tt) => {
        pub mod straight_later { use super::*; use crate::kit::later::*; row!(@kept straight_later $shape $fallback); }
    };
    // What cannot be recorded, for instance a reference.
    (@kept $kind:ident $shape:ident [$($fallback:tt)*]) => {
        row!(@$kind $shape, ($($fallback)*), None);
    };
    (@kept now $shape:ident $fallback:tt) => {
        mod checkpoint { use super::*; $shape!([#[checkpoint("row", inputs(), store = crate::kit::store())]] [] [] []); }
        row!(@now $shape, $fallback, Some(crate::kit::recorded(checkpoint::call)));
    };
    (@kept straight_now $shape:ident $fallback:tt) => {
        mod checkpoint { use super::*; $shape!([#[checkpoint("row", inputs(), store = crate::kit::store())]] [] [] []); }
        row!(@straight_now $shape, $fallback, Some(crate::kit::recorded(checkpoint::call)));
    };
    (@kept $kind:ident $shape:ident $fallback:tt) => {
        mod checkpoint { use super::*; $shape!([#[checkpoint("row", inputs(), store = crate::kit::store())]] [async] [.await] []); }
        row!(@$kind $shape, $fallback, Some(crate::kit::recorded(|runs| crate::kit::wait(checkpoint::call(runs)))));
    };
}

/// The rows of one group: `shape "in words" [kinds] (fallback);`, with brackets around the fallback where the
/// value cannot be recorded.
macro_rules! rows {
    ($group:literal: $($shape:ident $words:literal [$($kind:ident)*] $fallback:tt;)*) => {
        $(mod $shape { use super::*; $(row!($kind $shape $fallback);)* })*

        pub fn rows() -> Vec<crate::kit::Row> {
            vec![$($(
                crate::kit::Row {
                    group: $group,
                    shape: $words,
                    kind: if stringify!($kind).ends_with("sync") { "sync" } else { "async" },
                    cells: $shape::$kind::cells(),
                },
            )*)*]
        }
    };
}
