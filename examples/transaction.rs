//! Two files that change together or not at all: `cargo run --example transaction`.

use resilience::fs::{Transaction, backups, restore};
use std::fs;
use std::io::{Error, Result};
use std::path::{Path, PathBuf};

/// Completes a task: its file and the list of an agent's tasks change together.
fn complete(task: &Path, agent: &Path, fails: bool) -> Result<()> {
    Transaction::many([task, agent]).keep(3).run(|files| {
        let [task, agent] = files else { unreachable!("two files") };
        let open = agent.read_to_string()?.replace("TASK-123\n", "");
        agent.write(open)?;
        task.write("status: complete\n")?;
        if fails { Err(Error::other("the report could not be sent")) } else { Ok(()) }
    })
}

fn show(task: &Path, agent: &Path) -> Result<()> {
    let (task, agent) = (fs::read_to_string(task)?, fs::read_to_string(agent)?);
    println!("{}, open: {:?}", task.trim(), agent.lines().collect::<Vec<_>>());
    Ok(())
}

fn main() -> Result<()> {
    let dir = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/target/example-transaction"));
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir)?;
    let (task, agent) = (dir.join("task.yaml"), dir.join("agent.txt"));
    fs::write(&task, "status: in progress\n")?;
    fs::write(&agent, "TASK-122\nTASK-123\n")?;

    println!("an error leaves both: {}", complete(&task, &agent, true).unwrap_err());
    show(&task, &agent)?;

    complete(&task, &agent, false)?;
    show(&task, &agent)?;

    let newest = backups(&task)?.pop().expect("a backup");
    restore(&task, newest.number)?;
    println!("the task is restored, and what it was is backup {}", newest.number + 1);
    show(&task, &agent)
}
