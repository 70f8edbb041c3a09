//! One call at a time for each task, in all processes: `cargo run --example with_lock`.
//!
//! Run it twice at once: the second one waits for the tasks of the first.

use resilience::fs::{LockError, lock_all};
use resilience::{Rejected, lock, with_fallback, with_lock};
use std::time::Duration;

#[derive(Debug, thiserror::Error)]
enum TaskError {
    #[error(transparent)]
    Rejected(#[from] Rejected),
}

/// Another call for the same task waits for up to 5 s.
#[with_lock("task:{id}", wait = 5s)]
fn complete(id: &str) -> Result<String, TaskError> {
    Ok(format!("{id} is complete"))
}

/// A call that would have to wait is answered at once.
#[with_fallback(value = "the report is being made".to_owned())]
#[with_lock("report", wait = 0s)]
async fn report() -> Result<String, TaskError> {
    Ok("the report".to_owned())
}

/// Another program of this user that uses the name waits, too; readers do not wait for each other.
#[with_lock("index", common, shared)]
fn search(text: &str) -> std::io::Result<usize> {
    Ok(text.len())
}

fn main() -> Result<(), LockError> {
    // Without this line the locks are beside the store of the program.
    lock::use_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/target/example-locks"));
    println!("{:?}", complete("TASK-123"));

    // The same lock by hand. `complete` is refused at once inside of a call that holds it.
    let held = lock::task("TASK-123").acquire()?;
    for lock in lock::list()? {
        println!("{lock}");
    }
    held.unlock();

    // Several at once, always in the same order.
    let both = lock_all([lock::task("TASK-1"), lock::task("TASK-2")], Duration::from_secs(5))?;
    println!("{} locks are held", both.len());
    drop(both);

    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let busy = lock::named("report").acquire()?;
    println!("{:?}", runtime.block_on(report()));
    drop(busy);
    println!("{:?}", runtime.block_on(report()));
    println!("found {}", search("rust").expect("no error"));
    println!("{:?}", lock::stats());
    println!("{} locks that are not in use are removed", lock::prune()?);
    Ok(())
}
