//! The cost of the inventory of a large program: 1,000 annotated functions, and 9,000 breakers that joined.

use resilience::{CircuitBreaker, Point};
use std::sync::Arc;
use std::time::Instant;

/// The most milliseconds that each may take.
#[cfg(feature = "ops")]
const PAGE: f64 = 10.0;
const FIRST: f64 = 50.0;
const LATER: f64 = 10.0;

/// Each name three times makes 1,000 functions of one place in the source.
macro_rules! ten {
    ($($rest:tt)*) => {
        pub(crate) mod a { $($rest)* }
        pub(crate) mod b { $($rest)* }
        pub(crate) mod c { $($rest)* }
        pub(crate) mod d { $($rest)* }
        pub(crate) mod e { $($rest)* }
        pub(crate) mod f { $($rest)* }
        pub(crate) mod g { $($rest)* }
        pub(crate) mod h { $($rest)* }
        pub(crate) mod i { $($rest)* }
        pub(crate) mod j { $($rest)* }
    };
}

#[cfg_attr(not(feature = "ops"), allow(dead_code, reason = "they are only listed"))]
mod points {
    ten! { ten! { ten! {
        #[resilience::with_retry(max = 2, base = 0s, budget = none)]
        #[resilience::circuit_breaker(threshold = 1_000_000)]
        pub(crate) fn call(fails: bool) -> std::io::Result<u32> {
            if fails { Err(std::io::ErrorKind::TimedOut.into()) } else { Ok(1) }
        }
    } } }
}

/// Makes two calls of each function: a success, and a failure with two retries.
#[cfg(feature = "ops")]
fn call_each() {
    macro_rules! each {
        ($($a:ident)*) => { $( each!(@ $a a b c d e f g h i j); )* };
        (@ $a:ident $($b:ident)*) => { $( each!(@@ $a $b a b c d e f g h i j); )* };
        (@@ $a:ident $b:ident $($c:ident)*) => {
            $(
                let _ = (points::$a::$b::$c::call(false), points::$a::$b::$c::call(true));
            )*
        };
    }
    each!(a b c d e f g h i j);
}

/// Prints the table; returns how many numbers are missed.
pub(crate) fn print() -> usize {
    println!("| inventory | ms | at most | |\n|---|--:|--:|---|");
    let mut missed = 0;
    let mut row = |name: &str, bar: f64, rounds: u32, work: &mut dyn FnMut() -> usize| {
        let (least, size) = least(rounds, work);
        let verdict = if least > bar { "**over**" } else { "ok" };
        println!("| {name} ({size}) | {least:.2} | {bar} | {verdict} |");
        missed += usize::from(least > bar);
    };
    row("`points()` of 1,000 functions, the first time", FIRST, 1, &mut || resilience::points().len());
    row("`points()` of 1,000 functions", LATER, 20, &mut || resilience::points().len());
    row("`snapshot()` of 1,000 functions", LATER, 20, &mut || resilience::snapshot().points.len());
    #[cfg(feature = "ops")]
    {
        row("bytes of the metrics before a call", PAGE, 20, &mut || resilience::metrics::prometheus().len());
        call_each();
        row("bytes of the metrics after calls of each", PAGE, 20, &mut || {
            resilience::metrics::prometheus().len()
        });
    }
    let breakers: Vec<_> = (0..9_000).map(|n| Arc::new(CircuitBreaker::named(format!("more {n}")))).collect();
    breakers.iter().for_each(Point::register);
    row("`points()` of 10,000, the first time", FIRST, 1, &mut || resilience::points().len());
    row("`points()` of 10,000", LATER, 20, &mut || resilience::points().len());
    missed
}

/// Returns the shortest time of `rounds` runs of `work`, and its result: longer ones include other processes.
fn least(rounds: u32, work: &mut dyn FnMut() -> usize) -> (f64, usize) {
    let mut least = (f64::INFINITY, 0);
    for _ in 0..rounds {
        let begin = Instant::now();
        let size = work();
        least = (least.0.min(begin.elapsed().as_secs_f64() * 1e3), size);
    }
    least
}
