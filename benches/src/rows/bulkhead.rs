//! Bulkheads with a free slot.

use super::{Row, bare, future, sync};
use crate::op::{CallError, Failed, call};
use resilience::{Bulkhead, bulkhead};
use std::time::Duration;
use tokio::sync::Semaphore;

/// Rows with 16 slots.
pub(super) fn rows() -> Vec<Row> {
    static PLAIN: Bulkhead = Bulkhead::new("plain", 16);
    vec![
        Row::new("`#[bulkhead(16)]`")
            .sync(sync!(|x| limited(x)))
            .future(future!(|x| limited_async(x)))
            .at_most(Some(60), Some(90)),
        Row::new("`#[bulkhead(16, wait = 1s)]`")
            .sync(sync!(|x| waiting(x)))
            .future(future!(|x| waiting_async(x))),
        Row::new("`#[bulkhead(adaptive)]`")
            .sync(sync!(|x| adaptive(x)))
            .future(future!(|x| adaptive_async(x))),
        Row::new("`Bulkhead::call`")
            .sync(sync!(|x| PLAIN.call(|| call(x))))
            .future(future!(|x| PLAIN.call_async(async || call(x)))),
        Row::new("tokio's semaphore").sync(sync!(|x| semaphore(x))).future(future!(|x| semaphore_async(x))),
    ]
}

#[bulkhead(16)]
fn limited(x: u64) -> Result<u64, CallError> {
    call(x)
}

#[bulkhead(16)]
async fn limited_async(x: u64) -> Result<u64, CallError> {
    call(x)
}

#[bulkhead(16, wait = 1s)]
fn waiting(x: u64) -> Result<u64, CallError> {
    call(x)
}

#[bulkhead(16, wait = 1s)]
async fn waiting_async(x: u64) -> Result<u64, CallError> {
    call(x)
}

#[bulkhead(adaptive)]
fn adaptive(x: u64) -> Result<u64, CallError> {
    call(x)
}

#[bulkhead(adaptive)]
async fn adaptive_async(x: u64) -> Result<u64, CallError> {
    call(x)
}

static SEMAPHORE: Semaphore = Semaphore::const_new(16);

fn semaphore(x: u64) -> Result<u64, CallError> {
    let _permit = SEMAPHORE.try_acquire().map_err(|_| Failed(0))?;
    call(x)
}

async fn semaphore_async(x: u64) -> Result<u64, CallError> {
    let within = tokio::time::timeout(Duration::from_secs(1), SEMAPHORE.acquire());
    let _permit = within.await.map_err(|_| Failed(0))?.map_err(|_| Failed(0))?;
    bare(x).await
}
