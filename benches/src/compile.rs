//! What 200 annotated functions cost `cargo check`, beside 200 plain ones.

mod generate;
mod rustc;

pub(crate) use rustc::stand_in;

use generate::{Variant, project};
use std::io;
use std::path::Path;

/// The least of so many measurements counts: the rest is what else the machine does.
const ROUNDS: u32 = 6;

/// The most that annotated functions may cost, as a multiple of plain ones and in seconds after an edit.
const BAR: f64 = 2.6;
const EDIT_BAR: f64 = 0.25;
const COLD_BAR: f64 = 8.0;
const CRATES_BAR: usize = 18;

/// Prints the tables; says how many numbers are missed.
pub(crate) fn print() -> io::Result<usize> {
    in_a_directory(tables)
}

/// Prints what the compiler's own instructions say: they need no quiet machine.
pub(crate) fn print_counts() -> io::Result<()> {
    in_a_directory(counts)
}

fn in_a_directory<T>(work: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let root = std::env::temp_dir().join(format!("resilience-compile-{}", std::process::id()));
    let result = work(&root);
    std::fs::remove_dir_all(&root)?;
    result
}

fn counts(root: &Path) -> io::Result<()> {
    println!(
        "| `cargo check` of 200 async functions, the crate alone | M instructions | x plain | edit one |"
    );
    println!("|---|--:|--:|--:|");
    let mut plain = f64::NAN;
    for variant in Variant::ALL {
        let directory = project(root, variant)?;
        let (full, edit) = (rustc::count_full(&directory)?, rustc::count_edit(&directory)?);
        plain = if variant == Variant::Plain { full } else { plain };
        println!("| {} | {full:.0} | {:.2} | {edit:.0} |", variant.name(), full / plain);
    }
    Ok(())
}

fn tables(root: &Path) -> io::Result<usize> {
    println!(
        "| `cargo check` of 200 async functions, the crate alone | CPU s | x plain | x by hand | edit one | |"
    );
    println!("|---|--:|--:|--:|--:|---|");
    let projects =
        Variant::ALL.map(|variant| project(root, variant)).into_iter().collect::<io::Result<Vec<_>>>()?;
    let full = rustc::full(&projects, ROUNDS)?;
    let edit = rustc::edit(&projects, ROUNDS)?;
    let of = |wanted| {
        Variant::ALL
            .iter()
            .zip(&full)
            .find(|(variant, _)| **variant == wanted)
            .map_or(f64::NAN, |(_, full)| *full)
    };
    let (plain, by_hand) = (of(Variant::Plain), of(Variant::ByHand));
    let mut missed = 0;
    for (variant, (full, edit)) in Variant::ALL.into_iter().zip(full.iter().zip(&edit)) {
        let verdict = match (variant.has_bar(), *full > plain * BAR, *edit > EDIT_BAR) {
            (false, ..) => "",
            (true, false, false) => "ok",
            (true, true, false) => "**over**",
            (true, false, true) => "**edit over**",
            (true, true, true) => "**both over**",
        };
        let (name, ratio, over_hand) = (variant.name(), full / plain, full / by_hand);
        println!("| {name} | {full:.3} | {ratio:.2} | {over_hand:.2} | {edit:.3} | {verdict} |");
        missed += usize::from(verdict.ends_with("over**"));
    }
    println!("\nAt most {BAR} x plain, and {EDIT_BAR} s after an edit.\n");
    println!("| cold build | CPU s, user and system, all crates | at most |\n|---|--:|--:|");
    let floor = rustc::cold(&project(root, Variant::Floor)?)?;
    println!("| {} | {floor:.1} | |", Variant::Floor.name());
    let cold = rustc::cold(&project(root, Variant::Empty)?)?;
    println!("| {} | {cold:.1} | {COLD_BAR:.0} |", Variant::Empty.name());
    println!("\n{} crates in `cargo tree -p resilience -e normal`; at most {CRATES_BAR}.", rustc::crates()?);
    Ok(missed + usize::from(cold > COLD_BAR))
}
