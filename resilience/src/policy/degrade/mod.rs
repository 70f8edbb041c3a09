//! Simpler calls: when a call fails because it asks for too much, call again with a simpler argument.
//!
//! # When to use one
//!
//! Where an answer to a smaller question is better than none: a plan with fewer steps, a search with fewer results, a
//! model that gets fewer tools and less freedom. [`Simplify`] says what less means, level by level.
//!
//! # When not to
//!
//! - For transient failures: retry the same call first, with `with_retry` below.
//! - Where half of the work is worse than none, such as a payment.
//!
//! # Choosing numbers
//!
//! `max`: as many levels as differ in cost; 3 by default. Each one is a whole call, with all its retries.
//!
//! # What it does
//!
//! After a failure of category `Timeout`, `Resource` or `Unavailable` it asks the original for its next level, from 1,
//! and calls again with that, until a call succeeds, there is no simpler one, or `max` levels have been tried. No level
//! starts when the time of a timeout around the call is over. If all fail, the caller gets the first error. In a job, a
//! [refusal by that job](crate::policy::with_fallback#in-a-job) is returned at once.
//!
//! # Examples
//!
//! ```
//! use resilience::{Simplify, degrade};
//! use std::io::{Error, ErrorKind};
//!
//! #[derive(Debug, Clone, PartialEq)]
//! struct Plan { steps: u32 }
//!
//! impl Simplify for Plan {
//!     fn simplify(&self, level: u32) -> Option<Self> {
//!         let steps = self.steps >> level;
//!         (steps > 0).then_some(Plan { steps })
//!     }
//! }
//!
//! #[degrade(plan)]
//! fn run(plan: &Plan) -> Result<u32, Error> {
//!     if plan.steps > 3 { Err(ErrorKind::TimedOut.into()) } else { Ok(plan.steps) }
//! }
//!
//! assert_eq!(run(&Plan { steps: 10 }).unwrap(), 2, "10 and 5 steps take too long");
//! ```

mod config;
mod site;

pub use config::DegradeConfig;
#[doc(hidden)]
pub use site::{DegradeSite, either};

use crate::base::scope::remaining;
use crate::base::setting::enforce;
use crate::base::settings::Settings;
use crate::base::stopping::let_others_run;
use crate::classify::{Category, Classification, Classify};
use crate::event::{Event, emit};
use crate::outcome::Outcome;
use crate::point::PointName;
use crate::policy::{InvalidPolicy, Verdict, refusals, verdict_of};

/// A type with simpler versions of a value, one for each level.
///
/// # Examples
///
/// ```
/// use resilience::Simplify;
///
/// #[derive(Debug, PartialEq)]
/// struct Workflow { iterations: u32, temperature: f32 }
///
/// impl Simplify for Workflow {
///     fn simplify(&self, level: u32) -> Option<Self> {
///         match level {
///             1 => Some(Self { iterations: 3, ..*self }),
///             2 => Some(Self { iterations: 1, temperature: 0.3 }),
///             _ => None,
///         }
///     }
/// }
///
/// let workflow = Workflow { iterations: 10, temperature: 0.7 };
/// assert_eq!(workflow.simplify(2), Some(Workflow { iterations: 1, temperature: 0.3 }));
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no simpler versions",
    label = "does not implement `Simplify`",
    note = "implement `resilience::Simplify` for it: `simplify(level)` returns the version for level 1, 2, .."
)]
pub trait Simplify: Sized {
    /// Returns the version of the original, `self`, for `level`, counted from 1; `None` if there is none.
    ///
    /// It is called with rising levels until it returns `None`, after the call before has failed, so that it should be
    /// cheap. It may return a version that costs as much: `max` bounds the calls.
    fn simplify(&self, level: u32) -> Option<Self>;
}

/// A policy that calls again with a simpler argument after a call that asked for too much.
///
/// The [module](crate::policy::degrade) says when to use one. The value is `Copy` and has no state.
///
/// # Examples
///
/// ```
/// use resilience::{Degrade, Simplify};
/// use std::io::{Error, ErrorKind};
///
/// #[derive(Debug)]
/// struct Pages(u32);
///
/// impl Simplify for Pages {
///     fn simplify(&self, level: u32) -> Option<Self> {
///         Some(Pages(self.0 >> level))
///     }
/// }
///
/// const FEWER: Degrade = Degrade::new("search").max(2);
///
/// let found = FEWER.call(&Pages(40), |pages| {
///     if pages.0 > 10 { Err(Error::from(ErrorKind::TimedOut)) } else { Ok(pages.0) }
/// });
/// assert_eq!(found.unwrap(), 10);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Degrade {
    name: &'static str,
    on: &'static [Category],
    settings: Settings<DegradeConfig>,
}

/// The async body of [`Degrade::call_async`].
///
/// The future of an `AsyncFnMut` is not known to be `Send`, that of an `FnMut` is if the closure's own is.
#[doc(hidden)]
pub trait BodyOf<'t, T: 't, R>: FnMut(&'t T) -> Self::Fut {
    /// What it returns.
    type Fut: Future<Output = R>;
}

impl<'t, T: 't, R, Fut: Future<Output = R>, F: FnMut(&'t T) -> Fut> BodyOf<'t, T, R> for F {
    type Fut = Fut;
}

/// Calls `body` as the `FnMut` that it is.
fn run<'t, T, R, F: BodyOf<'t, T, R>>(body: &mut F, argument: &'t T) -> F::Fut {
    body(argument)
}

/// The categories of a call that asked for too much.
const TOO_MUCH: &[Category] = &[Category::Timeout, Category::Resource, Category::Unavailable];

impl Degrade {
    /// Creates the policy with the default settings: up to 3 levels, after `Timeout`, `Resource` and `Unavailable`.
    ///
    /// `name` appears in its events.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Degrade, Simplify};
    /// use std::io::{Error, ErrorKind};
    ///
    /// struct Pages(u32);
    ///
    /// impl Simplify for Pages {
    ///     fn simplify(&self, level: u32) -> Option<Self> {
    ///         Some(Pages(self.0 >> level))
    ///     }
    /// }
    ///
    /// let mut tried = Vec::new();
    /// let failed: Result<(), Error> = Degrade::new("search").call(&Pages(64), |pages| {
    ///     tried.push(pages.0);
    ///     Err(ErrorKind::TimedOut.into())
    /// });
    /// assert!(failed.is_err());
    /// assert_eq!(tried, [64, 32, 16, 8], "the original, and three levels");
    /// ```
    pub const fn new(name: &'static str) -> Self {
        Self { name, on: TOO_MUCH, settings: DegradeConfig::DEFAULT.into_settings() }
    }

    /// Creates the policy with settings that are known only at run time.
    ///
    /// # Errors
    ///
    /// If a setting is out of range or contradicts another one, with the message of the compiler.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Degrade;
    /// use resilience::policy::degrade::DegradeConfig;
    ///
    /// let levels = |max| DegradeConfig { max };
    /// assert!(Degrade::try_new("search", levels(2)).is_ok());
    /// assert!(Degrade::try_new("search", levels(0)).is_err());
    /// ```
    pub fn try_new(name: &'static str, config: DegradeConfig) -> Result<Self, InvalidPolicy> {
        InvalidPolicy::unless_valid(config.complaint())?;
        Ok(Self { settings: Settings::whole(config), ..Self::new(name) })
    }

    /// Sets the categories after which a simpler call follows; default `Timeout`, `Resource`, `Unavailable`.
    ///
    /// Refusals of policies below are of category `Rejected`: name it, to simplify after those as well.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Category, Degrade};
    ///
    /// const SMALLER: Degrade = Degrade::new("upload").on(&[Category::Resource, Category::Invalid]);
    /// # let _ = SMALLER;
    /// ```
    pub const fn on(mut self, categories: &'static [Category]) -> Self {
        self.on = categories;
        self
    }

    /// Returns the value, once its settings are known to be valid.
    #[doc(hidden)]
    #[track_caller]
    pub const fn checked(self) -> Self {
        enforce(self.settings.config.complaint());
        self
    }

    /// Runs `body` with `original`, and after a failure with its simpler versions.
    ///
    /// # Errors
    ///
    /// The first error, if all levels fail.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Degrade, Simplify};
    /// use std::io::{Error, ErrorKind};
    ///
    /// struct Prompt {
    ///     tools: Vec<&'static str>,
    /// }
    ///
    /// impl Simplify for Prompt {
    ///     fn simplify(&self, level: u32) -> Option<Self> {
    ///         let keep = self.tools.len().checked_sub(level as usize)?;
    ///         Some(Self { tools: self.tools[..keep].to_vec() })
    ///     }
    /// }
    ///
    /// const FEWER_TOOLS: Degrade = Degrade::new("chat");
    ///
    /// let prompt = Prompt { tools: vec!["search", "draw", "code"] };
    /// let answered = FEWER_TOOLS.call(&prompt, |prompt| {
    ///     if prompt.tools.len() > 1 { Err(Error::from(ErrorKind::TimedOut)) } else { Ok(prompt.tools.len()) }
    /// });
    /// assert_eq!(answered.unwrap(), 1);
    /// ```
    pub fn call<T, R>(&self, original: &T, mut body: impl FnMut(&T) -> R) -> R
    where
        T: Simplify,
        R: Outcome<Error: Classify>,
    {
        let first = body(original);
        let (mut level, mut class) = (0, verdict_of(&first));
        while let Some(failed) = self.next(class, level)
            && let Some(simpler) = original.simplify(level + 1)
        {
            level += 1;
            emit(&Event::Simplified { point: PointName::new(self.name), class: failed, level }, None);
            let outcome = body(&simpler);
            class = verdict_of(&outcome);
            if class.is_none() {
                return outcome;
            }
        }
        first
    }

    /// Runs the async `body` with `original`, and after a failure with its simpler versions.
    ///
    /// The future works in `tokio::spawn` if those of `body` do. `body` is an async closure without `move`, or a closure
    /// that returns a future; a closure that changes its captures makes the change before its `async move` block.
    ///
    /// # Errors
    ///
    /// The first error, if all levels fail.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{Degrade, Simplify};
    ///
    /// struct Pages(u32);
    ///
    /// impl Simplify for Pages {
    ///     fn simplify(&self, level: u32) -> Option<Self> {
    ///         Some(Pages(self.0 >> level))
    ///     }
    /// }
    ///
    /// const FEWER: Degrade = Degrade::new("search");
    ///
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let found: std::io::Result<u32> = FEWER.call_async(&Pages(40), async |pages| Ok(pages.0)).await;
    /// assert_eq!(found.unwrap(), 40);
    /// # });
    /// ```
    pub async fn call_async<T, R, F>(&self, original: &T, mut body: F) -> R
    where
        T: Simplify,
        R: Outcome<Error: Classify>,
        F: for<'t> BodyOf<'t, T, R> + AsyncFnMut(&T) -> R,
    {
        let first = run(&mut body, original).await;
        let (mut level, mut class) = (0, verdict_of(&first));
        while let Some(failed) = self.next(class, level)
            && let Some(simpler) = original.simplify(level + 1)
        {
            level += 1;
            emit(&Event::Simplified { point: PointName::new(self.name), class: failed, level }, None);
            let_others_run().await;
            let outcome = run(&mut body, &simpler).await;
            class = verdict_of(&outcome);
            if class.is_none() {
                return outcome;
            }
        }
        first
    }

    /// Returns the class of a failure of the call at `level`, if a simpler call may follow it.
    fn next(&self, verdict: Verdict, level: u32) -> Option<Classification> {
        self.next_of(self.settings.config.max, verdict, level)
    }

    /// Returns the class like `next`, with at most `max` simpler calls.
    fn next_of(&self, max: u32, verdict: Verdict, level: u32) -> Option<Classification> {
        let class = verdict.filter(|class| self.on.contains(&class.category))?;
        let has_time = || remaining().is_none_or(|left| !left.is_zero());
        let goes_on = level < max && has_time() && !class.is_of_request();
        (goes_on && !refusals::is_by_job(&class)).then_some(class)
    }
}
