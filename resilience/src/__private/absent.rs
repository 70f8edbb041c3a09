//! Items that expansions name because of a feature that this crate does not have.
//!
//! Cargo builds a procedural macro once for the program, its build scripts and its other procedural macros, with the
//! features that any of them has. So the expansions in a program without `ops` or `config` may be those for the features
//! of its build script. These items compile there, and do what an expansion without the feature does.

#[cfg(not(feature = "ops"))]
pub use counted::{Admission, Admitting, RunningCall, admitting};
#[cfg(not(feature = "config"))]
pub use pinned::Pinned;

#[cfg(not(feature = "ops"))]
mod counted {
    use crate::failure::Classification;
    use crate::point::PointSite;
    use crate::policy::with_retry::CallState;

    /// A running call, which is not counted.
    #[derive(Debug)]
    pub struct RunningCall;

    impl RunningCall {
        /// Ends the call.
        #[inline]
        pub fn ended(&mut self, _: &Option<Classification>) {}

        /// Ends the call as a success.
        #[inline]
        pub fn succeeded(&mut self) -> bool {
            true
        }

        /// Ends the call as a rejection.
        #[inline]
        pub fn rejected(&mut self) {}
    }

    impl PointSite {
        /// Begins a call.
        #[inline]
        pub fn call(&'static self) -> RunningCall {
            RunningCall
        }

        /// Begins a call, whose duration is not measured.
        #[inline]
        pub fn timed_call(&'static self) -> RunningCall {
            RunningCall
        }

        /// Returns the point.
        pub const fn timed(self) -> Self {
            self
        }
    }

    impl CallState {
        /// Returns the state of a call whose attempts are not measured.
        #[inline]
        pub fn timed(self, _: &'static PointSite) -> Self {
            self
        }
    }

    /// A policy that admits calls.
    #[derive(Clone, Copy, Debug)]
    pub enum Admission {
        /// A bulkhead.
        Slot,
        /// A rate limit.
        Turn,
    }

    /// A call on its way into a policy.
    #[derive(Debug)]
    pub struct Admitting;

    /// Returns the call, whose wait is not measured.
    #[inline]
    pub fn admitting(_: &'static PointSite, _: Admission) -> Admitting {
        Admitting
    }

    impl Admitting {
        /// Returns the policy's answer.
        ///
        /// # Errors
        ///
        /// The policy's.
        #[inline]
        pub fn ended<T, E>(self, answer: Result<T, E>) -> Result<T, E> {
            answer
        }
    }
}

#[cfg(not(feature = "config"))]
mod pinned {
    use crate::point::PointSite;
    use crate::policy::timeout::{Timed, TimeoutSite};
    use crate::policy::with_retry::{RetryInForce, RetrySite};
    use crate::rejected::Rejected;
    use std::future::Future;

    /// The settings with which a call began: those in the code.
    #[derive(Clone, Copy, Debug)]
    pub struct Pinned;

    impl PointSite {
        /// Returns the settings for a call.
        #[inline]
        pub fn pinned(&'static self) -> Pinned {
            Pinned
        }
    }

    impl RetrySite {
        /// Returns the retry.
        pub const fn timed(self) -> Self {
            self
        }

        /// Returns the settings in the code.
        #[inline]
        pub fn pinned(&'static self, _: Pinned) -> RetryInForce<'static> {
            self.in_code()
        }
    }

    impl TimeoutSite {
        /// Runs the body on a helper thread.
        ///
        /// # Errors
        ///
        /// Same as [`on_thread`](Self::on_thread).
        pub fn on_thread_pinned<T: Send + 'static>(
            &'static self,
            _: Pinned,
            attempt: u32,
            body: impl FnOnce() -> T + Send + 'static,
        ) -> Result<T, Rejected> {
            self.on_thread(attempt, body)
        }
    }

    impl<'a, F: Future> Timed<'a, F> {
        /// Returns the `attempt`th run of `body`, counted from 1.
        #[inline]
        pub fn pinned(site: &'a TimeoutSite, _: Pinned, attempt: u32, body: F) -> Self {
            Self::grown(site, attempt, body)
        }
    }
}
