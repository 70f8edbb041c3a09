//! Two calls at once, then one every 50 ms: callers wait in order, and one that would be too late is rejected.

use resilience::{Rejected, point, rate_limit};
use std::time::Instant;

#[rate_limit(20, per = 1s, burst = 2, wait = 150ms, name = "send")]
async fn send(mail: u32) -> Result<u32, Rejected> {
    Ok(mail)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let start = Instant::now();
    let mails = (1..=6).map(|mail| async move { (send(mail).await, start.elapsed()) });
    for (sent, after) in futures::future::join_all(mails).await {
        println!("after {:>3} ms: {sent:?}", after.as_millis());
    }
    let limit = point("send").and_then(|point| point.rate_limit());
    println!("{}", limit.map(|limit| limit.snapshot().to_string()).unwrap_or_default());
}
