//! A function that returns a future is judged by what the future resolves to.

use resilience::with_retry;
use std::cell::Cell;
use std::future::Future;

#[with_retry(max = 2, base = 0s)]
fn third(calls: &Cell<u32>) -> impl Future<Output = Option<u32>> + '_ {
    async move {
        calls.set(calls.get() + 1);
        (calls.get() == 3).then_some(3)
    }
}

fn main() {
    assert_eq!(futures::executor::block_on(third(&Cell::new(0))), Some(3));
}
