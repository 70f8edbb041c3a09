//! The signals that end a run.
//!
//! A signal that was ignored when the process was started (`nohup`, `&` in a script) stays ignored, here and in the
//! command.

use std::cell::Cell;
use std::io;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// The signal that came first, and how many came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stop {
    pub(super) signal: i32,
    pub(super) times: u32,
}

#[derive(Debug)]
pub(super) struct Stops(watch::Receiver<Stop>);

impl Stops {
    /// Begins to listen; needs the runtime.
    pub(super) fn listen() -> io::Result<Self> {
        let (sender, receiver) = watch::channel(Stop::default());
        let sender = Arc::new(sender);
        let ignored = ignored();
        for kind in
            [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup(), SignalKind::quit()]
        {
            let number = kind.as_raw_value();
            if ignored >> (number - 1) & 1 == 1 {
                continue;
            }
            let (mut signals, sender) = (signal(kind)?, Arc::clone(&sender));
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    sender.send_modify(|stop| {
                        stop.signal = if stop.times == 0 { number } else { stop.signal };
                        stop.times += 1;
                    });
                }
            });
        }
        Ok(Self(receiver))
    }

    pub(super) fn watch(&self) -> watch::Receiver<Stop> {
        self.0.clone()
    }

    /// The signal that has come, if one has.
    pub(super) fn now(&self) -> Option<i32> {
        let stop = *self.0.borrow();
        (stop.times > 0).then_some(stop.signal)
    }

    /// Waits for a signal that comes while no command runs: a running one is stopped first, by its attempt.
    pub(super) async fn while_idle(&self, is_busy: &Cell<bool>) -> i32 {
        let mut stops = self.watch();
        loop {
            if let Some(signal) = self.now().filter(|_| !is_busy.get()) {
                return signal;
            }
            if stops.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

/// The signals that are ignored, a bit each: the lowest is signal 1.
fn ignored() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
