//! The cost of 200 annotated functions for `cargo check`, beside 200 plain ones.

mod generate;
mod rustc;

pub(crate) use rustc::stand_in;

use generate::{Variant, project};
use std::io;
use std::path::Path;

/// The least of so many measurements counts: the rest is what else the machine does.
const ROUNDS: u32 = 6;

/// The most that annotated functions may cost, as a multiple of those under `#[tracing::instrument]` in the
/// same run: a multiple of plain functions depends on the machine's load.
const BAR: f64 = 0.95;
/// The most that a cold build may cost, as a multiple of what any attribute with a timer is built on.
const COLD_BAR: f64 = 2.0;
const CRATES_BAR: usize = 20;

/// Prints the tables; returns how many numbers are missed.
pub(crate) fn print() -> io::Result<usize> {
    in_a_directory(tables)
}

/// Prints what the compiler's own instructions say: they need no quiet machine.
pub(crate) fn print_counts() -> io::Result<usize> {
    in_a_directory(counts)
}

fn in_a_directory<T>(work: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let root = std::env::temp_dir().join(format!("resilience-compile-{}", std::process::id()));
    let result = work(&root);
    std::fs::remove_dir_all(&root)?;
    result
}

const HEADER: &str = "| edit one | x plain | x `instrument` | edit, x `instrument` | |
|---|--:|--:|--:|--:|--:|---|";

fn counts(root: &Path) -> io::Result<usize> {
    println!("| `cargo check` of 200 async functions, the crate alone | M instructions {HEADER}");
    let mut costs = Vec::new();
    for variant in Variant::ALL {
        let directory = project(root, variant)?;
        costs.push((variant, rustc::count_full(&directory)?, rustc::count_edit(&directory)?));
    }
    Ok(rows(&costs, 0))
}

/// Prints a row for each variant, with its cost in full and after an edit; returns how many are over.
fn rows(costs: &[(Variant, f64, f64)], digits: usize) -> usize {
    let of = |wanted| {
        let cost = costs.iter().find(|(variant, ..)| *variant == wanted);
        cost.map_or((f64::NAN, f64::NAN), |(_, full, edit)| (*full, *edit))
    };
    let ((plain, _), (instrument, instrument_edit)) = (of(Variant::Plain), of(Variant::Instrument));
    let mut missed = 0;
    for (variant, full, edit) in costs {
        let (over, edit_over) = (full / instrument, edit / instrument_edit);
        let verdict = match (variant.has_bar(), over > BAR, edit_over > BAR) {
            (false, ..) => "",
            (true, false, false) => "ok",
            (true, true, false) => "**over**",
            (true, false, true) => "**edit over**",
            (true, true, true) => "**both over**",
        };
        let (name, ratio) = (variant.name(), full / plain);
        println!(
            "| {name} | {full:.digits$} | {edit:.digits$} | {ratio:.2} | {over:.2} | {edit_over:.2} | {verdict} |"
        );
        missed += usize::from(verdict.ends_with("over**"));
    }
    missed
}

fn tables(root: &Path) -> io::Result<usize> {
    println!("| `cargo check` of 200 async functions, the crate alone | CPU s {HEADER}");
    let projects =
        Variant::ALL.map(|variant| project(root, variant)).into_iter().collect::<io::Result<Vec<_>>>()?;
    let full = rustc::full(&projects, ROUNDS)?;
    let edit = rustc::edit(&projects, ROUNDS)?;
    let costs = Variant::ALL.into_iter().zip(full).zip(edit);
    let missed = rows(&costs.map(|((variant, full), edit)| (variant, full, edit)).collect::<Vec<_>>(), 3);
    println!("\nAt most {BAR} x `#[tracing::instrument]`, in full and after an edit.\n");
    println!("| cold build | CPU s, user and system, all crates | at most |\n|---|--:|--:|");
    let floor = rustc::cold(&project(root, Variant::Floor)?)?;
    println!("| {} | {floor:.1} | |", Variant::Floor.name());
    let cold = rustc::cold(&project(root, Variant::Empty)?)?;
    println!("| {} | {cold:.1} | {:.1} |", Variant::Empty.name(), COLD_BAR * floor);
    println!("\n{} crates in `cargo tree -p resilience -e normal`; at most {CRATES_BAR}.", rustc::crates()?);
    Ok(missed + usize::from(cold > COLD_BAR * floor))
}
