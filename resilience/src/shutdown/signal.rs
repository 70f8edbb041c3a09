//! Signals that end a program in order.
//!
//! One thread takes the signals. Installing a handler takes the default away for as long as the process lives, so the
//! third signal has to end the process itself.

use super::run::Run;
use crate::base::block_on::block_on;
use crate::base::guarded::{discard, wake};
use crate::base::sync::locked;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;
use signal_hook::low_level::{emulate_default_handler, exit};
use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::task::{Context, Poll, Waker};

static RECEIVED: Mutex<ReceivedSignal> =
    Mutex::new(ReceivedSignal { is_installed: false, count: 0, last: 0, waiting: BTreeMap::new() });

#[derive(Debug)]
struct ReceivedSignal {
    is_installed: bool,
    count: u32,
    /// The number of the last [`Signal`].
    last: u64,
    /// The wakers of those that wait, by number: a program may make one for each of its tasks.
    waiting: BTreeMap<u64, Waker>,
}

impl ReceivedSignal {
    fn wait(&mut self) -> Signal {
        self.last += 1;
        Signal { number: self.last }
    }
}

/// Takes `SIGTERM` and `SIGINT` from here on, and returns what waits for the first of them.
///
/// Await it, or call [`Signal::wait`], and then [`shutdown`](crate::shutdown()). The second signal ends the wait for
/// running code, so that the shutdown only does its last writes; the third ends the process as the signal does without
/// this library. Without a call of this function the library handles no signal.
///
/// A handler cannot be removed: once this was called, a program that does not react to the first signal takes three to
/// end. A second call returns one more to wait for the same signals.
///
/// # Errors
///
/// If the handler cannot be installed, or no thread be started.
///
/// # Examples
///
/// ```no_run
/// use std::time::Duration;
///
/// resilience::shutdown::signal()?.wait();
/// println!("{}", resilience::shutdown_blocking(Duration::from_secs(30)));
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn signal() -> io::Result<Signal> {
    let mut received = locked(&RECEIVED);
    if !received.is_installed {
        install()?;
        received.is_installed = true;
    }
    Ok(received.wait())
}

/// The wait for the first signal; see [`signal`].
///
/// It is ready at once if a signal has come before. It can be awaited on any runtime.
///
/// Several of them wait for the same signals. Dropping one changes nothing: the handler stays.
///
/// # Examples
///
/// A server that stops accepting first, and shuts the library down afterwards:
///
/// ```no_run
/// use std::time::Duration;
///
/// # async fn serve_until(signal: impl Future<Output = ()>) { signal.await }
/// # async fn example() -> std::io::Result<()> {
/// let signal = resilience::shutdown::signal()?;
/// serve_until(signal).await;
/// println!("{}", resilience::shutdown(Duration::from_secs(30)).await);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use = "await it, or call `wait`"]
pub struct Signal {
    number: u64,
}

impl Signal {
    /// Blocks the thread until the first signal.
    ///
    /// In async code await it: this blocks the thread of the executor.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// let signal = resilience::shutdown::signal()?;
    /// std::thread::spawn(move || {
    ///     signal.wait();
    ///     eprintln!("stopping");
    /// });
    /// # Ok::<(), std::io::Error>(())
    /// ```
    pub fn wait(self) {
        block_on(self);
    }
}

impl Future for Signal {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let waker = cx.waker().clone();
        let mut received = locked(&RECEIVED);
        let is_received = received.count > 0;
        let unused = if is_received { Some(waker) } else { received.waiting.insert(self.number, waker) };
        drop(received);
        discard(unused);
        if is_received { Poll::Ready(()) } else { Poll::Pending }
    }
}

impl Drop for Signal {
    fn drop(&mut self) {
        let unused = locked(&RECEIVED).waiting.remove(&self.number);
        discard(unused);
    }
}

/// Installs the handler. The thread is started before: without it signals would be lost.
fn install() -> io::Result<()> {
    let (installed, answer) = channel();
    std::thread::Builder::new().name("resilience-signals".to_owned()).spawn(move || {
        match Signals::new([SIGTERM, SIGINT]) {
            Ok(mut signals) => {
                let _ = installed.send(Ok(()));
                signals.forever().for_each(received);
            }
            Err(error) => drop(installed.send(Err(error))),
        }
    })?;
    answer.recv().unwrap_or_else(|_| Err(io::Error::other("the thread for signals has ended")))
}

fn received(signal: i32) {
    let (count, waiting) = {
        let mut received = locked(&RECEIVED);
        received.count += 1;
        (received.count, std::mem::take(&mut received.waiting))
    };
    waiting.into_values().for_each(wake);
    match count {
        1 => {}
        2 => Run::hurry(),
        _ => end(signal),
    }
}

/// Ends the process as `signal` does.
///
/// The kernel ignores a signal that process 1 of a container sends to itself. That process exits at once, with the code
/// that a shell reports for the signal.
fn end(signal: i32) {
    if std::process::id() == 1 {
        exit(128 + signal);
    }
    drop(emulate_default_handler(signal));
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::task::Wake;

    struct Task;

    impl Wake for Task {
        fn wake(self: Arc<Self>) {}
    }

    #[test]
    fn a_dropped_signal_keeps_no_waker() {
        let task = Arc::new(Task);
        let waker = Waker::from(task.clone());
        let mut signals = [(); 3].map(|()| locked(&RECEIVED).wait());
        for _ in 0..2 {
            for signal in &mut signals {
                assert!(Pin::new(signal).poll(&mut Context::from_waker(&waker)).is_pending());
            }
        }
        let kept = || Arc::strong_count(&task) - 2;
        let [first, second, unpolled] = signals;
        drop(first);
        assert_eq!(kept(), 2, "each has its own");
        drop((second, unpolled));
        assert_eq!(kept(), 0);
    }
}
