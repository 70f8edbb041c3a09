//! The rows about rates, each with its verdict.

use super::ROUNDS;

/// The rates of each round, a second.
#[derive(Default)]
pub(super) struct Rates {
    pub(super) raw: Vec<f64>,
    pub(super) bare_one: Vec<f64>,
    pub(super) bare: Vec<f64>,
    pub(super) job_one: Vec<f64>,
    pub(super) job_threads: Vec<f64>,
    pub(super) job_tasks: Vec<f64>,
    pub(super) one: Vec<f64>,
    pub(super) threads: Vec<f64>,
    pub(super) tasks: Vec<f64>,
    pub(super) alone: Vec<f64>,
    pub(super) four: Vec<f64>,
    pub(super) slowest: Vec<f64>,
}

/// Prints the rates of steps; returns how many miss their number.
pub(super) fn print_steps(rates: &Rates) -> usize {
    let by_disk =
        |other: &[f64]| median(other.iter().zip(&rates.raw).map(|(rate, raw)| rate / raw).collect());
    println!("| durable, median of {ROUNDS} rounds | a second | x `fdatasync` | at least | |");
    println!("|---|--:|--:|--:|---|");
    for (name, rates) in [
        ("256 bytes and `fdatasync`, file written before", &rates.raw),
        ("SQLite by hand: one row written, committed and synced", &rates.bare_one),
        ("SQLite by hand: 64 rows written, committed, changed, committed and synced", &rates.bare),
    ] {
        println!("| {name} | {:.0} | {:.2} | | |", median(rates.clone()), by_disk(rates));
    }
    let mut missed = 0;
    for (name, rates, least) in [
        ("step in a job, sync, one writer", &rates.job_one, 0.7),
        ("steps in a job, sync, 64 threads", &rates.job_threads, 8.0),
        ("steps in a job, async, 64 tasks", &rates.job_tasks, 8.0),
        ("step outside of jobs, sync, one writer", &rates.one, 0.5),
        ("steps outside of jobs, sync, 64 threads", &rates.threads, 4.0),
        ("steps outside of jobs, async, 64 tasks", &rates.tasks, 4.0),
    ] {
        let (rate, ratio) = (median(rates.clone()), by_disk(rates));
        let verdict = verdict(ratio < least, "under", &mut missed);
        println!("| {name} | {rate:.0} | {ratio:.2} | {least:.1} | {verdict} |");
    }
    missed
}

/// Prints the rates of DBOS, which were measured or not for a reason.
pub(super) fn print_python(python: Result<Vec<(f64, f64)>, String>, rates: &Rates) -> usize {
    let (alone, many): (Vec<_>, Vec<_>) = match python {
        Ok(rates) => rates.into_iter().unzip(),
        Err(reason) => {
            println!("\nDBOS for Python was not measured: {reason}.");
            return 0;
        }
    };
    let [raw, job_one] = [&rates.raw, &rates.job_one].map(|rates| median(rates.clone()));
    let [alone, many] = [alone, many].map(median);
    println!("| DBOS for Python on SQLite, one workflow | {alone:.0} | {:.2} | | |", alone / raw);
    println!("| DBOS for Python on SQLite, 16 workflows | {many:.0} | {:.2} | | |", many / raw);
    let (ratio, mut missed) = (job_one / alone, 0);
    let verdict = verdict(ratio < 15.0, "under", &mut missed);
    println!("\nOne writer in a job: {ratio:.1} times DBOS (at least 15: {verdict}).");
    missed
}

pub(super) fn print_processes(rates: &Rates) -> usize {
    let four_by_one = rates.four.iter().zip(&rates.alone).map(|(four, alone)| four / alone).collect();
    let mut missed = 0;
    for (what, value, least) in [
        ("Four processes on one store together, by one alone", median(four_by_one), 0.9),
        ("The slowest of the four, by a fourth of their sum", median(rates.slowest.clone()), 0.5),
    ] {
        let verdict = verdict(value < least, "under", &mut missed);
        println!("{what}: {value:.2} (at least {least}: {verdict}).");
    }
    missed
}

/// Returns the word for a number that is met, or counts it as missed.
pub(super) fn verdict(is_missed: bool, word: &str, missed: &mut usize) -> String {
    *missed += usize::from(is_missed);
    if is_missed { format!("**{word}**") } else { "ok".to_owned() }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}
