//! Two slots: a third call waits for its turn, and a fourth is rejected, because the queue has one place.

use resilience::{Rejected, bulkhead, point};
use std::time::Duration;

#[bulkhead(2, wait = 1s, queue = 1, name = "render")]
async fn render(page: u32) -> Result<u32, Rejected> {
    println!("  page {page} begins");
    tokio::time::sleep(Duration::from_millis(20)).await;
    Ok(page)
}

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let (a, b, c, d) = tokio::join!(render(1), render(2), render(3), render(4));
    for page in [a, b, c, d] {
        println!("{page:?}");
    }
    let bulkhead = point("render").and_then(|point| point.bulkhead());
    println!("{}", bulkhead.map(|bulkhead| bulkhead.snapshot().to_string()).unwrap_or_default());
}
