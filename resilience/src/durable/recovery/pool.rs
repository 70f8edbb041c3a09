//! Running the jobs that a recovery has found, a few at a time.

use crate::durable::lease::block_on::block_on;
use crate::durable::scope::{InScope, Scope};
use std::collections::VecDeque;
use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};

/// A job's function, ready to be called with what was recorded.
#[doc(hidden)]
pub enum Call {
    /// It is async.
    Async(Pin<Box<dyn Future<Output = ()> + Send>>),
    /// It is sync, and gets a thread of its own.
    Sync(Box<dyn FnOnce() + Send>),
}

impl Call {
    /// An async one.
    pub fn of_future(call: impl Future<Output = ()> + Send + 'static) -> Self {
        Self::Async(Box::pin(call))
    }

    /// A sync one.
    pub fn of_closure(call: impl FnOnce() + Send + 'static) -> Self {
        Self::Sync(Box::new(call))
    }

    /// The call as part of `scope`.
    pub(crate) fn within(self, scope: Scope) -> Self {
        match self {
            Self::Async(call) => Self::Async(Box::pin(InScope::new(&scope, call))),
            Self::Sync(call) => Self::Sync(Box::new(move || {
                let _entered = scope.enter();
                call();
            })),
        }
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Async(_) => "Call::Async",
            Self::Sync(_) => "Call::Sync",
        })
    }
}

/// Where recovered jobs run.
#[derive(Clone, Debug)]
pub(crate) struct Runner {
    #[cfg(feature = "tokio")]
    tokio: Option<tokio::runtime::Handle>,
    /// Whether the caller's thread is blocked: a task of its runtime might wait for that thread.
    #[cfg(feature = "tokio")]
    is_blocking: bool,
    #[cfg(feature = "testing")]
    world: Option<crate::testing::WorldHandle>,
}

impl Runner {
    pub(crate) fn here() -> Self {
        Self {
            #[cfg(feature = "tokio")]
            tokio: tokio::runtime::Handle::try_current().ok(),
            #[cfg(feature = "tokio")]
            is_blocking: false,
            #[cfg(feature = "testing")]
            world: crate::testing::WorldHandle::here(),
        }
    }

    /// For a caller whose thread waits for the calls.
    pub(crate) fn blocking() -> Self {
        let here = Self::here();
        #[cfg(feature = "tokio")]
        let here = Self { is_blocking: true, ..here };
        here
    }

    /// Runs the calls, at most 16 at a time; ends when all have ended.
    pub(crate) fn run(&self, queue: VecDeque<Call>) -> Running {
        const AT_ONCE: usize = 16;
        let calls = Arc::new(Calls { state: Mutex::new(CallsState { queue, running: 0, waiting: None }) });
        for _ in 0..AT_ONCE {
            calls.clone().next(self);
        }
        Running { calls }
    }

    /// Runs `call` on the thread that it is called on: in the caller's runtime, if others drive that.
    fn drive(&self, call: Pin<Box<dyn Future<Output = ()> + Send>>) {
        #[cfg(feature = "tokio")]
        if let Some(tokio) = &self.tokio
            && tokio.runtime_flavor() == tokio::runtime::RuntimeFlavor::MultiThread
        {
            return tokio.block_on(call);
        }
        #[cfg(not(feature = "tokio"))]
        let _ = self;
        block_on(call);
    }

    /// Runs `call` beside the caller, and `then` when it has ended, however that was.
    fn start(&self, call: Call, then: impl FnOnce() + Send + 'static) {
        struct Then<F: FnOnce()>(Option<F>);
        impl<F: FnOnce()> Drop for Then<F> {
            fn drop(&mut self) {
                if let Some(then) = self.0.take() {
                    then();
                }
            }
        }
        let then = Then(Some(then));
        match call {
            #[cfg(feature = "tokio")]
            Call::Async(call) if self.tokio.is_some() && !self.is_blocking => {
                let call = async move {
                    let _then = then;
                    call.await;
                };
                #[cfg(feature = "testing")]
                let call = crate::testing::in_world(call);
                if let Some(tokio) = &self.tokio {
                    tokio.spawn(call);
                }
            }
            Call::Async(call) => {
                let runner = self.clone();
                self.on_thread(move || {
                    let _then = then;
                    runner.drive(call);
                });
            }
            Call::Sync(call) => self.on_thread(move || {
                let _then = then;
                call();
            }),
        }
    }

    fn on_thread(&self, call: impl FnOnce() + Send + 'static) {
        // A panic of the body is the job's: it is left interrupted, and the thread ends quietly.
        let call = move || drop(catch_unwind(AssertUnwindSafe(call)));
        #[cfg(feature = "testing")]
        let world = self.world.clone();
        #[cfg(not(feature = "testing"))]
        let _ = self;
        #[cfg(feature = "testing")]
        let call = move || match world {
            Some(world) => world.run(call),
            None => call(),
        };
        // Without a thread the job is found again by the next look.
        let _ = std::thread::Builder::new().name("resilience-job".into()).spawn(call);
    }
}

#[derive(Debug)]
struct Calls {
    state: Mutex<CallsState>,
}

#[derive(Debug)]
struct CallsState {
    queue: VecDeque<Call>,
    running: usize,
    waiting: Option<Waker>,
}

impl Calls {
    fn next(self: Arc<Self>, runner: &Runner) {
        let call = {
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let call = state.queue.pop_front();
            state.running += usize::from(call.is_some());
            call
        };
        let Some(call) = call else { return };
        let after = runner.clone();
        runner.start(call, move || {
            let waiting = {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                state.running -= 1;
                state.waiting.take()
            };
            self.next(&after);
            if let Some(waiting) = waiting {
                waiting.wake();
            }
        });
    }
}

/// Ends when every call has ended.
#[derive(Debug)]
#[must_use]
pub(crate) struct Running {
    calls: Arc<Calls>,
}

impl Future for Running {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut state = self.calls.state.lock().unwrap_or_else(PoisonError::into_inner);
        if state.running == 0 && state.queue.is_empty() {
            return Poll::Ready(());
        }
        state.waiting = Some(cx.waker().clone());
        Poll::Pending
    }
}
