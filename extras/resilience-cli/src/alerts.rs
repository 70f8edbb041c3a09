//! `resilience alerts`: what programs have reported to their operators.

use crate::Failure;
use crate::args::{AlertsArgs, StateOptions};
use crate::print;
use crate::state::{self, State};
use resilience::alerts::{
    Alert, AlertLevel, Escalation, Follower, acknowledge_in, escalations_in, recent_in,
};
use serde::Serialize;
use std::collections::BTreeMap;
use std::io;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

/// The wait of a follower between two looks.
const PAUSE: Duration = Duration::from_millis(200);

#[derive(Serialize)]
struct Row {
    application: String,
    #[serde(flatten)]
    alert: Alert,
}

pub(crate) fn command(args: &AlertsArgs, place: &StateOptions, json: bool) -> Result<ExitCode, Failure> {
    if args.follow {
        return follow(args, place, json);
    }
    let states = state::with_alerts(place)?;
    if let Some(id) = &args.acknowledge {
        return acknowledge(states, id);
    }
    if args.escalations {
        return escalations(states, json);
    }
    let (rows, failed) = state::each(states, |state| {
        // All that may be asked for: alerts of another level do not count.
        let most = if args.level.is_some() { MOST } else { args.count };
        let recent = recent_in(&state.dir, most).map_err(|error| at(state, &error))?;
        skipped(&state.application, recent.skipped as u64);
        Ok(chosen(args, &state.application, recent.alerts, args.count))
    });
    print::bytes(&text(&rows, json)?)?;
    Ok(exit_code(failed))
}

fn exit_code(failed: bool) -> ExitCode {
    if failed { ExitCode::from(crate::FAILED) } else { ExitCode::SUCCESS }
}

fn at(state: &State, error: &io::Error) -> Failure {
    format!("{}: {error}", state.dir.display()).into()
}

#[derive(Serialize)]
struct OpenAlerts {
    application: String,
    #[serde(flatten)]
    escalation: Escalation,
}

/// Prints the open escalations, each with its id.
fn escalations(states: Vec<State>, json: bool) -> Result<ExitCode, Failure> {
    let (rows, failed) = state::each(states, |state| {
        let all = escalations_in(&state.dir).map_err(|error| at(state, &error))?;
        let open = all.into_iter().filter(Escalation::is_open);
        Ok(open.map(|escalation| OpenAlerts { application: state.application.clone(), escalation }).collect())
    });
    let line = |row: &OpenAlerts| {
        let alert = &row.escalation.alert;
        let (id, at, application) = (alert.id(), &alert.timestamp, &row.application);
        let [id, at, application] = [id, at.as_str(), application.as_str()].map(print::visible);
        format!("{id} {at} {application}: {alert}\n")
    };
    let text =
        if json { print::json_lines(&rows)? } else { rows.iter().map(line).collect::<String>().into_bytes() };
    print::bytes(&text)?;
    Ok(exit_code(failed))
}

/// Acknowledges the escalation with this id, in whichever state it is.
fn acknowledge(states: Vec<State>, id: &str) -> Result<ExitCode, Failure> {
    let given = |name| std::env::var(name).ok().filter(|value: &String| !value.is_empty());
    let person = given("USER").or_else(|| given("LOGNAME")).unwrap_or_else(|| "unknown".to_owned());
    let (found, failed) = state::each(states, |state| {
        let is_open = acknowledge_in(&state.dir, id, &person).map_err(|error| at(state, &error))?;
        Ok(if is_open { vec![()] } else { Vec::new() })
    });
    if found.is_empty() && !failed {
        let id = print::visible(id);
        return Err(
            format!("no escalation {id} is open: `resilience alerts --escalations` lists them").into()
        );
    }
    Ok(exit_code(failed))
}

/// The most alerts that the library returns at once.
const MOST: usize = 1_000;

/// Prints what comes until the reader of the output is gone.
fn follow(args: &AlertsArgs, place: &StateOptions, json: bool) -> Result<ExitCode, Failure> {
    let mut followers = BTreeMap::new();
    // Earlier alerts are shown up to the number asked for, new ones all.
    let mut most = args.count;
    loop {
        // An application may raise its first alert later.
        for State { application, dir, .. } in state::with_alerts(place)? {
            followers.entry(dir).or_insert_with_key(|dir| (application, Follower::new(dir)));
        }
        for (application, follower) in followers.values_mut() {
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

/// Returns the last `most` alerts that are as bad as was asked for.
fn chosen(args: &AlertsArgs, application: &str, alerts: Vec<Alert>, most: usize) -> Vec<Row> {
    let least = args.level.map_or(AlertLevel::Warning, AlertLevel::from);
    let rows = alerts.into_iter().filter(|alert| alert.level >= least);
    let mut rows: Vec<_> = rows.map(|alert| Row { application: application.to_owned(), alert }).collect();
    rows.drain(..rows.len().saturating_sub(most));
    rows
}

fn skipped(application: &str, lines: u64) {
    if lines > 0 {
        print::say(&format!("{application}: {lines} lines are not alerts"));
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
