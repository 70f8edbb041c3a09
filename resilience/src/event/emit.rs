//! Passing events on.
//!
//! The order is fixed: the hook, then `tracing`, then the test world, then the listeners at run time (feature `ops`).
//! Each is guarded, so that a panic in one keeps the event from no other and from no caller. An event is made only if
//! it may be seen ([`is_heard`]), because a failing service can cause many, and making one clones names and reads
//! clocks.

use super::kinds::{Event, Hook};
use super::log::Log;
#[cfg(feature = "tracing")]
use super::trace;
use crate::base::guarded::guarded;
use crate::base::name::PointName;
use crate::base::site::Site;
use crate::base::sync::locked;
use crate::base::world::World;
use std::sync::Mutex;

/// Returns whether an event worth a debug line would be seen; if not, it need not be made.
///
/// With the feature `ops` each is kept for a while, and so is seen; else as [`is_rejection_heard`].
#[inline]
pub(crate) fn is_heard() -> bool {
    cfg!(feature = "ops") || is_rejection_heard(None)
}

/// Returns whether a rejection would be seen. It has to be cheap: many calls are rejected during an overload.
///
/// By a hook, a test world, one who listens at run time, or a subscriber whose filter lets DEBUG through for anything.
/// Without the feature `tracing` the last does not count.
#[inline]
pub(crate) fn is_rejection_heard(hook: Option<Hook>) -> bool {
    #[cfg(feature = "tracing")]
    if tracing::level_filters::LevelFilter::current() >= tracing::level_filters::LevelFilter::DEBUG {
        return true;
    }
    #[cfg(feature = "ops")]
    if super::feed::has_listeners() {
        return true;
    }
    hook.is_some() || World::here().is_some()
}

/// Every event of a test world so far, in order; outside of one nothing is kept.
pub(crate) static SEEN: Site<Mutex<Vec<Event>>> = Site::new(Mutex::new(Vec::new()), Mutex::default);

/// Passes `event` to `hook`, to `tracing`, to the test world and to those who listen at run time.
pub(crate) fn emit(event: &Event, hook: Option<Hook>) {
    emit_as(event, hook, Log::default());
}

/// Reports an event like [`emit`], logged as `log` says.
///
/// Policies call it after their lock is free: hooks and subscribers may call the policy that reports.
#[cold]
pub(crate) fn emit_as(event: &Event, hook: Option<Hook>, log: Log<'_>) {
    if let Some(hook) = hook {
        guarded(|| hook(event));
    }
    #[cfg(feature = "tracing")]
    guarded(|| trace::event(event, log));
    #[cfg(not(feature = "tracing"))]
    let _ = (log.pace, log.shows_key);
    if let Some(seen) = World::here().and_then(|world| SEEN.in_world(&world)) {
        locked(seen).push(event.clone());
    }
    #[cfg(feature = "ops")]
    {
        super::tally::count(event);
        guarded(|| super::alert::raise(event, log));
        super::feed::feed(event);
    }
}

/// Warns that a sync function is about to wait on this thread: once per point where that blocks an executor.
#[cold]
pub(crate) fn blocks(point: &PointName) {
    #[cfg(all(feature = "tokio", feature = "tracing"))]
    if tracing::level_filters::LevelFilter::current() >= tracing::level_filters::LevelFilter::WARN {
        guarded(|| trace::blocks(point));
    }
    #[cfg(not(all(feature = "tokio", feature = "tracing")))]
    let _ = point;
}
