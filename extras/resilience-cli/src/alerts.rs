//! `resilience alerts`: what programs have reported to their operators.

use crate::Failure;
use crate::args::{AlertsArgs, Place};
use crate::print;
use crate::state;
use resilience::alerts::{Alert, AlertLevel, Follower, recent_in};
use serde::Serialize;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

/// How long a follower waits between two looks.
const PAUSE: Duration = Duration::from_millis(200);

#[derive(Serialize)]
struct Row {
    application: String,
    #[serde(flatten)]
    alert: Alert,
}

pub(crate) fn command(args: &AlertsArgs, place: &Place, json: bool) -> Result<ExitCode, Failure> {
    let states = state::with_alerts(place)?;
    if args.follow {
        let followers = states.into_iter().map(|state| (state.application, Follower::new(state.dir)));
        return follow(args, followers.collect(), json);
    }
    // All that may be asked for: alerts of another level do not count.
    let most = if args.level.is_some() { MOST } else { args.count };
    let (rows, failed) = state::each(states, |state| {
        let recent =
            recent_in(&state.dir, most).map_err(|error| format!("{}: {error}", state.dir.display()))?;
        skipped(&state.application, recent.skipped as u64);
        Ok(chosen(args, &state.application, recent.alerts, args.count))
    });
    print::bytes(&text(&rows, json)?)?;
    Ok(if failed { ExitCode::from(crate::FAILED) } else { ExitCode::SUCCESS })
}

/// The most alerts that the library returns at once.
const MOST: usize = 1_000;

/// Prints what comes until the reader of the output is gone.
fn follow(
    args: &AlertsArgs,
    mut followers: Vec<(String, Follower)>,
    json: bool,
) -> Result<ExitCode, Failure> {
    // What was there before is shown up to the number asked for, what comes then in whole.
    let mut most = args.count;
    loop {
        for (application, follower) in &mut followers {
            let before = follower.skipped();
            let rows = chosen(args, application, follower.next()?, most);
            skipped(application, follower.skipped() - before);
            if !print::is_written(&text(&rows, json)?)? {
                return Ok(ExitCode::SUCCESS);
            }
        }
        most = usize::MAX;
        sleep(PAUSE);
    }
}

/// The last `most` alerts that are as bad as was asked for.
fn chosen(args: &AlertsArgs, application: &str, alerts: Vec<Alert>, most: usize) -> Vec<Row> {
    let least = args.level.map_or(AlertLevel::Warning, AlertLevel::from);
    let rows = alerts.into_iter().filter(|alert| alert.level >= least);
    let mut rows: Vec<_> = rows.map(|alert| Row { application: application.to_owned(), alert }).collect();
    rows.drain(..rows.len().saturating_sub(most));
    rows
}

fn skipped(application: &str, lines: u64) {
    if lines > 0 {
        eprintln!("resilience: {}: {lines} lines are no alerts", print::visible(application));
    }
}

fn text(rows: &[Row], json: bool) -> Result<Vec<u8>, Failure> {
    if json {
        return print::json_lines(rows);
    }
    let line = |row: &Row| {
        let Row { application, alert } = row;
        format!("{} {}: {alert}\n", print::visible(&alert.timestamp), print::visible(application))
    };
    Ok(rows.iter().map(line).collect::<String>().into_bytes())
}
