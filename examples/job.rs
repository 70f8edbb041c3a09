//! A job whose call is cut off in the middle, and which `recover()` finishes: recorded steps do not run again.
//!
//! `import_job` does the same with a process that is killed, and a store in a file.

use resilience::durable::{MemoryStore, use_store};
use resilience::{Rejected, checkpoint, in_scope, job, jobs, recover};
use std::sync::Arc;
use tokio::sync::Notify;

/// The last page was asked for, and its answer does not come.
static HANGING: Notify = Notify::const_new();

#[job("import:{id}", ttl = 7d, lease = 30s)]
async fn import(id: u64, pages: u32) -> Result<u32, Rejected> {
    println!("  import:{id} begins");
    // A spawned task is part of the job only with `in_scope`.
    let count = tokio::spawn(in_scope(count_rows(id)));
    let mut rows = count.await.expect("the task does not panic")?;
    for n in 1..=pages {
        rows += fetch_page(n, n == pages).await?;
    }
    Ok(rows)
}

#[checkpoint("rows:{id}", in_job)]
async fn count_rows(id: u64) -> Result<u32, Rejected> {
    println!("  step rows:{id}");
    Ok(100)
}

#[checkpoint("page:{n}", in_job)]
async fn fetch_page(n: u32, is_last: bool) -> Result<u32, Rejected> {
    println!("  step page:{n}");
    // True in every run of the job after the first.
    let may_repeat = resilience::step().is_some_and(|step| step.may_repeat());
    if is_last && !may_repeat {
        HANGING.notify_one();
        std::future::pending::<()>().await;
    }
    Ok(n)
}

async fn print(id: &str) -> Result<(), Rejected> {
    if let Some(info) = jobs::get(id).await? {
        let steps = info.steps.unwrap_or_default();
        println!("{id} is {}, begun {} times, with {steps} steps recorded", info.status, info.attempts);
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Rejected> {
    // Leave this line out, and the records are in a file that survives the process.
    use_store(Arc::new(MemoryStore::new()));
    println!("the first run:");
    tokio::select! {
        rows = import(7, 3) => println!("ended: {rows:?}"),
        () = HANGING.notified() => println!("the call is dropped"),
    }
    print("import:7").await?;
    println!("recovery, which a program does when it starts:");
    let recovered = recover().until_done().await?;
    println!("{recovered}");
    print("import:7").await?;
    println!("called again, it returns the recorded result: {}", import(7, 3).await?);
    Ok(())
}
