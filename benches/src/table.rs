//! The main table: what each row costs a call.

use crate::callgrind::{self, Cost, Kind};
use crate::rows::{self, Row};
use std::fmt::Write as _;
use std::io;

/// The measurements of one row.
#[derive(Clone, Copy)]
struct Measured {
    sync: Option<Cost>,
    future: Option<Cost>,
}

/// Measures all rows whose name contains `filter`, and prints each at once; returns how many miss their
/// number.
pub(crate) fn print(filter: &str) -> io::Result<usize> {
    println!(
        "| happy path, per call | sync | async | x the call itself | allocations | at most | |\n\
         |---|--:|--:|--:|--:|--:|---|"
    );
    let mut bare: Option<Measured> = None;
    let mut over = 0;
    for group in rows::all() {
        let rows: Vec<Row> =
            group.rows.into_iter().filter(|row| bare.is_none() || row.name.contains(filter)).collect();
        if !rows.is_empty() {
            println!("| **{}** | | | | | | |", group.title);
        }
        for row in rows {
            let measured = measure(&row)?;
            let the_call = *bare.get_or_insert(measured);
            println!("{}", line(&row, measured, the_call));
            over += usize::from(misses(&row, measured));
        }
    }
    Ok(over)
}

fn measure(row: &Row) -> io::Result<Measured> {
    let measure = |asked: bool, kind| asked.then(|| callgrind::measure(row.name, kind)).transpose();
    Ok(Measured {
        sync: measure(row.sync.is_some(), Kind::Sync)?,
        future: measure(row.future.is_some(), Kind::Future)?,
    })
}

fn misses(row: &Row, measured: Measured) -> bool {
    let over = |cost: Option<Cost>, bar: Option<u64>| {
        cost.zip(bar).is_some_and(|(cost, bar)| cost.instructions > bar)
    };
    over(measured.sync, row.bars.0) || over(measured.future, row.bars.1)
}

fn line(row: &Row, measured: Measured, bare: Measured) -> String {
    let Measured { sync, future } = measured;
    let instructions = |cost: Cost| cost.instructions.to_string();
    let mut line =
        format!("| {} | {} | {} |", row.name, cell(sync, instructions), cell(future, instructions));
    let ratio = |cost: Option<Cost>, bare: Option<Cost>| {
        cost.zip(bare).map(|(cost, bare)| cost.instructions as f64 / bare.instructions as f64)
    };
    let ratios = (ratio(sync, bare.sync), ratio(future, bare.future));
    let _ = write!(line, " {} |", pair(ratios, |ratio| format!("{ratio:.1}")));
    let _ = write!(line, " {} |", pair((sync, future), |cost| cost.allocations.to_string()));
    let _ = write!(line, " {} |", pair(row.bars, |bar| bar.to_string()));
    let verdict = match (row.bars, misses(row, measured)) {
        ((None, None), _) => "",
        (_, false) => "ok",
        (_, true) => "**over**",
    };
    let _ = write!(line, " {verdict} |");
    line
}

fn cell<T>(value: Option<T>, text: impl Fn(T) -> String) -> String {
    value.map_or_else(|| "-".to_owned(), text)
}

/// Returns both values as text, or the one that there is.
fn pair<T>((sync, future): (Option<T>, Option<T>), text: impl Fn(T) -> String) -> String {
    match (sync, future) {
        (None, None) => String::new(),
        (sync, future) => format!("{} / {}", cell(sync, &text), cell(future, &text)),
    }
}
