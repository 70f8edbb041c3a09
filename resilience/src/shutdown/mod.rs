//! Ending a program in order: running code may finish, waits end, and the rest is reported.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! # #[cfg(all(unix, feature = "ops"))]
//! # async fn example() -> std::io::Result<()> {
//! let signal = resilience::shutdown::signal()?; // SIGTERM and SIGINT end the program in order from here on
//! // .. start the service ..
//! signal.await;
//! let report = resilience::shutdown(Duration::from_secs(30)).await;
//! eprintln!("{report}");
//! # Ok(())
//! # }
//! ```
//!
//! # In which order
//!
//! 1. `health::ready()` is no longer ready.
//! 2. No job begins, none is recovered, and a running job begins no further step: [`Rejected::ShuttingDown`].
//! 3. Waits end. A retry makes no further attempt: its call ends with the error that it has, also where a server has
//!    asked for a wait. One that waits already makes its last attempt at once. Calls that wait for a slot of a
//!    bulkhead, a permit of a rate limit or a lock are refused, with the error of that policy. `sleep_until` ends.
//! 4. Steps and undos that run are waited for, and jobs until their next step.
//! 5. Jobs that have not ended become `Interrupted`, and their leases are given back; their recovery goes on with them.
//! 6. Handlers of events, the file of alerts and the stores are waited for.
//!
//! The last two have a tenth of the limit, at least one second, and at most half of it.
//!
//! # What it does not do
//!
//! - It ends neither the process nor a thread. A body that blocks is left, and [`Report::left`] names it. Its job is
//!   given back, so another process may begin the job while that body runs on: exit soon. What the body still
//!   returns is not recorded.
//! - The shutdown waits for jobs and steps (feature `durable`) only, and not for other calls, such as the requests of a
//!   server: see below.
//! - The shutdown is permanent. Calls, policies and alerts work after it, but nothing waits, and no job begins.
//!
//! # Beside a server
//!
//! A server finishes its requests itself, usually without a limit of time. Start both at the signal: the shutdown
//! ends the waits that would hold the requests up, and makes `health::ready()` false. The server gets the same limit.
//!
//! A load balancer sees the answer 503 of a readiness route only while the listener still accepts: where one is in
//! front, let the server's part wait for an interval of its probes after the signal, before it stops accepting.
//!
//! ```no_run
//! # #[cfg(all(unix, any(feature = "durable", feature = "ops")))]
//! # mod server {
//! # async fn serve(until: resilience::shutdown::Signal) {
//! #     until.await;
//! # }
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! use resilience::shutdown;
//! use std::time::Duration;
//!
//! const LIMIT: Duration = Duration::from_secs(30);
//!
//! let signal = shutdown::signal()?;
//! // In `serve`, with axum: `axum::serve(listener, router).with_graceful_shutdown(until).await`.
//! let server = tokio::spawn(serve(shutdown::signal()?));
//! signal.await;
//! let (report, served) = tokio::join!(resilience::shutdown(LIMIT), tokio::time::timeout(LIMIT, server));
//! println!("{report}, requests are {}", if served.is_ok() { "finished" } else { "left" });
//! # Ok(())
//! # }
//! # }
//! ```
//!
//! # Jobs
//!
//! A job that fails while the process shuts down becomes `Interrupted`, never `Failed`, whatever it failed with: waits
//! that ended early may be why. A failure of its own occurs again when the job is recovered; the caller gets the error,
//! and the reported problem names its class. One that was refused a step or an inner job is `Interrupted` even if its
//! body returns a success. Policies that answer in place of an error
//! ([fallbacks](crate::policy::with_fallback#in-a-job), stale values, simpler calls) answer no error of a job outside
//! of its running steps.
//!
//! # From inside
//!
//! Called from a job, a step, a hook or a handler of events, it does not wait for the code that called it, and reports
//! it as left.

mod report;
mod run;
#[cfg(all(unix, any(feature = "durable", feature = "ops")))]
mod signal;

#[cfg(doc)]
use crate::rejected::Rejected;
pub use report::{Left, Report};
use run::Run;
#[cfg(all(unix, any(feature = "durable", feature = "ops")))]
#[cfg_attr(docsrs, doc(cfg(any(feature = "durable", feature = "ops"))))]
pub use signal::{Signal, signal};
use std::time::Duration;

/// Shuts the library down within `limit`, and returns what it had to leave.
///
/// [The module](self) has the order. Admission ends when the future is first polled; if it is dropped later, the
/// shutdown goes on without it. A second call joins the first, and the earlier of their limits holds.
///
/// A limit of zero ends admission and waits for nothing: the final writes go on while the process lives, and the
/// report names the ones that are not complete yet.
///
/// Call it at the end of `main`, and exit afterwards.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// # let _world = resilience::testing::isolate();
/// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
/// let report = resilience::shutdown(Duration::from_secs(30)).await;
/// assert!(report.is_complete(), "{report}");
/// # });
/// ```
pub async fn shutdown(limit: Duration) -> Report {
    let run = Run::join(limit);
    run.ended().await;
    run.report()
}

/// Shuts the library down as [`shutdown`] does, from sync code: blocks until it has ended.
///
/// In async code await [`shutdown`]: tasks of the runtime that need this thread cannot end while it is blocked, and are
/// left.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// # let _world = resilience::testing::isolate();
/// let report = resilience::shutdown_blocking(Duration::from_secs(30));
/// assert!(report.left.is_empty(), "{report}");
/// ```
pub fn shutdown_blocking(limit: Duration) -> Report {
    let run = Run::join(limit);
    run.wait();
    run.report()
}
