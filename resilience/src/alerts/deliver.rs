//! Passing alerts to the sinks that there are.
//!
//! The list of sinks belongs to the process or to a test world. An alert that is raised inside of a sink goes to the
//! others, but not back to that one, and not to webhooks: two sinks that report each other's failures would never end.

use super::alert::Alert;
use crate::base::clock;
use crate::base::handling;
use crate::base::own_thread::OwnThread;
use crate::base::site::Site;
use crate::base::sync::locked;
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// The longest time that [`flush`](super::flush) waits for sinks.
const FLUSH: Duration = Duration::from_secs(2);

/// The sinks of this process, or of a test world.
pub(super) static ALL: Site<Mutex<Vec<Entry>>> = Site::new(Mutex::new(Vec::new()), Mutex::default);

#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) thread: Arc<OwnThread<Arc<Alert>>>,
    /// Whether the sink gets no alert that is raised within another sink.
    pub(super) is_webhook: bool,
}

/// Passes an alert to all sinks, except those that the running code is part of. No code of the program runs here.
pub(super) fn deliver(alert: &Alert) {
    let entries = locked(&ALL).clone();
    if entries.is_empty() {
        return;
    }
    let (alert, inside) = (Arc::new(alert.clone()), handling::here());
    for entry in entries.iter().filter(|entry| !entry.is_webhook || inside.is_empty()) {
        entry.thread.push(Arc::clone(&alert), inside.clone());
    }
}

/// Waits until the sinks have the raised alerts, at most for `limit` or two seconds; returns whether they have.
pub(super) fn flush(limit: Duration) -> bool {
    let entries = locked(&ALL).clone();
    let (end, callers) = (clock::later(clock::now(), limit.min(FLUSH)), handling::here());
    entries.iter().all(|entry| entry.thread.flush(end, &callers))
}
