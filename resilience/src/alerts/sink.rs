//! The destinations of alerts besides the file.

use super::alert::{Alert, AlertKind};
use super::deliver::{ALL, Entry};
use super::writer;
use crate::base::alert_level::AlertLevel;
use crate::base::guarded::guarded;
use crate::base::own_thread::OwnThread;
use crate::base::scrub::scrub;
use crate::base::sync::locked;
use std::error::Error;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

/// The most alerts that wait for a sink.
const WAITING: usize = 100;
/// Passes every alert to `send` from now on, except those that are [held back](crate::alerts#limits).
///
/// `send` has a thread of its own, which passes it one alert after the other, so its state needs no lock, and a slow
/// or hanging sink holds up neither calls nor the file. `name` identifies the sink in alerts.
///
/// # Limits
///
/// - At most 100 alerts wait for a sink. Then the oldest warning is skipped, or else the oldest alert, and counted.
/// - An error or a panic of `send` is the warning `an alert sink failed` in the file and in the other sinks, except
///   webhooks. The sink gets the next alert; `send` has to do its own retries.
/// - An alert that is raised within `send` is not delivered to it, and not to webhooks.
///
/// # Examples
///
/// ```
/// use resilience::alerts::{self, AlertLevel};
/// use std::sync::mpsc;
/// use std::time::Duration;
/// # let _world = resilience::testing::isolate();
///
/// let (sender, alerts) = mpsc::channel();
/// let pager = alerts::add_sink("pager", move |alert| sender.send(alert.to_string()));
///
/// alerts::raise(AlertLevel::Critical, "importer", "the feed is gone", &[]);
/// alerts::flush(Duration::from_secs(1));
/// assert_eq!(alerts.recv()?, "CRITICAL importer: the feed is gone");
/// pager.remove();
/// # Ok::<(), mpsc::RecvError>(())
/// ```
pub fn add_sink<E>(name: &str, send: impl FnMut(&Alert) -> Result<(), E> + Send + 'static) -> Sink
where
    E: Into<Box<dyn Error + Send + Sync>>,
{
    add(name, false, send)
}

/// Adds a sink. One with `is_webhook` gets no alerts that are raised within sinks.
pub(crate) fn add<E>(
    name: &str,
    is_webhook: bool,
    mut send: impl FnMut(&Alert) -> Result<(), E> + Send + 'static,
) -> Sink
where
    E: Into<Box<dyn Error + Send + Sync>>,
{
    let failed = Arc::new(AtomicU64::new(0));
    let (name, failures) = (name.to_owned(), Arc::clone(&failed));
    let send = move |alert: &Arc<Alert>| {
        // The text and the destructor of the error are the program's, too.
        let reason = match guarded(|| send(alert).map_err(|error| error.into().to_string())) {
            Some(Ok(())) => return,
            Some(Err(reason)) => reason,
            None => "it panicked".to_owned(),
        };
        failures.fetch_add(1, Ordering::Relaxed);
        has_failed(&name, &reason);
    };
    let may_go = |alert: &Arc<Alert>| alert.level == AlertLevel::Warning;
    let thread = Arc::new(OwnThread::new("resilience-alert-sink", WAITING, may_go, send));
    let entries: &'static Mutex<_> = &ALL;
    locked(entries).push(Entry { thread: Arc::clone(&thread), is_webhook });
    Sink { entries, thread, failed }
}

/// Raises the alert about a sink that has failed, within that sink.
fn has_failed(name: &str, reason: &str) {
    let kind = AlertKind::warning("alerts", "an alert sink failed");
    let make = || Alert::new(kind, &[("sink", name), ("reason", &*scrub(reason, 1_000))]);
    writer::submit(kind, make, None);
}

/// A handle to a sink of alerts that [`add_sink`] has added.
///
/// The sink stays when this is dropped; [`remove`](Self::remove) takes it away.
///
/// # Examples
///
/// ```
/// use resilience::alerts;
/// # let _world = resilience::testing::isolate();
///
/// let sink = alerts::add_sink("stdout", |alert| {
///     println!("{alert}");
///     Ok::<(), std::io::Error>(())
/// });
/// assert_eq!((sink.skipped(), sink.failed()), (0, 0));
/// sink.remove();
/// ```
#[derive(Debug)]
pub struct Sink {
    /// The list that it is in: that of the world in which it was added.
    entries: &'static Mutex<Vec<Entry>>,
    thread: Arc<OwnThread<Arc<Alert>>>,
    failed: Arc<AtomicU64>,
}

impl Sink {
    /// Removes the sink. It gets no further alert; a running `send` is not cut off.
    ///
    /// Alerts that wait for it are dropped, without being counted as skipped. It does not wait for `send` to return.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::alerts::{self, AlertLevel};
    /// use std::sync::mpsc;
    /// use std::time::Duration;
    /// # let _world = resilience::testing::isolate();
    ///
    /// let (sender, alerts) = mpsc::channel();
    /// let sink = alerts::add_sink("pager", move |alert| sender.send(alert.message.clone()));
    /// sink.remove();
    /// alerts::raise(AlertLevel::Critical, "importer", "the feed is gone", &[]);
    /// alerts::flush(Duration::from_secs(1));
    /// assert!(alerts.try_recv().is_err());
    /// ```
    pub fn remove(self) {
        self.thread.remove();
        let mut entries = locked(self.entries);
        let at = entries.iter().position(|entry| Arc::ptr_eq(&entry.thread, &self.thread));
        let entry = at.map(|at| entries.remove(at));
        drop(entries);
        // Outside of the lock: the sink's state may be code of the program.
        drop(entry);
    }

    /// Returns how many alerts the sink did not get, because 100 waited or no thread could be started; in a forked child
    /// whose parent was in the sink at the fork, all of them.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::alerts::{self, AlertLevel};
    /// use std::time::Duration;
    /// # let _world = resilience::testing::isolate();
    ///
    /// let sink = alerts::add_sink("pager", |_| Ok::<(), std::io::Error>(()));
    /// alerts::raise(AlertLevel::Critical, "importer", "the feed is gone", &[]);
    /// alerts::flush(Duration::from_secs(1));
    /// assert_eq!(sink.skipped(), 0);
    /// ```
    pub fn skipped(&self) -> u64 {
        self.thread.skipped()
    }

    /// Returns the number of alerts for which the sink failed.
    ///
    /// An error and a panic count alike, once for each alert.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::alerts::{self, AlertLevel};
    /// use std::time::Duration;
    /// # let _world = resilience::testing::isolate();
    ///
    /// let sink = alerts::add_sink("pager", |_| Err("no network"));
    /// alerts::raise(AlertLevel::Critical, "importer", "the feed is gone", &[]);
    /// alerts::flush(Duration::from_secs(1));
    /// assert_eq!(sink.failed(), 1);
    /// ```
    pub fn failed(&self) -> u64 {
        self.failed.load(Ordering::Relaxed)
    }
}
