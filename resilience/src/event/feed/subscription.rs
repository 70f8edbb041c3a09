//! Events in a queue of the program's own.

use super::queue::Queue;
use super::record::EventRecord;
use super::registry::{Listener, ListenerGuard};
use crate::base::block_on::block_on;
use std::future::poll_fn;
use std::sync::Arc;

/// Subscribes to every event of the process from now on.
///
/// No call waits for a subscription: where it is read too slowly, its oldest events are dropped and counted.
/// Dropping it ends it.
///
/// # Examples
///
/// ```
/// use resilience::{CircuitBreaker, events};
///
/// let mut events = events::subscribe();
/// CircuitBreaker::new("subscribed").force_open();
///
/// let mut next = std::iter::from_fn(|| events.try_recv());
/// let opened = next.find(|record| record.event.point() == "subscribed").unwrap();
/// assert_eq!(opened.event.to_string(), "subscribed: forced open");
/// ```
pub fn subscribe() -> Subscription {
    let queue = Arc::new(Queue::default());
    Subscription { _listening: ListenerGuard::begin(Listener::Queue(Arc::clone(&queue))), queue }
}

/// A receiver of the events of the process; [`subscribe`] makes it.
///
/// It keeps the last 1,000 events that were not received. Each event is shared with other subscriptions, and
/// cheap to clone. It is a queue for one receiver: several make a subscription each.
///
/// # Examples
///
/// One task writes all events as lines:
///
/// ```no_run
/// # async fn example() {
/// let mut events = resilience::events::subscribe();
/// loop {
///     let record = events.recv().await;
///     println!("{record}");
/// }
/// # }
/// ```
#[derive(Debug)]
#[must_use = "dropping a subscription ends it"]
pub struct Subscription {
    queue: Arc<Queue>,
    _listening: ListenerGuard,
}

impl Subscription {
    /// Returns the oldest event that was not received; `None` if there is none.
    ///
    /// # Examples
    ///
    /// Reading what has happened so far, once in a while:
    ///
    /// ```
    /// use resilience::{CircuitBreaker, events};
    ///
    /// # let _world = resilience::testing::isolate();
    /// let mut events = events::subscribe();
    /// assert!(events.try_recv().is_none());
    /// CircuitBreaker::new("try").force_open();
    /// while let Some(record) = events.try_recv() {
    ///     assert_eq!(record.event.point(), "try");
    /// }
    /// ```
    pub fn try_recv(&mut self) -> Option<Arc<EventRecord>> {
        self.queue.pop()
    }

    /// Waits for the next event, on any runtime.
    ///
    /// It can be cancelled: an event is received only when this returns it.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{CircuitBreaker, events};
    ///
    /// # let _world = resilience::testing::isolate();
    /// # tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
    /// let mut events = events::subscribe();
    /// CircuitBreaker::new("awaited").force_open();
    /// let record = events.recv().await;
    /// assert_eq!(record.event.to_string(), "awaited: forced open");
    /// # });
    /// ```
    pub async fn recv(&mut self) -> Arc<EventRecord> {
        poll_fn(|cx| self.queue.poll(cx)).await
    }

    /// Waits for the next event and blocks this thread.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{CircuitBreaker, events};
    ///
    /// let mut events = events::subscribe();
    /// let printer = std::thread::spawn(move || {
    ///     while events.recv_blocking().event.point() != "last" {}
    /// });
    /// CircuitBreaker::new("last").force_open();
    /// printer.join().unwrap();
    /// ```
    pub fn recv_blocking(&mut self) -> Arc<EventRecord> {
        block_on(self.recv())
    }

    /// Returns the number of events that were dropped because they were not received in time.
    ///
    /// It counts from the start of the subscription. The events that are left are the newest 1,000, without a gap.
    ///
    /// # Examples
    ///
    /// ```
    /// use resilience::{CircuitBreaker, events};
    ///
    /// # let _world = resilience::testing::isolate();
    /// let mut events = events::subscribe();
    /// let breaker = CircuitBreaker::new("often");
    /// for _ in 0..600 {
    ///     breaker.force_open();
    ///     breaker.reset();
    /// }
    /// assert_eq!(events.dropped(), 200, "of 1,200 events");
    /// assert_eq!(std::iter::from_fn(|| events.try_recv()).count(), 1_000);
    /// ```
    pub fn dropped(&self) -> u64 {
        self.queue.dropped()
    }
}
