//! The setters of breakers: of one, and of a set.

use super::{CircuitBreaker, CircuitBreakers, Settings};
use crate::event::Hook;
use std::time::Duration;

macro_rules! setters {
    ($ty:ty) => {
        /// Settings; each setter panics on a value that makes no sense, which in a `static` or `const` is a compile
        /// error.
        impl $ty {
            /// How many failures open it: in a row, or inside [`window`](Self::window); from 1, default 5.
            ///
            /// # Panics
            ///
            /// If it is zero or above 2,147,483,647.
            #[track_caller]
            pub const fn threshold(mut self, failures: u32) -> Self {
                self.settings.config.threshold = failures;
                self.so_far()
            }

            /// Counts failures inside a time instead of in a row: then successes clear nothing; off by default.
            ///
            /// The times of the last `threshold` failures are kept, 16 bytes each.
            ///
            /// # Panics
            ///
            /// If it is zero.
            #[track_caller]
            pub const fn window(mut self, window: Duration) -> Self {
                self.settings.config.window = Some(window);
                self.so_far()
            }

            /// How long it stays open before the next call is a probe; default 60 s.
            ///
            /// # Panics
            ///
            /// If it is zero, or longer than [`cap`](Self::cap).
            #[track_caller]
            pub const fn recovery(mut self, recovery: Duration) -> Self {
                self.settings.config.recovery = recovery;
                self.settings.has_recovery = true;
                self.so_far()
            }

            /// The factor from one open time to the next while probes fail; from 1, default 1.
            ///
            /// # Panics
            ///
            /// If it is below 1, infinite or not a number.
            #[track_caller]
            pub const fn growth(mut self, growth: f64) -> Self {
                self.settings.config.growth = growth;
                self.so_far()
            }

            /// The longest open time that [`growth`](Self::growth) reaches; default 10 minutes, or `recovery` if that
            /// is longer.
            ///
            /// # Panics
            ///
            /// If it is shorter than [`recovery`](Self::recovery).
            #[track_caller]
            pub const fn cap(mut self, cap: Duration) -> Self {
                self.settings.config.cap = Some(cap);
                self.so_far()
            }

            /// How far the `retry_after` of the error that opens it may lengthen the open time; default 5 minutes,
            /// zero ignores it.
            pub const fn retry_after_cap(mut self, cap: Duration) -> Self {
                self.settings.config.retry_after_cap = cap;
                self
            }

            /// How many probes run at once while half-open; from 1, default 1.
            ///
            /// # Panics
            ///
            /// If it is zero or above 2,147,483,647.
            #[track_caller]
            pub const fn probes(mut self, probes: u32) -> Self {
                self.settings.config.probes = probes;
                self.so_far()
            }

            /// How many successful probes close it; from 1, default 1.
            ///
            /// # Panics
            ///
            /// If it is zero or above 2,147,483,647.
            #[track_caller]
            pub const fn successes(mut self, successes: u32) -> Self {
                self.settings.config.successes = successes;
                self.so_far()
            }

            /// Sets how long a probe may run before it loses its slot to the next call; default `recovery`.
            ///
            /// The result of a late probe still counts while the breaker is half-open: a service whose healthy calls
            /// take longer than this closes its breaker.
            ///
            /// # Panics
            ///
            /// If it is zero.
            #[track_caller]
            pub const fn probe_timeout(mut self, timeout: Duration) -> Self {
                self.settings.config.probe_timeout = Some(timeout);
                self.so_far()
            }

            /// Shows the keys of a keyed breaker in `tracing` and in the texts of its rejections; off by default,
            /// because keys are made of arguments. The environment variable `RESILIENCE_KEY_LABELS=1` switches it on
            /// for all policies.
            pub const fn key_label(mut self) -> Self {
                self.settings.key_label = true;
                self
            }

            /// Sets the function to call when the breaker opens; it runs without a lock.
            pub const fn on_open(mut self, hook: Hook) -> Self {
                self.settings.hooks.open = Some(hook);
                self
            }

            /// A function that is called when it becomes half-open.
            pub const fn on_half_open(mut self, hook: Hook) -> Self {
                self.settings.hooks.half_open = Some(hook);
                self
            }

            /// A function that is called when it closes.
            pub const fn on_close(mut self, hook: Hook) -> Self {
                self.settings.hooks.close = Some(hook);
                self
            }

            /// A function that is called for each rejected call.
            pub const fn on_reject(mut self, hook: Hook) -> Self {
                self.settings.hooks.reject = Some(hook);
                self
            }

            #[track_caller]
            const fn so_far(self) -> Self {
                self.settings.so_far();
                self
            }
        }
    };
}

setters!(CircuitBreaker);
setters!(CircuitBreakers);

impl CircuitBreaker {
    /// The breaker, once its settings are known to make sense together.
    #[doc(hidden)]
    #[track_caller]
    pub const fn checked(self) -> Self {
        match self.settings.config.judge() {
            Ok(()) => self,
            Err(invalid) => panic!("{}", invalid.message()),
        }
    }
}

impl Settings {
    /// Panics if these settings make no sense, whatever else is set later.
    #[track_caller]
    const fn so_far(&self) {
        if let Err(invalid) = self.config.judge_so_far(self.has_recovery) {
            panic!("{}", invalid.message());
        }
    }
}
