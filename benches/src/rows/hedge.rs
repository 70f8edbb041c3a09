//! Hedges around a call that is ready at once: no extra call follows.

use super::{Row, future};
use crate::op::{CallError, call};
use resilience::{Hedge, hedge};
use std::time::Duration;

/// Rows without an extra call.
pub(super) fn rows() -> Vec<Row> {
    static PLAIN: Hedge = Hedge::new("plain", Duration::from_millis(50));
    vec![
        Row::new("`#[hedge(after = 50ms)]`").future(future!(|x| hedged(x))),
        Row::new("`#[hedge(after = p95)]`, which reads the clock").future(future!(|x| measured(x))),
        Row::new("`Hedge::call_async`").future(future!(|x| PLAIN.call_async(async || call(x)))),
    ]
}

#[hedge(after = 50ms, idempotent)]
async fn hedged(x: u64) -> Result<u64, CallError> {
    call(x)
}

#[hedge(after = p95, idempotent)]
async fn measured(x: u64) -> Result<u64, CallError> {
    call(x)
}
