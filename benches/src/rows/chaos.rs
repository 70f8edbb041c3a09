//! Chaos that is not armed.

use super::{Row, future, sync};
use crate::op::{CallError, Failed, call};
use resilience::chaos;

/// Rows in a program that has the feature and arms nothing.
pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("`#[chaos(rate = 50%, fault = ..)]`")
            .sync(sync!(|x| inert(x)))
            .future(future!(|x| inert_async(x))),
    ]
}

#[chaos(rate = 50%, fault = Failed(x).into())]
fn inert(x: u64) -> Result<u64, CallError> {
    call(x)
}

#[chaos(rate = 50%, fault = Failed(x).into())]
async fn inert_async(x: u64) -> Result<u64, CallError> {
    call(x)
}
