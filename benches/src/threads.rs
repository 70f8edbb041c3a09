//! The gain of more threads: the throughput of two on two cores, or of four, over that of one.

use crate::op::{CallError, FAILS, Failed, call};
use crate::rows::by_hand::Counter;
use crate::rows::{keyed, peers};
use nix::time::{ClockId, clock_gettime};
use resilience::{circuit_breaker, with_retry};
use std::hint::{black_box, spin_loop};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// About as long is a sample: short enough to fit between two interruptions.
const SAMPLE: Duration = Duration::from_millis(2);
const SAMPLES: usize = 101;
/// The time for which samples of one row are taken.
const PATIENCE: Duration = Duration::from_secs(20);
/// A sample counts if its threads had a core for so much of it, and ran at once for so much of it.
const ON_CORE: f64 = 0.97;
const AT_ONCE: f64 = 0.90;

/// A function that makes this number of calls; several threads may do so at once, on shared state.
type Calls = Box<dyn Fn(u64) + Sync>;

fn calls<R>(call: impl Fn(u64) -> R + Sync + 'static) -> Calls {
    Box::new(move |n| {
        for i in 0..n {
            let _ = black_box(call(black_box(i)));
        }
    })
}

/// Functions whose calls fail, one for each thread.
macro_rules! failing {
    ($($name:ident),+) => {{
        $(
            #[with_retry(max = 0)]
            fn $name(x: u64) -> Result<u64, CallError> {
                call(x | FAILS)
            }
        )+
        [$(calls($name)),+]
    }};
}

/// Returns the rows, and the least gain of a second thread.
fn rows() -> Vec<(&'static str, Calls, Option<f64>)> {
    let (in_a_row, rate, recloser) = (peers::failsafe(), failsafe::Config::new().build(), peers::recloser());
    let (keys, more_keys) = (keyed::keys(), keyed::keys());
    let map = keyed::map(&keys);
    for key in &keys {
        let _ = by_key(key, 1);
    }
    vec![
        ("the call itself", calls(call), None),
        ("`#[with_retry]`", calls(retried), Some(1.9)),
        ("`#[circuit_breaker(threshold = 5)]`", calls(guarded), Some(1.9)),
        ("`#[circuit_breaker(rate = 50%)]`", calls(by_rate), Some(1.8)),
        ("retry and breaker", calls(both), Some(1.9)),
        ("counter by hand", calls(by_hand), None),
        (
            "failsafe, failures in a row",
            calls(move |x| failsafe::CircuitBreaker::call(&in_a_row, || call(x))),
            None,
        ),
        (
            "failsafe, rate (its default)",
            calls(move |x| failsafe::CircuitBreaker::call(&rate, || call(x))),
            None,
        ),
        ("recloser, rate over 100 calls", calls(move |x| recloser.call(|| call(x))), None),
        (
            "`#[circuit_breaker(key = key)]`, 10,000 keys",
            calls(move |x| by_key(keyed::pick(&keys, x), x)),
            None,
        ),
        (
            "`RwLock<HashMap<..>>` by hand, 10,000 keys",
            calls(move |x| keyed::by_hand(&map, keyed::pick(&more_keys, x), x)),
            None,
        ),
    ]
}

#[with_retry]
fn retried(x: u64) -> Result<u64, CallError> {
    call(x)
}

#[circuit_breaker(threshold = 5)]
fn guarded(x: u64) -> Result<u64, CallError> {
    call(x)
}

#[circuit_breaker(rate = 50%)]
fn by_rate(x: u64) -> Result<u64, CallError> {
    call(x)
}

#[with_retry]
#[circuit_breaker(threshold = 5)]
fn both(x: u64) -> Result<u64, CallError> {
    call(x)
}

#[circuit_breaker(threshold = 5, key = key, max_keys = 10_000)]
fn by_key(key: &str, x: u64) -> Result<u64, CallError> {
    call(x)
}

fn by_hand(x: u64) -> Result<u64, CallError> {
    static BREAKER: Counter = Counter::new();
    if !BREAKER.admits() {
        return Err(Failed(0).into());
    }
    let outcome = call(x);
    BREAKER.settle(outcome.is_ok());
    outcome
}

/// Prints the table; returns how many rows scale worse than they have to.
pub(crate) fn print() -> usize {
    println!(
        "| two threads on two cores, sync | throughput over one thread's, median | quarters | samples | at least | |"
    );
    println!("|---|--:|--:|--:|--:|---|");
    let mut under = 0;
    for (name, calls, bar) in rows() {
        let ratios = ratios(&calls, |n| two(&calls, n));
        under += usize::from(print_row(name, ratios, bar));
    }
    let failing = failing!(first, second, third, fourth);
    let ratios = ratios(&failing[0], |n| four(&failing, n));
    let name = "four threads, each with a function of its own that fails";
    under + usize::from(print_row(name, ratios, Some(1.8)))
}

/// Prints a row; says whether it scales worse than it has to.
fn print_row(name: &str, mut ratios: Vec<f64>, bar: Option<f64>) -> bool {
    ratios.sort_unstable_by(f64::total_cmp);
    let at = |part: usize| ratios.get(ratios.len() * part / 4);
    let least = bar.map_or_else(String::new, |bar| format!("{bar:.1}"));
    let (Some(low), Some(median), Some(high)) = (at(1), at(2), at(3)) else {
        println!("| {name} | - | no core was free for long enough | 0 | {least} | |");
        return false;
    };
    let is_under = bar.is_some_and(|bar| *median < bar);
    let verdict = if is_under { "**under**" } else { bar.map_or("", |_| "ok") };
    let count = ratios.len();
    println!("| {name} | {median:.2} | {low:.2} .. {high:.2} | {count} | {least} | {verdict} |");
    is_under
}

/// Pairs of samples, one thread and then more, so that a slow moment of the machine meets both.
fn ratios(calls: &Calls, more: impl Fn(u64) -> Option<f64>) -> Vec<f64> {
    let n = calls_in_a_sample(calls);
    let begun = Instant::now();
    let mut ratios = Vec::new();
    while ratios.len() < SAMPLES && begun.elapsed() < PATIENCE {
        let one = sample(calls, n);
        if let (Some(one), Some(more)) = (one.throughput(n), more(n)) {
            ratios.push(more / one);
        }
    }
    ratios
}

fn calls_in_a_sample(calls: &Calls) -> u64 {
    let mut n = 1_000;
    while sample(calls, n).wall() < SAMPLE {
        n *= 2;
    }
    n
}

/// One thread's part of a sample.
#[derive(Clone, Copy)]
struct Sample {
    begun: Instant,
    ended: Instant,
    on_core: Duration,
}

impl Sample {
    fn wall(&self) -> Duration {
        self.ended - self.begun
    }

    /// Returns the calls a second; `None` if the thread was interrupted.
    fn throughput(&self, n: u64) -> Option<f64> {
        let wall = self.wall().as_secs_f64();
        (self.on_core.as_secs_f64() >= wall * ON_CORE).then(|| n as f64 / wall)
    }
}

fn sample(calls: &Calls, n: u64) -> Sample {
    let (begun, core) = (Instant::now(), time_on_core());
    calls(n);
    Sample { begun, ended: Instant::now(), on_core: time_on_core().saturating_sub(core) }
}

fn time_on_core() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map_or(Duration::ZERO, Duration::from)
}

/// Returns the throughput of two threads, if they ran at once and undisturbed.
fn two(calls: &Calls, n: u64) -> Option<f64> {
    let ready = AtomicU32::new(0);
    let together = || {
        ready.fetch_add(1, Ordering::Relaxed);
        while ready.load(Ordering::Relaxed) < 2 {
            spin_loop();
        }
        sample(calls, n)
    };
    let (first, second) = thread::scope(|scope| {
        let other = scope.spawn(together);
        (together(), other.join().ok())
    });
    let second = second?;
    let at_once = first.ended.min(second.ended).saturating_duration_since(first.begun.max(second.begun));
    let longest = first.wall().max(second.wall());
    let is_shared = at_once.as_secs_f64() >= longest.as_secs_f64() * AT_ONCE;
    is_shared.then_some(first.throughput(n)? + second.throughput(n)?)
}

/// Returns the throughput of four threads, if they had two cores nearly all the time.
fn four(calls: &[Calls; 4], n: u64) -> Option<f64> {
    let ready = Barrier::new(calls.len());
    let samples = thread::scope(|scope| {
        let start = |calls| {
            let ready = &ready;
            scope.spawn(move || {
                ready.wait();
                sample(calls, n)
            })
        };
        let threads = calls.each_ref().map(start);
        threads.into_iter().filter_map(|thread| thread.join().ok()).collect::<Vec<_>>()
    });
    let begun = samples.iter().map(|sample| sample.begun).min()?;
    let ended = samples.iter().map(|sample| sample.ended).max()?;
    let wall = (ended - begun).as_secs_f64();
    let on_core: f64 = samples.iter().map(|sample| sample.on_core.as_secs_f64()).sum();
    (on_core >= 2.0 * wall * AT_ONCE).then(|| samples.len() as f64 * n as f64 / wall)
}
