//! The health of the program and of its dependencies: checks, and the answers to "is it healthy?" and "is it ready?".
//!
//! A check is a function with [`#[health_check]`](macro@crate::health_check), or a closure given to [`register`]. It
//! returns `()`, a text, an [`Answer`] with a level, an action and details, or a `Result` of one of them, whose error
//! is a failure. [`check_all`] looks at all components at once; [`ready`] says whether traffic should come.
//!
//! ```
//! use resilience::health;
//! use resilience::health_check;
//!
//! #[health_check("models", timeout = 500ms, critical)]
//! fn models() -> Result<String, std::io::Error> {
//!     Ok(format!("{} models are loaded", 2))
//! }
//!
//! # let _world = resilience::testing::isolate();
//! let status = health::check("models").unwrap();
//! assert_eq!(status.to_string(), "models: pass: 2 models are loaded");
//! assert!(health::check_all().iter().all(|status| status.healthy));
//! assert!(health::ready().is_ready);
//! ```
//!
//! # Looks
//!
//! - Of each check at most one look runs at a time. All questions of that time share it, and its answer is used for one
//!   second, so that many questions cost as much as one.
//! - A question waits for the limit of the check at most, 2 s by default. A look that hangs keeps its thread: until it
//!   ends, each question gets a failure at once, with the time at which it began. The code of a check sees its limit as
//!   [`remaining`](crate::remaining()).
//! - Sync checks run on at most 16 helper threads, async ones on a runtime of this library. A panic is a failure. A look
//!   for which no thread is free within its limit is a warning, "not judged", and does not decide readiness; the limit
//!   of its code counts from when a thread is free, and its question waits for at most twice the limit. Under a paused
//!   clock of tokio's the limits pass in real time, as the looks do.
//! - Calls in a check take no probe of a half-open breaker, and spend no retry budget: only real traffic decides when a
//!   breaker closes. A check whose call a policy rejects is a warning, "not judged", and does not decide readiness.
//! - Each change of a level makes an [`Event::Health`](crate::Event::Health). [`watch`] looks every 30 s.
//!
//! # Built in
//!
//! | check | warns |
//! |---|---|
//! | `memory`, `disk` | from 90 % used on, until less than 85 %; the disk is that of the state directory |
//! | `cpu` | never; it only informs |
//! | `breakers` | while a breaker is open, which protects the program and is not a failure |
//! | `chaos` (feature `chaos`) | while the program has armed faults |
//! | `store` (feature `durable`) | never: it fails while a store that jobs or steps have used takes no write |
//!
//! A check of the program with the same name replaces it. None of them is critical; [`Check::store`] makes the check of
//! the stores critical.
//!
//! A service is asked by `Endpoint` (feature `webhook`): its answer, and the list of models of a server such as Ollama.

mod answer;
mod ask;
mod builtin;
mod check;
#[cfg(feature = "webhook")]
mod endpoint;
mod flight;
mod machine;
mod ready;
mod registry;
mod resources;
mod run;
mod site;
mod status;
#[cfg(feature = "durable")]
mod stores;
mod watch;
mod work;

pub use crate::event::HealthLevel as Level;
pub use answer::Answer;
#[doc(hidden)]
pub use answer::CheckOutcome;
pub use check::Check;
#[cfg(feature = "webhook")]
#[cfg_attr(docsrs, doc(cfg(feature = "webhook")))]
pub use endpoint::Endpoint;
pub use ready::{Readiness, ready, ready_async};
pub use resources::{Resources, resources};
#[doc(hidden)]
pub use site::{CheckSite, HEALTH_CHECKS_0_1, Listed, check_answer, each_check};
pub use status::Status;
pub use watch::{Watch, watch};

use crate::base::block_on::{all, block_on};
use crate::base::name::PointName;
use ask::ask;

/// Looks at every component at once, and returns the statuses, sorted by name.
///
/// It blocks the thread for as long as the slowest check takes, at most for its limit. In async code call
/// [`check_all_async`].
///
/// # Examples
///
/// ```
/// use resilience::health;
///
/// let names: Vec<_> = health::check_all().into_iter().map(|status| status.component).collect();
/// assert!(names.iter().any(|name| &**name == "breakers"));
/// ```
pub fn check_all() -> Vec<Status> {
    block_on(check_all_async())
}

/// Looks at every component, as [`check_all`], without blocking the thread.
pub async fn check_all_async() -> Vec<Status> {
    all(registry::all().into_iter().map(ask)).await
}

/// Returns the last answer of each check that was looked at, without looking again.
pub(crate) fn last() -> Vec<(PointName, Level)> {
    let known = registry::known();
    known.iter().filter_map(|entry| Some((entry.name.clone(), entry.flight.last()?))).collect()
}

/// Looks at the component called `name`; `None` if there is no such check.
///
/// # Examples
///
/// ```
/// use resilience::health;
///
/// assert!(health::check("breakers").unwrap().healthy);
/// assert!(health::check("no such check").is_none());
/// ```
pub fn check(name: &str) -> Option<Status> {
    block_on(check_async(name))
}

/// Looks at the component called `name`, as [`check`], without blocking the thread.
pub async fn check_async(name: &str) -> Option<Status> {
    Some(ask(registry::find(name)?).await)
}

/// Adds a check by a closure, in place of the one with the same name; [`Check`] has more settings.
///
/// # Examples
///
/// ```
/// use resilience::health::{self, Answer};
///
/// # let _world = resilience::testing::isolate();
/// health::register("queue", || Answer::warn("9000 entries wait").action("start another worker"));
/// assert!(health::check("queue").unwrap().healthy, "a warning is not a failure");
/// ```
pub fn register<A: Into<Answer>>(name: impl Into<String>, check: impl Fn() -> A + Send + Sync + 'static) {
    Check::new(name, check).register();
}

/// Removes the check called `name`, a built-in one included; returns whether there was one.
///
/// # Examples
///
/// ```
/// use resilience::health;
///
/// # let _world = resilience::testing::isolate();
/// assert!(health::unregister("breakers"));
/// assert!(health::check("breakers").is_none());
/// ```
pub fn unregister(name: &str) -> bool {
    registry::remove(name)
}
