//! The setters of breakers that are no settings of the table: of one, and of a set.

use super::{CircuitBreaker, CircuitBreakers};
use crate::base::setting::enforce;
use crate::event::Hook;

macro_rules! hooks {
    ($ty:ty) => {
        /// Functions that are called with an event; they run without a lock.
        impl $ty {
            /// Sets the function to call when the breaker opens.
            pub const fn on_open(mut self, hook: Hook) -> Self {
                self.setup.hooks.open = Some(hook);
                self
            }

            /// Sets the function to call when the breaker becomes half-open.
            pub const fn on_half_open(mut self, hook: Hook) -> Self {
                self.setup.hooks.half_open = Some(hook);
                self
            }

            /// Sets the function to call when the breaker closes.
            pub const fn on_close(mut self, hook: Hook) -> Self {
                self.setup.hooks.close = Some(hook);
                self
            }

            /// Sets the function to call for each rejected call.
            pub const fn on_reject(mut self, hook: Hook) -> Self {
                self.setup.hooks.reject = Some(hook);
                self
            }
        }
    };
}

hooks!(CircuitBreaker);
hooks!(CircuitBreakers);

impl CircuitBreaker {
    /// The breaker, once its settings are known to make sense together.
    #[doc(hidden)]
    #[track_caller]
    pub const fn checked(self) -> Self {
        enforce(self.setup.settings.config.complaint());
        self
    }
}
