//! Ending a call that takes too long: async by dropping it, sync by leaving it to a helper thread.

mod thread;

use crate::clock::{Timer, alarm};
use crate::event::{Event, emit};
use crate::outcome::Refuse;
use crate::point::{Layer, PointName, PointSite};
use crate::policy::InvalidPolicy;
use crate::rejected::Rejected;
use crate::scope::nanos;
use crate::{defaults, scope};
use std::any::Any;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use thread::{Group, Stopped};

/// Ends a call that takes longer than its limit.
///
/// # Examples
///
/// ```
/// use resilience::policy::Timeout;
/// use std::time::Duration;
///
/// const LIMIT: Timeout = Timeout::new(Duration::from_secs(2)).growth(2.0).cap(Duration::from_secs(30));
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let answer: Result<u32, std::io::Error> = LIMIT.call_async(async || Ok(42)).await;
/// assert_eq!(answer.unwrap(), 42);
/// # });
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Timeout {
    config: TimeoutConfig,
    name: &'static str,
}

/// The settings of a [`Timeout`], for [`try_new`](Timeout::try_new); one that has only a limit is made
/// `from` it.
///
/// # Examples
///
/// ```
/// use resilience::policy::timeout::{Timeout, TimeoutConfig};
/// use std::time::Duration;
///
/// let limit = Duration::from_secs(2);
/// assert!(Timeout::try_new(limit).is_ok());
/// assert!(Timeout::try_new(TimeoutConfig { growth: 2.0, ..limit.into() }).is_ok());
/// assert!(Timeout::try_new(TimeoutConfig { growth: f64::NAN, ..limit.into() }).is_err());
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TimeoutConfig {
    /// How long an attempt may take; above zero.
    pub limit: Duration,
    /// The factor of the limit from one attempt to the next; from 1, default 1.
    pub growth: f64,
    /// The longest limit that `growth` reaches, at least `limit`; default 30 s, or `limit` if that is longer.
    pub cap: Option<Duration>,
    /// Whether the time counts from the call; default `false`, from the first poll that is not ready.
    pub strict: bool,
    /// How many abandoned bodies may still run on helper threads; from 1, default 16.
    pub threads: u32,
    /// The stack of a helper thread in bytes; from 64 KiB, default 8 MiB, as a main thread has.
    pub stack: usize,
}

impl TimeoutConfig {
    const fn of(limit: Duration) -> Self {
        let (threads, stack) = (defaults::timeout::THREADS, defaults::timeout::STACK);
        Self { limit, growth: 1.0, cap: None, strict: false, threads, stack }
    }
}

impl From<Duration> for TimeoutConfig {
    fn from(limit: Duration) -> Self {
        Self::of(limit)
    }
}

impl Timeout {
    /// A limit of `limit` for each attempt.
    ///
    /// # Panics
    ///
    /// If `limit` is zero; in a `const` that is a compile error.
    #[track_caller]
    pub const fn new(limit: Duration) -> Self {
        Self::of(TimeoutConfig::of(limit)).checked()
    }

    const fn of(config: TimeoutConfig) -> Self {
        Self { config, name: "timeout" }
    }

    /// As [`new`](Self::new), for settings known only at run time: a limit, or a whole [`TimeoutConfig`].
    ///
    /// # Errors
    ///
    /// With the words that the compiler would use, where they make no sense.
    pub fn try_new(config: impl Into<TimeoutConfig>) -> Result<Self, InvalidPolicy> {
        let timeout = Self::of(config.into());
        timeout.judge().map(|()| timeout)
    }

    /// Multiplies the limit by `growth` on each retry, up to [`cap`](Self::cap); at least 1, default 1.
    ///
    /// # Panics
    ///
    /// If `growth` is below 1, infinite or not a number.
    pub const fn growth(mut self, growth: f64) -> Self {
        self.config.growth = growth;
        self.checked()
    }

    /// The longest limit that [`growth`](Self::growth) reaches; default 30 s, or the limit if that is longer.
    ///
    /// # Panics
    ///
    /// If `cap` is shorter than the limit: the first attempt would already be longer.
    #[track_caller]
    pub const fn cap(mut self, cap: Duration) -> Self {
        self.config.cap = Some(cap);
        self.checked()
    }

    fn longest(&self) -> Duration {
        self.config.cap.unwrap_or(defaults::timeout::CAP).max(self.config.limit)
    }

    /// Counts the time from the call, at the price of a clock reading, instead of from the first poll
    /// that is not ready.
    pub const fn strict(mut self) -> Self {
        self.config.strict = true;
        self
    }

    /// Sets how many abandoned bodies may still run on helper threads before [`call`](Self::call) refuses
    /// to run another one; default 16. Bodies that are within their limit are not counted.
    ///
    /// # Panics
    ///
    /// If `threads` is zero.
    #[track_caller]
    pub const fn threads(mut self, threads: u32) -> Self {
        self.config.threads = threads;
        self.checked()
    }

    /// Sets the stack of a helper thread in bytes; default 8 MiB, as a main thread has.
    ///
    /// # Panics
    ///
    /// If `stack` is below 64 KiB.
    #[track_caller]
    pub const fn stack(mut self, stack: usize) -> Self {
        self.config.stack = stack;
        self.checked()
    }

    /// Sets the name in events and errors; default `"timeout"`.
    pub const fn name(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// The limit of one attempt, counted from 1.
    pub fn limit(&self, attempt: u32) -> Duration {
        if self.config.growth <= 1.0 || attempt <= 1 {
            return self.config.limit;
        }
        let power = self.config.growth.powi(i32::try_from(attempt - 1).unwrap_or(i32::MAX));
        let grown = self.config.limit.as_secs_f64() * power;
        Duration::try_from_secs_f64(grown).unwrap_or(Duration::MAX).min(self.longest())
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
    /// - [`Rejected::TimedOut`] after the limit.
    /// - [`Rejected::BulkheadFull`] without running the body, while as many abandoned bodies as
    ///   [`threads`](Self::threads) allows still run, or where the system has no thread left. The values
    ///   with one [name](Self::name) share their count.
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
        match thread::run(Group::Name(self.name), &self.config, limit, body) {
            Ok(outcome) => outcome,
            Err(stopped) => R::refuse(refusal(PointName::new(self.name), limit, stopped)),
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
    /// The body's own, or its error type made from [`Rejected::TimedOut`].
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
        let timer = self.config.strict.then(|| alarm(self.config.limit));
        Called { timeout: self, body: Some(Lazy::Begins { start: Some(body) }), timer }
    }

    /// The policy, once every setting is known to make sense.
    #[doc(hidden)]
    #[track_caller]
    pub const fn checked(self) -> Self {
        match self.judge() {
            Ok(()) => self,
            Err(invalid) => panic!("{}", invalid.message()),
        }
    }

    const fn judge(&self) -> Result<(), InvalidPolicy> {
        if self.config.limit.is_zero() {
            return Err(InvalidPolicy::new(ZERO));
        }
        if !(self.config.growth >= 1.0 && self.config.growth < f64::INFINITY) {
            return Err(InvalidPolicy::new("`growth` of a timeout is a finite factor of at least 1"));
        }
        if let Some(cap) = self.config.cap
            && cap.as_nanos() < self.config.limit.as_nanos()
        {
            return Err(InvalidPolicy::new(CAP));
        }
        if self.config.threads == 0 {
            return Err(InvalidPolicy::new("`threads` is at least 1"));
        }
        if self.config.stack < defaults::timeout::STACK_FLOOR {
            return Err(InvalidPolicy::new(STACK));
        }
        Ok(())
    }
}

const CAP: &str = "`cap` is shorter than the limit: the first attempt would already be longer";
const STACK: &str = "`stack` is at least `64KiB`";
const ZERO: &str = "a timeout of zero would end every call before it starts";

/// The error of a call that was stopped.
///
/// # Panics
///
/// With the body's own panic, if that is what stopped it.
#[cold]
fn refusal(point: PointName, limit: Duration, stopped: Stopped) -> Rejected {
    match stopped {
        Stopped::Refused => Rejected::bulkhead_full(point),
        Stopped::TimedOut => timed_out(point, limit),
        Stopped::Panicked(panic) => resume_unwind(panic),
    }
}

#[cold]
fn timed_out(point: PointName, limit: Duration) -> Rejected {
    emit(&Event::TimedOut { point: point.clone(), limit }, None);
    Rejected::timed_out(point, limit)
}

/// The timeout of one annotated function.
#[derive(Debug)]
#[doc(hidden)]
pub struct TimeoutSite {
    owner: PointName,
    policy: Timeout,
    /// The limit of the first attempt, in nanoseconds.
    limit: u64,
    is_on_thread: bool,
    /// The first timeout that was given, where each call is given one.
    given: Option<OnceLock<Timeout>>,
    timed_out: AtomicU64,
}

impl TimeoutSite {
    /// The site of `policy` in the stack of `point`.
    pub const fn new(point: &'static PointSite, policy: Timeout) -> Self {
        Self {
            owner: PointName::of(point),
            policy,
            limit: nanos(policy.config.limit),
            is_on_thread: false,
            given: None,
            timed_out: AtomicU64::new(0),
        }
    }

    /// The site in the stack of `point` of timeouts that the calls are given.
    pub const fn of_instance(point: &'static PointSite) -> Self {
        Self {
            owner: PointName::of(point),
            policy: Timeout::of(TimeoutConfig::of(Duration::MAX)),
            limit: u64::MAX,
            is_on_thread: false,
            given: Some(OnceLock::new()),
            timed_out: AtomicU64::new(0),
        }
    }

    fn note(&self, timeout: &Timeout) {
        if let Some(given) = &self.given {
            given.get_or_init(|| *timeout);
        }
    }

    /// The timeout, if it is known.
    fn known(&self) -> Option<&Timeout> {
        self.given.as_ref().map_or(Some(&self.policy), OnceLock::get)
    }

    /// The same for a sync function, whose body runs on a helper thread.
    pub const fn thread(mut self) -> Self {
        self.is_on_thread = true;
        self
    }

    #[cold]
    fn timed_out(&self, limit: Duration) -> Rejected {
        self.timed_out.fetch_add(1, Ordering::Relaxed);
        timed_out(self.owner.clone(), limit)
    }

    fn group(&self) -> Group {
        Group::Function(std::ptr::from_ref(self).addr())
    }

    /// Runs `body` on a helper thread and abandons it there if it takes longer than the limit.
    ///
    /// # Errors
    ///
    /// [`Rejected::TimedOut`], or [`Rejected::BulkheadFull`] while too many abandoned bodies still run or
    /// where the system has no thread left.
    pub fn on_thread<T: Send + 'static>(
        &'static self,
        attempt: u32,
        body: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Rejected> {
        self.on_thread_within(&self.policy, attempt, body)
    }

    /// As [`on_thread`](Self::on_thread), with the settings of `timeout`.
    ///
    /// # Errors
    ///
    /// Same as [`on_thread`](Self::on_thread).
    pub fn on_thread_within<T: Send + 'static>(
        &'static self,
        timeout: &Timeout,
        attempt: u32,
        body: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Rejected> {
        self.note(timeout);
        let limit = timeout.limit(attempt);
        thread::run(self.group(), &timeout.config, limit, body)
            .map_err(|stopped| self.stopped(limit, stopped))
    }

    #[cold]
    fn stopped(&self, limit: Duration, stopped: Stopped) -> Rejected {
        if let Stopped::TimedOut = stopped {
            self.timed_out.fetch_add(1, Ordering::Relaxed);
        }
        refusal(self.owner.clone(), limit, stopped)
    }
}

/// The limit of one run, if it is not the site's own.
#[doc(hidden)]
pub trait Limit: Copy {
    /// In nanoseconds: half the size of a `Duration`, and quicker to compare.
    fn or(self, own: u64) -> u64;
}

impl Limit for () {
    #[inline]
    fn or(self, own: u64) -> u64 {
        own
    }
}

impl Limit for u64 {
    #[inline]
    fn or(self, _: u64) -> u64 {
        self
    }
}

pin_project_lite::pin_project! {
    /// A body with a limit: polls the body first, and makes the timer when the body is first pending.
    #[must_use = "futures do nothing unless polled"]
    #[doc(hidden)]
    pub struct Timed<'a, F, L = ()> {
        #[pin]
        body: Option<F>,
        timer: Option<Timer>,
        site: &'a TimeoutSite,
        limit: L,
    }
}

impl<'a, F: Future> Timed<'a, F> {
    /// A run of `body` within the limit of `site`.
    #[inline]
    pub fn new(site: &'a TimeoutSite, body: F) -> Self {
        Self::within(site, (), body)
    }
}

impl<'a, F: Future> Timed<'a, F, u64> {
    /// The `attempt`th run of `body`, counted from 1, within a limit that grows.
    #[inline]
    pub fn grown(site: &'a TimeoutSite, attempt: u32, body: F) -> Self {
        let limit = if attempt == 1 { site.limit } else { nanos(site.policy.limit(attempt)) };
        Self::within(site, limit, body)
    }
}

impl<'a, F: Future> Timed<'a, F, u64> {
    /// The `attempt`th run of `body`, counted from 1, within the limit of `timeout`.
    pub fn given(site: &'a TimeoutSite, timeout: &Timeout, attempt: u32, body: F) -> Self {
        site.note(timeout);
        let limit = timeout.limit(attempt);
        let timer = timeout.config.strict.then(|| alarm(limit));
        Self { body: Some(body), timer, site, limit: nanos(limit) }
    }
}

impl<'a, F: Future, L: Limit> Timed<'a, F, L> {
    #[inline]
    fn within(site: &'a TimeoutSite, limit: L, body: F) -> Self {
        let timer = site.policy.config.strict.then(|| alarm(Duration::from_nanos(limit.or(site.limit))));
        Self { body: Some(body), timer, site, limit }
    }
}

impl<F: Future, L: Limit> Future for Timed<'_, F, L> {
    type Output = Result<F::Output, Rejected>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let limit = this.limit.or(this.site.limit);
        poll_within(this.body, this.timer, limit, this.site.owner.stack(), cx)
            .map(|done| done.ok_or_else(|| this.site.timed_out(Duration::from_nanos(limit))))
    }
}

/// Polls `body` and then its limit; `None` if that has passed, and the body is dropped.
#[inline]
fn poll_within<F: Future>(
    mut body: Pin<&mut Option<F>>,
    timer: &mut Option<Timer>,
    limit: u64,
    stack: usize,
    cx: &mut Context<'_>,
) -> Poll<Option<F::Output>> {
    {
        let _within = match timer {
            None => scope::within_whole(limit),
            Some(timer) => scope::within_until(timer.ends()),
        };
        if let Some(body) = body.as_mut().as_pin_mut()
            && let Poll::Ready(done) = body.poll(cx)
        {
            return Poll::Ready(Some(done));
        }
    }
    if poll_timer(timer, Duration::from_nanos(limit), cx).is_pending() {
        return Poll::Pending;
    }
    scope::cutting(stack, || body.set(None));
    Poll::Ready(None)
}

/// Polls the timer, which is made at the first time.
#[cold]
fn poll_timer(timer: &mut Option<Timer>, limit: Duration, cx: &mut Context<'_>) -> Poll<()> {
    Pin::new(timer.get_or_insert_with(|| alarm(limit))).poll(cx)
}

pin_project_lite::pin_project! {
    /// A body that begins when it is first polled.
    #[project = LazyProjection]
    enum Lazy<F, B> {
        Begins { start: Option<F> },
        Runs { #[pin] body: B },
    }
}

impl<F: FnOnce() -> B, B: Future> Future for Lazy<F, B> {
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
    struct Called<'a, F, B> {
        #[pin]
        body: Option<Lazy<F, B>>,
        timer: Option<Timer>,
        timeout: &'a Timeout,
    }
}

impl<F, B> Future for Called<'_, F, B>
where
    F: FnOnce() -> B,
    B: Future<Output: Refuse>,
{
    type Output = B::Output;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let (limit, name) = (this.timeout.config.limit, PointName::new(this.timeout.name));
        poll_within(this.body, this.timer, nanos(limit), name.stack(), cx)
            .map(|done| done.unwrap_or_else(|| Refuse::refuse(timed_out(name, limit))))
    }
}

/// A number of bytes as an attribute spells it.
fn bytes(count: usize) -> String {
    let units = [(30, "GiB"), (20, "MiB"), (10, "KiB")];
    match units.iter().find(|(shift, _)| count.trailing_zeros() >= *shift) {
        Some((shift, unit)) => format!("{}{unit}", count >> shift),
        None => count.to_string(),
    }
}

impl Layer for TimeoutSite {
    fn kind(&self) -> &'static str {
        "timeout"
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = Vec::new();
        if self.given.is_some() {
            settings.push(("instance", "..".to_owned()));
        }
        let Some(timeout) = self.known() else { return settings };
        let TimeoutConfig { limit, growth, strict, threads, stack, .. } = timeout.config;
        settings.push(("limit", format!("{limit:?}")));
        if growth > 1.0 {
            let cap = timeout.longest();
            settings.extend([("growth", growth.to_string()), ("cap", format!("{cap:?}"))]);
        }
        if strict {
            settings.push(("strict", "true".to_owned()));
        }
        if self.is_on_thread {
            let (threads, stack) = (threads.to_string(), bytes(stack));
            settings.extend([("thread", "true".to_owned()), ("threads", threads), ("stack", stack)]);
        }
        settings
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        let mut counters = vec![("timed_out", self.timed_out.load(Ordering::Relaxed))];
        if self.is_on_thread {
            counters.push(("abandoned", thread::abandoned(self.group()).into()));
        }
        counters
    }

    fn worst(&self, inner: Option<Duration>) -> Option<Duration> {
        let Some(timeout) = self.known() else { return inner };
        let longest = timeout.limit(u32::MAX);
        Some(inner.map_or(longest, |inner| inner.min(longest)))
    }

    fn policy(&self) -> &dyn Any {
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_bounded() {
        let timeout = Timeout::new(Duration::from_secs(2)).growth(2.0);
        let limits = [1, 2, 3, 4, 5, u32::MAX].map(|attempt| timeout.limit(attempt).as_secs());
        assert_eq!(limits, [2, 4, 8, 16, 30, 30]);
        let huge = Timeout::new(Duration::from_secs(60)).growth(1e300);
        assert_eq!(huge.limit(3), Duration::from_secs(60));
        let least = Timeout::new(Duration::from_secs(2)).growth(3.0).cap(Duration::from_secs(2));
        assert_eq!(least.limit(2), Duration::from_secs(2));
    }

    #[test]
    #[should_panic(expected = "`cap` is shorter than the limit")]
    fn a_cap_below_the_limit_is_refused() {
        let _ = Timeout::new(Duration::from_secs(20)).growth(2.0).cap(Duration::from_secs(5));
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(Timeout::try_new(Duration::ZERO).is_err());
        assert!(Timeout::try_new(Duration::from_nanos(1)).is_ok());
        assert!(Timeout::try_new(Duration::MAX).is_ok());
    }
}
