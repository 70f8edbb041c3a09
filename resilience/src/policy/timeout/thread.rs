//! Running a sync body on a helper thread, in the context that it would have on the caller's thread.
//!
//! A sync body cannot be stopped. It runs on a thread of its own, and the caller waits for the result or for the limit;
//! when the limit comes first, the thread is abandoned: it goes on, and its result is dropped. Abandoned bodies are
//! counted, and from `threads` of them on calls are rejected, so that a service that hangs cannot use up all threads.
//!
//! Each call starts a thread and none is kept, since a thread that a body has used may hold values that the body left
//! in its thread-locals. The cost of a thread is small beside the work that is worth a timeout.

use crate::base::admission::{self, LentAdmission, Watch};
use crate::base::carry::Carried;
use crate::base::scope::{self, Stack, TimedOutCall};
use crate::base::sync::locked;
use std::any::Any;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// The group whose abandoned bodies are counted together: those of one annotated function (the address of its
/// static), those of one adaptive timeout, or those of the values with one name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Group {
    At(usize),
    Name(&'static str),
}

/// The abandoned bodies that still run. A group without any has no entry, so the map does not grow.
static ABANDONED: Mutex<BTreeMap<Group, u32>> = Mutex::new(BTreeMap::new());

/// The bounds of helper threads.
#[derive(Clone, Copy, Debug)]
pub(super) struct Helpers {
    /// The most abandoned bodies that may still run.
    pub(super) threads: u32,
    /// The bytes of a thread's stack.
    pub(super) stack: usize,
}

/// The reason why a body returned no value.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The body did not run: too many abandoned bodies do, or the system has no thread left.
    Refused,
    /// The body was abandoned after this time, or not begun if that is zero; with its state at that time.
    TimedOut(Duration, TimedOutCall),
    /// The body panicked.
    Panicked(Box<dyn Any + Send>),
}

/// Returns how many abandoned bodies of `group` still run.
pub(super) fn abandoned(group: Group) -> u32 {
    locked(&ABANDONED).get(&group).copied().unwrap_or(0)
}

/// Runs `body`, a part of a call of `stack`, on a helper thread and waits for at most `limit`, or until the deadline of
/// the request has passed.
pub(super) fn run<T: Send + 'static>(
    (group, stack): (Group, Stack),
    helpers: Helpers,
    limit: Duration,
    body: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Stopped> {
    let value = Arc::new(Mutex::new(None));
    let work = {
        let value = Arc::clone(&value);
        move || {
            let returned = body();
            *locked(&value) = Some(returned);
        }
    };
    let limit = scope::left_of_deadline().map_or(limit, |left| left.min(limit));
    run_boxed((group, stack), helpers, limit, Box::new(work))?;
    let returned = locked(&value).take();
    returned.ok_or(Stopped::TimedOut(limit, TimedOutCall::Running))
}

/// The progress of a body on a helper thread.
enum State {
    Running,
    Ended(Result<(), Box<dyn Any + Send>>),
    Abandoned,
}

struct Call {
    state: Mutex<State>,
    ended: Condvar,
}

/// Runs `work` as [`run`] does: without the types of a body this code exists once, and not for each annotated function.
fn run_boxed(
    (group, stack): (Group, Stack),
    helpers: Helpers,
    limit: Duration,
    work: Box<dyn FnOnce() + Send>,
) -> Result<(), Stopped> {
    if limit.is_zero() {
        return Err(Stopped::TimedOut(limit, TimedOutCall::OnlyWaiting));
    }
    if abandoned(group) >= helpers.threads {
        return Err(Stopped::Refused);
    }
    let call = Arc::new(Call { state: Mutex::new(State::Running), ended: Condvar::new() });
    let watch = Watch::new(stack);
    let admitted = admission::lend();
    let work = in_context(limit, watch.clone(), admitted.clone(), work);
    let on_thread = {
        let call = Arc::clone(&call);
        move || {
            let result = catch_unwind(AssertUnwindSafe(work));
            let mut state = locked(&call.state);
            if let State::Abandoned = *state {
                ended_late(group);
            } else {
                *state = State::Ended(result);
                call.ended.notify_one();
            }
        }
    };
    let thread = std::thread::Builder::new().name("resilience-timeout".into()).stack_size(helpers.stack);
    if thread.spawn(on_thread).is_err() {
        return Err(Stopped::Refused);
    }
    let running = |state: &mut State| matches!(state, State::Running);
    let waited = call.ended.wait_timeout_while(locked(&call.state), limit, running);
    let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
    if let Some(admitted) = admitted {
        admitted.take_back();
    }
    match std::mem::replace(&mut *state, State::Abandoned) {
        State::Ended(Ok(())) => Ok(()),
        State::Ended(Err(panic)) => Err(Stopped::Panicked(panic)),
        State::Running | State::Abandoned => {
            *locked(&ABANDONED).entry(group).or_default() += 1;
            Err(Stopped::TimedOut(limit, watch.abandon()))
        }
    }
}

/// Counts the end of an abandoned body.
fn ended_late(group: Group) {
    let mut abandoned = locked(&ABANDONED);
    if let Some(count) = abandoned.get_mut(&group) {
        *count -= 1;
        if *count == 0 {
            abandoned.remove(&group);
        }
    }
}

/// Wraps `work` in the scopes of the caller's thread, with its runtime and its subscriber, with one more
/// limit that begins now, and with one more timeout that waits.
fn in_context(
    limit: Duration,
    watch: Watch,
    admitted: Option<LentAdmission>,
    work: Box<dyn FnOnce() + Send>,
) -> impl FnOnce() + Send {
    let carried = Carried::here().within(limit);
    let mut watches = admission::watched();
    watches.push(watch);
    #[cfg(feature = "tokio")]
    let runtime = tokio::runtime::Handle::try_current().ok();
    #[cfg(feature = "tracing")]
    let subscriber = tracing::dispatcher::get_default(Clone::clone);
    #[cfg(feature = "tracing")]
    let span = crate::base::guarded::guarded(tracing::Span::current).unwrap_or_else(tracing::Span::none);
    let work = || {
        admission::watch(watches, || match admitted {
            Some(admitted) => admitted.run(work),
            None => work(),
        });
    };
    move || {
        carried.run(|| {
            #[cfg(feature = "tokio")]
            let _runtime = runtime.as_ref().map(tokio::runtime::Handle::enter);
            #[cfg(feature = "tracing")]
            if !subscriber.is::<tracing::subscriber::NoSubscriber>() {
                return tracing::dispatcher::with_default(&subscriber, || {
                    let _entered = EnteredSpan(crate::base::guarded::guarded(|| span.enter()));
                    work();
                });
            }
            work();
        });
    }
}

/// A span that is left with care: its subscriber may panic, also while the body panics.
#[cfg(feature = "tracing")]
struct EnteredSpan<'a>(Option<tracing::span::Entered<'a>>);

#[cfg(feature = "tracing")]
impl Drop for EnteredSpan<'_> {
    fn drop(&mut self) {
        let entered = self.0.take();
        crate::base::guarded::guarded(|| drop(entered));
    }
}
