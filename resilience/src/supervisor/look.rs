//! One look at all functions: samples, decisions, and steps.
//!
//! It works in three steps, so that no code of the program runs under the lock: the counters of each function become a
//! sample, the samples become decisions (`judge`, `follow`), and the decisions are carried out once the lock is free
//! (`act`).
//!
//! A function whose breaker the supervisor has opened is not judged until that has closed, and starts over then.
//! Otherwise the errors from before would open it again at the first look after its recovery.

use super::actions::Actions;
use super::judge::JudgedPattern;
use super::recoveries::{Crossing, Recoveries, SuccessRate};
use super::trend::Trend;
use super::window::{Errors, Window};
use super::{Pattern, Step, Supervisor};
use crate::base::clock;
use crate::base::guarded::guarded;
use crate::base::sync::locked;
use crate::event::{AlertLevel, Event, emit};
use crate::failure::{Category, Counts, Severity};
use crate::point::runs::RunningSupervisor;
use crate::point::{POINTS_0_1, PointName, PointSite};
use crate::policy::circuit_breaker::{CircuitBreaker, State};
use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// The time for which a pattern is left alone after it was acted on.
const PAUSE: Duration = Duration::from_secs(600);
/// The number of calls of the last minute that a trend needs.
const TREND: u64 = 20;
/// The window of a breaker that counts calls, for its trend.
const MINUTE: Duration = Duration::from_secs(60);

/// The supervisor at work.
#[derive(Debug)]
pub(super) struct SupervisorLoop {
    settings: Supervisor,
    actions: Arc<Actions>,
    state: Mutex<ObservedPoints>,
    _looking: RunningSupervisor,
}

/// The state of functions that were called, and of the categories that they had, both bounded by the program.
#[derive(Debug, Default)]
struct ObservedPoints {
    /// By the place in the inventory.
    points: HashMap<usize, WatchedPoint>,
    /// The last look, at which a point that is not listed had no calls.
    looked: Option<Instant>,
    recoveries: SuccessRate,
}

#[derive(Debug)]
struct WatchedPoint {
    window: Window,
    patterns: HashMap<Category, PatternState>,
    /// The attempts, for patterns that have not been seen yet.
    attempts: Trend,
    /// The supervisor has opened its breaker, which has not closed since.
    is_open: bool,
}

/// The state of a pattern.
///
/// Each of the three moments is a pause of its own: acting, alerting and warning do not hold each other back. The
/// severities let a pattern that has become worse act or alert again within the pause.
#[derive(Debug)]
struct PatternState {
    trend: Trend,
    acted: Option<LastAction>,
    alerted: Option<(Instant, Severity)>,
    warned: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct LastAction {
    at: Instant,
    severity: Severity,
    has_opened: bool,
}

impl PatternState {
    /// Creates a pattern without errors so far, at a point with these attempts.
    const fn new(attempts: Trend) -> Self {
        Self { trend: attempts, acted: None, alerted: None, warned: None }
    }
}

impl SupervisorLoop {
    pub(super) fn new(settings: Supervisor, actions: Arc<Actions>) -> Self {
        Self { settings, actions, state: Mutex::default(), _looking: RunningSupervisor::begin() }
    }

    /// Looks at every function. Events are raised after the lock is free: handlers may call anything.
    pub(super) fn look(&self) {
        let now = clock::now();
        let mut decided = Vec::new();
        let mut seen = locked(&self.state);
        let before = seen.looked.replace(now);
        for (number, site) in POINTS_0_1.iter().enumerate() {
            let counts = site.calls().read();
            if counts.attempts == 0 {
                continue;
            }
            let watched = seen.points.entry(number).or_insert_with(|| WatchedPoint::new(before));
            let breaker = breaker(site);
            let waits = watched.waits_for(breaker);
            let sample = watched.window.take(now, &counts).filter(|_| !waits).cloned();
            let Some(sample) = sample else {
                watched.begin_anew();
                continue;
            };
            for errors in &sample.errors {
                let attempts = watched.attempts;
                watched.patterns.entry(errors.category).or_insert_with(|| PatternState::new(attempts));
                self.judge(now, site, breaker, watched, *errors, &mut decided);
            }
            watched.follow(now, site, breaker, &sample, &mut decided);
        }
        self.look_at_recoveries(now, &mut seen.recoveries, &mut decided);
        drop(seen);
        for decided in decided {
            self.act(decided);
        }
    }

    /// Decides about the pattern of `errors`, which came since the last look.
    fn judge(
        &self,
        now: Instant,
        site: &'static PointSite,
        breaker: Option<&'static CircuitBreaker>,
        watched: &mut WatchedPoint,
        errors: Errors,
        decided: &mut Vec<Decision>,
    ) {
        let category = errors.category;
        let Some(seen) = watched.window.seen(category) else { return };
        let Some(known) = watched.patterns.get_mut(&category) else { return };
        let judged = JudgedPattern::of(&seen);
        let steps = judged.steps(&self.settings.rules);
        let (count, calls) = (seen.errors.count, seen.calls);
        let pattern = Pattern {
            point: site.name(),
            category,
            severity: judged.action,
            count,
            calls,
            steps,
            has_opened: false,
        };
        let is_over = |at: Instant| now.saturating_duration_since(at) >= PAUSE;
        let has_step = |step| pattern.steps.contains(&step);
        if has_step(Step::Alert)
            && known.alerted.is_none_or(|(at, severity)| is_over(at) || judged.alert > severity)
        {
            known.alerted = Some((now, judged.alert));
            decided.push(Decision::Alert(pattern.clone()));
        }
        let may_act = known
            .acted
            .is_none_or(|acted| is_over(acted.at) || (judged.action > acted.severity && !acted.has_opened));
        if !may_act {
            return;
        }
        let is_failure = category.counts() == Counts::Failure;
        let is_closed = |breaker: &&CircuitBreaker| breaker.state() == State::Closed;
        let opens = breaker.filter(|breaker| has_step(Step::OpenBreaker) && is_failure && is_closed(breaker));
        known.acted = Some(LastAction { at: now, severity: judged.action, has_opened: opens.is_some() });
        watched.is_open |= opens.is_some();
        decided.push(Decision::Act(Pattern { has_opened: opens.is_some(), ..pattern }, opens));
    }

    fn act(&self, decided: Decision) {
        match decided {
            Decision::Act(pattern, opens) => {
                if let Some(breaker) = opens {
                    guarded(|| breaker.set_state(State::Open));
                }
                for (severity, action) in &self.settings.actions {
                    if pattern.severity >= *severity {
                        self.actions.submit(action.clone(), pattern.clone());
                    }
                }
            }
            Decision::Alert(pattern) => {
                let reason = format!("{} errors {} in ten minutes", pattern.count, pattern.category);
                alert(pattern.point, AlertLevel::Critical, "the same error keeps coming", reason);
            }
            Decision::Warn(point, message, reason) => alert(point, AlertLevel::Warning, message, reason),
        }
    }

    #[cfg(feature = "durable")]
    fn look_at_recoveries(&self, now: Instant, recoveries: &mut SuccessRate, decided: &mut Vec<Decision>) {
        let stats = crate::durable::recovery_stats();
        let failed = stats.by_point.into_iter().map(|(point, all, well)| (point, all.saturating_sub(well)));
        let failed = failed.filter(|(_, failed)| *failed > 0).collect();
        let total = Recoveries { all: stats.total, succeeded: stats.succeeded, failed };
        let (message, rate, failures) = match recoveries.take(now, total, self.settings.min_success_rate) {
            None => return,
            Some(Crossing::Below(rate, most)) => {
                ("recoveries fail more often than they may", rate, format!("; most failures: {most}"))
            }
            Some(Crossing::Back(rate)) => ("recoveries end well again", rate, String::new()),
        };
        let rate = rate * 100.0;
        let reason = format!(
            "{rate:.1} % of the retries, fallbacks and recovered jobs of ten minutes ended well{failures}"
        );
        decided.push(Decision::Warn(PointName::new("recoveries"), message, reason));
    }

    #[cfg(not(feature = "durable"))]
    fn look_at_recoveries(&self, _: Instant, recoveries: &mut SuccessRate, _: &mut Vec<Decision>) {
        let never = (SuccessRate::take, Recoveries::default(), Crossing::Below, Crossing::Back);
        let _ = (&self.settings.min_success_rate, recoveries, never);
    }
}

/// The work that is done once the lock is free.
enum Decision {
    Act(Pattern, Option<&'static CircuitBreaker>),
    Alert(Pattern),
    Warn(PointName, &'static str, String),
}

impl WatchedPoint {
    /// Creates a point that had no calls at the look `before`, if there was one.
    fn new(before: Option<Instant>) -> Self {
        let attempts = Trend::new();
        Self { window: Window::new(before), patterns: HashMap::new(), attempts, is_open: false }
    }

    /// Returns whether the supervisor has opened the breaker, which had not closed again by the last look.
    fn waits_for(&mut self, breaker: Option<&CircuitBreaker>) -> bool {
        let was_open = self.is_open;
        self.is_open &= breaker.is_some_and(|breaker| breaker.state() != State::Closed);
        was_open
    }

    /// Forgets what has happened; when patterns were acted on stays known.
    fn begin_anew(&mut self) {
        self.window.forget();
        self.attempts = Trend::new();
        self.patterns.values_mut().for_each(|known| known.trend = Trend::new());
    }

    /// Follows the trends of all patterns, and warns of those that lead to the breaker's limit.
    fn follow(
        &mut self,
        now: Instant,
        site: &'static PointSite,
        breaker: Option<&'static CircuitBreaker>,
        sample: &super::window::Sample,
        decided: &mut Vec<Decision>,
    ) {
        let is_busy = self.window.last_minute(now) >= TREND;
        let config = breaker.map(CircuitBreaker::config);
        self.attempts.add(now, 0, sample.attempts);
        for (category, known) in &mut self.patterns {
            let errors = sample.errors.iter().find(|errors| errors.category == *category);
            known.trend.add(now, errors.map_or(0, |errors| errors.count), sample.attempts);
            let Some((rate, window)) = config.and_then(|config| Some((config.rate?, config.window))) else {
                continue;
            };
            let expected = known.trend.expected(window.unwrap_or(MINUTE));
            let is_due = known.warned.is_none_or(|at| now.saturating_duration_since(at) >= PAUSE);
            let counts = category.counts() == Counts::Failure;
            if errors.is_some() && counts && is_busy && is_due && expected >= rate {
                known.warned = Some(now);
                let reason =
                    format!("`{category}`: {:.0} % are expected, of {:.0} %", expected * 100.0, rate * 100.0);
                let message = "the failure rate leads to an open breaker";
                decided.push(Decision::Warn(site.name(), message, reason));
            }
        }
    }
}

/// Returns the outermost breaker of a function that has no key.
fn breaker(site: &'static PointSite) -> Option<&'static CircuitBreaker> {
    site.layers().iter().find_map(|layer| layer.policy())
}

fn alert(point: PointName, level: AlertLevel, message: &'static str, reason: String) {
    emit(&Event::Alert { point, job: None, level, message, reason }, None);
}
