//! The scopes that the running code is part of, taken along into spawned tasks and other threads.
//!
//! All of it is kept in thread-locals, which a task or a thread of its own does not have. A timeout that runs its body
//! on a helper thread takes the same along.

#[cfg(feature = "cache")]
use super::marks;
use super::name::PointName;
use super::payers::{self, Payer};
use super::repeats;
use super::scope::{self, Limits, RequestEnd};
use super::world::{World, run_in};
#[cfg(feature = "ops")]
use super::{check, handling};
use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};
use std::time::Duration;

/// A function that makes a thread part of a job and a step, until its result is dropped.
pub(crate) type EnterJob = Arc<dyn Fn() -> Box<dyn Any> + Send + Sync>;

/// Set by the durable part, which is above this module: `base` knows no jobs.
static JOB: OnceLock<fn() -> EnterJob> = OnceLock::new();

/// Sets what returns the job and the step that the running code is part of, once the program has any.
#[cfg(feature = "durable")]
pub(crate) fn set_job(job: fn() -> EnterJob) {
    JOB.get_or_init(|| job);
}

#[cfg(any(feature = "durable", feature = "ops", feature = "tracing"))]
static JOB_ID: OnceLock<fn() -> Option<String>> = OnceLock::new();

/// Sets what returns the id of the job that the running code is part of, once the program has any.
#[cfg(feature = "durable")]
pub(crate) fn set_job_id(job_id: fn() -> Option<String>) {
    JOB_ID.get_or_init(|| job_id);
}

/// Returns the id of the job that the running code is part of.
#[cfg(any(feature = "ops", feature = "tracing"))]
pub(crate) fn job_id() -> Option<String> {
    JOB_ID.get()?()
}

/// The scopes of the code that made it.
#[derive(Clone)]
pub(crate) struct Carried {
    limits: Limits,
    request: RequestEnd,
    /// The bulkheads whose slots are held, and the locks.
    held: Vec<usize>,
    /// The retries that repeat the code.
    repeats: Vec<PointName>,
    /// The attempts whose budgets other functions can share.
    payers: Vec<Payer>,
    #[cfg(feature = "cache")]
    mark: Option<Arc<marks::Mark>>,
    #[cfg(feature = "ops")]
    is_check: bool,
    /// The handlers of events.
    #[cfg(feature = "ops")]
    handlers: Vec<u64>,
    job: Option<EnterJob>,
    world: Option<World>,
}

impl Carried {
    /// Returns the scopes of the running code.
    pub(crate) fn here() -> Self {
        Self {
            limits: scope::limits(),
            request: RequestEnd::here(),
            held: scope::held(),
            repeats: repeats::around(),
            payers: payers::around(),
            #[cfg(feature = "cache")]
            mark: marks::innermost(),
            #[cfg(feature = "ops")]
            is_check: check::is_inside(),
            #[cfg(feature = "ops")]
            handlers: handling::here(),
            job: JOB.get().map(|job| job()),
            world: World::here(),
        }
    }

    /// Returns the scopes with one more limit that begins now.
    pub(crate) fn within(self, limit: Duration) -> Self {
        Self { limits: self.limits.until(super::clock::later(super::clock::now(), limit)), ..self }
    }

    /// Returns the scopes for code that continues without the caller: limits that have not begun begin now.
    fn on_its_own(self) -> Self {
        Self { limits: self.limits.begun(), ..self }
    }

    /// Runs `work` on this thread as part of it.
    pub(crate) fn run<R>(&self, work: impl FnOnce() -> R) -> R {
        run_in(self.world.as_ref(), || {
            let _limits = scope::within(self.limits);
            let _request = self.request.enter();
            let _held: Vec<_> = self.held.iter().map(|number| scope::holding(*number)).collect();
            let _repeats = repeats::within(self.repeats.clone());
            let _payers = payers::within(self.payers.clone());
            #[cfg(feature = "cache")]
            let _mark = marks::enter(self.mark.clone());
            #[cfg(feature = "ops")]
            let _check = check::enter(self.is_check);
            #[cfg(feature = "ops")]
            let _handlers = handling::enter(self.handlers.clone());
            let _job = self.job.as_ref().map(|enter| enter());
            work()
        })
    }
}

impl fmt::Debug for Carried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Carried").field("limits", &self.limits).finish_non_exhaustive()
    }
}

pin_project_lite::pin_project! {
    /// A future whose code is part of what the code was part of that made it; see [`carry`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Carry<F> {
        carried: Carried,
        #[pin]
        future: F,
    }
}

impl<F: Future> Future for Carry<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let future = this.future;
        this.carried.run(|| future.poll(cx))
    }
}

/// Takes the limits and marks of the running code along into a spawned task.
///
/// The task sees the time that is left ([`remaining`](crate::remaining)), so that the policies in it respect
/// the timeouts around the code that spawned it. It also counts as part of the cached calls, of the held slots
/// of bulkheads, and of the job and step of that code: a call in it that would wait for one of those runs or is
/// rejected at once. Call it in the task that spawns.
///
/// The task is not ended with the code that spawned it. Once the limits have passed, its retries and waits end.
///
/// It copies a few words and short lists. Locks and slots that the code holds are not extended by it: the task
/// counts as part of their holder, also after the holder has given them back.
///
/// # Examples
///
/// ```
/// use resilience::{Rejected, Timeout, carry, remaining};
/// use std::time::Duration;
///
/// const LIMIT: Timeout = Timeout::new(Duration::from_secs(2));
///
/// # tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(async {
/// let left: Result<Option<Duration>, Rejected> = LIMIT.call_async(async || {
///     assert_eq!(tokio::spawn(async { remaining() }).await.unwrap(), None);
///     Ok(tokio::spawn(carry(async { remaining() })).await.unwrap())
/// }).await;
/// assert!(left.unwrap().unwrap() <= Duration::from_secs(2));
/// # });
/// ```
pub fn carry<F: Future>(future: F) -> Carry<F> {
    Carry { carried: Carried::here().on_its_own(), future }
}

/// Takes the limits and marks of the running code along to another thread; see [`carry`].
///
/// The scopes around the code are noted here, and the limits begin here, not when the closure is called.
///
/// # Examples
///
/// ```
/// use resilience::{carry_fn, remaining};
/// use resilience::deadline::Deadline;
/// use std::time::Duration;
///
/// let request = Deadline::at_most(Duration::from_secs(2));
/// let left = request.run_blocking(|| std::thread::spawn(carry_fn(remaining)).join().unwrap());
/// assert!(left.unwrap().unwrap() <= Duration::from_secs(2));
/// ```
pub fn carry_fn<R>(work: impl FnOnce() -> R) -> impl FnOnce() -> R {
    let carried = Carried::here().on_its_own();
    move || carried.run(work)
}
