//! Where recovered jobs run: async ones on the runtime that called `recover()`, or on one of this crate's own;
//! sync ones on threads.
//!
//! | `recover()` was called | an async job runs on | a sync job runs on |
//! |---|---|---|
//! | in a tokio runtime, by `.await` | that runtime | a thread of its own |
//! | by `recover_blocking()`, or outside of a runtime | a runtime of this crate (feature `tokio`) | a thread of its own |
//! | in a runtime that has ended since | a runtime of this crate | a thread of its own |
//!
//! The caller's runtime is preferred because clients (a pool, a TLS connection) are often bound to it. A blocking caller's
//! is not used: its only thread may be the one that is blocked. Where nothing can run a job, it is dropped before its body
//! begins, and stays interrupted: recovery must never use up a job's recoveries on its own surroundings.

#[cfg(feature = "tokio")]
use crate::base::runtime::OwnRuntime;
use crate::base::world::{World, in_world};
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
#[cfg(feature = "tokio")]
use std::sync::atomic::{AtomicBool, Ordering};

/// Where the async jobs of one recovery run.
#[derive(Debug)]
pub(crate) struct JobRuntime {
    #[cfg(feature = "tokio")]
    tokio: Option<tokio::runtime::Handle>,
    /// Whether that runtime has ended.
    #[cfg(feature = "tokio")]
    is_gone: AtomicBool,
}

impl JobRuntime {
    /// The runtime of the caller, if it has one.
    pub(crate) fn here() -> Self {
        Self {
            #[cfg(feature = "tokio")]
            tokio: tokio::runtime::Handle::try_current().ok(),
            #[cfg(feature = "tokio")]
            is_gone: AtomicBool::new(false),
        }
    }

    /// The runtime of this crate: the caller's could wait for the thread that the caller blocks.
    pub(crate) fn own() -> Self {
        Self {
            #[cfg(feature = "tokio")]
            tokio: None,
            #[cfg(feature = "tokio")]
            is_gone: AtomicBool::new(false),
        }
    }

    /// Whether the runtime is the caller's, which can end.
    pub(crate) fn is_borrowed(&self) -> bool {
        #[cfg(feature = "tokio")]
        return self.tokio.is_some() && !self.is_gone.load(Ordering::Acquire);
        #[cfg(not(feature = "tokio"))]
        {
            let _ = self;
            false
        }
    }

    /// The caller's runtime has ended.
    pub(crate) fn lose(&self) {
        #[cfg(feature = "tokio")]
        self.is_gone.store(true, Ordering::Release);
        #[cfg(not(feature = "tokio"))]
        let _ = self;
    }

    /// Runs `job`; drops it where nothing can run it.
    ///
    /// A dropped job has not begun: its slot in the pool is free again, and the next sweep finds it.
    pub(crate) fn spawn(&self, job: impl Future<Output = ()> + Send + 'static) {
        #[cfg(not(feature = "tokio"))]
        let _ = self;
        let job = in_world(job);
        #[cfg(feature = "tokio")]
        {
            let theirs = self.tokio.clone().filter(|_| self.is_borrowed());
            if let Some(runtime) = theirs.or_else(|| RUNTIME.handle()) {
                drop(runtime.spawn(job));
            }
        }
        #[cfg(not(feature = "tokio"))]
        on_thread(move || crate::durable::lease::block_on::block_on(job));
    }
}

/// The runtime for jobs whose caller has none: four threads are enough for jobs that wait, which is what async jobs do.
#[cfg(feature = "tokio")]
static RUNTIME: OwnRuntime = OwnRuntime::new("resilience-recovery", 1..=4);

/// Runs `call` on a thread of its own, in the test world of the caller; drops it where no thread can be had.
pub(crate) fn on_thread(call: impl FnOnce() + Send + 'static) {
    let call = in_this_world(move || drop(catch_unwind(AssertUnwindSafe(call))));
    let _ = std::thread::Builder::new().name("resilience-job".to_owned()).spawn(call);
}

/// Makes `call` part of the test world of this thread, wherever it runs.
pub(crate) fn in_this_world(call: impl FnOnce() + Send + 'static) -> impl FnOnce() + Send + 'static {
    let world = World::here();
    move || match world {
        Some(world) => world.run(call),
        None => call(),
    }
}
