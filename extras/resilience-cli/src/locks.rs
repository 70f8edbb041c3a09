//! `resilience locks`.

use crate::Failure;
use crate::args::{LocksCommand, Place};
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

pub(crate) fn command(command: LocksCommand, place: &Place, json: bool) -> Result<ExitCode, Failure> {
    let mut failed = false;
    let mut fails = |error: &dyn std::fmt::Display| {
        eprintln!("resilience: {}", print::visible(&error.to_string()));
        failed = true;
    };
    let states = state::all_locks(place)?;
    match command {
        LocksCommand::List { held, prefix } => {
            let is_asked_for = |lock: &LockInfo| {
                (lock.is_held || !held) && prefix.as_ref().is_none_or(|prefix| lock.name.starts_with(prefix))
            };
            let mut rows = Vec::new();
            for State { application, dir, .. } in states {
                match list_in(dir) {
                    Ok(locks) => rows.extend(
                        locks
                            .into_iter()
                            .filter(is_asked_for)
                            .map(|lock| Row { application: application.clone(), lock }),
                    ),
                    Err(error) => fails(&error),
                }
            }
            if json {
                print::json(rows)?;
            } else {
                print::table(&HEAD, rows.iter().map(cells).collect(), "no locks")?;
            }
        }
        LocksCommand::Prune => {
            for State { application, dir, .. } in states {
                match prune_in(dir) {
                    Ok(removed) => {
                        print::bytes(format!("{application}: {removed} removed\n").as_bytes())?;
                    }
                    Err(error) => fails(&error),
                }
            }
        }
    }
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
