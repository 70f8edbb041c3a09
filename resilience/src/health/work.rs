//! The code of a check.

use super::answer::Answer;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

/// The default time for which a question waits for a look.
pub(super) const LIMIT: Duration = Duration::from_secs(2);

type CheckFuture = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// The code of a check.
#[derive(Clone)]
pub(super) enum CheckCode {
    Blocking(Arc<dyn Fn() -> Answer + Send + Sync>),
    Async(Arc<dyn Fn() -> CheckFuture + Send + Sync>),
}

impl CheckCode {
    pub(super) fn blocking(check: impl Fn() -> Answer + Send + Sync + 'static) -> Self {
        Self::Blocking(Arc::new(check))
    }

    pub(super) fn of_future<F>(check: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        Self::Async(Arc::new(move || Box::pin(check())))
    }
}
