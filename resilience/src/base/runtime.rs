//! Tokio runtimes of this crate, for futures whose caller has none that would run them to their end.

use super::of_process::OfProcess;
use super::sync::locked;
use std::ops::RangeInclusive;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;
use tokio::runtime::{Builder, Handle, Runtime};

/// A runtime that is made when it is first needed, and kept; a fork's child makes its own.
#[derive(Debug)]
pub(crate) struct OwnRuntime {
    runtime: OfProcess<Mutex<Option<Runtime>>>,
    /// The name of its threads.
    name: &'static str,
    /// The bounds of the number of threads, which is that of the processors.
    threads: RangeInclusive<usize>,
}

impl OwnRuntime {
    /// Creates a runtime for a `static`; nothing is started before [`handle`](Self::handle).
    pub(crate) const fn new(name: &'static str, threads: RangeInclusive<usize>) -> Self {
        Self { runtime: OfProcess::locked(None), name, threads }
    }

    /// Returns the runtime, with time and, where the program has them, sockets. `None` if it cannot be made now.
    pub(crate) fn handle(&self) -> Option<Handle> {
        let mut runtime = locked(&self.runtime);
        if runtime.is_none() {
            let processors = std::thread::available_parallelism().map_or(1, usize::from);
            let threads = processors.clamp(*self.threads.start(), *self.threads.end());
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(threads).thread_name(self.name).enable_all();
            // Tokio panics where no thread can be had.
            *runtime = Some(catch_unwind(AssertUnwindSafe(|| builder.build())).ok()?.ok()?);
        }
        runtime.as_ref().map(|runtime| runtime.handle().clone())
    }
}
