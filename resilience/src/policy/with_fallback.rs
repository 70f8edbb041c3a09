//! Fallbacks: return a substitute when everything below has failed.
//!
//! # When to use one
//!
//! Where an older or simpler answer is better than an error: a cached quote, a default setting, a second
//! service.
//!
//! # When not to
//!
//! - Where the caller must know that the work was not done: a payment, a write.
//! - For permanent errors. Limit the fallback with `on` to transient ones; a fallback that hides `Auth`, `Invalid` or
//!   `Permanent` logs a WARN once a minute.
//! - With a fallback that uses the service that has just failed: it would fail as well, and add load.
//!
//! # In a job
//!
//! An error that is a refusal by the job around the call (the process shuts down, the job was cancelled or taken over,
//! its store is down) is passed on, and interrupts the job: an answer would be part of its result, and its next run
//! would have another one. The page of the attribute lists the refusals.
//!
//! # Where
//!
//! Place it outermost, so that it answers when the retries, the breaker and the timeouts below have given up.

use crate::base::setting::Effective;
use crate::base::site::Site;
use crate::classify::{Category, Classification, Classify};
use crate::event::{Event, Hook, Log, LogPace, emit_as};
use crate::outcome::Outcome;
#[cfg(feature = "ops")]
use crate::point::MetricReading;
use crate::point::{Layer, PointName, PointSite};
use crate::policy::judged::{Classifier, Judged, Predicate, Unset};
use crate::policy::{Ruling, Verdict, refusals};
use std::future::{Future, Ready, ready};
use std::sync::atomic::{AtomicU64, Ordering};

/// A fallback: when it answers, and under which name.
///
/// # Examples
///
/// ```
/// use resilience::Category;
/// use resilience::policy::Fallback;
///
/// const CACHED: Fallback = Fallback::new("quote").on(&[Category::Timeout, Category::Unavailable]);
///
/// let failed: Result<u32, std::io::Error> = Err(std::io::ErrorKind::TimedOut.into());
/// assert_eq!(CACHED.or_else(failed, |_| Ok::<_, std::io::Error>(42)).unwrap(), 42);
///
/// let wrong: Result<u32, std::io::Error> = Err(std::io::ErrorKind::InvalidInput.into());
/// assert!(CACHED.or_else(wrong, |_| Some(42)).is_err(), "not one of these categories");
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Fallback {
    name: &'static str,
    on: &'static [Category],
    hook: Option<Hook>,
}

impl Fallback {
    /// Creates a fallback that answers every error; `name` appears in its events.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Fallback;
    /// use std::io::{Error, ErrorKind};
    ///
    /// const NONE_FOUND: Fallback = Fallback::new("search");
    /// let failed: Result<Vec<u32>, Error> = Err(ErrorKind::TimedOut.into());
    /// assert!(NONE_FOUND.or_else(failed, |_| Some(Vec::new())).unwrap().is_empty());
    /// ```
    pub const fn new(name: &'static str) -> Self {
        Self { name, on: &[], hook: None }
    }

    /// Limits it to errors of these categories; an empty list is every category.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Category, Fallback};
    /// use std::io::{Error, ErrorKind};
    ///
    /// const CACHED: Fallback = Fallback::new("quote").on(&[Category::Timeout]);
    /// let wrong: Result<u32, Error> = CACHED.call(|| Err(ErrorKind::InvalidInput.into()), |_: &Error| Some(42));
    /// assert!(wrong.is_err());
    /// ```
    pub const fn on(mut self, categories: &'static [Category]) -> Self {
        self.on = categories;
        self
    }

    /// Sets a function that is called for every answer, with an [`Event::FellBack`].
    ///
    /// It is not called for a fallback that fails as well.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Event, Fallback};
    /// use std::io::{Error, ErrorKind};
    /// use std::sync::atomic::{AtomicU32, Ordering};
    ///
    /// static ANSWERED: AtomicU32 = AtomicU32::new(0);
    ///
    /// const CACHED: Fallback = Fallback::new("quote").on_fallback(|_: &Event| {
    ///     ANSWERED.fetch_add(1, Ordering::Relaxed);
    /// });
    ///
    /// let quote: Result<u32, Error> = CACHED.call(|| Err(ErrorKind::TimedOut.into()), |_: &Error| Some(42));
    /// assert_eq!((quote.unwrap(), ANSWERED.load(Ordering::Relaxed)), (42, 1));
    /// ```
    pub const fn on_fallback(mut self, hook: Hook) -> Self {
        self.hook = Some(hook);
        self
    }

    /// Runs `body`, and returns its outcome, or what `instead` answers to its error.
    ///
    /// # Errors
    ///
    /// The body's own error, if the fallback does not answer it or fails as well, or if it is
    /// [a refusal by the job](self#in-a-job) around the call.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Fallback;
    /// use std::io::{Error, ErrorKind};
    ///
    /// const CACHED: Fallback = Fallback::new("quote");
    ///
    /// let quote: Result<u32, Error> =
    ///     CACHED.call(|| Err(ErrorKind::TimedOut.into()), |_: &Error| Some(42));
    /// assert_eq!(quote.unwrap(), 42);
    /// ```
    pub fn call<R, I>(&self, body: impl FnOnce() -> R, instead: impl FnOnce(&R::Error) -> I) -> R
    where
        R: Outcome,
        R::Error: Classify,
        I: Instead<R::Value>,
    {
        self.or_else(body(), instead)
    }

    /// Runs the async `body`, and returns its outcome, or what the async `instead` answers to its error.
    ///
    /// # Errors
    ///
    /// The body's own error, if the fallback does not answer it or fails as well.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Fallback;
    /// use std::io::{Error, ErrorKind};
    ///
    /// const CACHED: Fallback = Fallback::new("quote");
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let quote: Result<u32, Error> = CACHED
    ///     .call_async(async || Err(ErrorKind::TimedOut.into()), async |_: &Error| Some(42))
    ///     .await;
    /// assert_eq!(quote.unwrap(), 42);
    /// # });
    /// ```
    pub async fn call_async<R, I>(
        &self,
        body: impl AsyncFnOnce() -> R,
        instead: impl AsyncFnOnce(&R::Error) -> I,
    ) -> R
    where
        R: Outcome,
        R::Error: Classify,
        I: Instead<R::Value>,
    {
        self.or_else_async(body().await, instead).await
    }

    /// Returns `outcome`, or what `instead` answers to its error.
    ///
    /// Same as [`call`](Self::call), for an outcome that exists already. `instead` runs only for an error that the
    /// fallback answers.
    ///
    /// # Errors
    ///
    /// The outcome's own error, if the fallback does not answer it or fails as well.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Fallback;
    ///
    /// const CACHED: Fallback = Fallback::new("quote");
    ///
    /// let fresh: std::io::Result<u32> = Ok(7);
    /// let answer = CACHED.or_else(fresh, |_| -> Option<u32> { unreachable!("nothing has failed") });
    /// assert_eq!(answer.unwrap(), 7);
    /// ```
    pub fn or_else<R, I>(&self, outcome: R, instead: impl FnOnce(&R::Error) -> I) -> R
    where
        R: Outcome,
        R::Error: Classify,
        I: Instead<R::Value>,
    {
        Judged::new(*self).or_else(outcome, instead)
    }

    /// Returns `outcome`, or what the async `instead` answers to its error.
    ///
    /// # Errors
    ///
    /// The outcome's own error, if the fallback does not answer it or fails as well.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Fallback;
    /// use std::io::{Error, ErrorKind};
    ///
    /// const CACHED: Fallback = Fallback::new("quote");
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let failed: Result<u32, Error> = Err(ErrorKind::TimedOut.into());
    /// assert_eq!(CACHED.or_else_async(failed, async |_: &Error| Some(42)).await.unwrap(), 42);
    /// # });
    /// ```
    pub async fn or_else_async<R, I>(&self, outcome: R, instead: impl AsyncFnOnce(&R::Error) -> I) -> R
    where
        R: Outcome,
        R::Error: Classify,
        I: Instead<R::Value>,
    {
        Judged::new(*self).or_else_async(outcome, instead).await
    }

    /// Sets how the calls of the returned value classify errors; see [`Judged`].
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Category, Fallback};
    ///
    /// const CACHED: Fallback = Fallback::new("quote").on(&[Category::Unavailable]);
    ///
    /// // An error of a crate that knows nothing of `Classify`.
    /// #[derive(Debug)]
    /// struct Status(u16);
    ///
    /// let cached = CACHED.classify(|status: &Status| Category::from_status(status.0));
    /// let quote: Result<u32, Status> = cached.call(|| Err(Status(503)), |_: &Status| Some(42));
    /// assert_eq!(quote.unwrap(), 42);
    /// ```
    pub fn classify<E: ?Sized, M: Into<Classification>, C: Fn(&E) -> M>(
        self,
        classify: C,
    ) -> Judged<Self, C> {
        Judged::new(self).classify(classify)
    }

    /// Sets which errors are answered, in place of the categories of [`on`](Self::on); see [`Judged`].
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Fallback;
    /// use std::io::{Error, ErrorKind};
    ///
    /// let cached = Fallback::new("quote").when(|error: &Error| error.kind() == ErrorKind::TimedOut);
    /// let late: Result<u32, Error> = cached.call(|| Err(ErrorKind::TimedOut.into()), |_: &Error| Some(42));
    /// assert_eq!(late.unwrap(), 42);
    /// let other: Result<u32, Error> = cached.call(|| Err(ErrorKind::NotFound.into()), |_: &Error| Some(42));
    /// assert_eq!(other.unwrap_err().kind(), ErrorKind::NotFound);
    /// ```
    pub fn when<E: ?Sized, W: Fn(&E) -> bool>(self, when: W) -> Judged<Self, Unset, W> {
        Judged::new(self).when(when)
    }

    /// Sets which errors are never answered; see [`Judged`].
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Fallback;
    /// use std::io::{Error, ErrorKind};
    ///
    /// let cached = Fallback::new("quote").unless(|error: &Error| error.kind() == ErrorKind::PermissionDenied);
    /// let denied: Result<u32, Error> =
    ///     cached.call(|| Err(ErrorKind::PermissionDenied.into()), |_: &Error| Some(42));
    /// assert!(denied.is_err());
    /// ```
    pub fn unless<E: ?Sized, U: Fn(&E) -> bool>(self, unless: U) -> Judged<Self, Unset, Unset, U> {
        Judged::new(self).unless(unless)
    }

    /// Returns whether an error of this class is answered. A refusal by the job around the call never is.
    fn applies(&self, class: &Classification, ruling: Ruling) -> bool {
        let applies = match ruling {
            Ruling::Yes => true,
            Ruling::No | Ruling::Exempt => false,
            Ruling::ByCategory | Ruling::Last => self.on.is_empty() || self.on.contains(&class.category),
        };
        applies && !refusals::is_by_job(class)
    }

    #[cfg(feature = "tower")]
    pub(crate) fn answers(&self, class: &Classification) -> bool {
        self.applies(class, Ruling::ByCategory)
    }

    /// Returns the success that replaces the failed `outcome`, an error of `class`, with its event; or that outcome, if
    /// the fallback has no value either.
    pub(crate) fn settle<R: Outcome>(&self, outcome: R, class: Classification, value: Option<R::Value>) -> R {
        // A plain value has no counters of its own.
        #[cfg(feature = "durable")]
        crate::policy::recoveries::count(&PointName::new(self.name), "fallback", value.is_some());
        let Some(value) = value else { return outcome };
        let log = Log { pace: Some(LogPace::shared(self.name)), ..Log::default() };
        emit_as(&Event::FellBack { point: PointName::new(self.name), class, step: 1 }, self.hook, log);
        R::success(value)
    }
}

impl<C, W, U> Judged<Fallback, C, W, U> {
    /// Runs `body` as [`Fallback::call`] does.
    ///
    /// # Errors
    ///
    /// The body's own error, if the fallback does not answer it or fails as well.
    pub fn call<R, I>(&self, body: impl FnOnce() -> R, instead: impl FnOnce(&R::Error) -> I) -> R
    where
        R: Outcome,
        I: Instead<R::Value>,
        C: Classifier<R::Error>,
        W: Predicate<R::Error>,
        U: Predicate<R::Error>,
    {
        self.or_else(body(), instead)
    }

    /// Runs the async `body` as [`Fallback::call_async`] does.
    ///
    /// # Errors
    ///
    /// The body's own error, if the fallback does not answer it or fails as well.
    pub async fn call_async<R, I>(
        &self,
        body: impl AsyncFnOnce() -> R,
        instead: impl AsyncFnOnce(&R::Error) -> I,
    ) -> R
    where
        R: Outcome,
        I: Instead<R::Value>,
        C: Classifier<R::Error>,
        W: Predicate<R::Error>,
        U: Predicate<R::Error>,
    {
        self.or_else_async(body().await, instead).await
    }

    /// Returns `outcome`, or what `instead` answers to its error.
    ///
    /// # Errors
    ///
    /// The outcome's own error, if the fallback does not answer it or fails as well.
    pub fn or_else<R, I>(&self, outcome: R, instead: impl FnOnce(&R::Error) -> I) -> R
    where
        R: Outcome,
        I: Instead<R::Value>,
        C: Classifier<R::Error>,
        W: Predicate<R::Error>,
        U: Predicate<R::Error>,
    {
        let Some((error, class)) = self.to_answer(&outcome) else { return outcome };
        let value = instead(error).value();
        self.policy.settle(outcome, class, value)
    }

    /// Returns `outcome`, or what the async `instead` answers to its error.
    ///
    /// # Errors
    ///
    /// The outcome's own error, if the fallback does not answer it or fails as well.
    pub async fn or_else_async<R, I>(&self, outcome: R, instead: impl AsyncFnOnce(&R::Error) -> I) -> R
    where
        R: Outcome,
        I: Instead<R::Value>,
        C: Classifier<R::Error>,
        W: Predicate<R::Error>,
        U: Predicate<R::Error>,
    {
        let Some((error, class)) = self.to_answer(&outcome) else { return outcome };
        let value = instead(error).await.value();
        self.policy.settle(outcome, class, value)
    }

    /// Returns the error of `outcome` and its class, if it is one that the fallback answers.
    fn to_answer<'r, R: Outcome>(&self, outcome: &'r R) -> Option<(&'r R::Error, Classification)>
    where
        C: Classifier<R::Error>,
        W: Predicate<R::Error>,
        U: Predicate<R::Error>,
    {
        let error = outcome.judge().err()?;
        let (class, ruling) = self.judge_error(error);
        self.policy.applies(&class, ruling).then_some((error, class))
    }
}

/// The fallback of one annotated function.
#[derive(Debug)]
#[doc(hidden)]
pub struct FallbackSite {
    point: &'static PointSite,
    steps: &'static [&'static str],
    policy: Fallback,
    /// By step.
    answered: Site<[AtomicU64; STEPS.len()]>,
    failed: Site<AtomicU64>,
    pace: Site<LogPace>,
}

/// The steps that are counted apart; later ones count as the last.
const STEPS: [&str; 4] = ["1", "2", "3", "4"];

impl FallbackSite {
    /// Creates the site of the fallbacks `steps` in the stack of `point`.
    pub const fn new(point: &'static PointSite, steps: &'static [&'static str]) -> Self {
        let policy = Fallback::new("");
        let answered = Site::new([const { AtomicU64::new(0) }; STEPS.len()], Default::default);
        let failed = Site::new(AtomicU64::new(0), AtomicU64::default);
        let pace = Site::new(LogPace::new(), LogPace::new);
        Self { point, steps, policy, answered, failed, pace }
    }

    /// Limits it to errors of these categories.
    pub const fn on(mut self, categories: &'static [Category]) -> Self {
        self.policy = self.policy.on(categories);
        self
    }

    /// Calls `hook` for every answer.
    pub const fn on_fallback(mut self, hook: Hook) -> Self {
        self.policy = self.policy.on_fallback(hook);
        self
    }

    /// Returns the class of the failure to answer, if there is one.
    #[inline]
    pub fn handles(&self, verdict: Verdict, ruling: Ruling) -> Option<Classification> {
        verdict.filter(|class| self.applies(class, ruling))
    }

    /// Returns whether an error of this class is answered.
    #[cold]
    fn applies(&self, class: &Classification, ruling: Ruling) -> bool {
        self.policy.applies(class, ruling)
    }

    /// Reports that the `step`th fallback answered an error of this class.
    #[cold]
    pub fn answered(&self, class: &Classification, step: u32) {
        let at = (step.max(1) as usize).min(STEPS.len()) - 1;
        self.answered[at].fetch_add(1, Ordering::Relaxed);
        #[cfg(feature = "ops")]
        self.point.calls().note_degraded();
        let log = Log { pace: Some(&self.pace), ..Log::default() };
        emit_as(&Event::FellBack { point: self.point.name(), class: *class, step }, self.policy.hook, log);
    }

    /// Counts that every fallback failed.
    #[cold]
    pub fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }
}

impl Layer for FallbackSite {
    fn kind(&self) -> &'static str {
        "with_fallback"
    }

    fn settings(&self) -> Vec<Effective> {
        let mut settings = vec![Effective::text("steps", self.steps.join(", "))];
        if !self.policy.on.is_empty() {
            let names: Vec<_> = self.policy.on.iter().map(|category| category.as_str()).collect();
            settings.push(Effective::text("on", names.join(", ")));
        }
        settings
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let answered = self.answered.iter().map(count).sum();
        vec![("answered", answered), ("failed", count(&self.failed))]
    }

    #[cfg(feature = "ops")]
    fn readings(&self) -> Vec<MetricReading> {
        let reading = |result, step, count: &AtomicU64| MetricReading {
            metric: "fallbacks_total",
            labels: vec![("result", result), ("step", step)],
            value: count.load(Ordering::Relaxed) as f64,
        };
        let answered = STEPS.iter().zip(self.answered.iter());
        let mut all: Vec<_> = answered.map(|(step, count)| reading("answered", *step, count)).collect();
        all.push(reading("failed", "all", &self.failed));
        all
    }
}

/// A value that a fallback can return in place of a `T`: a `Result` with any error, or an `Option`.
///
/// An `Err` or a `None` means that the fallback failed as well; the caller then gets the first error.
///
/// # Examples
///
/// ```
/// use resilience::policy::with_fallback::Instead;
///
/// assert_eq!(Ok::<_, String>(7).value(), Some(7));
/// assert_eq!(Instead::<u32>::value(Err("no copy either")), None);
/// assert_eq!(Some(7).value(), Some(7));
/// ```
#[diagnostic::on_unimplemented(
    message = "a fallback must return the value of the function: `{T}`",
    label = "this fallback returns `{Self}`",
    note = "return `Result<{T}, _>` or `Option<{T}>`, directly or, in an async function, as a future"
)]
pub trait Instead<T> {
    /// Returns the value, unless the fallback failed as well.
    fn value(self) -> Option<T>;
}

impl<T, E> Instead<T> for Result<T, E> {
    fn value(self) -> Option<T> {
        self.ok()
    }
}

impl<T> Instead<T> for Option<T> {
    fn value(self) -> Option<T> {
        self
    }
}

/// The result of a step of an async function's fallback: a future, or the answer itself.
#[doc(hidden)]
#[derive(Debug)]
pub struct Step<T>(pub T);

impl<F: Future> Step<F> {
    /// Returns the future, to be awaited.
    pub fn __settle(self) -> F {
        self.0
    }
}

/// The other case of [`Step`]: found only if the inherent method does not apply.
#[doc(hidden)]
pub trait Settled {
    /// The future to wait for: none.
    type Now: Future;

    /// Returns the answer, ready at once.
    fn __settle(self) -> Self::Now;
}

impl<T> Settled for Step<T> {
    type Now = Ready<T>;

    fn __settle(self) -> Ready<T> {
        ready(self.0)
    }
}
