//! `resilience checkpoints`: recorded steps that belong to no job.

use crate::Failure;
use crate::args::{CheckpointsCommand, StateOptions};
use crate::print::{self, age};
use crate::state::{self, State};
use resilience::checkpoints::blocking;
use resilience::durable::CheckpointInfo;
use resilience::jobs::Filter;
use serde::Serialize;
use std::process::ExitCode;

#[derive(Serialize)]
struct Row {
    application: String,
    #[serde(flatten)]
    step: CheckpointInfo,
}

pub(crate) fn command(
    command: CheckpointsCommand,
    place: &StateOptions,
    json: bool,
) -> Result<ExitCode, Failure> {
    match command {
        CheckpointsCommand::List { prefix, limit } => {
            let mut filter = Filter::new().limit(limit);
            if let Some(prefix) = prefix {
                filter = filter.prefix(prefix);
            }
            let (rows, failed) = state::each(state::all(place)?, |state| {
                let page = blocking::of(state.inspect()?).list(filter.clone())?;
                let row = |step| Row { application: state.application.clone(), step };
                Ok(page.into_iter().map(row).collect())
            });
            let done = if json {
                print::json(rows)?
            } else {
                print::table(
                    &["application", "key", "state", "function", "age"],
                    rows.iter().map(cells).collect(),
                    (!failed).then_some("no steps"),
                )?
            };
            Ok(if failed { ExitCode::from(crate::FAILED) } else { done })
        }
        CheckpointsCommand::Show { key } => show(&key, place, json),
        CheckpointsCommand::Clean { older_than } => {
            let (rows, failed) = state::each(state::all(place)?, |state| {
                let removed = blocking::of(state.open()?).cleanup(older_than)?;
                Ok(vec![(state.application.clone(), removed)])
            });
            print::removed(json, &rows)?;
            Ok(ExitCode::from(if failed { crate::FAILED } else { 0 }))
        }
    }
}

/// Describes a step in one line.
pub(crate) fn describe(step: &CheckpointInfo) -> String {
    match &step.damaged {
        Some(damage) => format!("{}: damaged: {damage}", step.key),
        None => format!("{}: {} by {}, begun {} times", step.key, step.status, step.function, step.attempts),
    }
}

fn cells(Row { application, step }: &Row) -> Vec<String> {
    let damaged = step.damaged.as_ref().map(|damage| format!("damaged: {damage}"));
    vec![
        application.clone(),
        step.key.clone(),
        damaged.unwrap_or_else(|| step.status.to_string()),
        step.function.clone(),
        if step.updated == 0 { String::new() } else { age(step.updated) },
    ]
}

fn show(key: &str, place: &StateOptions, json: bool) -> Result<ExitCode, Failure> {
    let state = state::the_one(place, &format!("step `{key}`"), |state| Ok(find(state, key)?.is_some()))?;
    let step = find(&state, key)?.ok_or_else(|| format!("there is no step `{key}`"))?;
    if json {
        return print::json([Row { application: state.application, step }]);
    }
    let mut text = format!("{}\n", print::visible(&describe(&step)));
    if let Some(value) = &step.value {
        text = text + &print::visible(value) + "\n";
    }
    print::bytes(text.as_bytes())
}

/// Returns the step of this key, with its value.
fn find(state: &State, key: &str) -> Result<Option<CheckpointInfo>, Failure> {
    let page = blocking::of(state.inspect()?).list(Filter::new().prefix(key).limit(1).values())?;
    Ok(page.into_iter().find(|step| step.key == key))
}
