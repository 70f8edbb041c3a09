//! The threads of recovered jobs: async ones on the runtime that called `recover()`, or on one of this crate's own;
//! sync ones on threads.
//!
//! | `recover()` was called | an async job runs on | a sync job runs on |
//! |---|---|---|
//! | in a tokio runtime, by `.await` | that runtime | a thread of its own |
//! | by `recover_blocking()`, or outside of a runtime | a runtime of this crate (feature `tokio`) | a thread of its own |
//! | in a runtime that has ended since | a runtime of this crate | a thread of its own |
//!
//! The caller's runtime is preferred because clients (a pool, a TLS connection) are often bound to it. A blocking
//! caller's is not used: its only thread may be the one that is blocked. Where nothing can run a job, it is dropped
//! before its body begins, and stays interrupted: recovery must never use up a job's recoveries on its own
//! surroundings.

use crate::base::guarded::contained;
#[cfg(feature = "tokio")]
use crate::base::runtime::OwnRuntime;
#[cfg(feature = "tokio")]
use crate::base::sync::locked;
use crate::base::world::{World, in_world};
use std::future::Future;
#[cfg(feature = "tokio")]
use std::sync::Mutex;
#[cfg(feature = "tokio")]
use tokio::runtime::Handle;

/// The place where the async jobs of one recovery run: on the runtime of this crate, unless it is made
/// [`here`](Self::here).
#[derive(Debug, Default)]
pub(crate) struct JobRuntime {
    /// The runtime of the caller, until it has ended.
    #[cfg(feature = "tokio")]
    borrowed: Mutex<Option<Handle>>,
}

impl JobRuntime {
    /// Returns the runtime of the caller, if it has one.
    ///
    /// Not for a caller that blocks its thread: its runtime could wait for that thread.
    pub(crate) fn here() -> Self {
        Self {
            #[cfg(feature = "tokio")]
            borrowed: Mutex::new(Handle::try_current().ok()),
        }
    }

    /// Returns whether the runtime is the caller's, which can end.
    pub(crate) fn is_borrowed(&self) -> bool {
        #[cfg(feature = "tokio")]
        return locked(&self.borrowed).is_some();
        #[cfg(not(feature = "tokio"))]
        {
            let _ = self;
            false
        }
    }

    /// Notes that the caller's runtime has ended.
    pub(crate) fn lose(&self) {
        #[cfg(feature = "tokio")]
        let gone = locked(&self.borrowed).take();
        #[cfg(feature = "tokio")]
        drop(gone);
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
            let borrowed = locked(&self.borrowed).clone();
            if let Some(runtime) = borrowed.or_else(|| RUNTIME.handle()) {
                drop(runtime.spawn(job));
            }
        }
        #[cfg(not(feature = "tokio"))]
        on_thread(move || crate::base::block_on::block_on(job));
    }
}

/// The runtime for jobs whose caller has none: four threads are enough for jobs that wait, which is what async jobs do.
#[cfg(feature = "tokio")]
static RUNTIME: OwnRuntime = OwnRuntime::new("resilience-recovery", 1..=4);

/// Runs `call` on a thread of its own, in the test world of the caller; drops it where no thread can be had.
pub(crate) fn on_thread(call: impl FnOnce() + Send + 'static) {
    let call = in_this_world(move || _ = contained(call));
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
