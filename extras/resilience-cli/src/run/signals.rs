//! The signals that end a run.
//!
//! A signal that was ignored when the process was started (`nohup`, `&` in a script) stays ignored, here and in the
//! command.
//!
//! Files are put back without a pause, and no signal interrupts that: signals that end the run are noted and handled
//! afterwards ([`Stops::now`]), and Ctrl-Z is kept back until then ([`undisturbed`]).

use super::group;
use rustix::process::Signal;
use signal_hook::flag;
use signal_hook::low_level::emulate_default_handler;
use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// The signals that end a process, as far as other processes send them: by default they would end the run at once, with
/// its command running and its files not put back.
const ENDING: [Signal; 10] = [
    Signal::INT,
    Signal::TERM,
    Signal::HUP,
    Signal::QUIT,
    Signal::ALARM,
    Signal::USR1,
    Signal::USR2,
    Signal::VTALARM,
    Signal::PROF,
    Signal::XCPU,
];

/// The signal that came first, and the number of signals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stop {
    pub(super) signal: i32,
    pub(super) times: u32,
}

#[derive(Debug)]
pub(super) struct Stops {
    stops: watch::Receiver<Stop>,
    /// The last signal, even if the runtime has not seen it yet; zero for none.
    came: Arc<AtomicUsize>,
}

impl Stops {
    /// Begins to listen; needs the runtime.
    pub(super) fn listen() -> io::Result<Self> {
        let (sender, receiver) = watch::channel(Stop::default());
        let (sender, came) = (Arc::new(sender), Arc::new(AtomicUsize::new(0)));
        let ignored = ignored();
        for number in ENDING.map(Signal::as_raw) {
            if ignored >> (number - 1) & 1 == 1 {
                continue;
            }
            let (mut signals, sender) = (signal(SignalKind::from_raw(number))?, Arc::clone(&sender));
            flag::register_usize(number, Arc::clone(&came), usize::try_from(number).unwrap_or_default())?;
            tokio::spawn(async move {
                while signals.recv().await.is_some() {
                    sender.send_modify(|stop| {
                        stop.signal = if stop.times == 0 { number } else { stop.signal };
                        stop.times += 1;
                    });
                }
            });
        }
        Ok(Self { stops: receiver, came })
    }

    pub(super) fn watch(&self) -> watch::Receiver<Stop> {
        self.stops.clone()
    }

    /// Returns the signal that has come, if one has.
    pub(super) fn now(&self) -> Option<i32> {
        let stop = *self.stops.borrow();
        let came = i32::try_from(self.came.load(Ordering::Relaxed)).unwrap_or_default();
        let first = if stop.times > 0 { stop.signal } else { came };
        (first != 0).then_some(first)
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

/// Does `work`, and is stopped by Ctrl-Z only afterwards.
pub(super) fn undisturbed<R>(work: impl FnOnce() -> R) -> R {
    let later = DelayedStop::begin();
    let done = work();
    if let Some(later) = later {
        later.end();
    }
    done
}

/// A guard that keeps SIGTSTP back until it is dropped.
///
/// A handler, once installed, cannot be taken away, so the first one stays and stops the process at once, as the
/// default does, while nothing is kept back.
struct DelayedStop {
    acts: Arc<AtomicBool>,
    came: Arc<AtomicBool>,
}

impl DelayedStop {
    /// Begins to keep the signal back; `None` if the signal has no effect.
    fn begin() -> Option<Self> {
        static HANDLER: std::sync::OnceLock<Option<DelayedStop>> = std::sync::OnceLock::new();
        let install = || {
            let number = Signal::TSTP.as_raw();
            if ignored() >> (number - 1) & 1 == 1 || !can_be_continued() {
                return None;
            }
            let (acts, came) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
            flag::register_conditional_default(number, Arc::clone(&acts)).ok()?;
            flag::register(number, Arc::clone(&came)).ok()?;
            Some(Self { acts, came })
        };
        let Self { acts, came } = HANDLER.get_or_init(install).as_ref()?;
        came.store(false, Ordering::SeqCst);
        acts.store(false, Ordering::SeqCst);
        Some(Self { acts: Arc::clone(acts), came: Arc::clone(came) })
    }

    fn end(self) {
        self.acts.store(true, Ordering::SeqCst);
        if self.came.swap(false, Ordering::SeqCst) {
            let _ = emulate_default_handler(Signal::TSTP.as_raw());
        }
    }
}

/// Returns whether a shell could continue our process group: a process of it has its parent in another group of the
/// session. The kernel stops no other group on Ctrl-Z.
fn can_be_continued() -> bool {
    let Some(own) = group::own() else { return false };
    let groups = group::groups();
    let of = |pid: i32| groups.iter().find(|found| found.pid == pid);
    let members = groups.iter().filter(|found| found.group == own.group);
    members
        .filter_map(|found| of(found.parent))
        .any(|parent| parent.group != own.group && parent.session == own.session)
}

/// Returns the signals that are ignored, a bit each: the lowest is signal 1.
fn ignored() -> u64 {
    // The name of this program in it may have any bytes.
    let status = std::fs::read("/proc/self/status").unwrap_or_default();
    let status = String::from_utf8_lossy(&status);
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
}
