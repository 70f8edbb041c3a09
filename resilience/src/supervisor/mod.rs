//! A supervisor that looks at the errors of all annotated functions, and opens breakers before they open by themselves.
//!
//! It is off until [`start`] is called, and ends when what that returned is dropped.
//!
//! ```
//! // In `main`, for as long as the program runs:
//! let _supervision = resilience::supervisor::start()?;
//! # Ok::<(), std::io::Error>(())
//! ```
//!
//! # What it sees
//!
//! Every 10 s it reads the counters of every annotated function. A *pattern* is a function and a category of errors;
//! what counts is each call that failed and each attempt that a retry followed, of the last ten minutes. Calls that a
//! policy of this library refused, and calls that were given up, are not errors. Where two looks are more than 20 s
//! apart, after the machine has slept for instance, it starts over.
//!
//! # What follows
//!
//! The severity of a pattern's errors is raised by one step
//!
//! - for *alerts*, if there are more than 5 in ten minutes,
//! - for *actions*, if they are also at least 10 % of the function's calls in that time, or 5 of them came in a row,
//!   without a success or another error in between.
//!
//! An attempt that a retry followed counts like a call that failed: a call whose three attempts fail has three errors.
//! So for a function with a retry the 10 % are errors for each call, not failed calls, and 4 calls in 100 whose three
//! attempts fail are 12 %.
//!
//! | severity | what is done |
//! |---|---|
//! | low | retry |
//! | medium | retry, fall back |
//! | high | open the breaker, fall back |
//! | critical, fatal | open the breaker, fall back, alert |
//!
//! *Retry* and *fall back* are what the function's own stack does; the supervisor never adds
//! a retry. It opens a breaker only if the pattern is frequent as for actions, the category counts as a failure, and
//! the breaker is closed: one that an operator has forced open, disabled or opened until a time is left alone, and so
//! is one that a configuration has switched off. The breaker is the outermost of the function, and stays open for its
//! `recovery`. Afterwards only errors count that occur after it has closed again. A pattern is acted on at most once in
//! ten minutes, or once more if it became worse before a breaker was opened for it.
//!
//! A breaker with a `key` is left alone: the counts here are those of all keys together, and errors of one
//! key say nothing about the others.
//!
//! [`Supervisor::rules`] replaces the table, and [`Supervisor::action`] adds functions of the program.
//!
//! # Warnings
//!
//! - A pattern whose failure rate will reach the `rate` of its breaker if it goes on:
//!   `r1 + (r1 - r10) * window / 9 min >= rate`, where `r1` and `r10` are the failure rates weighted by
//!   `exp(-age / 1 min)` and `exp(-age / 10 min)`, with at least 20 calls in the last minute; once in ten minutes. A
//!   breaker without a `window` of time counts as one of a minute.
//! - With the feature `durable`, recoveries of which less than 95 % end well in ten minutes, with at least 20 of them:
//!   one alert, and one more when they are back. [`Supervisor::min_success_rate`] sets the share.

mod actions;
mod judge;
mod look;
mod recoveries;
mod trend;
mod window;

use crate::base::repeating::{Repeating, repeat};
use crate::base::visible::Visible;
use crate::failure::{Category, Severity};
use crate::point::PointName;
use actions::{Action, Actions};
use look::SupervisorLoop;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// The period of the looks.
const EVERY: Duration = Duration::from_secs(10);

/// A step that the supervisor or the function takes about errors.
///
/// # Examples
///
/// ```
/// use resilience::supervisor::{RULES, Step};
///
/// assert!(RULES.iter().any(|rule| rule.steps.contains(&Step::OpenBreaker)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Step {
    /// The function's own retry repeats the call, if it has one.
    Retry,
    /// The function's own fallback answers, if it has one.
    FallBack,
    /// The supervisor opens the function's breaker, if it has one.
    OpenBreaker,
    /// The supervisor raises a critical alert.
    Alert,
}

/// The steps for errors of one severity.
///
/// # Examples
///
/// Alerts only, and no breaker:
///
/// ```
/// use resilience::Severity;
/// use resilience::supervisor::{Rule, Step, Supervisor};
///
/// const ALERTS: [Rule; 2] =
///     [Rule::new(Severity::Critical, &[Step::Alert]), Rule::new(Severity::Fatal, &[Step::Alert])];
///
/// let _supervision = Supervisor::new().rules(ALERTS).start()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Rule {
    /// The severity.
    pub severity: Severity,
    /// The steps.
    pub steps: &'static [Step],
}

impl Rule {
    /// Creates the rule that takes `steps` for errors of `severity`.
    ///
    /// Of two rules for one severity the first one counts.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Severity;
    /// use resilience::supervisor::{Rule, Step};
    ///
    /// const QUIET: Rule = Rule::new(Severity::High, &[Step::FallBack]);
    /// assert!(!QUIET.steps.contains(&Step::OpenBreaker));
    /// ```
    pub const fn new(severity: Severity, steps: &'static [Step]) -> Self {
        Self { severity, steps }
    }
}

/// The default rules: the table of [the module](self).
///
/// # Examples
///
/// The same rules, but nothing opens a breaker:
///
/// ```
/// use resilience::supervisor::{RULES, Rule, Step, Supervisor};
///
/// const FALL_BACK: &[Step] = &[Step::FallBack];
/// let rules = RULES.into_iter().map(|rule| {
///     let opens = rule.steps.contains(&Step::OpenBreaker);
///     if opens { Rule::new(rule.severity, FALL_BACK) } else { rule }
/// });
/// let supervisor = Supervisor::new().rules(rules);
/// # let _ = supervisor;
/// ```
pub const RULES: [Rule; 5] = [
    Rule::new(Severity::Low, &[Step::Retry]),
    Rule::new(Severity::Medium, &[Step::Retry, Step::FallBack]),
    Rule::new(Severity::High, &[Step::OpenBreaker, Step::FallBack]),
    Rule::new(Severity::Critical, &[Step::OpenBreaker, Step::FallBack, Step::Alert]),
    Rule::new(Severity::Fatal, &[Step::OpenBreaker, Step::FallBack, Step::Alert]),
];

/// Errors of one category at one point, and the steps that are taken.
///
/// `Display` writes one line, for the log.
///
/// # Examples
///
/// ```
/// use resilience::Severity;
/// use resilience::supervisor::Supervisor;
///
/// let page = |pattern: &resilience::supervisor::Pattern| eprintln!("call a person: {pattern}");
/// let _supervision = Supervisor::new().action(Severity::Critical, page).start()?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Pattern {
    /// The name of the function.
    pub point: PointName,
    /// The category of the errors.
    pub category: Category,
    /// The severity that decides the steps: that of the errors, or one step more.
    pub severity: Severity,
    /// The number of errors in ten minutes.
    pub count: u64,
    /// The number of calls of the function that ended in the same time. One call can have several errors, if it
    /// retries.
    pub calls: u64,
    /// The steps that are taken.
    pub steps: Vec<Step>,
    /// Whether a breaker was opened.
    pub has_opened: bool,
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { point, category, severity, count, calls, .. } = self;
        let (point, severity) = (Visible(point), severity.as_str());
        write!(f, "{point}: {count} errors `{category}` in {calls} calls, severity {severity}")?;
        if self.has_opened { f.write_str(", breaker opened") } else { Ok(()) }
    }
}

/// The settings of a supervisor that is about to start.
///
/// # Examples
///
/// ```
/// use resilience::supervisor::Supervisor;
///
/// let supervision = Supervisor::new().min_success_rate(0.9).start()?;
/// assert_eq!(supervision.actions().dropped, 0);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
#[must_use = "call `start`"]
pub struct Supervisor {
    rules: Vec<Rule>,
    actions: Vec<(Severity, Action)>,
    min_success_rate: f64,
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor").field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl Default for Supervisor {
    fn default() -> Self {
        Self::new()
    }
}

impl Supervisor {
    /// Creates a supervisor with [`RULES`], without actions.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::supervisor::Supervisor;
    ///
    /// let supervision = Supervisor::new().start()?; // the same as `supervisor::start()`
    /// # drop(supervision);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn new() -> Self {
        Self { rules: RULES.to_vec(), actions: Vec::new(), min_success_rate: 0.95 }
    }

    /// Replaces all rules; a severity without a rule has no steps.
    ///
    /// # Examples
    ///
    /// Critical errors alone are acted on:
    ///
    /// ```
    /// use resilience::Severity;
    /// use resilience::supervisor::{Rule, Step, Supervisor};
    ///
    /// let rules = [Rule::new(Severity::Critical, &[Step::OpenBreaker, Step::Alert])];
    /// let _supervision = Supervisor::new().rules(rules).start()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn rules(mut self, rules: impl IntoIterator<Item = Rule>) -> Self {
        self.rules = rules.into_iter().collect();
        self
    }

    /// Calls `action` for each pattern that is acted on with `severity` or more.
    ///
    /// Actions run on threads of their own, one at a time. After two seconds the next one begins, and the slow one runs
    /// on. At most 100 wait; further ones are dropped, and counted. A panic ends nothing, and is counted.
    ///
    /// An action that never ends keeps a thread; with 16 of them running, further calls are dropped.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::Severity;
    /// use resilience::supervisor::Supervisor;
    /// use std::sync::mpsc;
    ///
    /// let (sender, patterns) = mpsc::channel();
    /// let _supervision = Supervisor::new()
    ///     .action(Severity::High, move |pattern| drop(sender.send(pattern.to_string())))
    ///     .start()?;
    /// assert!(patterns.try_recv().is_err(), "nothing has failed");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn action(mut self, severity: Severity, action: impl Fn(&Pattern) + Send + Sync + 'static) -> Self {
        self.actions.push((severity, Arc::new(action)));
        self
    }

    /// Sets the share of recoveries that have to end well, from 0 to 1; default 0.95. See [the module](self).
    ///
    /// Values outside of the range are treated as its nearest end, NaN changes nothing, and 0 never warns. The share has
    /// an effect only with the feature `durable`, whose recoveries it judges.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::supervisor::Supervisor;
    ///
    /// let _supervision = Supervisor::new().min_success_rate(0.99).start()?;
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn min_success_rate(mut self, rate: f64) -> Self {
        if !rate.is_nan() {
            self.min_success_rate = rate.clamp(0.0, 1.0);
        }
        self
    }

    /// Starts it, on a thread of its own.
    ///
    /// Start only one: several supervisors would each act on the same errors. In a test world it has no thread, and
    /// looks only when [`Supervision::look`] is called.
    ///
    /// # Errors
    ///
    /// The system has no thread left.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::supervisor::Supervisor;
    ///
    /// # let _world = resilience::testing::isolate();
    /// let supervision = Supervisor::new().start()?;
    /// supervision.look();
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn start(self) -> io::Result<Supervision> {
        let actions = Arc::<Actions>::default();
        let looks = Arc::new(SupervisorLoop::new(self, actions.clone()));
        let of_thread = looks.clone();
        // In a test world only the test itself looks.
        let thread = match crate::base::world::World::here() {
            Some(_) => None,
            None => Some(repeat("resilience-supervisor", EVERY, move |_: &_| of_thread.look())?),
        };
        Ok(Supervision { looks, actions, _thread: thread })
    }
}

/// Starts a supervisor with the [rules](RULES) of this library; see [`Supervisor`].
///
/// # Errors
///
/// The system has no thread left.
///
/// # Examples
///
/// ```
/// let _supervision = resilience::supervisor::start()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn start() -> io::Result<Supervision> {
    Supervisor::new().start()
}

/// A supervisor that runs until this is dropped.
///
/// Dropping it does not wait for actions: those that run continue. A breaker that the supervisor has opened stays open
/// for its
/// `recovery`.
///
/// # Examples
///
/// ```
/// let supervision = resilience::supervisor::start()?;
/// assert_eq!(supervision.actions().run, 0);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
#[must_use = "the supervisor ends when it is dropped"]
pub struct Supervision {
    looks: Arc<SupervisorLoop>,
    actions: Arc<Actions>,
    _thread: Option<Repeating>,
}

impl Supervision {
    /// Looks at all functions now.
    ///
    /// It is for tests: in a test world no thread looks, and each look should be 10 s of its clock after the one
    /// before. The first look, and one that comes more than 20 s after the last, only takes the counters to compare the
    /// next with.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::event::Event;
    /// use resilience::{circuit_breaker, testing};
    /// use std::time::Duration;
    ///
    /// #[circuit_breaker(threshold = 1_000, name = "supervised")]
    /// fn charge() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    ///     Err(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into())
    /// }
    ///
    /// let world = testing::isolate();
    /// let supervision = resilience::supervisor::start()?;
    /// charge().unwrap_err();
    /// supervision.look();
    /// for _ in 0..10 {
    ///     charge().unwrap_err();
    /// }
    /// world.advance(Duration::from_secs(10));
    /// supervision.look();
    /// assert!(world.events().iter().any(|event| matches!(event, Event::Opened { .. })), "long before 1,000 failures");
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn look(&self) {
        self.looks.look();
    }

    /// Counts the calls of [actions](Supervisor::action) since the start.
    ///
    /// # Examples
    ///
    /// ```
    /// let supervision = resilience::supervisor::start()?;
    /// if supervision.actions().overran > 0 {
    ///     eprintln!("an action is slow: let it send to a queue");
    /// }
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn actions(&self) -> ActionCounts {
        self.actions.counts()
    }
}

/// The counts of the calls of [actions](Supervisor::action).
///
/// # Examples
///
/// ```
/// let counts = resilience::supervisor::start()?.actions();
/// assert_eq!((counts.run, counts.panicked, counts.overran, counts.dropped), (0, 0, 0, 0));
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ActionCounts {
    /// The number of calls that have ended.
    pub run: u64,
    /// The number of them that panicked.
    pub panicked: u64,
    /// The number of them that took more than two seconds.
    pub overran: u64,
    /// The number of calls that were skipped.
    pub dropped: u64,
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn the_least_success_rate_is_always_a_share() {
        let rate = |rate| Supervisor::new().min_success_rate(rate).min_success_rate.to_bits();
        for (given, kept) in [(-1.0, 0.0), (0.5, 0.5), (2.0, 1.0), (f64::INFINITY, 1.0)] {
            assert_eq!(rate(given), f64::to_bits(kept), "{given}");
        }
        assert_eq!(rate(f64::NAN), Supervisor::new().min_success_rate.to_bits());
    }
}
