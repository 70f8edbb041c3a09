//! Takes a turn back that no caller uses: a future that is held but not polled must not keep a slot.
//!
//! A freed slot is given to a caller, which is woken and has to be polled to use it. A future in a `select!` that
//! took another branch, or in a runtime that is blocked, may not be; the slot would be idle while others wait. So
//! while any caller has a turn, one timer for the bulkhead is set to the end of the earliest, 100 ms after it began.
//!
//! The alarm needs no task of a caller: it looks at the queue on the thread that wakes it, which is the timer thread of
//! this crate, or in a test world the thread that moves the clock. Timers have numbers, so that a late one, after
//! another was set, does nothing.

use super::gate::Queue;
use crate::base::clock::{Timer, now_nanos, watch};
use crate::base::sync::{self, locked};
use crate::base::world::{World, run_in};
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::{Arc, Mutex, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// The look at a queue when the turn of a caller is over.
#[derive(Debug)]
pub(super) struct Watch {
    queue: Arc<sync::Mutex<Queue>>,
    world: Option<World>,
    armed: Mutex<ArmedTimer>,
}

/// The timer that runs.
#[derive(Debug, Default)]
struct ArmedTimer {
    last: u64,
    /// The number of the timer; `None` while no caller has a turn.
    number: Option<u64>,
    timer: Option<Timer>,
}

impl Watch {
    pub(super) fn new(queue: Arc<sync::Mutex<Queue>>) -> Arc<Self> {
        Arc::new(Self { queue, world: World::here(), armed: Mutex::default() })
    }

    /// Arms a timer that wakes the queue at the moment `due`.
    ///
    /// If a timer runs already it is earlier, and sets the next when it goes off. A timer that is due while it is being
    /// set looks at once, in this loop, and not by recursion.
    pub(super) fn arm(self: &Arc<Self>, mut due: Option<u64>) {
        while let Some(at) = due {
            let number = {
                let mut armed = locked(&self.armed);
                if armed.number.is_some() {
                    return;
                }
                armed.last += 1;
                armed.number = Some(armed.last);
                armed.last
            };
            let mut timer = watch(Duration::from_nanos(at.saturating_sub(now_nanos())));
            let alarm = Waker::from(Arc::new(Alarm { watch: Arc::downgrade(self), number }));
            let is_due = Pin::new(&mut timer).poll(&mut Context::from_waker(&alarm)) == Poll::Ready(());
            let unused = {
                let mut armed = locked(&self.armed);
                let is_current = armed.number == Some(number);
                if is_current && !is_due {
                    armed.timer.replace(timer)
                } else {
                    if is_current {
                        armed.number = None;
                    }
                    Some(timer)
                }
            };
            drop(unused);
            if !is_due {
                return;
            }
            due = self.look();
        }
    }

    /// Handles the timer `number`, which has gone off, or whose world's clock was moved.
    fn alarm_fired(self: &Arc<Self>, number: u64) {
        let timer = {
            let mut armed = locked(&self.armed);
            if armed.number != Some(number) {
                return;
            }
            armed.number = None;
            mem::take(&mut armed.timer)
        };
        let was_set = timer.is_some();
        drop(timer);
        let due = self.look();
        // A timer that goes off while it is set has no thread to run on: the next call looks at the queue.
        if was_set {
            self.arm(due);
        }
    }

    /// Takes back overdue turns; returns when the next one is due.
    fn look(&self) -> Option<u64> {
        let after = self.queue.lock().look(now_nanos());
        after.finish()
    }
}

struct Alarm {
    watch: Weak<Watch>,
    number: u64,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        let Some(watch) = self.watch.upgrade() else { return };
        run_in(watch.world.as_ref(), || watch.alarm_fired(self.number));
    }
}
