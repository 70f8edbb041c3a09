//! A timeout as a plain value, around any body.

use super::config::{Timeout, TimeoutConfig};
use super::thread::{self, Group};
use super::{poll_within, refusal, timed_out};
use crate::base::clock::{Timer, alarm};
use crate::base::scope::{Stack, nanos};
use crate::base::setting::{InvalidPolicy, enforce};
use crate::base::settings::Settings;
use crate::outcome::Refuse;
use crate::point::PointName;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

impl Timeout {
    /// Creates a timeout that ends each attempt after `limit`.
    ///
    /// # Panics
    ///
    /// If `limit` is zero; in a `const` that is a compile error.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Timeout;
    /// use std::time::Duration;
    ///
    /// const LIMIT: Timeout = Timeout::new(Duration::from_secs(2));
    /// assert_eq!((LIMIT.limit(1), LIMIT.limit(2)), (Duration::from_secs(2), Duration::from_secs(2)));
    /// ```
    #[track_caller]
    pub const fn new(limit: Duration) -> Self {
        Self::of(TimeoutConfig::of(limit)).checked()
    }

    pub(super) const fn of(config: TimeoutConfig) -> Self {
        Self { settings: config.into_settings(), name: "timeout" }
    }

    /// Creates a timeout with settings known only at run time: a limit, or a whole [`TimeoutConfig`].
    ///
    /// # Errors
    ///
    /// If a setting is out of range or contradicts another one, with the message of the compiler.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Timeout;
    /// use std::time::Duration;
    ///
    /// assert!(Timeout::try_new(Duration::from_secs(2)).is_ok());
    /// assert!(Timeout::try_new(Duration::ZERO).is_err());
    /// ```
    pub fn try_new(config: impl Into<TimeoutConfig>) -> Result<Self, InvalidPolicy> {
        let config = config.into();
        InvalidPolicy::unless_valid(config.complaint())?;
        Ok(Self { settings: Settings::whole(config), ..Self::of(config) })
    }

    /// Sets the name in events and errors; default `"timeout"`.
    ///
    /// Values with one name share the number of their abandoned bodies on helper threads; see
    /// [`threads`](Self::threads).
    pub const fn name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// Returns the limit of one attempt, counted from 1.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Timeout;
    /// use std::time::Duration;
    ///
    /// const LIMIT: Timeout = Timeout::new(Duration::from_secs(2)).growth(2.0).cap(Duration::from_secs(5));
    /// assert_eq!([1, 2, 3].map(|attempt| LIMIT.limit(attempt).as_secs()), [2, 4, 5]);
    /// ```
    pub fn limit(&self, attempt: u32) -> Duration {
        self.settings.config.limit_of(attempt)
    }

    /// Runs `body` on a helper thread, and abandons it there if it takes longer than the limit.
    ///
    /// An abandoned body runs on to its end, and its result is dropped. The body has the context of the
    /// caller: the limits of the timeouts around the call ([`remaining`](crate::remaining)), the handle of
    /// the tokio runtime, the `tracing` subscriber and span, and the job. The thread has a
    /// [`stack`](Self::stack) as large as a main thread's. Called inside a future, this blocks the executor:
    /// use [`call_async`](Self::call_async) there.
    ///
    /// # Errors
    ///
    /// The body's own, or its error type made from one of these:
    /// - [`Rejected::TimedOut`](crate::Rejected::TimedOut) after the limit.
    /// - [`Rejected::BulkheadFull`](crate::Rejected::BulkheadFull) without running the body, while as many abandoned
    ///   bodies as [`threads`](Self::threads) allows still run, or where the system has no thread left. The values with
    ///   one [name](Self::name) share their count.
    ///
    /// # Panics
    ///
    /// If the body panics within the limit, with its panic.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Rejected, Timeout};
    /// use std::time::Duration;
    ///
    /// const LIMIT: Timeout = Timeout::new(Duration::from_secs(2)).name("parse");
    ///
    /// let words = vec!["one", "two"];
    /// let count: Result<usize, Rejected> = LIMIT.call(move || Ok(words.len()));
    /// assert_eq!(count, Ok(2));
    /// ```
    pub fn call<R, F>(&self, body: F) -> R
    where
        R: Refuse + Send + 'static,
        F: FnOnce() -> R + Send + 'static,
    {
        let limit = self.limit(1);
        match thread::run((Group::Name(self.name), Stack::DIRECT), self.config().helpers(), limit, body) {
            Ok(outcome) => outcome,
            Err(stopped) => R::refuse(refusal((PointName::new(self.name), None), stopped)),
        }
    }

    /// Runs the future of `body`, and drops it if it takes longer than the limit.
    ///
    /// The limit counts from the first poll that is not ready, or from this call if the timeout is
    /// [`strict`](Self::strict). The future holds that of `body` once, and is `Send` where `body` and its
    /// future are.
    ///
    /// # Errors
    ///
    /// The body's own, or its error type made from [`Rejected::TimedOut`](crate::Rejected::TimedOut).
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Rejected, Timeout};
    /// use std::time::Duration;
    ///
    /// const LIMIT: Timeout = Timeout::new(Duration::from_millis(10));
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let name = String::from("Ada");
    /// let greeting = tokio::spawn(async move {
    ///     LIMIT.call_async(async || Ok::<_, Rejected>(format!("Hello, {name}!"))).await
    /// });
    /// assert_eq!(greeting.await.unwrap().unwrap(), "Hello, Ada!");
    ///
    /// let never: Result<(), Rejected> = LIMIT.call_async(std::future::pending).await;
    /// assert!(matches!(never, Err(Rejected::TimedOut { .. })));
    /// # });
    /// ```
    pub fn call_async<R, F, B>(&self, body: F) -> impl Future<Output = R> + use<'_, R, F, B>
    where
        R: Refuse,
        F: FnOnce() -> B,
        B: Future<Output = R>,
    {
        let timer = self.config().strict.then(|| alarm(self.config().limit));
        CallAsync { timeout: self, body: Some(LazyBody::Begins { start: Some(body) }), timer }
    }

    #[inline]
    pub(super) const fn config(&self) -> &TimeoutConfig {
        &self.settings.config
    }

    /// Returns the policy, once every setting is known to be valid.
    #[doc(hidden)]
    #[track_caller]
    pub const fn checked(self) -> Self {
        enforce(self.settings.config.complaint());
        self
    }
}

pin_project_lite::pin_project! {
    /// A body that begins when it is first polled.
    #[project = LazyProjection]
    enum LazyBody<F, B> {
        Begins { start: Option<F> },
        Runs { #[pin] body: B },
    }
}

impl<F: FnOnce() -> B, B: Future> Future for LazyBody<F, B> {
    type Output = B::Output;

    #[inline]
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<B::Output> {
        if let LazyProjection::Begins { start } = self.as_mut().project()
            && let Some(start) = start.take()
        {
            self.set(Self::Runs { body: start() });
        }
        match self.project() {
            LazyProjection::Runs { body } => body.poll(cx),
            // Its start has panicked: there is nothing to poll.
            LazyProjection::Begins { .. } => Poll::Pending,
        }
    }
}

pin_project_lite::pin_project! {
    /// A call of [`Timeout::call_async`].
    #[must_use = "futures do nothing unless polled"]
    struct CallAsync<'a, F, B> {
        #[pin]
        body: Option<LazyBody<F, B>>,
        timer: Option<Timer>,
        timeout: &'a Timeout,
    }
}

impl<F, B> Future for CallAsync<'_, F, B>
where
    F: FnOnce() -> B,
    B: Future<Output: Refuse>,
{
    type Output = B::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (limit, name) = (this.timeout.config().limit, || PointName::new(this.timeout.name));
        poll_within(this.body, this.timer, nanos(limit), || name().stack(), cx).map(|done| {
            done.unwrap_or_else(|dropped| Refuse::refuse(timed_out((name(), None), limit, dropped)))
        })
    }
}
