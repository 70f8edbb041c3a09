//! The timeout of one annotated function: its `static`, its runs, and what the inventory sees of it.
//!
//! An async body is polled before the timer, and the timer is made when the body is first pending: a body that is ready
//! at once reads no clock. When the limit is over, the body is dropped inside of `scope::cutting`, so that the policies
//! below learn that it was this timeout and not the caller who dropped it.

#[cfg(feature = "config")]
use super::NEVER;
use super::thread::{self, Group, Stopped};
use super::{Timeout, TimeoutConfig, poll_within, refusal, timed_out};
#[cfg(feature = "config")]
use crate::base::change::{Change, Changed, together};
use crate::base::clock::{Timer, alarm};
use crate::base::scope::{TimedOutCall, nanos};
use crate::base::setting::Effective;
#[cfg(feature = "config")]
use crate::base::setting::Setting;
use crate::base::site::Site;
#[cfg(feature = "config")]
use crate::point::{Facts, Override, Pinned};
use crate::point::{Layer, PointName, PointSite};
use crate::rejected::Rejected;
use std::future::Future;
use std::pin::Pin;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

/// The timeout of one annotated function.
#[derive(Debug)]
#[doc(hidden)]
pub struct TimeoutSite {
    owner: PointName,
    #[cfg(feature = "config")]
    point: &'static PointSite,
    policy: Timeout,
    /// The limit of the first attempt, in nanoseconds.
    limit: u64,
    is_on_thread: bool,
    /// The first timeout that was given, where each call is given one.
    given: Option<Site<OnceLock<Timeout>>>,
    timed_out: Site<AtomicU64>,
}

impl TimeoutSite {
    /// Creates the site of `policy` in the stack of `point`.
    pub const fn new(point: &'static PointSite, policy: Timeout) -> Self {
        Self::with(point, policy, None)
    }

    const fn with(
        point: &'static PointSite,
        policy: Timeout,
        given: Option<Site<OnceLock<Timeout>>>,
    ) -> Self {
        Self {
            owner: PointName::of(point),
            #[cfg(feature = "config")]
            point,
            policy,
            limit: nanos(policy.config().limit),
            is_on_thread: false,
            given,
            timed_out: Site::new(AtomicU64::new(0), AtomicU64::default),
        }
    }

    /// Creates the site in the stack of `point` of timeouts that the calls pass.
    pub const fn of_instance(point: &'static PointSite) -> Self {
        Self::with(
            point,
            Timeout::of(TimeoutConfig::of(Duration::MAX)),
            Some(Site::new(OnceLock::new(), OnceLock::new)),
        )
    }

    fn note(&self, timeout: &Timeout) {
        if let Some(given) = &self.given {
            given.get_or_init(|| *timeout);
        }
    }

    /// Returns the timeout that applies, if it is known.
    fn known(&self) -> Option<&Timeout> {
        #[cfg(feature = "config")]
        if let Some(changed) = self.point.pinned().of(self) {
            return changed.get();
        }
        self.given.as_ref().map_or(Some(&self.policy), |given| given.get())
    }

    /// Makes it a site of a sync function, whose body runs on a helper thread.
    pub const fn thread(mut self) -> Self {
        self.is_on_thread = true;
        self
    }

    #[cold]
    fn timed_out(&self, limit: Duration, dropped: TimedOutCall) -> Rejected {
        self.timed_out.fetch_add(1, Ordering::Relaxed);
        timed_out((self.owner.clone(), None), limit, dropped)
    }

    fn group(&self) -> Group {
        Group::At(std::ptr::from_ref(self).addr())
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

    /// Runs the body like [`on_thread`](Self::on_thread), with the settings of `timeout`.
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
        thread::run((self.group(), self.owner.stack()), timeout.config().helpers(), limit, body)
            .map_err(|stopped| self.stopped(stopped))
    }

    /// Runs the body like [`on_thread`](Self::on_thread), with the settings with which the call began.
    ///
    /// # Errors
    ///
    /// Same as [`on_thread`](Self::on_thread).
    #[cfg(feature = "config")]
    pub fn on_thread_pinned<T: Send + 'static>(
        &'static self,
        settings: Pinned,
        attempt: u32,
        body: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Rejected> {
        let changed = settings.of(self);
        let timeout = changed.and_then(|changed| changed.get()).unwrap_or(&self.policy);
        let is_off = changed.is_some_and(|changed| changed.is_off);
        let limit = if is_off { Duration::MAX } else { timeout.limit(attempt) };
        thread::run((self.group(), self.owner.stack()), timeout.config().helpers(), limit, body)
            .map_err(|stopped| self.stopped(stopped))
    }

    /// Returns the limit of the `attempt`th attempt in nanoseconds, and whether it counts from the call, by `changed`
    /// settings.
    #[cfg(feature = "config")]
    #[cold]
    fn changed_limit(&self, changed: &Override, attempt: u32) -> (u64, bool) {
        match changed.get::<Timeout>() {
            _ if changed.is_off => (NEVER, false),
            Some(timeout) => (nanos(timeout.limit(attempt)), timeout.config().strict),
            None => (self.limit, self.policy.config().strict),
        }
    }

    #[cold]
    fn stopped(&self, stopped: Stopped) -> Rejected {
        if let Stopped::TimedOut(..) = stopped {
            self.timed_out.fetch_add(1, Ordering::Relaxed);
        }
        refusal((self.owner.clone(), None), stopped)
    }
}
pin_project_lite::pin_project! {
    /// A body with a limit: polls the body first, and makes the timer when the body is first pending.
    #[must_use = "futures do nothing unless polled"]
    #[doc(hidden)]
    pub struct Timed<'a, F> {
        #[pin]
        body: Option<F>,
        timer: Option<Timer>,
        site: &'a TimeoutSite,
        // The limit in nanoseconds: half the size of a `Duration`, and quicker to compare.
        limit: u64,
    }
}

impl<'a, F: Future> Timed<'a, F> {
    /// Returns a run of `body` within the limit of `site`.
    #[inline]
    pub fn new(site: &'a TimeoutSite, body: F) -> Self {
        Self::within(site, site.limit, body)
    }

    /// Returns the `attempt`th run of `body`, counted from 1, within a limit that grows.
    #[inline]
    pub fn grown(site: &'a TimeoutSite, attempt: u32, body: F) -> Self {
        let limit = if attempt == 1 { site.limit } else { nanos(site.policy.limit(attempt)) };
        Self::within(site, limit, body)
    }

    /// Returns the `attempt`th run of `body`, counted from 1, within the limit of `timeout`.
    pub fn given(site: &'a TimeoutSite, timeout: &Timeout, attempt: u32, body: F) -> Self {
        site.note(timeout);
        let limit = timeout.limit(attempt);
        let timer = timeout.config().strict.then(|| alarm(limit));
        Self { body: Some(body), timer, site, limit: nanos(limit) }
    }

    /// Returns the `attempt`th run of `body`, counted from 1, by the settings with which the call began.
    #[cfg(feature = "config")]
    #[inline]
    pub fn pinned(site: &'a TimeoutSite, settings: Pinned, attempt: u32, body: F) -> Self {
        let Some(changed) = settings.of(site) else { return Self::grown(site, attempt, body) };
        let (limit, is_strict) = site.changed_limit(changed, attempt);
        let timer = is_strict.then(|| alarm(Duration::from_nanos(limit)));
        Self { body: Some(body), timer, site, limit }
    }

    #[inline]
    fn within(site: &'a TimeoutSite, limit: u64, body: F) -> Self {
        let timer = site.policy.config().strict.then(|| alarm(Duration::from_nanos(limit)));
        Self { body: Some(body), timer, site, limit }
    }
}

impl<F: Future> Future for Timed<'_, F> {
    type Output = Result<F::Output, Rejected>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let limit = *this.limit;
        poll_within(this.body, this.timer, limit, || this.site.owner.stack(), cx)
            .map(|done| done.map_err(|dropped| this.site.timed_out(Duration::from_nanos(limit), dropped)))
    }
}

impl Layer for TimeoutSite {
    fn kind(&self) -> &'static str {
        "timeout"
    }

    fn settings(&self) -> Vec<Effective> {
        let mut settings = Vec::new();
        if self.given.is_some() {
            settings.push(Effective::text("instance", ".."));
        }
        let Some(timeout) = self.known() else { return settings };
        let config = timeout.config();
        for setting in config.effective() {
            match setting.name {
                "growth" | "cap" if config.growth <= 1.0 => continue,
                "threads" | "stack" if !self.is_on_thread => continue,
                "threads" => settings.push(Effective::text("thread", "true")),
                _ => {}
            }
            settings.push(setting);
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

    #[cfg(feature = "config")]
    fn table(&self) -> &'static [Setting] {
        if self.given.is_some() { &[] } else { TimeoutConfig::TABLE }
    }

    #[cfg(feature = "config")]
    fn fixed(&self, setting: &str) -> Option<&'static str> {
        fixed(setting, self.is_on_thread)
    }

    #[cfg(feature = "config")]
    fn facts(&self, changed: Option<&Override>) -> Facts {
        let in_code = if self.given.is_some() { None } else { Some(&self.policy) };
        let timeout = changed.and_then(Override::get).or(in_code);
        Facts { limit: timeout.map(|timeout| timeout.config().limit), ..Facts::default() }
    }

    #[cfg(feature = "config")]
    fn changed(&self, changes: &[Change]) -> Changed {
        let fixed = |name: &str| self.fixed(name);
        let settings = self.policy.settings.changed(changes, fixed)?;
        together(settings.config.complaint(), changes)?;
        Ok(Box::new(Timeout { settings, ..self.policy }))
    }

    #[cfg(feature = "config")]
    fn stays_on(&self) -> Option<&'static str> {
        None
    }
}

/// Returns why a setting of a timeout cannot change while the program runs, if it cannot.
#[cfg(feature = "config")]
pub(super) fn fixed(setting: &str, is_on_thread: bool) -> Option<&'static str> {
    match setting {
        "threads" | "stack" if !is_on_thread => {
            Some("the function has no helper thread, because the attribute has no `thread`")
        }
        "strict" if is_on_thread => Some("on a helper thread the time always counts from the call"),
        _ => None,
    }
}
