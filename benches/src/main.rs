//! What `resilience` costs, beside a loop by hand and its peers. See `docs/performance.md`.

mod callgrind;
mod op;
mod rows;
mod table;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo run --release -p resilience-benches [-- WHAT]

  (nothing) [TEXT]  instructions and allocations per call of the rows that contain TEXT; needs valgrind";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if callgrind::asked(&arguments) {
        return ExitCode::SUCCESS;
    }
    match arguments.first().map(String::as_str) {
        Some("--help") => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        filter => instructions(filter.unwrap_or_default()),
    }
}

fn instructions(filter: &str) -> ExitCode {
    if !callgrind::is_there() {
        eprintln!("valgrind is not installed: nothing was measured (`apt-get install valgrind`)");
        return ExitCode::FAILURE;
    }
    match table::print(filter) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(over) => {
            println!("\n{over} rows cost more than they may.");
            ExitCode::FAILURE
        }
        Err(error) => {
            eprintln!("callgrind did not run: {error}");
            ExitCode::FAILURE
        }
    }
}
