//! `resilience locks`.

use crate::Failure;
use crate::args::{LocksCommand, StateOptions};
use crate::print;
use crate::state::{self, State};
use resilience::fs::Holder;
use resilience::lock::{LockInfo, list_in, prune_in};
use serde::Serialize;
use std::process::ExitCode;

/// A lock with the application that it belongs to.
#[derive(Serialize)]
struct Row {
    application: String,
    #[serde(flatten)]
    lock: LockInfo,
}

pub(crate) fn command(command: LocksCommand, place: &StateOptions, json: bool) -> Result<ExitCode, Failure> {
    let states = state::all_locks(place)?;
    let failed = match command {
        LocksCommand::List { held, prefix } => {
            let is_asked_for = |lock: &LockInfo| {
                (lock.is_held || !held) && prefix.as_ref().is_none_or(|prefix| lock.name.starts_with(prefix))
            };
            let (rows, failed) = state::each(states, |State { application, dir, .. }| {
                let row = |lock| Row { application: application.clone(), lock };
                Ok(list_in(dir)?.into_iter().filter(is_asked_for).map(row).collect())
            });
            if json {
                print::json(rows)?;
            } else {
                print::table(&HEAD, rows.iter().map(cells).collect(), (!failed).then_some("no locks"))?;
            }
            failed
        }
        LocksCommand::Prune => {
            let (rows, failed) = state::each(states, |State { application, dir, .. }| {
                Ok(vec![(application.clone(), prune_in(dir)?)])
            });
            print::removed(json, &rows)?;
            failed
        }
    };
    Ok(ExitCode::from(if failed { crate::FAILED } else { 0 }))
}

const HEAD: [&str; 5] = ["application", "lock", "state", "holders", "waits"];

fn cells(Row { application, lock }: &Row) -> Vec<String> {
    let state = match (lock.is_held, &lock.journal) {
        (true, _) => "held",
        (false, Some(_)) => "unfinished",
        (false, None) => "free",
    };
    let holders: Vec<_> = lock.holders.iter().map(Holder::to_string).collect();
    let holders = match (lock.is_held, holders.as_slice()) {
        (true, []) => "unknown".to_owned(),
        (_, holders) => holders.join("; "),
    };
    let waiter = lock.waiter.as_ref().map(Holder::to_string).unwrap_or_default();
    vec![application.clone(), lock.name.clone(), state.to_owned(), holders, waiter]
}
