//! Whether the program should get traffic.

use super::ask::ask;
use super::flight::Entry;
use super::registry;
use super::status::Status;
use crate::base::block_on::{all, block_on};
use crate::base::stopping;
use serde::Serialize;
use std::fmt;
use std::sync::Arc;

/// The name of the component that is down while the process shuts down.
const SHUTDOWN: &str = "shutdown";

/// The answer to the question whether the program should get traffic, with the results of the critical checks.
///
/// `Display` writes one line, `Serialize` `{is_ready, checks}`.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Readiness {
    /// Whether no critical component is down.
    pub is_ready: bool,
    /// The results of the critical checks, sorted by name.
    pub checks: Vec<Status>,
    /// The names of the components that are down, and `shutdown` once the process [shuts down](crate::shutdown()).
    pub down: Vec<String>,
}

impl fmt::Display for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.is_ready { "ready" } else { "not ready" })?;
        if self.down.iter().any(|name| name == SHUTDOWN) {
            return f.write_str(": the process shuts down");
        }
        let down =
            self.checks.iter().filter(|status| self.down.iter().any(|name| *status.component == **name));
        for (n, status) in down.enumerate() {
            write!(f, "{}{status}", if n == 0 { ": " } else { "; " })?;
        }
        Ok(())
    }
}

/// Looks at every critical component, and says whether the program should get traffic.
///
/// A component is down after three failed looks in a row, and up again after one that does not fail. A look whose calls
/// were rejected by a policy of this library counts as neither: a breaker closes only by traffic, so it must not keep
/// the traffic away. A component that was never looked at, because no thread was free for its first look, is down.
///
/// Ask regularly, for instance from the route that the load balancer asks; answers are used for one second, so looks are
/// at least that far apart. Once the process [shuts down](crate::shutdown()) it is not ready.
///
/// # Examples
///
/// ```
/// use resilience::health::{self, Check};
/// use std::time::Duration;
///
/// let world = resilience::testing::isolate();
/// Check::new("database", || Err::<(), _>("connection refused")).critical().register();
/// for _ in 0..2 {
///     assert!(health::ready().is_ready);
///     world.advance(Duration::from_secs(1));
/// }
/// let third = health::ready();
/// assert_eq!(third.to_string(), "not ready: database: fail: connection refused");
/// ```
pub fn ready() -> Readiness {
    block_on(ready_async())
}

/// Returns whether the program should get traffic, like [`ready`], without blocking the thread.
pub async fn ready_async() -> Readiness {
    let entries: Vec<Arc<Entry>> = registry::all().into_iter().filter(|entry| entry.is_critical).collect();
    let checks = all(entries.iter().cloned().map(ask)).await;
    let down = entries.iter().filter(|entry| entry.flight.is_down());
    let shutdown = stopping::has_begun().then(|| SHUTDOWN.to_owned());
    let down: Vec<_> = down.map(|entry| entry.name.to_string()).chain(shutdown).collect();
    Readiness { is_ready: down.is_empty(), checks, down }
}
