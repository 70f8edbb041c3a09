//! A runner of jobs that ends in order: a signal lets the running step finish, and the next start goes on after it.
//!
//! `cargo run --example shutdown`, and Ctrl-C; once more, and it goes on with the job where it was.

use resilience::{Rejected, checkpoint, job, shutdown, with_retry};
use std::time::Duration;

/// One page of a feed; a page that has begun is finished also during a shutdown.
#[checkpoint("page:{n}")]
#[with_retry(max = 5, base = 1s)]
async fn fetch_page(n: u32) -> Result<u32, Rejected> {
    println!("page {n}");
    tokio::time::sleep(Duration::from_millis(100)).await;
    Ok(n * 10)
}

/// During a shutdown its next page is refused with `Rejected::ShuttingDown`: the job is interrupted, and not failed.
#[job("import:{feed}")]
async fn import(feed: String, pages: u32) -> Result<u32, Rejected> {
    println!("import of {feed}");
    let mut rows = 0;
    for n in 1..=pages {
        rows += fetch_page(n).await?;
    }
    Ok(rows)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    resilience::application("shutdown-example");
    // From here on SIGTERM and SIGINT end the program in order.
    let signal = shutdown::signal()?;
    println!("{}", resilience::recover().await?);
    let mut job = tokio::spawn(import("prices".to_owned(), 10));

    tokio::select! {
        () = signal => println!("a signal"),
        rows = &mut job => println!("{} rows", rows??),
    }
    println!("{}", resilience::shutdown(Duration::from_secs(10)).await);
    if let Err(refused) = import("quotes".to_owned(), 1).await {
        println!("{refused}");
    }
    Ok(())
}
