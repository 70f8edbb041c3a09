//! The threads of looks: helper threads for sync ones, and for async ones a runtime that no question waits on.
//!
//! A body that hangs keeps its thread, and no second one is started for its check. At most 16 threads run at once;
//! further looks wait, and their questions end by their limits. Each look runs in the test world of the question
//! that began it, is marked (see [`check`]), and sees its limit as the time that remains.

use super::answer::Answer;
use super::flight::RunningLook;
use super::work::CheckCode;
use crate::base::check;
use crate::base::guarded::{contained, discard, panic_text};
use crate::base::of_process::OfProcess;
#[cfg(feature = "tokio")]
use crate::base::runtime::OwnRuntime;
use crate::base::scope::within_until;
use crate::base::sync::locked;
use crate::base::world::{World, run_in};
use std::any::Any;
use std::collections::VecDeque;
use std::fmt;
use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Mutex;
use std::task::Poll;

/// The most helper threads that run at once.
const MOST_THREADS: usize = 16;

type Job = Box<dyn FnOnce() + Send>;

#[derive(Default)]
struct Pool {
    threads: usize,
    waiting: VecDeque<Job>,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("threads", &self.threads).finish_non_exhaustive()
    }
}

static POOL: OfProcess<Mutex<Pool>> = OfProcess::locked(Pool { threads: 0, waiting: VecDeque::new() });

/// Begins `look`.
pub(super) fn start(look: RunningLook) {
    let world = World::here();
    match look.entry.work.clone() {
        CheckCode::Blocking(body) => on_helper(Box::new(move || {
            run_in(world.as_ref(), || {
                let marked = (check::enter(true), within_until(look.begin()));
                let answer = catch_unwind(AssertUnwindSafe(|| body())).unwrap_or_else(panicked);
                drop(marked);
                look.end(answer);
            });
        })),
        CheckCode::Async(body) => {
            let looks = async move {
                let (mut look, mut end) = (Some(look), None);
                // Made by the first poll, so that a panic in making it is caught.
                let mut running = pin!(async move { body().await });
                poll_fn(move |cx| {
                    run_in(world.as_ref(), || {
                        if let Some(look) = look.as_ref().filter(|_| end.is_none()) {
                            end = Some(look.begin());
                        }
                        let marked = (check::enter(true), end.map(within_until));
                        let polled = catch_unwind(AssertUnwindSafe(|| running.as_mut().poll(cx)));
                        drop(marked);
                        let answer = match polled {
                            Ok(Poll::Pending) => return Poll::Pending,
                            Ok(Poll::Ready(answer)) => answer,
                            Err(panic) => panicked(panic),
                        };
                        if let Some(look) = look.take() {
                            look.end(answer);
                        }
                        Poll::Ready(())
                    })
                })
                .await;
            };
            on_runtime(looks);
        }
    }
}

/// Returns the answer of a check that has panicked.
fn panicked(panic: Box<dyn Any + Send>) -> Answer {
    let text = panic_text(&*panic).map(str::to_owned);
    discard(panic);
    Answer::fail(text.map_or_else(|| "panicked".to_owned(), |text| format!("panicked: {text}")))
}

/// Runs `job` on a helper thread, when one is free; drops it where no thread can be had.
fn on_helper(job: Job) {
    let mut pool = locked(&POOL);
    pool.waiting.push_back(job);
    if pool.threads >= MOST_THREADS {
        return;
    }
    pool.threads += 1;
    drop(pool);
    if std::thread::Builder::new().name("resilience-health".to_owned()).spawn(work).is_err() {
        let mut pool = locked(&POOL);
        pool.threads -= 1;
        let unwanted = if pool.threads == 0 { std::mem::take(&mut pool.waiting) } else { VecDeque::new() };
        drop(pool);
        drop(unwanted);
    }
}

/// Runs the loop of a helper thread, which ends when nothing waits.
fn work() {
    loop {
        let mut pool = locked(&POOL);
        let Some(job) = pool.waiting.pop_front() else {
            pool.threads -= 1;
            return;
        };
        drop(pool);
        // The panic that is caught here is a waker's.
        contained(job);
    }
}

/// Runs `looks` on the runtime of the checks; drops it where there is none.
fn on_runtime(looks: impl Future<Output = ()> + Send + 'static) {
    #[cfg(feature = "tokio")]
    if let Some(runtime) = RUNTIME.handle() {
        drop(runtime.spawn(looks));
    }
    #[cfg(not(feature = "tokio"))]
    on_helper(Box::new(|| crate::base::block_on::block_on(looks)));
}

/// The runtime of the checks. It is not that of the caller, which may end before the check does, or be blocked by what
/// the check looks at.
#[cfg(feature = "tokio")]
static RUNTIME: OwnRuntime = OwnRuntime::new("resilience-health", 2..=2);
