//! The setters of breakers that are not settings of the table: of one, and of a set.

use super::{CircuitBreaker, CircuitBreakers};
use crate::base::setting::enforce;
use crate::event::Hook;

macro_rules! hooks {
    ($ty:ty) => {
        /// Functions that are called with an event; they run without a lock.
        impl $ty {
            /// Sets the function to call when the breaker opens.
            ///
            /// It gets an [`Event::Opened`](crate::Event::Opened), with the cause, and is also called for a breaker
            /// that a person or the program opens.
            ///
            /// # Examples
            ///
            /// ```
            /// use resilience::{CircuitBreaker, Event};
            /// use std::sync::Mutex;
            ///
            /// static CHANGES: Mutex<Vec<String>> = Mutex::new(Vec::new());
            ///
            /// fn note(event: &Event) {
            ///     CHANGES.lock().unwrap().push(event.to_string());
            /// }
            ///
            /// let breaker = CircuitBreaker::new("search").on_open(note).on_close(note);
            /// breaker.force_open();
            /// breaker.reset();
            /// assert_eq!(*CHANGES.lock().unwrap(), ["search: forced open", "search: closed"]);
            /// ```
            pub const fn on_open(mut self, hook: Hook) -> Self {
                self.setup.on_open = Some(hook);
                self
            }

            /// Sets the function to call when the breaker becomes half-open.
            ///
            /// The first call after the open time is what makes it so, and that call's thread calls the function,
            /// before the probe runs.
            pub const fn on_half_open(mut self, hook: Hook) -> Self {
                self.setup.on_half_open = Some(hook);
                self
            }

            /// Sets the function to call when the breaker closes.
            ///
            /// Probes close it, or a [`reset`](CircuitBreaker::reset).
            pub const fn on_close(mut self, hook: Hook) -> Self {
                self.setup.on_close = Some(hook);
                self
            }

            /// Sets the function to call for each rejected call.
            ///
            /// While the breaker is open that is every call: count, and return.
            ///
            /// # Examples
            ///
            /// ```
            /// use resilience::{CircuitBreaker, Event};
            /// use std::sync::atomic::{AtomicU32, Ordering};
            ///
            /// static REJECTED: AtomicU32 = AtomicU32::new(0);
            ///
            /// fn count(_: &Event) {
            ///     REJECTED.fetch_add(1, Ordering::Relaxed);
            /// }
            ///
            /// let breaker = CircuitBreaker::new("search").on_reject(count);
            /// breaker.force_open();
            /// assert!(breaker.acquire().is_err());
            /// assert_eq!(REJECTED.load(Ordering::Relaxed), 1);
            /// ```
            pub const fn on_reject(mut self, hook: Hook) -> Self {
                self.setup.on_reject = Some(hook);
                self
            }
        }
    };
}

hooks!(CircuitBreaker);
hooks!(CircuitBreakers);

impl CircuitBreaker {
    /// Returns the breaker, once its settings are known to be valid together.
    #[doc(hidden)]
    #[track_caller]
    pub const fn checked(self) -> Self {
        enforce(self.setup.settings.config.complaint());
        self
    }
}
