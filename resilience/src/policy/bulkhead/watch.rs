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
    /// If a timer runs already it is earlier, and sets the next when it goes off. After a timer that is due, or goes off,
    /// while it is being set, this loop sets the next.
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
            let (is_set, unused) = {
                let mut armed = locked(&self.armed);
                let is_current = armed.number == Some(number);
                if is_current && !is_due {
                    (true, armed.timer.replace(timer))
                } else {
                    if is_current {
                        armed.number = None;
                    }
                    (false, Some(timer))
                }
            };
            drop(unused);
            if is_set {
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
        // The thread that is setting it sets the next one.
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

#[cfg(all(test, feature = "testing", not(loom)))]
mod tests {
    use super::super::gate::{Capacity, Gate, TURN};
    use super::*;
    use crate::testing::isolate;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::channel;
    use std::thread;

    #[test]
    fn a_timer_that_goes_off_while_it_is_set_is_followed_by_the_next() {
        let (world, runs) = (isolate(), AtomicBool::new(false));
        let (sender, watches) = channel::<(Arc<Watch>, Option<u64>)>();
        thread::scope(|scope| {
            let (handle, runs) = (world.handle(), &runs);
            let setter = scope.spawn(move || {
                handle.run(|| {
                    for (watch, due) in watches {
                        runs.store(true, Ordering::Release);
                        watch.arm(due);
                    }
                });
            });
            for n in 0..20_000 {
                let (gate, start) = (Gate::new(), now_nanos());
                let later = start + TURN / 2;
                assert!(gate.enter(2) && gate.enter(2));
                for _ in 0..2 {
                    let room = || Capacity { slots: 2, queue: 2 };
                    drop(gate.arrive(room, u64::MAX, start, Waker::noop().clone()));
                }
                // One caller has its turn from the start on, and the other one from later on.
                let due = gate.leave_queue(None, || start).finish();
                drop(gate.leave_queue(None, || later));
                let watch = Watch::new(gate.queue().clone());
                sender.send((watch.clone(), due)).unwrap();
                while !runs.swap(false, Ordering::Acquire) {
                    thread::yield_now();
                }
                (0..n % 64).for_each(|_| std::hint::spin_loop());
                world.advance(Duration::from_nanos(TURN));
                while Arc::strong_count(&watch) > 1 {
                    thread::yield_now();
                }
                let is_armed = locked(&watch.armed).number.is_some();
                let next = gate.queue().lock().look(now_nanos()).finish();
                assert_eq!((is_armed, next), (true, Some(later + TURN)), "round {n}");
            }
            drop(sender);
            setter.join().unwrap();
        });
    }
}
