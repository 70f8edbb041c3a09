//! Answering with something else when everything below has failed.

use crate::classify::{Category, Classification};
use crate::event::{Event, Hook, emit};
use crate::outcome::Outcome;
use crate::point::{Layer, Owner, PointName, PointSite};
use crate::policy::Ruling;
use std::any::Any;
use std::future::{Future, Ready, ready};
use std::sync::atomic::{AtomicU64, Ordering};

/// When a fallback answers, and under which name.
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
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Fallback {
    name: &'static str,
    on: &'static [Category],
    hook: Option<Hook>,
}

impl Fallback {
    /// A fallback that answers every error.
    pub const fn new(name: &'static str) -> Self {
        Self { name, on: &[], hook: None }
    }

    /// Limits it to errors of these categories.
    pub const fn on(mut self, categories: &'static [Category]) -> Self {
        self.on = categories;
        self
    }

    /// Tells `hook` of every answer.
    pub const fn on_fallback(mut self, hook: Hook) -> Self {
        self.hook = Some(hook);
        self
    }

    fn site(self) -> FallbackSite {
        FallbackSite::of(Owner::Named(PointName::new(self.name)), &[], self)
    }

    /// `outcome`, or what `instead` answers to its error.
    ///
    /// # Errors
    ///
    /// The outcome's own error, if the fallback does not answer it or fails, too.
    pub fn or_else<R, I>(&self, outcome: R, instead: impl FnOnce(&R::Error) -> I) -> R
    where
        R: Outcome,
        R::Error: crate::Classify,
        I: Instead<R::Value>,
    {
        let class = match outcome.judge() {
            Err(error) => crate::Classify::classify(error),
            Ok(_) => return outcome,
        };
        let site = self.site();
        if !site.applies(&class, Ruling::ByCategory) {
            return outcome;
        }
        match outcome.judge().err().and_then(|error| instead(error).value()) {
            Some(value) => {
                site.answered(&class, 1);
                R::success(value)
            }
            None => outcome,
        }
    }

    /// As [`or_else`](Self::or_else), for an outcome and an answer that are awaited.
    ///
    /// # Errors
    ///
    /// The outcome's own error, if the fallback does not answer it or fails, too.
    pub async fn or_else_async<R, I>(&self, outcome: R, instead: impl AsyncFnOnce(&R::Error) -> I) -> R
    where
        R: Outcome,
        R::Error: crate::Classify,
        I: Instead<R::Value>,
    {
        let class = match outcome.judge() {
            Err(error) => crate::Classify::classify(error),
            Ok(_) => return outcome,
        };
        let site = self.site();
        if !site.applies(&class, Ruling::ByCategory) {
            return outcome;
        }
        let answer = match outcome.judge() {
            Err(error) => instead(error).await.value(),
            Ok(_) => None,
        };
        match answer {
            Some(value) => {
                site.answered(&class, 1);
                R::success(value)
            }
            None => outcome,
        }
    }
}

/// The fallback of one annotated function, or of one value.
#[derive(Debug)]
#[doc(hidden)]
pub struct FallbackSite {
    owner: Owner,
    steps: &'static [&'static str],
    policy: Fallback,
    answered: AtomicU64,
    failed: AtomicU64,
}

impl FallbackSite {
    /// The site of the fallbacks `steps` in the stack of `point`.
    pub const fn new(point: &'static PointSite, steps: &'static [&'static str]) -> Self {
        Self::of(Owner::Point(point), steps, Fallback::new(""))
    }

    const fn of(owner: Owner, steps: &'static [&'static str], policy: Fallback) -> Self {
        Self { owner, steps, policy, answered: AtomicU64::new(0), failed: AtomicU64::new(0) }
    }

    /// Limits it to errors of these categories.
    pub const fn on(mut self, categories: &'static [Category]) -> Self {
        self.policy = self.policy.on(categories);
        self
    }

    /// Tells `hook` of every answer.
    pub const fn on_fallback(mut self, hook: Hook) -> Self {
        self.policy = self.policy.on_fallback(hook);
        self
    }

    /// Whether an error of this class is answered.
    #[cold]
    pub fn applies(&self, class: &Classification, ruling: Ruling) -> bool {
        match ruling {
            Ruling::Yes => true,
            Ruling::No | Ruling::Exempt => false,
            Ruling::ByCategory => self.policy.on.is_empty() || self.policy.on.contains(&class.category),
        }
    }

    /// The `step`th fallback answered an error of this class.
    #[cold]
    pub fn answered(&self, class: &Classification, step: u32) {
        self.answered.fetch_add(1, Ordering::Relaxed);
        emit(&Event::FellBack { point: self.owner.name(), class: *class, step }, self.policy.hook);
    }

    /// Every fallback failed.
    #[cold]
    pub fn failed(&self) {
        self.failed.fetch_add(1, Ordering::Relaxed);
    }
}

impl Layer for FallbackSite {
    fn kind(&self) -> &'static str {
        "with_fallback"
    }

    fn settings(&self) -> Vec<(&'static str, String)> {
        let mut settings = vec![("steps", self.steps.join(", "))];
        if !self.policy.on.is_empty() {
            let names: Vec<_> = self.policy.on.iter().map(|category| category.as_str()).collect();
            settings.push(("on", names.join(", ")));
        }
        settings
    }

    fn counters(&self) -> Vec<(&'static str, u64)> {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        vec![("answered", count(&self.answered)), ("failed", count(&self.failed))]
    }

    fn policy(&self) -> &dyn Any {
        self
    }
}

/// What a fallback can return in place of a `T`: a `Result` with any error, or an `Option`.
#[diagnostic::on_unimplemented(
    message = "a fallback must give the same value as the function: `{T}`",
    label = "this fallback gives `{Self}`",
    note = "return `Result<{T}, _>` or `Option<{T}>`, directly or as a future"
)]
pub trait Instead<T> {
    /// The value, unless the fallback failed as well.
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

/// What a step of an async function's fallback returned: a future, or the answer itself.
#[doc(hidden)]
#[derive(Debug)]
pub struct Step<T>(pub T);

impl<F: Future> Step<F> {
    /// The future, to be awaited.
    pub fn settle(self) -> F {
        self.0
    }
}

/// The other case of [`Step`]: found only where the inherent method does not apply.
#[doc(hidden)]
pub trait Settled {
    /// What there is to wait for: nothing.
    type Now: Future;

    /// The answer, ready at once.
    fn settle(self) -> Self::Now;
}

impl<T> Settled for Step<T> {
    type Now = Ready<T>;

    fn settle(self) -> Ready<T> {
        ready(self.0)
    }
}
