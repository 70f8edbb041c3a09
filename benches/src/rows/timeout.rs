//! Timeouts around a body that is ready when it is first polled.

use super::{Row, bare, future};
use crate::op::{CallError, Failed, call};
use resilience::{Timeout, timeout};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(2);

/// Rows with a limit of two seconds.
pub(super) fn rows() -> Vec<Row> {
    static PLAIN: Timeout = Timeout::new(LIMIT);
    vec![
        Row::new("`#[timeout(2s)]`").future(future!(|x| limited(x))),
        Row::new("`#[timeout(2s, strict)]`").future(future!(|x| strict(x))),
        Row::new("`#[timeout(adaptive)]`").future(future!(|x| adaptive(x))),
        Row::new("`Timeout::call_async`").future(future!(|x| PLAIN.call_async(async || call(x)))),
        Row::new("tokio's timeout").future(future!(|x| tokio(x))),
        Row::new("tower timeout").future(super::tower::timeout()),
        Row::new("tower-resilience time limiter").future(super::tower::resilience_timeout()),
    ]
}

#[timeout(2s)]
async fn limited(x: u64) -> Result<u64, CallError> {
    call(x)
}

#[timeout(2s, strict)]
async fn strict(x: u64) -> Result<u64, CallError> {
    call(x)
}

#[timeout(adaptive, floor = 100ms, cap = 10s)]
async fn adaptive(x: u64) -> Result<u64, CallError> {
    call(x)
}

async fn tokio(x: u64) -> Result<u64, CallError> {
    tokio::time::timeout(LIMIT, bare(x)).await.unwrap_or(Err(Failed(0).into()))
}
