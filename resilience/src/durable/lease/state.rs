//! The state that the heartbeat and the holder of a lease share.
//!
//! A lost lease can be found again: an outage that is longer than the lease loses it, and a heartbeat that finds the
//! fence unchanged afterwards keeps it. So loss is a state that is asked for, and not an event that is sent once.

use crate::base::guarded::wake;
use crate::base::sync::locked;
use crate::base::wakers;
use crate::durable::store::Store;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// The state that the heartbeat and the holder share.
#[derive(Debug)]
pub(crate) struct LeaseState {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) key: String,
    /// The number under which the store granted it; a record with another one belongs to a later holder.
    pub(crate) fence: u64,
    /// The time for which other processes watch the counter unchanged before they take over.
    pub(crate) length: Duration,
    /// The process that holds it: a fork's child has a copy, and ends nothing.
    pub(super) process: u32,
    pub(crate) loss: Arc<LeaseLoss>,
}

#[cfg(feature = "fs")]
impl LeaseState {
    /// Returns whether this is the process that holds it, and not a forked child.
    pub(crate) fn is_own(&self) -> bool {
        self.process == std::process::id()
    }
}

/// The loss of a lease, for all waiters.
///
/// It is lost in two cases: the counter was not raised for a whole lease, so that others may have taken over; or a
/// heartbeat found another fence in the record. Only the first can be taken back, by [`keep`](Self::keep).
#[derive(Debug, Default)]
pub(crate) struct LeaseLoss {
    lost: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
}

impl LeaseLoss {
    /// Marks the lease as lost, and wakes the tasks that wait for that.
    pub(crate) fn lose(&self) {
        self.lost.store(true, Ordering::Release);
        // Wakers are code of an executor: they are called without the lock.
        let woken = std::mem::take(&mut *locked(&self.waiting));
        woken.into_iter().for_each(wake);
    }

    /// Notes that the heartbeat found the lease again.
    pub(crate) fn keep(&self) {
        self.lost.store(false, Ordering::Release);
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    /// Waits until the lease is known to be lost.
    ///
    /// It stays ready only as long as the lease is lost: a lease that was found again makes it wait again.
    pub(crate) fn poll_lost(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_lost() {
            return Poll::Ready(());
        }
        let waker = cx.waker().clone();
        wakers::add(&mut locked(&self.waiting), waker);
        if self.is_lost() { Poll::Ready(()) } else { Poll::Pending }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU32;
    use std::task::Wake;

    /// A task whose waker looks whether the list of waiting tasks is locked, and panics if asked to.
    struct Task {
        loss: Arc<LeaseLoss>,
        woken: AtomicU32,
        panics: bool,
    }

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            assert!(self.loss.waiting.try_lock().is_ok(), "called under the lock");
            self.woken.fetch_add(1, Ordering::Relaxed);
            assert!(!self.panics, "on purpose");
        }
    }

    #[test]
    fn a_lost_lease_wakes_every_task_even_if_a_waker_panics() {
        let loss = Arc::new(LeaseLoss::default());
        let tasks = [true, false].map(|panics| {
            let task = Arc::new(Task { loss: loss.clone(), woken: AtomicU32::new(0), panics });
            let waker = Waker::from(task.clone());
            for _ in 0..3 {
                assert!(loss.poll_lost(&mut Context::from_waker(&waker)).is_pending());
            }
            task
        });
        loss.lose();
        assert_eq!(tasks.map(|task| task.woken.load(Ordering::Relaxed)), [1, 1]);
        assert!(loss.is_lost());
    }
}
