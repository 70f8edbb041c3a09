//! Two to four processes run the same jobs on one store, while they are killed and stopped, at random times
//! and at every named moment, their power is cut and their clock is set an hour forward or back. Those that
//! were killed are started again until all have ended: then everything is as if nothing had happened.
//!
//! ```sh
//! CRASH_ROUNDS=2000 cargo test --test crash -- --nocapture
//! ```
//!
//! runs 2,000 rounds. A round takes about a quarter of a second of processor time, so that these take less than
//! five minutes on two cores that do nothing else. `CRASH_ROUNDS` sets the number of rounds (60 by default, 500 in
//! CI), `CRASH_SEED` the seed of the first one; a failure names the seed of its round. The seed decides what
//! happens, the machine when.
//!
//! Power cuts and clock steps need a C compiler, for the code that is loaded into the processes: a disk that
//! keeps what was synced (`tests/store/disk.c`), and a clock (`clock.c`). Without one the rounds go without
//! both, and the test says so.
#![cfg(target_os = "linux")]

mod jobs;
mod judge;
mod random;
mod round;
#[path = "../store/shim.rs"]
mod shim;

use round::{Shims, round, round_on_a_disk_that_lies, undisturbed};
use shim::compiled;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Instant;

/// Not a test of its own: a process of a round.
#[test]
#[ignore = "run by the others, in a process of its own"]
fn process() {
    if std::env::var_os("CRASH_DIR").is_some() {
        jobs::run_all();
    }
}

/// Not a test of its own: a process that reads the store at the end of a round.
#[test]
#[ignore = "run by the others, in a process of its own"]
fn print() {
    if std::env::var_os("CRASH_DIR").is_some() {
        jobs::print_store();
    }
}

fn shims() -> Option<&'static Shims> {
    static SHIMS: OnceLock<Option<Shims>> = OnceLock::new();
    let made = SHIMS.get_or_init(|| {
        let disk = compiled("tests/store/disk.c");
        match disk.and_then(|disk| Ok(Shims { disk, clock: compiled("tests/crash/clock.c")? })) {
            Ok(shims) => Some(shims),
            Err(problem) => {
                println!("SKIPPED: power cuts and clock steps: {problem}");
                None
            }
        }
    });
    made.as_ref()
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .map_or(default, |value| value.parse().unwrap_or_else(|_| panic!("{name}={value}")))
}

#[test]
fn jobs_survive_random_crashes() {
    let (rounds, seed) = (number("CRASH_ROUNDS", 60), number("CRASH_SEED", 1));
    let shims = shims();
    let expected = undisturbed(shims);
    let begun = Instant::now();
    let (next, fault) = (AtomicU64::new(0), Mutex::new(None));
    // A round waits more than it works.
    let workers = std::thread::available_parallelism().map_or(2, usize::from) * 2;
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    if at >= rounds || fault.lock().expect("no panic").is_some() {
                        return;
                    }
                    if let Err(problem) = round(seed + at, shims, &expected) {
                        fault.lock().expect("no panic").get_or_insert(problem);
                    }
                }
            });
        }
    });
    println!("{rounds} rounds from seed {seed} in {:?}", begun.elapsed());
    if let Some(problem) = fault.into_inner().expect("no panic") {
        panic!("{problem}");
    }
}

#[test]
fn the_rounds_detect_a_disk_that_ignores_syncs() {
    let Some(shims) = shims() else { return };
    let expected = undisturbed(Some(shims));
    assert!((1..100).any(|seed| round_on_a_disk_that_lies(seed, shims, &expected).is_err()));
}
