//! The one shutdown of a process, which all callers join.
//!
//! It has a thread of its own: a caller may be dropped, and a store whose disk hangs must not keep one beyond the
//! limit. Each caller waits for the end of that thread or of its time, whichever is first, and reports the state
//! then.

use super::report::{Left, Report};
use crate::base::block_on::block_on;
use crate::base::clock::{self, Timer, later};
use crate::base::guarded::wake;
use crate::base::site::Site;
use crate::base::sync::locked;
use crate::base::world::{World, run_in};
use crate::base::{stopping, wakers};
#[cfg(feature = "durable")]
use crate::durable::ending;
#[cfg(feature = "durable")]
use std::future::Future;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Mutex;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

static RUN: Site<Run> = Site::new(Run::new(), Run::new);

/// The shutdown of a process or test world.
///
/// The shutdown begins once, permanently: later callers wait for the same end, and report the state at their own.
#[derive(Debug)]
pub(super) struct Run {
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// `None` before the first call.
    began: Option<Instant>,
    time: Option<TimeLimits>,
    /// Whether a second signal has ended the wait for running code, also that of a shutdown that comes.
    is_hurried: bool,
    callers: Vec<Caller>,
    unflushed: Vec<&'static str>,
    /// `None` while it runs.
    ended: Option<Instant>,
    /// Woken at each change.
    waiting: Vec<Waker>,
}

/// The time that a shutdown has.
///
/// The reserve for writing is a tenth of the limit, at least one second, and at most half of it, so that a short limit
/// is not all reserve. Joining callers keep the pair with the earlier end whole: each wait belongs to its end.
#[derive(Clone, Copy, Debug)]
struct TimeLimits {
    /// The time until which the shutdown waits for running code.
    wait: Instant,
    /// The time until which the shutdown writes data.
    end: Instant,
}

impl TimeLimits {
    fn new(now: Instant, limit: Duration) -> Self {
        let end = later(now, limit);
        // The largest limits end earlier than they say, and their tenth would be before now.
        let limit = end.saturating_duration_since(now);
        let reserve = (limit / 10).max(Duration::from_secs(1)).min(limit / 2);
        Self { wait: end.checked_sub(reserve).unwrap_or(end), end }
    }

    fn min(self, other: Self) -> Self {
        if other.end < self.end { other } else { self }
    }

    /// Returns the times without the wait for running code.
    fn hurried(self, now: Instant) -> Self {
        let left = self.end.saturating_duration_since(self.wait).max(Duration::from_secs(1));
        Self { wait: self.wait.min(now), end: self.end.min(later(now, left)) }
    }
}

/// The code that has called, which is not waited for.
#[derive(Clone, Debug)]
struct Caller {
    #[cfg(feature = "durable")]
    scope: ending::Scope,
    /// The handlers of events that it is part of.
    #[cfg(feature = "ops")]
    handlers: Vec<u64>,
}

impl Caller {
    fn here() -> Self {
        Self {
            #[cfg(feature = "durable")]
            scope: ending::caller(),
            #[cfg(feature = "ops")]
            handlers: crate::base::handling::here(),
        }
    }
}

#[cfg(feature = "durable")]
fn scopes(callers: &[Caller]) -> Vec<ending::Scope> {
    callers.iter().map(|caller| caller.scope.clone()).collect()
}

impl State {
    fn time(&self) -> TimeLimits {
        let now = Instant::now;
        self.time.unwrap_or_else(|| TimeLimits { wait: now(), end: now() })
    }
}

impl Run {
    const fn new() -> Self {
        Self {
            state: Mutex::new(State {
                began: None,
                time: None,
                is_hurried: false,
                callers: Vec::new(),
                unflushed: Vec::new(),
                ended: None,
                waiting: Vec::new(),
            }),
        }
    }

    /// Begins the shutdown, or joins the one that runs; the earlier end holds.
    pub(super) fn join(limit: Duration) -> &'static Self {
        let run: &'static Self = &RUN;
        let now = clock::now();
        let is_first = {
            let mut state = locked(&run.state);
            let time = TimeLimits::new(now, limit);
            let time = if state.is_hurried { time.hurried(now) } else { time };
            state.time = Some(state.time.map_or(time, |earlier| earlier.min(time)));
            state.callers.push(Caller::here());
            let is_first = state.began.is_none();
            if is_first {
                state.began = Some(now);
                state.unflushed = stages().to_vec();
            }
            is_first
        };
        run.changed();
        if is_first {
            stopping::begin();
            #[cfg(feature = "durable")]
            ending::begin();
            run.start();
        }
        run
    }

    /// Ends the wait for running code, of the shutdown that runs or of one that comes.
    #[cfg(all(unix, any(feature = "durable", feature = "ops")))]
    pub(super) fn hurry() {
        let run: &'static Self = &RUN;
        let now = clock::now();
        {
            let mut state = locked(&run.state);
            state.is_hurried = true;
            state.time = state.time.map(|time| time.hurried(now));
        }
        run.changed();
    }

    fn changed(&self) {
        let waiting = std::mem::take(&mut locked(&self.state).waiting);
        waiting.into_iter().for_each(wake);
    }

    /// Does the work on a thread of its own, or here where none can be had.
    fn start(&'static self) {
        let world = World::here();
        let work = move || run_in(world.as_ref(), || block_on(self.work()));
        let thread = std::thread::Builder::new().name("resilience-shutdown".to_owned());
        if thread.spawn(work).is_err() {
            block_on(self.work());
        }
    }

    async fn work(&self) {
        self.until(|time| time.wait, clock::alarm, is_over).await;
        #[cfg(feature = "durable")]
        {
            let callers = scopes(&locked(&self.state).callers);
            if self.within(0.4, ending::give_back(&callers)).await.is_some() {
                self.flushed("leases");
            }
        }
        #[cfg(feature = "ops")]
        {
            let callers: Vec<_> =
                locked(&self.state).callers.iter().flat_map(|caller| caller.handlers.clone()).collect();
            if crate::event::feed::flush(self.part(0.5), &callers) {
                self.flushed("events");
            }
            let left = self.part(0.7).saturating_duration_since(clock::now());
            if crate::alerts::flush(left) {
                self.flushed("alerts");
            }
        }
        #[cfg(feature = "durable")]
        if let Some(Ok(())) = self.within(1.0, ending::flush()).await {
            self.flushed("store");
        }
        locked(&self.state).ended = Some(clock::now());
        self.changed();
    }

    #[cfg(any(feature = "durable", feature = "ops"))]
    fn flushed(&self, stage: &str) {
        locked(&self.state).unflushed.retain(|unflushed| *unflushed != stage);
    }

    #[cfg(any(feature = "durable", feature = "ops"))]
    /// Returns the end of a stage that may take `part` of the remaining time.
    fn part(&self, part: f64) -> Instant {
        let now = clock::now();
        let left = locked(&self.state).time().end.saturating_duration_since(now);
        later(now, left.mul_f64(part))
    }

    #[cfg(feature = "durable")]
    /// Returns the result of `work`, or `None` if it takes longer than `part` of the remaining time.
    async fn within<T>(&self, part: f64, work: impl Future<Output = T>) -> Option<T> {
        let left = self.part(part).saturating_duration_since(clock::now());
        let (mut work, mut alarm) = (std::pin::pin!(work), std::pin::pin!(clock::alarm(left)));
        poll_fn(|cx| match work.as_mut().poll(cx) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending => alarm.as_mut().poll(cx).map(|()| None),
        })
        .await
    }

    /// Waits until `is_ready`, at most until the `end` of the time, which may be moved forward during the wait.
    async fn until(
        &self,
        end: fn(&TimeLimits) -> Instant,
        timer_of: fn(Duration) -> Timer,
        mut is_ready: impl FnMut(&[Caller], &Waker) -> bool,
    ) {
        let mut timer: Option<(Instant, Pin<Box<Timer>>)> = None;
        poll_fn(|cx| {
            let (callers, end, is_done) = self.look(cx, end);
            let left = end.saturating_duration_since(clock::now());
            if is_done || is_ready(&callers, cx.waker()) || left.is_zero() {
                return Poll::Ready(());
            }
            let timer = match &mut timer {
                Some((at, timer)) if *at == end => timer,
                other => &mut other.insert((end, Box::pin(timer_of(left)))).1,
            };
            timer.as_mut().poll(cx)
        })
        .await;
    }

    fn look(&self, cx: &Context<'_>, end: fn(&TimeLimits) -> Instant) -> (Vec<Caller>, Instant, bool) {
        let mut state = locked(&self.state);
        wakers::add(&mut state.waiting, cx.waker().clone());
        (state.callers.clone(), end(&state.time()), state.ended.is_some())
    }

    /// Waits until the shutdown has ended, or its time; in real time, since a paused clock would pass it at once.
    pub(super) async fn ended(&self) {
        self.until(|time| time.end, clock::real_time, |_, _| false).await;
    }

    /// Blocks until the shutdown has ended, or its time. In a runtime the waiting is done by a thread of its own.
    pub(super) fn wait(&'static self) {
        if !is_in_runtime() {
            return block_on(self.ended());
        }
        let world = World::here();
        let wait = move || run_in(world.as_ref(), || block_on(self.ended()));
        let thread = std::thread::Builder::new().name("resilience-shutdown".to_owned());
        match thread.spawn(wait) {
            Ok(waits) => drop(waits.join()),
            Err(_) => block_on(self.ended()),
        }
    }

    /// Returns the report of the present state.
    pub(super) fn report(&self) -> Report {
        let now = clock::now();
        let (took, unflushed) = {
            let state = locked(&self.state);
            let until = state.ended.unwrap_or(now);
            let took = state.began.map(|began| until.saturating_duration_since(began));
            (took.unwrap_or_default(), state.unflushed.clone())
        };
        let report = Report { took, left: left(now), unflushed };
        #[cfg(feature = "tracing")]
        crate::base::guarded::guarded(|| {
            if report.is_complete() {
                tracing::info!(target: "resilience::shutdown", "{report}");
            } else {
                tracing::warn!(target: "resilience::shutdown", "{report}");
            }
        });
        report
    }
}

/// Returns the data that is written or delivered at the end, in order.
const fn stages() -> &'static [&'static str] {
    match (cfg!(feature = "durable"), cfg!(feature = "ops")) {
        (true, true) => &["leases", "events", "alerts", "store"],
        (true, false) => &["leases", "store"],
        (false, true) => &["events", "alerts"],
        (false, false) => &[],
    }
}

fn is_over(callers: &[Caller], waker: &Waker) -> bool {
    #[cfg(feature = "durable")]
    return ending::is_over(&scopes(callers), waker);
    #[cfg(not(feature = "durable"))]
    {
        let _ = (callers, waker);
        true
    }
}

fn left(now: Instant) -> Vec<Left> {
    let mut left = Vec::new();
    #[cfg(feature = "durable")]
    left.extend(ending::left(|running| Left {
        age: running.age(),
        point: running.point.to_string(),
        job: running.job.clone(),
        key: running.key.clone(),
    }));
    #[cfg(feature = "ops")]
    left.extend(crate::event::feed::handling().into_iter().map(|since| Left {
        point: "resilience::events::on".to_owned(),
        job: None,
        key: None,
        age: now.saturating_duration_since(since),
    }));
    let _ = (&mut left, now);
    left
}

fn is_in_runtime() -> bool {
    #[cfg(feature = "tokio")]
    return tokio::runtime::Handle::try_current().is_ok();
    #[cfg(not(feature = "tokio"))]
    false
}
