//! Work with files on a thread of its own, for a future.

use crate::base::carry::carry_fn;
use crate::base::promise::Promise;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::Builder;

/// A guard that cancels the work when it is dropped, unless that has been committed.
struct CancelOnDrop(Arc<AtomicBool>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        is_first(&self.0);
    }
}

/// Decides whether the work goes on or is cancelled; whether this was the first to do so.
fn is_first(is_decided: &AtomicBool) -> bool {
    !is_decided.swap(true, Ordering::AcqRel)
}

/// Runs `work`, which asks before its commit whether the future still waits.
pub(super) async fn run<R: Send + 'static>(
    work: impl FnOnce(&dyn Fn() -> bool) -> R + Send + 'static,
) -> io::Result<R> {
    let (result, is_decided) = (Arc::new(Promise::new()), Arc::new(AtomicBool::new(false)));
    let (given, may_commit) = (result.clone(), is_decided.clone());
    let carried = carry_fn(move || {
        given.give(catch_unwind(AssertUnwindSafe(|| work(&|| is_first(&may_commit)))));
    });
    Builder::new().name("resilience-fs".into()).spawn(carried)?;
    let _cancels = CancelOnDrop(is_decided);
    let result = result.taken().await;
    Ok(result.unwrap_or_else(|panic| resume_unwind(panic)))
}
