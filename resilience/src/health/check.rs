//! A check as a value.

use super::answer::Answer;
use super::flight::Entry;
use super::registry;
use super::work::{CheckCode, LIMIT};
use std::fmt;
use std::future::Future;
use std::time::Duration;

/// The builder of a check that the program registers; a function takes `#[health_check]` instead.
///
/// # Examples
///
/// ```
/// use resilience::health::{self, Answer, Check};
/// use std::time::Duration;
///
/// # let _world = resilience::testing::isolate();
/// let length = 3;
/// Check::new("queue", move || Answer::pass("").detail("entries", length))
///     .timeout(Duration::from_millis(500))
///     .critical()
///     .register();
/// assert!(health::ready().is_ready);
/// ```
#[must_use = "a check does nothing until it is registered"]
pub struct Check {
    name: String,
    limit: Duration,
    is_critical: bool,
    work: CheckCode,
}

impl fmt::Debug for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Check").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Check {
    fn of(name: impl Into<String>, work: CheckCode) -> Self {
        Self { name: name.into(), limit: LIMIT, is_critical: false, work }
    }

    /// Creates a check that runs `check` on a helper thread.
    pub fn new<A: Into<Answer>>(
        name: impl Into<String>,
        check: impl Fn() -> A + Send + Sync + 'static,
    ) -> Self {
        Self::of(name, CheckCode::blocking(move || check().into()))
    }

    /// Creates a check that runs the future of `check` on a runtime of this library.
    ///
    /// With the feature `tokio` that is a tokio runtime of its own, with time and, where the program has them, sockets;
    /// without it a helper thread.
    pub fn new_async<A, F>(name: impl Into<String>, check: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        A: Into<Answer>,
        F: Future<Output = A> + Send + 'static,
    {
        Self::of(
            name,
            CheckCode::of_future(move || {
                let outcome = check();
                async move { outcome.await.into() }
            }),
        )
    }

    /// Creates the check of all stores that jobs and steps use: the built-in one, to make it critical or to change its
    /// limit.
    ///
    /// The check fails while one of them takes no write: its disk is full, its files were removed, another process
    /// holds it, or its server is gone. It writes to each store once for a look, which changes no record, and opens no
    /// store that is unused. That write is small: it may pass on a disk that has no room for a large value, of which
    /// the check `disk` warns.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::durable::{MemoryStore, use_store};
    /// use resilience::health::{self, Check};
    ///
    /// # let _world = resilience::testing::isolate();
    /// use_store(std::sync::Arc::new(MemoryStore::new()));
    /// Check::store().critical().register();
    /// assert_eq!(health::check("store").unwrap().to_string(), "store: pass: the store takes writes");
    /// ```
    #[cfg(feature = "durable")]
    #[cfg_attr(docsrs, doc(cfg(feature = "durable")))]
    pub fn store() -> Self {
        Self::of("store", CheckCode::blocking(super::stores::look))
    }

    /// Sets how long a question waits for a look; 2 s by default, and at least 1 ms.
    pub fn timeout(mut self, limit: Duration) -> Self {
        self.limit = limit.max(Duration::from_millis(1));
        self
    }

    /// Lets the check decide [readiness](super::ready).
    pub fn critical(mut self) -> Self {
        self.is_critical = true;
        self
    }

    /// Adds the check, in place of the one with the same name.
    pub fn register(self) {
        registry::add(Entry::new(self.name, self.limit, self.is_critical, self.work));
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn every_check_has_time_for_its_look() {
        let limit = |limit| Check::new("queue", || "fine").timeout(limit).limit;
        let millisecond = Duration::from_millis(1);
        assert_eq!([limit(Duration::ZERO), limit(Duration::from_nanos(1))], [millisecond; 2]);
        assert_eq!([limit(millisecond), limit(Duration::MAX)], [millisecond, Duration::MAX]);
    }
}
