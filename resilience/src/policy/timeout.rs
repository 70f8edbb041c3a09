//! Ending a call that takes too long: async by dropping it, sync by leaving it to a helper thread.

use crate::clock::{Timer, alarm, later, now};
use crate::event::{Event, emit};
use crate::point::{Layer, PointName, PointSite};
use crate::policy::InvalidPolicy;
use crate::rejected::Rejected;
use crate::scope::nanos;
use crate::{defaults, scope};
use std::any::Any;
use std::future::Future;
use std::panic::resume_unwind;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::task::{Context, Poll};
use std::thread;
use std::time::Duration;

/// How long a call may take.
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
/// let answer: Result<u32, std::io::Error> = LIMIT.call_async(async { Ok(42) }).await;
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
}

impl TimeoutConfig {
    const fn of(limit: Duration) -> Self {
        let threads = defaults::timeout::THREADS;
        Self { limit, growth: 1.0, cap: None, strict: false, threads }
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

    /// How many abandoned bodies may still run on helper threads before calls are refused; default 16.
    ///
    /// # Panics
    ///
    /// If `threads` is zero.
    pub const fn threads(mut self, threads: u32) -> Self {
        self.config.threads = threads;
        self.checked()
    }

    /// The name in events and errors; default `"timeout"`.
    pub const fn named(mut self, name: &'static str) -> Self {
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

    /// Runs `body`, and drops it if it takes longer than the limit.
    ///
    /// # Errors
    ///
    /// The body's own, or its error type made from [`Rejected::TimedOut`].
    pub async fn call_async<R, F>(&self, body: F) -> R
    where
        R: crate::outcome::Refuse,
        F: Future<Output = R>,
    {
        let site = TimeoutSite::of(PointName::new(self.name), *self);
        match Timed::new(&site, body).await {
            Ok(outcome) => outcome,
            Err(rejected) => R::refuse(rejected),
        }
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
        Ok(())
    }
}

const CAP: &str = "`cap` is shorter than the limit: the first attempt would already be longer";
const ZERO: &str = "a timeout of zero would end every call before it starts";

/// The timeout of one annotated function, or of one value.
#[derive(Debug)]
#[doc(hidden)]
pub struct TimeoutSite {
    owner: PointName,
    policy: Timeout,
    /// The limit of the first attempt, in nanoseconds.
    limit: u64,
    timed_out: AtomicU64,
    running: AtomicU32,
}

impl TimeoutSite {
    /// The site of `policy` in the stack of `point`.
    pub const fn new(point: &'static PointSite, policy: Timeout) -> Self {
        Self::of(PointName::of(point), policy)
    }

    const fn of(owner: PointName, policy: Timeout) -> Self {
        Self {
            owner,
            policy,
            limit: nanos(policy.config.limit),
            timed_out: AtomicU64::new(0),
            running: AtomicU32::new(0),
        }
    }

    #[cold]
    fn timed_out(&self, limit: Duration) -> Rejected {
        self.timed_out.fetch_add(1, Ordering::Relaxed);
        let point = self.owner.clone();
        emit(&Event::TimedOut { point: point.clone(), limit }, None);
        Rejected::timed_out(point, limit)
    }

    /// Runs `body` on a helper thread and abandons it there if it takes longer than the limit.
    ///
    /// # Errors
    ///
    /// [`Rejected::TimedOut`], or [`Rejected::BulkheadFull`] while too many abandoned bodies still run.
    pub fn on_thread<T: Send + 'static>(
        &'static self,
        attempt: u32,
        body: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Rejected> {
        let limit = self.policy.limit(attempt);
        let running = Running::start(self).ok_or_else(|| Rejected::bulkhead_full(self.owner.clone()))?;
        let (done, wait) = mpsc::sync_channel(1);
        let end = later(now(), limit);
        #[cfg(feature = "testing")]
        let world = crate::testing::current();
        let work = move || {
            let running = running;
            #[cfg(feature = "testing")]
            let _world = world.map(crate::testing::World::enter);
            let _within = scope::within_until(end);
            let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(body));
            drop(running);
            // Nobody listens any more if the body was abandoned.
            let _ = done.send(result);
        };
        if thread::Builder::new().name("resilience-timeout".into()).spawn(work).is_err() {
            return Err(Rejected::bulkhead_full(self.owner.clone()));
        }
        match wait.recv_timeout(limit) {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(panic)) => resume_unwind(panic),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Err(self.timed_out(limit)),
        }
    }
}

/// One body on a helper thread; gives its place back when it ends.
struct Running(&'static TimeoutSite);

impl Running {
    fn start(site: &'static TimeoutSite) -> Option<Self> {
        let free = |running: u32| (running < site.policy.config.threads).then(|| running + 1);
        site.running.fetch_update(Ordering::AcqRel, Ordering::Acquire, free).ok()?;
        Some(Self(site))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::AcqRel);
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
        #[pin]
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
        let mut this = self.project();
        let limit = this.limit.or(this.site.limit);
        {
            let _within = match this.timer.as_ref().get_ref() {
                None => scope::within_whole(limit),
                Some(timer) => scope::within_until(timer.ends()),
            };
            if let Some(body) = this.body.as_mut().as_pin_mut()
                && let Poll::Ready(done) = body.poll(cx)
            {
                return Poll::Ready(Ok(done));
            }
        }
        let limit = Duration::from_nanos(limit);
        if poll_timer(this.timer, limit, cx).is_pending() {
            return Poll::Pending;
        }
        scope::cutting(this.site.owner.stack(), || this.body.set(None));
        Poll::Ready(Err(this.site.timed_out(limit)))
    }
}

/// Polls the timer, which is made at the first time.
#[cold]
fn poll_timer(mut timer: Pin<&mut Option<Timer>>, limit: Duration, cx: &mut Context<'_>) -> Poll<()> {
    if timer.is_none() {
        timer.set(Some(alarm(limit)));
    }
    timer.as_pin_mut().map_or(Poll::Pending, |timer| timer.poll(cx))
}

impl Layer for TimeoutSite {
    fn kind(&self) -> &'static str {
        "timeout"
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let TimeoutConfig { limit, growth, strict, .. } = self.policy.config;
        let mut settings = vec![("limit", format!("{limit:?}"))];
        if growth > 1.0 {
            let cap = self.policy.longest();
            settings.extend([("growth", growth.to_string()), ("cap", format!("{cap:?}"))]);
        }
        if strict {
            settings.push(("strict", "true".to_owned()));
        }
        settings
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        vec![("timed_out", self.timed_out.load(Ordering::Relaxed))]
    }

    fn worst(&self, inner: Option<Duration>) -> Option<Duration> {
        let longest = self.policy.limit(u32::MAX);
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
