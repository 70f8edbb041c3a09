//! What the heartbeat and the holder of a lease share.
//!
//! A lost lease can be found again: an outage that is longer than the lease loses it, and a heartbeat that finds the fence
//! unchanged afterwards keeps it. So loss is a state that is asked for, and not an event that is sent once.

use crate::base::sync::locked;
use crate::durable::store::Store;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// What the heartbeat and the holder share.
#[derive(Debug)]
pub(crate) struct LeaseState {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) key: String,
    /// The number under which the store granted it; a record with another one belongs to a later holder.
    pub(crate) fence: u64,
    /// How long other processes watch the counter unchanged before they take over.
    pub(crate) length: Duration,
    /// The process that holds it: a fork's child has a copy, and ends nothing.
    pub(super) process: u32,
    pub(crate) loss: Arc<Loss>,
}

#[cfg(feature = "fs")]
impl LeaseState {
    /// Whether this is the process that holds it, and not a forked child.
    pub(crate) fn is_own(&self) -> bool {
        self.process == std::process::id()
    }
}

/// Whether a lease is lost, for all who want to know.
///
/// It is lost in two cases: the counter was not raised for a whole lease, so that others may have taken over; or a
/// heartbeat found another fence in the record. Only the first can be taken back, by [`keep`](Self::keep).
#[derive(Debug, Default)]
pub(crate) struct Loss {
    lost: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
}

impl Loss {
    /// The lease is lost, or has to be taken for lost.
    pub(crate) fn lose(&self) {
        self.lost.store(true, Ordering::Release);
        std::mem::take(&mut *locked(&self.waiting)).into_iter().for_each(Waker::wake);
    }

    /// The heartbeat found the lease again.
    pub(crate) fn keep(&self) {
        self.lost.store(false, Ordering::Release);
    }

    pub(crate) fn is_lost(&self) -> bool {
        self.lost.load(Ordering::Acquire)
    }

    /// Ready once the lease is known to be lost.
    ///
    /// It stays ready only as long as the lease is lost: one that was found again makes it wait again.
    pub(crate) fn poll_lost(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.is_lost() {
            return Poll::Ready(());
        }
        {
            let mut waiting = locked(&self.waiting);
            // Polled in a loop, it leaves one waker behind, not one for each poll.
            if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                waiting.push(cx.waker().clone());
            }
        }
        if self.is_lost() { Poll::Ready(()) } else { Poll::Pending }
    }
}
