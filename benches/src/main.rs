//! The cost of `resilience`, beside a written-out loop and its peers. See `docs/performance.md`.

mod callgrind;
mod compile;
mod op;
#[cfg(feature = "pages")]
mod pages;
mod rows;
mod sizes;
#[cfg(feature = "store")]
mod store;
#[cfg(feature = "store")]
mod store_size;
mod table;
mod threads;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo run --release -p resilience-benches [-- WHAT]

  (nothing) [TEXT]  instructions and allocations per call of the rows that contain TEXT; needs valgrind
  --threads         what a second thread adds; needs two cores that are mostly free
  --sizes           bytes of futures and values
  --compile         what 200 annotated functions cost `cargo check`, and what the core costs to build
  --compile-counts  the same in the compiler's own instructions, whatever else the machine does; needs valgrind
  --pages           the inventory and the metrics of 1,000 functions, and 10,000 points; needs `--features pages`, and
                    with `ops` for the metrics
  --store           steps a second, bytes and recovery of the SQLite store; needs `--features store`
  --store-size      what 100,000 finished jobs of ten steps take, and emptying it; needs `--features store`";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(code) = compile::stand_in(&arguments) {
        return code;
    }
    if callgrind::asked(&arguments) {
        return ExitCode::SUCCESS;
    }
    match arguments.first().map(String::as_str) {
        Some("--help") => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        Some("--threads") => verdict(threads::print()),
        Some("--sizes") => verdict(sizes::print()),
        #[cfg(feature = "pages")]
        Some("--pages") => verdict(pages::print()),
        #[cfg(not(feature = "pages"))]
        Some("--pages") => {
            eprintln!(
                "not built in: cargo run --release -p resilience-benches --features pages,ops -- --pages"
            );
            ExitCode::FAILURE
        }
        #[cfg(feature = "store")]
        Some("--store") => outcome(store::print()),
        #[cfg(feature = "store")]
        Some(part @ ("--store-process" | "--store-death")) => {
            let dir = std::env::args().nth(2).unwrap_or_default();
            let dir = std::path::Path::new(&dir);
            outcome(if part == "--store-death" { store::death(dir) } else { store::process(dir) })
        }
        #[cfg(feature = "store")]
        Some("--store-size") => outcome(store_size::print(&store::place())),
        #[cfg(feature = "store")]
        Some(part @ ("--store-size-make" | "--store-size-use")) => {
            let dir = std::env::args().nth(2).unwrap_or_default();
            let dir = std::path::Path::new(&dir);
            outcome(if part == "--store-size-make" {
                store_size::make(dir)
            } else {
                store_size::measure(dir)
            })
        }
        #[cfg(not(feature = "store"))]
        Some("--store" | "--store-size") => {
            eprintln!("not built in: cargo run --release -p resilience-benches --features store -- --store");
            ExitCode::FAILURE
        }
        Some("--compile") => outcome(compile::print()),
        Some("--compile-counts") => counted(compile::print_counts),
        filter => counted(|| table::print(filter.unwrap_or_default())),
    }
}

fn counted(print: impl FnOnce() -> std::io::Result<usize>) -> ExitCode {
    if !callgrind::is_there() {
        eprintln!("valgrind is not installed: nothing was measured (`apt-get install valgrind`)");
        return ExitCode::FAILURE;
    }
    outcome(print())
}

fn outcome(missed: std::io::Result<usize>) -> ExitCode {
    match missed {
        Ok(missed) => verdict(missed),
        Err(error) => {
            eprintln!("not measured: {error}");
            ExitCode::FAILURE
        }
    }
}

fn verdict(missed: usize) -> ExitCode {
    if missed == 0 {
        return ExitCode::SUCCESS;
    }
    println!("\n{missed} rows miss their number.");
    ExitCode::FAILURE
}
