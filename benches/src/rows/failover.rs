//! Failovers whose first value answers.

use super::{Row, future, sync};
use crate::op::{CallError, call};
use resilience::{Failover, failover};

/// Rows in which the caller's own value is the first of three.
pub(super) fn rows() -> Vec<Row> {
    static PLAIN: Failover = Failover::new("plain");
    const LIST: [&str; 3] = ["a", "b", "c"];
    vec![
        Row::new("`#[failover(model = [..])]`")
            .sync(sync!(|x| listed("a", x)))
            .future(future!(|x| listed_async("a", x))),
        Row::new("`#[failover(.., sticky = 60s)]`")
            .sync(sync!(|x| sticky("a", x)))
            .future(future!(|x| sticky_async("a", x))),
        Row::new("`Failover::call`")
            .sync(sync!(|x| PLAIN.call(&"a", &LIST, |_| call(x))))
            .future(future!(|x| PLAIN.call_async(&"a", &LIST, async |_| call(x)))),
    ]
}

#[failover(model = ["a", "b", "c"])]
fn listed(model: &str, x: u64) -> Result<u64, CallError> {
    call(x + (model.len() as u64))
}

#[failover(model = ["a", "b", "c"])]
async fn listed_async(model: &str, x: u64) -> Result<u64, CallError> {
    call(x + (model.len() as u64))
}

#[failover(model = ["a", "b", "c"], sticky = 60s)]
fn sticky(model: &str, x: u64) -> Result<u64, CallError> {
    call(x + (model.len() as u64))
}

#[failover(model = ["a", "b", "c"], sticky = 60s)]
async fn sticky_async(model: &str, x: u64) -> Result<u64, CallError> {
    call(x + (model.len() as u64))
}
