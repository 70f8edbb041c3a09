//! The rate and the content of events in `tracing`.
//!
//! A line for each rejection would be a line for each call while a breaker is open. Such lines are paced: the policy
//! keeps the moment of the last one, and a line is due again after a second (or a minute, for fallbacks that hide an
//! error). Hooks get every event; only lines of the log are left out.

use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
#[cfg(feature = "tracing")]
use std::sync::atomic::Ordering;
#[cfg(feature = "tracing")]
use std::time::Duration;

/// The appearance of an event in `tracing`.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Log<'a> {
    /// Limits how often a line appears that would repeat itself; without a pace it always does.
    pub(crate) pace: Option<&'a LogPace>,
    /// Whether the key is shown.
    pub(crate) shows_key: bool,
}

/// The time of the last line: part of the policy that logs it.
#[derive(Debug, Default)]
#[cfg_attr(not(feature = "tracing"), expect(dead_code, reason = "only lines of `tracing` are limited"))]
pub(crate) struct LogPace(AtomicU64);

impl LogPace {
    pub(crate) const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    /// Returns whether the last `true` was at least `every` ago.
    ///
    /// Of several threads that ask at once, one gets `true`.
    #[cfg(feature = "tracing")]
    pub(super) fn allows(&self, every: Duration) -> bool {
        use crate::base::clock;
        let now = clock::now_nanos().max(1);
        let last = self.0.load(Ordering::Relaxed);
        // A clock that reads earlier belongs to another test world.
        let is_due = last == 0 || now < last || u128::from(now - last) >= every.as_nanos();
        is_due && self.0.compare_exchange(last, now, Ordering::Relaxed, Ordering::Relaxed).is_ok()
    }

    /// Returns a pace for a policy without state of its own, chosen by `name`.
    ///
    /// 64 exist. Two names with one slot pace each other: a line can be missing, and none is ever repeated too soon.
    pub(crate) fn shared(name: &str) -> &'static Self {
        #[expect(clippy::declare_interior_mutable_const, reason = "every slot gets a copy of its own")]
        const NEW: LogPace = LogPace::new();
        static SLOTS: [LogPace; 64] = [NEW; 64];
        let hash = name.bytes().fold(0_usize, |hash, byte| hash.wrapping_mul(31).wrapping_add(byte.into()));
        &SLOTS[hash % SLOTS.len()]
    }
}

/// Returns whether the environment asks for the keys of all policies in `tracing`; read once.
///
/// `RESILIENCE_KEY_LABELS=1` is for a program that is being debugged: keys can have personal data in them.
pub(crate) fn shows_all_keys() -> bool {
    static ALL: OnceLock<bool> = OnceLock::new();
    *ALL.get_or_init(|| std::env::var_os("RESILIENCE_KEY_LABELS").is_some_and(|value| value == "1"))
}
