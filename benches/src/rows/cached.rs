//! Caches that have the value.

use super::{Row, future, sync};
use crate::op::{CallError, call};
use resilience::cached;
use std::time::Duration;

/// Rows in which every call but the first is answered by the cache.
pub(super) fn rows() -> Vec<Row> {
    vec![
        Row::new("`#[cached(ttl = 60s)]`")
            .sync(sync!(|x| kept(x % 8)))
            .future(future!(|x| kept_async(x % 8))),
        Row::new("moka, `try_get_with`").sync(sync!(let cache = moka(); |x| held(&cache, x % 8))),
    ]
}

#[cached(ttl = 60s)]
fn kept(x: u64) -> Result<u64, CallError> {
    call(x)
}

#[cached(ttl = 60s)]
async fn kept_async(x: u64) -> Result<u64, CallError> {
    call(x)
}

type Moka = moka::sync::Cache<u64, u64>;

fn moka() -> Moka {
    Moka::builder().max_capacity(1_000).time_to_live(Duration::from_secs(60)).build()
}

fn held(cache: &Moka, x: u64) -> Result<u64, std::sync::Arc<CallError>> {
    cache.try_get_with(x, || call(x))
}
