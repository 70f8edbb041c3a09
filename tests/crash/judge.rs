//! What must hold at the end of a round.

use crate::jobs::{OUTSIDE, STEPS};
use std::collections::HashMap;

/// A line of the log.
struct Line<'a> {
    what: &'a str,
    value: &'a str,
    at: usize,
}

/// The records without what differs between runs: values, the incarnation in the key of an undo, and the
/// numbers by which the steps of a job are ordered. What is left of those is the order.
fn masked(records: &[String]) -> Vec<String> {
    let mut rows: Vec<(&str, u64, String)> = Vec::new();
    for record in records {
        let words: Vec<_> = record.splitn(4, ' ').collect();
        let [key, status, order, ..] = words[..] else { continue };
        let kept = format!("{} {status}", key.split('#').next().unwrap_or_default());
        let owner = key.rsplit_once('/').map_or("", |(owner, _)| owner);
        rows.push((owner, order.parse().unwrap_or(u64::MAX), kept));
    }
    rows.sort();
    rows.into_iter().map(|(_, _, kept)| kept).collect()
}

/// The state is that of an undisturbed run; every step has run, was acknowledged with one value, which is
/// recorded, did not run again after that, and had one idempotency key.
pub(crate) fn judge(log: &str, records: &[String], undisturbed: &[String]) -> Result<(), String> {
    let (found, expected) = (masked(records), masked(undisturbed));
    if found != expected {
        return Err(format!("the records are\n{found:#?}\nand not\n{expected:#?}"));
    }
    let mut lines: HashMap<(&str, u32), Vec<Line<'_>>> = HashMap::new();
    for (at, line) in log.lines().enumerate() {
        let [what, job, n, value] = line.split(' ').collect::<Vec<_>>()[..] else {
            return Err(format!("line {at} of the log is `{line}`"));
        };
        let n = n.parse().map_err(|_| format!("line {at} of the log is `{line}`"))?;
        lines.entry((job, n)).or_default().push(Line { what, value, at });
    }
    let mut keys = HashMap::new();
    for job in ["sync:1", "async:1", "saga:1", "none"] {
        for n in 0..if job == "none" { OUTSIDE } else { STEPS } {
            let of_step = lines.get(&(job, n)).map(Vec::as_slice).unwrap_or_default();
            let key =
                judge_step(of_step, job == "saga:1").map_err(|fault| format!("{job}, step {n}: {fault}"))?;
            if let Some(other) = keys.insert(key, (job, n)) {
                return Err(format!("{job}, step {n}: its idempotency key is that of {other:?}"));
            }
            let value = of_step.iter().rfind(|line| line.what == "ack").map_or("", |line| line.value);
            let end = format!("[{n},{value}]");
            let is_recorded = job == "saga:1" || records.iter().any(|record| record.ends_with(&end));
            if !is_recorded {
                return Err(format!("{job}, step {n}: {end} is not what is recorded: {records:#?}"));
            }
        }
    }
    judge_rows(&lines)?;
    judge_undos(&lines)
}

/// Returns the idempotency key of the step.
fn judge_step<'a>(lines: &[Line<'a>], is_undone: bool) -> Result<&'a str, String> {
    let of = |what: &str| lines.iter().filter(|line| line.what == what).collect::<Vec<_>>();
    let (effects, acks, undos) = (of("effect"), of("ack"), of("undo"));
    let (Some(effect), Some(ack)) = (effects.first(), acks.first()) else {
        return Err("it has not run, or was not acknowledged".to_owned());
    };
    if effects.iter().any(|effect| effect.at > ack.at) {
        return Err("it ran after it was acknowledged".to_owned());
    }
    if acks.iter().any(|other| other.value != ack.value) {
        return Err("it was acknowledged with two values".to_owned());
    }
    if effects.iter().any(|other| other.value != effect.value) {
        return Err("it has two idempotency keys".to_owned());
    }
    if undos.is_empty() == is_undone || undos.iter().any(|undo| undo.value != ack.value) {
        return Err("it was not undone as it should be".to_owned());
    }
    Ok(effect.value)
}

/// No row is done again after the cursor was saved behind it.
fn judge_rows(lines: &HashMap<(&str, u32), Vec<Line<'_>>>) -> Result<(), String> {
    for n in 0..STEPS {
        let of_row = lines.get(&("rows:1", n)).map(Vec::as_slice).unwrap_or_default();
        let at = |what: &str| {
            of_row.iter().filter(|line| line.what == what).map(|line| line.at).collect::<Vec<_>>()
        };
        let (rows, saved) = (at("row"), at("saved"));
        if rows.is_empty() || saved.iter().any(|saved| rows.iter().any(|row| row > saved)) {
            return Err(format!("row {n} was not done, or was done after the cursor was saved"));
        }
    }
    Ok(())
}

/// Steps are undone in the reverse order of their ends.
fn judge_undos(lines: &HashMap<(&str, u32), Vec<Line<'_>>>) -> Result<(), String> {
    let mut undos: Vec<(usize, u32)> = Vec::new();
    for n in 0..STEPS {
        let of_step = lines.get(&("saga:1", n)).map(Vec::as_slice).unwrap_or_default();
        undos.extend(of_step.iter().filter(|line| line.what == "undo").map(|line| (line.at, n)));
    }
    undos.sort_unstable();
    if undos.is_sorted_by(|(_, one), (_, next)| one >= next) {
        return Ok(());
    }
    Err(format!("the order of the undos is {undos:?}"))
}
