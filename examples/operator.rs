//! Looks at the store of another program, and puts its jobs right.
//!
//! `cargo run --example operator -- DIR` lists the jobs in the store of that directory, `-- DIR show ID` one of them with its
//! steps, `-- DIR check` looks for damage, `-- DIR backup TO` copies the store, `-- DIR resume ID` lets a job that failed run
//! again.

use resilience::durable::SqliteStore;
use resilience::jobs::{self, Filter};
use std::error::Error;
use std::sync::Arc;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments.as_slice() {
        [dir] => list(&SqliteStore::inspect(dir)?)?,
        [dir, "show", id] => show(&SqliteStore::inspect(dir)?, id)?,
        [dir, "check"] => {
            for problem in SqliteStore::inspect(dir)?.integrity_blocking()? {
                println!("{problem}");
            }
        }
        [dir, "backup", to] => SqliteStore::inspect(dir)?.backup_blocking(to)?,
        // This writes, and so joins the processes that use the store.
        [dir, "resume", id] => jobs::blocking::of(Arc::new(SqliteStore::open(dir)?)).resume(id)?,
        _ => println!("usage: operator DIR [show ID | check | backup TO | resume ID]"),
    }
    Ok(())
}

fn list(store: &SqliteStore) -> Result<(), Box<dyn Error>> {
    let jobs = jobs::blocking::of(Arc::new(store.clone()));
    println!("{}; {}", jobs.count()?, store.size_blocking()?);
    let mut filter = Filter::new();
    loop {
        let page = jobs.list(filter.clone())?;
        page.iter().for_each(|job| println!("{job}"));
        let Some(next) = page.next else { return Ok(()) };
        filter = filter.after(next);
    }
}

fn show(store: &SqliteStore, id: &str) -> Result<(), Box<dyn Error>> {
    let jobs = jobs::blocking::of(Arc::new(store.clone()));
    let job = jobs.get(id)?.ok_or("there is no such job")?;
    println!("{job}, owner {} ({}), {} steps", job.owner, job.owner_state, job.steps.unwrap_or(0));
    for step in jobs.steps(id)? {
        println!("    {} is {}, undone {} times", step.key, step.status, step.undos.len());
    }
    for event in &job.events {
        println!("    {} in attempt {}: {}, {}", event.strategy, event.attempt, event.result, event.reason);
    }
    Ok(())
}
