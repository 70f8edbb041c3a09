//! Looking again and again, for programs that nothing asks.

use super::ask::ask;
use super::registry;
use crate::base::block_on::{all, block_on};
use crate::base::clock;
use crate::base::sync::locked;
use crate::base::world::{World, run_in};
use std::future::{Future as _, poll_fn};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Poll, Waker};
use std::time::Duration;

/// How long the thread waits between two looks.
const EVERY: Duration = Duration::from_secs(30);

#[derive(Debug, Default)]
struct Stop {
    is_stopped: bool,
    waker: Option<Waker>,
}

/// Looks at every component in the background until it is dropped; see [`watch`].
#[derive(Debug)]
#[must_use = "the looks end when it is dropped"]
pub struct Watch {
    stop: Arc<Mutex<Stop>>,
}

/// Looks at every component now and every 30 s, on a thread of its own.
///
/// Each change of a level is an [`Event::Health`](crate::Event::Health), in `tracing` under the target
/// `resilience::health`. Questions, too, make such events: a program whose health is asked for regularly does not
/// need it.
///
/// # Errors
///
/// The system has no thread left.
///
/// # Examples
///
/// ```
/// // In `main`, for as long as the program runs:
/// let _watch = resilience::health::watch()?;
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn watch() -> io::Result<Watch> {
    let stop = Arc::new(Mutex::new(Stop::default()));
    let (world, seen) = (World::here(), stop.clone());
    let looks = move || {
        run_in(world.as_ref(), || {
            while !locked(&seen).is_stopped {
                look(&seen);
            }
        });
    };
    std::thread::Builder::new().name("resilience-watch".to_owned()).spawn(looks)?;
    Ok(Watch { stop })
}

/// Looks once, and waits for the next time or for the end.
fn look(stop: &Mutex<Stop>) {
    block_on(all(registry::all().into_iter().map(ask)));
    let mut next = clock::watch(EVERY);
    block_on(poll_fn(|cx| {
        let mut stop = locked(stop);
        if stop.is_stopped {
            return Poll::Ready(());
        }
        stop.waker = Some(cx.waker().clone());
        drop(stop);
        Pin::new(&mut next).poll(cx)
    }));
}

impl Drop for Watch {
    fn drop(&mut self) {
        let mut stop = locked(&self.stop);
        stop.is_stopped = true;
        let waker = stop.waker.take();
        drop(stop);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}
