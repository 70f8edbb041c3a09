//! `resilience jobs`.

use crate::Failure;
use crate::args::{JobsCommand, StateOptions};
use crate::print::{self, age};
use crate::state::{self, State};
use resilience::durable::store::Liveness;
use resilience::durable::{JobInfo, Status};
use resilience::jobs::{Filter, blocking};
use serde::Serialize;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

const STATUSES: [Status; 9] = [
    Status::Free,
    Status::Running,
    Status::Done,
    Status::Failed,
    Status::Interrupted,
    Status::Manual,
    Status::RollingBack,
    Status::RolledBack,
    Status::Dead,
];

/// A job with the application that it belongs to.
#[derive(Serialize)]
struct Row {
    application: String,
    #[serde(flatten)]
    job: JobInfo,
}

pub(crate) fn command(command: JobsCommand, place: &StateOptions, json: bool) -> Result<ExitCode, Failure> {
    match command {
        JobsCommand::List { status, prefix, limit } => list(&status, prefix, limit, place, json),
        JobsCommand::Show { id } => show(&id, place, json),
        JobsCommand::Resume { id } => {
            let state = find(&id, place)?;
            blocking::of(state.open()?).resume(&id)?;
            let text = format!("{id}: runs again when its program calls it or recovers");
            print::done(json, &answer(&state, &id, "resumed"), &text)
        }
        JobsCommand::Cancel { id, wait } => cancel(&id, wait, place, json),
    }
}

fn list(
    status: &[String],
    prefix: Option<String>,
    limit: usize,
    place: &StateOptions,
    json: bool,
) -> Result<ExitCode, Failure> {
    let statuses = status.iter().map(|word| status_of(word)).collect::<Result<Vec<_>, _>>()?;
    let mut filter = Filter::new().limit(limit);
    if !statuses.is_empty() {
        filter = filter.status(&statuses);
    }
    if let Some(prefix) = prefix {
        filter = filter.prefix(prefix);
    }
    let (rows, failed) = state::each(state::all(place)?, |state| {
        let application = &state.application;
        let page = blocking::of(state.inspect()?).list(filter.clone())?;
        if page.next.is_some() {
            print::say(&format!("{application} has more than {limit} such jobs: raise --limit"));
        }
        Ok(page.into_iter().map(|job| Row { application: application.clone(), job }).collect())
    });
    let done = if json {
        print::json(rows)?
    } else {
        print::table(&HEAD, rows.iter().map(cells).collect(), (!failed).then_some("no jobs"))?
    };
    Ok(if failed { ExitCode::from(crate::FAILED) } else { done })
}

const HEAD: [&str; 7] = ["application", "job", "state", "attempts", "age", "owner", "problem"];

fn cells(Row { application, job }: &Row) -> Vec<String> {
    let damaged = job.damaged.as_ref().map(|damage| format!("damaged: {damage}"));
    let class = job.class.map(|class| class.to_string());
    let problem = damaged.or_else(|| job.problem.clone()).or_else(|| job.text.clone()).or(class);
    let state = match job.status {
        _ if job.damaged.is_some() => "damaged".to_owned(),
        Status::Running if job.cancelled => "stopping".to_owned(),
        status => status.to_string(),
    };
    let owner = match job.owner_state {
        _ if job.status != Status::Running => String::new(),
        Liveness::Dead => owner_of(job),
        _ => job.owner.clone(),
    };
    vec![
        application.clone(),
        job.id.clone(),
        state,
        job.attempts.to_string(),
        if job.created == 0 { String::new() } else { age(job.created) },
        owner,
        problem.unwrap_or_default(),
    ]
}

/// Returns the process that holds the job, or has held it, and whether it lives.
fn owner_of(job: &JobInfo) -> String {
    format!("{} ({})", job.owner, job.owner_state)
}

fn show(id: &str, place: &StateOptions, json: bool) -> Result<ExitCode, Failure> {
    let state = find(id, place)?;
    let jobs = blocking::of(state.inspect()?);
    let job = jobs.get(id)?.ok_or_else(|| format!("there is no job `{id}`"))?;
    let steps = jobs.steps(id)?;
    if json {
        #[derive(Serialize)]
        struct ShownJob<'a> {
            #[serde(flatten)]
            row: Row,
            recorded: &'a [resilience::durable::CheckpointInfo],
        }
        return print::json([ShownJob {
            row: Row { application: state.application, job },
            recorded: &steps,
        }]);
    }
    let mut lines = vec![print::visible(&job.to_string())];
    let mut line = |name: &str, value: String| lines.push(format!("  {name:<12} {}", print::visible(&value)));
    line("application", state.application.clone());
    line(
        "begun",
        format!("{} ago, {} attempts, {} recoveries", age(job.created), job.attempts, job.recoveries),
    );
    line("owner", owner_of(&job));
    if job.completed > 0 {
        line("ended", format!("{} ago", age(job.completed)));
    }
    if job.cancelled {
        line("cancelled", "it was asked to stop".to_owned());
    }
    for (name, value) in [("arguments", &job.input), ("result", &job.result)] {
        if let Some(value) = value {
            line(name, value.clone());
        }
    }
    for cursor in &job.cursors {
        line("progress", format!("{} = {}", cursor.name, cursor.value));
    }
    for step in &steps {
        line("step", crate::checkpoints::describe(step));
    }
    for event in &job.events {
        let reason = if event.reason.is_empty() { String::new() } else { format!(": {}", event.reason) };
        // The end of a job that no strategy has reached is both.
        let words = match (&event.strategy, &event.result) {
            (strategy, result) if strategy == result => result.clone(),
            (strategy, result) => format!("{strategy} {result}"),
        };
        line("history", format!("{} ago, {words}{reason}", age(event.at)));
    }
    print::bytes((lines.join("\n") + "\n").as_bytes())
}

/// Returns the answer to a request about a job, for programs.
fn answer(state: &State, id: &str, result: &str) -> serde_json::Value {
    serde_json::json!({ "application": state.application, "id": id, "result": result })
}

fn cancel(id: &str, wait: Option<Duration>, place: &StateOptions, json: bool) -> Result<ExitCode, Failure> {
    let state = find(id, place)?;
    let jobs = blocking::of(state.open()?);
    jobs.cancel(id)?;
    let began = Instant::now();
    loop {
        let job = jobs.get(id)?;
        let is_running =
            job.as_ref().is_some_and(|job| matches!(job.status, Status::Running | Status::RollingBack));
        let has_ended = "; its process has ended, and the next recovery of its program ends the job";
        let (result, more) = match (&job, wait) {
            (Some(job), _) if !is_running => (job.status.as_str(), ""),
            (None, _) => ("gone", ""),
            (Some(job), None) if job.owner_state == Liveness::Dead => ("asked", has_ended),
            (Some(_), None) => ("asked", "; it stops at its next step"),
            (Some(job), Some(wait)) if began.elapsed() >= wait => {
                let why = match job.owner_state {
                    Liveness::Dead => has_ended.to_owned(),
                    _ => format!(", and still runs after {wait:?}"),
                };
                return Err(format!("`{id}` was asked to stop{why}").into());
            }
            _ => {
                sleep(Duration::from_millis(100));
                continue;
            }
        };
        return print::done(json, &answer(&state, id, result), &format!("{id}: {result}{more}"));
    }
}

/// Returns the state that has the job `id`.
fn find(id: &str, place: &StateOptions) -> Result<State, Failure> {
    state::the_one(place, &format!("job `{id}`"), |state| {
        let page = blocking::of(state.inspect()?).list(Filter::new().prefix(id).limit(1))?;
        Ok(page.iter().any(|job| job.id == id))
    })
}

fn status_of(word: &str) -> Result<Status, Failure> {
    let known = STATUSES.into_iter().find(|status| status.as_str() == word);
    known.ok_or_else(|| {
        let all: Vec<_> = STATUSES.iter().map(|status| status.as_str()).collect();
        format!("unknown state `{word}`: write one of {}", all.join(", ")).into()
    })
}
