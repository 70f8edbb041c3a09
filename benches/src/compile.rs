//! What 200 annotated functions cost `cargo check`, beside 200 plain ones.

mod generate;
mod rustc;

pub(crate) use rustc::stand_in;

use generate::{Variant, project};
use std::io;
use std::path::Path;

/// The least of so many measurements is what counts: the rest is other people's work.
const TIMES: u32 = 4;

/// The most that annotated functions may cost, as a multiple of plain ones and in seconds after an edit.
const BAR: f64 = 2.6;
const EDIT_BAR: f64 = 0.25;
const COLD_BAR: f64 = 8.0;

/// Prints the tables; says how many numbers are missed.
pub(crate) fn print() -> io::Result<usize> {
    let root = std::env::temp_dir().join(format!("resilience-compile-{}", std::process::id()));
    let result = tables(&root);
    std::fs::remove_dir_all(&root)?;
    result
}

fn tables(root: &Path) -> io::Result<usize> {
    println!(
        "| `cargo check` of 200 async functions, the crate alone | CPU s | x plain | x by hand | edit one | |"
    );
    println!("|---|--:|--:|--:|--:|---|");
    let (mut plain, mut by_hand, mut missed) = (None, None, 0);
    for variant in Variant::ALL {
        let directory = project(root, variant)?;
        let full = rustc::full(&directory, TIMES)?;
        let edit = rustc::edit(&directory, TIMES)?;
        let plain = *plain.get_or_insert(full);
        if variant == Variant::ByHand {
            by_hand = Some(full);
        }
        let over_hand = by_hand.map_or_else(String::new, |by_hand: f64| format!("{:.2}", full / by_hand));
        let bar = variant.is_measured_by_the_bar();
        let is_over = bar && (full > plain * BAR || edit > EDIT_BAR);
        let verdict = if is_over {
            "**over**"
        } else if bar {
            "ok"
        } else {
            ""
        };
        println!(
            "| {} | {full:.3} | {:.2} | {over_hand} | {edit:.3} | {verdict} |",
            variant.name(),
            full / plain
        );
        missed += usize::from(is_over);
    }
    println!("\nAt most {BAR} x plain, and {EDIT_BAR} s after an edit.\n");
    let cold = rustc::cold(&project(root, Variant::Empty)?)?;
    println!("| the core with its default features | | at most |\n|---|--:|--:|");
    println!("| crates, `cargo tree -e normal` | {} | 18 |", rustc::crates()?);
    println!("| cold build, CPU s (user and system, all crates) | {cold:.1} | {COLD_BAR:.0} |");
    Ok(missed + usize::from(cold > COLD_BAR))
}
